//! What a node's own account (`system:node:<name>`) may write: itself, pods bound to it, its lease.

use super::{Operation, Request};
use crate::object::text;
use crate::status::Status;
use serde_json::Value;

const PREFIX: &str = "system:node:";

/// Labels that say more than a node may say of itself.
const RESTRICTED: &str = "node-restriction.kubernetes.io";

/// The node that a user is.
pub fn node_of(user: &Value) -> Option<&str> {
    let name = user["username"].as_str()?.strip_prefix(PREFIX)?;
    let groups = user["groups"].as_array()?;
    groups.iter().any(|group| group == "system:nodes").then_some(name)
}

/// Refuses what a node may not do; requests of others pass.
pub fn check(request: &Request<'_>) -> Result<(), Status> {
    let Some(node) = node_of(request.user) else { return Ok(()) };
    let outcome = match (request.group, request.resource, request.subresource) {
        ("", "pods", "") => pod(node, request),
        ("", "pods", "status") => own_pod(
            node,
            request,
            "can only update pod status for pods with spec.nodeName set to itself",
        ),
        ("", "pods", "eviction") => {
            own_pod(node, request, "can only evict pods with spec.nodeName set to itself")
        }
        ("", "nodes", _) => own_node(node, request),
        ("coordination.k8s.io", "leases", _) => lease(node, request),
        ("", "serviceaccounts", "token") => bound_token(request),
        ("storage.k8s.io", "csinodes", _) if request.name != node && !request.name.is_empty() => {
            Err(format!(
                "node {node:?} can only access CSINode with the same name as the requesting node"
            ))
        }
        _ => Ok(()),
    };
    outcome.map_err(|why| request.forbidden(&why))
}

fn runs_on(pod: Option<&Value>) -> &str {
    pod.and_then(|pod| text(pod, &["spec", "nodeName"])).unwrap_or_default()
}

fn own_pod(node: &str, request: &Request<'_>, why: &str) -> Result<(), String> {
    if runs_on(request.old.or(request.object)) == node {
        return Ok(());
    }
    Err(format!("node {node:?} {why}"))
}

fn pod(node: &str, request: &Request<'_>) -> Result<(), String> {
    match request.operation {
        Operation::Create => {
            let pod = request.object.unwrap_or(&Value::Null);
            let mirror = ["metadata", "annotations", "kubernetes.io/config.mirror"];
            if text(pod, &mirror).is_none() {
                return Err(format!(
                    "pod does not have {:?} annotation, node {node:?} can only create mirror pods",
                    mirror[2]
                ));
            }
            if runs_on(Some(pod)) != node {
                return Err(format!(
                    "node {node:?} can only create pods with spec.nodeName set to itself"
                ));
            }
            if text(pod, &["spec", "serviceAccountName"]).is_some_and(|it| !it.is_empty()) {
                return Err(format!(
                    "node {node:?} can not create pods that reference a service account"
                ));
            }
            Ok(())
        }
        Operation::Delete => {
            own_pod(node, request, "can only delete pods with spec.nodeName set to itself")
        }
        _ => Err(format!(
            "unexpected operation {:?}, node {node:?} can only create and delete mirror pods",
            request.operation.word()
        )),
    }
}

fn own_node(node: &str, request: &Request<'_>) -> Result<(), String> {
    let object = request.object.unwrap_or(&Value::Null);
    let name = if request.name.is_empty() { crate::object::name(object) } else { request.name };
    if name != node {
        return Err(format!("node {node:?} is not allowed to modify node {name:?}"));
    }
    let restricted = |object: Option<&Value>| {
        let labels = object.and_then(|it| crate::object::at(it, &["metadata", "labels"]));
        let mut found: Vec<(String, Value)> = labels
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter(|(key, _)| is_restricted(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        found
    };
    match request.operation {
        Operation::Create if !restricted(request.object).is_empty() => {
            let keys: Vec<String> = restricted(request.object).into_iter().map(|it| it.0).collect();
            Err(format!(
                "node {node:?} is not allowed to set the following labels: {}",
                keys.join(", ")
            ))
        }
        Operation::Update => {
            let (new, old) = (restricted(request.object), restricted(request.old));
            if new != old {
                let changed = new
                    .iter()
                    .filter(|it| !old.contains(it))
                    .chain(old.iter().filter(|it| !new.contains(it)));
                let mut keys: Vec<&str> = changed.map(|it| &*it.0).collect();
                keys.dedup();
                return Err(format!("is not allowed to modify labels: {}", keys.join(", ")));
            }
            let taints = |object: Option<&Value>| {
                object.and_then(|it| crate::object::at(it, &["spec", "taints"])).cloned()
            };
            if request.subresource.is_empty() && taints(request.object) != taints(request.old) {
                return Err(format!("node {node:?} is not allowed to modify taints"));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn is_restricted(key: &str) -> bool {
    let prefix = key.split_once('/').map_or("", |(prefix, _)| prefix);
    prefix == RESTRICTED || prefix.ends_with(&format!(".{RESTRICTED}"))
}

fn lease(node: &str, request: &Request<'_>) -> Result<(), String> {
    if request.namespace != "kube-node-lease" {
        return Err(format!(
            "can only access leases in the {:?} system namespace",
            "kube-node-lease"
        ));
    }
    let object = request.object.unwrap_or(&Value::Null);
    let name = if request.name.is_empty() { crate::object::name(object) } else { request.name };
    if name != node {
        return Err(
            "can only access node lease with the same name as the requesting node".to_owned()
        );
    }
    Ok(())
}

fn bound_token(request: &Request<'_>) -> Result<(), String> {
    let reference = request.object.map_or(&Value::Null, |it| &it["spec"]["boundObjectRef"]);
    let is_pod = reference["kind"] == "Pod" && reference["apiVersion"] == "v1";
    let is_whole = !reference["name"].as_str().unwrap_or_default().is_empty()
        && !reference["uid"].as_str().unwrap_or_default().is_empty();
    match (is_pod, is_whole) {
        (false, _) => Err("node requested token not bound to a pod".to_owned()),
        (_, false) => Err("node requested token with a pod binding without a uid".to_owned()),
        _ => Ok(()),
    }
}
