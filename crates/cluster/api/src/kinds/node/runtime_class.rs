//! `RuntimeClass`.

use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, meta, name, pod_spec, print, quantities};
use serde_json::json;

pub const RULES: Kind = Kind {
    default: |class| {
        if let Some(fixed) = fill::at(class, "overhead.podFixed") {
            quantities::fill_list(fixed);
        }
    },
    check,
    change: |class, old, report| report.immutable(&class.get("handler"), &old.get("handler")),
    columns: "Name,Handler,Age",
    cells: |object, now| {
        let handler = At::root(object).text("handler").into();
        vec![print::name(object), handler, print::age(object, now)]
    },
    ..Kind::cluster()
};

fn check(class: &At, report: &mut Report) {
    let handler = class.get("handler");
    report.each(&handler, name::label(handler.str()));
    let overhead = class.get("overhead");
    if overhead.is_set() {
        let as_limits = json!({"limits": overhead.get("podFixed").value});
        let at = overhead.called_as(&as_limits);
        quantities::check_requirements(&at, quantities::check_container_name, None, report);
    }
    let scheduling = class.get("scheduling");
    if scheduling.is_set() {
        meta::labels(&scheduling.get("nodeSelector"), report);
        let tolerations = scheduling.get("tolerations");
        pod_spec::tolerations(&tolerations, report);
        let mut seen = Vec::new();
        for toleration in tolerations.items() {
            if seen.contains(&toleration.value) {
                report.duplicate(&toleration);
            }
            seen.push(toleration.value);
        }
    }
}
