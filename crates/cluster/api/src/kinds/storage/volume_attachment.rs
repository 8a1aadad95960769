//! `VolumeAttachment`.

use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{meta, name, pod_spec, print};
use serde_json::{Value, json};

const MOST_METADATA: usize = 256 << 10;
const MOST_MESSAGE: usize = 1024;

pub const RULES: Kind = Kind {
    status: Some(|_| json!({"attached": false})),
    prepare: meta::status_alone,
    check,
    change: |attachment, old, report| report.immutable(&attachment.get("spec"), &old.get("spec")),
    change_part: |_, attachment, _, report| check_status(&attachment.get("status"), report),
    unconditional_update: false,
    columns: "Name,Attacher,PV,Node,Attached:boolean,Age",
    cells,
    ..Kind::cluster()
};

fn check(attachment: &At, report: &mut Report) {
    let spec = attachment.get("spec");
    let source = spec.get("source");
    let (volume, inline) = (source.get("persistentVolumeName"), source.get("inlineVolumeSpec"));
    let one = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    match (volume.is_set(), inline.is_set()) {
        (false, false) => report.required(&source, one),
        (true, true) => report.forbidden(&source, one),
        (true, false) if volume.is_empty() => {
            report.required(&volume, "must specify non empty persistentVolumeName");
        }
        (false, true) => {
            let csi = inline.get("csi");
            if csi.is_set() {
                pod_spec::csi_driver(&csi.get("driver"), report);
            } else {
                report.required(&csi, "");
            }
        }
        _ => {}
    }
    let node = spec.get("nodeName");
    report.each(&node, name::subdomain(node.str()));
    pod_spec::csi_driver(&spec.get("attacher"), report);
    if !volume.is_empty() {
        report.each(&volume, name::subdomain(volume.str()));
    }
    check_status(&attachment.get("status"), report);
}

fn check_status(status: &At, report: &mut Report) {
    let metadata = status.get("attachmentMetadata");
    let bytes: usize = metadata.entries().map(|(key, at)| key.len() + at.str().len()).sum();
    if bytes > MOST_METADATA {
        report.too_long(&metadata, MOST_METADATA);
    }
    for field in ["attachError", "detachError"] {
        let error = status.get(field);
        if error.text("message").len() > MOST_MESSAGE {
            report.too_long(&error.get("message"), MOST_METADATA);
        }
        let code = error.get("errorCode");
        if code.int() < 0 {
            report.invalid(&code, format!("must be between 0 and {}, inclusive", i32::MAX));
        }
    }
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let attachment = At::root(object);
    let spec = attachment.get("spec");
    vec![
        print::name(object),
        spec.text("attacher").into(),
        spec.text("source.persistentVolumeName").into(),
        spec.text("nodeName").into(),
        attachment.get("status.attached").bool().into(),
        print::age(object, now),
    ]
}
