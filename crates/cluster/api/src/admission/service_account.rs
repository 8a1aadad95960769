//! Service accounts of pods: the default one, its pull secrets, and the volume with its token.

use super::references;
use crate::object::{child_mut, text};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const TOKEN_SECONDS: i64 = 3607;
const ENFORCED: [&str; 3] = ["metadata", "annotations", "kubernetes.io/enforce-mountable-secrets"];
const MIRROR: [&str; 3] = ["metadata", "annotations", "kubernetes.io/config.mirror"];

/// The account that a pod uses.
pub fn name_of(pod: &Value) -> &str {
    text(pod, &["spec", "serviceAccountName"]).filter(|name| !name.is_empty()).unwrap_or("default")
}

/// Whether an account has to be looked up: not for pods that mirror a node's own.
pub fn needs_account(pod: &Value) -> bool {
    text(pod, &MIRROR).is_none()
}

/// What a mirror of a node's own pod may not have.
pub fn check_mirror(pod: &Value) -> Result<(), String> {
    if needs_account(pod) {
        return Ok(());
    }
    if text(pod, &["spec", "serviceAccountName"]).is_some_and(|name| !name.is_empty()) {
        return Err("a mirror pod may not reference service accounts".to_owned());
    }
    let refers = [
        (!references::secrets(pod).is_empty(), "secrets"),
        (!references::config_maps(pod).is_empty(), "configmaps"),
        (!references::claims(pod).is_empty(), "persistentvolumeclaims"),
    ];
    if let Some((_, what)) = refers.iter().find(|(refers, _)| *refers) {
        return Err(format!("a mirror pod may not reference {what}"));
    }
    match references::audiences(pod).is_empty() {
        true => Ok(()),
        false => Err("a mirror pod may not use ServiceAccount volume projections".to_owned()),
    }
}

/// What an account lets its pods mount, where it says that this is all
/// (`kubernetes.io/enforce-mountable-secrets`).
pub fn check_mountable(pod: &Value, account: &Value) -> Result<(), String> {
    if text(account, &ENFORCED) != Some("true") {
        return Ok(());
    }
    let names = |list: &str| -> BTreeSet<&str> {
        let items = account[list].as_array().into_iter().flatten();
        items.filter_map(|item| text(item, &["name"])).collect()
    };
    let own = text(account, &["metadata", "name"]).unwrap_or_default();
    let pulls = names("imagePullSecrets");
    let allowed = names("secrets");
    let pulled = pod["spec"]["imagePullSecrets"].as_array().into_iter().flatten();
    let pulled: BTreeSet<&str> = pulled.filter_map(|item| text(item, &["name"])).collect();
    if let Some(name) = pulled.iter().find(|name| !pulls.contains(*name)) {
        return Err(format!(
            "imagePullSecrets with name={name:?} is not allowed because service account {own} does not reference it"
        ));
    }
    let mounted = references::secrets(pod);
    let other = mounted.iter().find(|name| !allowed.contains(*name) && !pulled.contains(*name));
    match other {
        None => Ok(()),
        Some(name) => Err(format!(
            "secret {name:?} is not allowed because service account {own} does not reference it"
        )),
    }
}

/// Fills in a new pod from its account. `suffix` makes the volume's name unique: five letters.
pub fn fill(pod: &mut Value, account: &Value, suffix: &str) {
    let name = name_of(pod).to_owned();
    let mounts_token = pod["spec"]["automountServiceAccountToken"]
        .as_bool()
        .or_else(|| account["automountServiceAccountToken"].as_bool())
        .unwrap_or(true);
    let spec = child_mut(pod, "spec");
    spec.insert("serviceAccountName".to_owned(), name.as_str().into());
    spec.insert("serviceAccount".to_owned(), name.into());
    let has_secrets =
        spec.get("imagePullSecrets").and_then(Value::as_array).is_some_and(|it| !it.is_empty());
    let secrets = account["imagePullSecrets"].as_array().filter(|it| !it.is_empty());
    if let (false, Some(secrets)) = (has_secrets, secrets) {
        spec.insert("imagePullSecrets".to_owned(), json!(secrets));
    }
    if mounts_token {
        mount(spec, suffix);
    }
}

fn mount(spec: &mut serde_json::Map<String, Value>, suffix: &str) {
    let volume = format!("kube-api-access-{suffix}");
    let mut is_used = false;
    for list in ["initContainers", "containers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let mounts = container["volumeMounts"].as_array();
            if mounts.into_iter().flatten().any(|mount| mount["mountPath"] == MOUNT) {
                continue;
            }
            is_used = true;
            let mount = json!({"name": volume, "readOnly": true, "mountPath": MOUNT});
            match container["volumeMounts"].as_array_mut() {
                Some(mounts) => mounts.push(mount),
                None => container["volumeMounts"] = json!([mount]),
            }
        }
    }
    if !is_used {
        return;
    }
    let projected = json!({"name": volume, "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
    ]}});
    let volumes = spec.entry("volumes").or_insert_with(|| json!([]));
    match volumes.as_array_mut() {
        Some(volumes) => volumes.push(projected),
        None => *volumes = json!([projected]),
    }
}
