//! Volumes that other machines keep; most of them exist so that old objects can be read.

use super::super::super::field::{At, Report};
use super::super::super::name;
use super::needs;

pub fn nfs(at: &At, report: &mut Report) {
    needs(at, &["server", "path"], report);
    if !at.text("path").starts_with('/') {
        report.invalid(&at.get("path"), "must be an absolute path");
    }
}

pub fn secret(at: &At, report: &mut Report) {
    let secret = at.get("secretRef");
    if secret.is_set() {
        needs(&secret, &["name"], report);
    }
}

pub fn iscsi(at: &At, report: &mut Report) {
    needs(at, &["targetPortal"], report);
    let target = at.get("iqn");
    if target.is_empty() {
        report.required(&target, "");
    } else {
        qualified_name(&target, report);
    }
    report.between(&at.get("lun"), 0, 255);
    let authenticated = ["chapAuthDiscovery", "chapAuthSession"];
    if authenticated.iter().any(|field| at.get(field).bool()) && !at.get("secretRef").is_set() {
        report.required(&at.get("secretRef"), "");
    }
    let initiator = at.get("initiatorName");
    if initiator.is_set() {
        qualified_name(&at.called("initiatorname", initiator.value), report);
    }
}

/// An iSCSI name: `iqn.2001-04.com.example:disk`, `eui.` and 16, `naa.` and 32 characters.
fn qualified_name(at: &At, report: &mut Report) {
    let text = at.str();
    let word = |text: &str, len: usize| {
        text.len() == len && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let fits = if let Some(rest) = text.strip_prefix("iqn") {
        let date = rest.get(..9).unwrap_or_default().as_bytes();
        let digits = |range: std::ops::Range<usize>| {
            date.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_digit))
        };
        let dated = digits(1..5) && digits(6..8) && date.first() == Some(&b'.');
        dated && date.get(8) == Some(&b'.') && rest.contains(':') && !rest.contains([' ', ',', ';'])
    } else if let Some(rest) = text.strip_prefix("eui") {
        word(rest.get(1..).unwrap_or_default(), 16)
    } else if let Some(rest) = text.strip_prefix("naa") {
        word(rest.get(1..).unwrap_or_default(), 32)
    } else {
        return report.invalid(at, "must be valid format starting with iqn, eui, or naa");
    };
    if !fits {
        report.invalid(at, "must be valid format");
    }
}

pub fn flocker(at: &At, report: &mut Report) {
    let (own, id) = (at.get("datasetName"), at.get("datasetUUID"));
    match (own.is_empty(), id.is_empty()) {
        (true, true) => report.required(at, "one of datasetName and datasetUUID is required"),
        (false, false) => {
            let why = "datasetName and datasetUUID can not be specified simultaneously";
            report.invalid_as(at, "resource", why);
        }
        _ => {}
    }
    if own.str().contains('/') {
        report.invalid(&own, "must not contain '/'");
    }
}

pub fn quobyte(at: &At, report: &mut Report) {
    const PAIRS: &str = "must be a host:port pair or multiple pairs separated by commas";
    let registry = at.get("registry");
    if registry.is_empty() {
        report.required(&registry, PAIRS);
    } else if at.text("tenant").len() >= 65 {
        let why = "must be a UUID and may not exceed a length of 64 characters";
        report.required(&at.get("tenant"), why);
    } else if registry.str().split(',').any(|pair| !pair.contains(':')) {
        report.invalid(&registry, PAIRS);
    }
    needs(at, &["volume"], report);
}

pub fn fibre(at: &At, report: &mut Report) {
    let (names, ids) = (at.get("targetWWNs"), at.get("wwids"));
    match (names.is_empty(), ids.is_empty()) {
        (true, true) => {
            report.required(&names, "must specify either targetWWNs or wwids, but not both");
        }
        (false, false) => {
            report.invalid(&names, "targetWWNs and wwids can not be specified simultaneously");
        }
        _ => {}
    }
    let lun = at.get("lun");
    if names.has_items() {
        if lun.is_set() {
            report.between(&lun, 0, 255);
        } else {
            report.required(&lun, "lun is required if targetWWNs is specified");
        }
    }
}

pub fn flex(at: &At, report: &mut Report) {
    needs(at, &["driver"], report);
    for (key, option) in at.get("options").entries() {
        let domain = key.split('/').next().unwrap_or_default().to_lowercase();
        let domain = format!(".{domain}");
        if domain.ends_with(".kubernetes.io") || domain.ends_with(".k8s.io") {
            report.invalid_as(&option, key, "kubernetes.io and k8s.io namespaces are reserved");
        }
    }
}

pub fn azure_disk(at: &At, report: &mut Report) {
    needs(at, &["diskName", "diskURI"], report);
    report.maybe_one_of(&at.get("cachingMode"), &["None", "ReadOnly", "ReadWrite"]);
    report.maybe_one_of(&at.get("kind"), &["Dedicated", "Managed", "Shared"]);
    let (kind, address) = (at.text("kind"), at.get("diskURI"));
    if kind == "Managed" && !address.str().starts_with("/subscriptions/") {
        let form = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}";
        report.unsupported(&address, &[form]);
    }
    if !["", "Managed"].contains(&kind) && !address.str().starts_with("https://") {
        let form = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd";
        report.unsupported(&address, &[form]);
    }
}

pub fn storage_os(at: &At, report: &mut Report) {
    let own = at.get("volumeName");
    if own.is_empty() {
        report.required(&own, "");
    } else {
        report.each(&own, name::label(own.str()));
    }
    let namespace = at.get("volumeNamespace");
    if !namespace.is_empty() {
        report.each(&namespace, name::label(namespace.str()));
    }
    secret(at, report);
}
