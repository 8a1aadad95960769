//! What `restricted` asks for beyond `baseline`.

use super::{Pod, Violations, containers, name_of, quoted, setters};
use serde_json::Value;
use std::collections::BTreeSet;

const VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// In the order of the rules' names.
pub(super) fn check(pod: &Pod<'_>, found: &mut Violations) {
    if !pod.is_windows() {
        escalation(pod, found);
        capabilities(pod, found);
    }
    volumes(pod, found);
    if !pod.has_own_users() {
        non_root(pod, found);
        user(pod, found);
    }
    if !pod.is_windows() {
        seccomp(pod, found);
    }
}

fn escalation(pod: &Pod<'_>, found: &mut Violations) {
    let names = pod.names(|it| it["securityContext"]["allowPrivilegeEscalation"] != false);
    if !names.is_empty() {
        let detail = format!(
            "{} must set securityContext.allowPrivilegeEscalation=false",
            containers(&names)
        );
        found.push(("allowPrivilegeEscalation != false".to_owned(), detail));
    }
}

fn capabilities(pod: &Pod<'_>, found: &mut Violations) {
    let list = |container: &Value, what: &str| -> Vec<String> {
        let list = container["securityContext"]["capabilities"][what].as_array();
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let keeps = pod.names(|it| !list(it, "drop").iter().any(|name| name == "ALL"));
    let is_bad = |name: &String| name != "NET_BIND_SERVICE";
    let adds = pod.names(|it| list(it, "add").iter().any(is_bad));
    let mut details = Vec::new();
    if !keeps.is_empty() {
        details.push(format!(
            "{} must set securityContext.capabilities.drop=[\"ALL\"]",
            containers(&keeps)
        ));
    }
    if !adds.is_empty() {
        let all: BTreeSet<String> =
            pod.containers().flat_map(|it| list(it, "add")).filter(is_bad).collect();
        details.push(format!(
            "{} must not include {} in securityContext.capabilities.add",
            containers(&adds),
            quoted(all.iter().map(String::as_str))
        ));
    }
    if !details.is_empty() {
        found.push(("unrestricted capabilities".to_owned(), details.join("; ")));
    }
}

fn volumes(pod: &Pod<'_>, found: &mut Violations) {
    let mut names = Vec::new();
    let mut kinds = BTreeSet::new();
    for volume in pod.spec["volumes"].as_array().into_iter().flatten() {
        let mut keys = volume.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
        let Some(kind) = keys.find(|key| *key != "name") else { continue };
        if !VOLUMES.contains(&kind) {
            names.push(name_of(volume));
            kinds.insert(kind);
        }
    }
    if names.is_empty() {
        return;
    }
    let (volume, verb) = if names.len() == 1 { ("volume", "uses") } else { ("volumes", "use") };
    let word = if kinds.len() == 1 { "type" } else { "types" };
    let detail =
        format!("{volume} {} {verb} restricted volume {word} {}", quoted(names), quoted(kinds));
    found.push(("restricted volume types".to_owned(), detail));
}

fn non_root(pod: &Pod<'_>, found: &mut Violations) {
    let said = |context: &Value| context["runAsNonRoot"].as_bool();
    let of_pod = said(pod.context());
    let bad = pod.names(|it| said(&it["securityContext"]) == Some(false));
    let silent = pod.names(|it| said(&it["securityContext"]).is_none());
    let detail = if of_pod == Some(false) || !bad.is_empty() {
        let who = setters(of_pod == Some(false), &bad);
        format!("{who} must not set securityContext.runAsNonRoot=false")
    } else if of_pod.is_none() && !silent.is_empty() {
        format!("pod or {} must set securityContext.runAsNonRoot=true", containers(&silent))
    } else {
        return;
    };
    found.push(("runAsNonRoot != true".to_owned(), detail));
}

fn user(pod: &Pod<'_>, found: &mut Violations) {
    let is_root = |context: &Value| context["runAsUser"] == 0;
    let in_pod = is_root(pod.context());
    let names = pod.names(|it| is_root(&it["securityContext"]));
    if in_pod || !names.is_empty() {
        let detail = format!("{} must not set runAsUser=0", setters(in_pod, &names));
        found.push(("runAsUser=0".to_owned(), detail));
    }
}

fn seccomp(pod: &Pod<'_>, found: &mut Violations) {
    let path = ["seccompProfile", "type"];
    let bad = pod.bad(&path, |it| matches!(it, "RuntimeDefault" | "Localhost"));
    let detail = if !bad.is_empty() {
        format!(
            "{} must not set securityContext.seccompProfile.type to {}",
            bad.setters(),
            bad.values()
        )
    } else {
        let is_said = |context: &Value| crate::object::at(context, &path).is_some();
        let silent = pod.names(|it| !is_said(&it["securityContext"]));
        if is_said(pod.context()) || silent.is_empty() {
            return;
        }
        format!(
            "pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
            containers(&silent)
        )
    };
    found.push(("seccompProfile".to_owned(), detail));
}
