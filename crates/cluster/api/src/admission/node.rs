//! What a node's own account (`system:node:<name>`) may write: itself, pods bound to it, its lease,
//! its devices, certificates for itself. What needs other objects is the caller's affair.

use super::{Operation, Request, references};
use crate::object::{at, name, text};
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
        )
        .and_then(|()| pod_status(node, request)),
        ("", "persistentvolumeclaims", "status") => claim_status(node, request),
        ("", "pods", "eviction") => {
            own_pod(node, request, "can only evict pods with spec.nodeName set to itself")
        }
        ("", "nodes", _) => own_node(node, request),
        ("coordination.k8s.io", "leases", _) => lease(node, request),
        ("", "serviceaccounts", "token") => bound_token(request),
        ("resource.k8s.io", "resourceslices", _) => slice(node, request),
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
            let has_account =
                text(pod, &["spec", "serviceAccountName"]).is_some_and(|it| !it.is_empty());
            let refers = [
                (has_account, "a service account"),
                (!references::secrets(pod).is_empty(), "secrets"),
                (!references::config_maps(pod).is_empty(), "configmaps"),
                (!references::claims(pod).is_empty(), "persistentvolumeclaims"),
                (!references::resource_claims(pod).is_empty(), "resourceclaims"),
                (!references::audiences(pod).is_empty(), "service account tokens"),
            ];
            if let Some((_, what)) = refers.iter().find(|(refers, _)| *refers) {
                return Err(format!("node {node:?} can not create pods that reference {what}"));
            }
            owner(node, pod)
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

/// A pod that stands in for a node's own belongs to the node, so that it goes with it. (Whether the UID
/// is the node's is looked at where the node is.)
fn owner(node: &str, pod: &Value) -> Result<(), String> {
    let owners = at(pod, &["metadata", "ownerReferences"]).and_then(Value::as_array);
    let wrong = |why: &str| Err(format!("node {node:?} {why}"));
    match owners.map(Vec::as_slice).unwrap_or_default() {
        [] => wrong("can only create pods with an owner reference set to itself"),
        [owner] => {
            let is_own =
                owner["apiVersion"] == "v1" && owner["kind"] == "Node" && owner["name"] == node;
            if !is_own {
                return wrong("can only create pods with an owner reference set to itself");
            }
            if owner["controller"] != true {
                return wrong(
                    "can only create pods with a controller owner reference set to itself",
                );
            }
            if owner["blockOwnerDeletion"] == true {
                return wrong("must not set blockOwnerDeletion on an owner reference");
            }
            Ok(())
        }
        _ => wrong("can only create pods with a single owner reference set to itself"),
    }
}

/// A status says nothing of labels, nor which devices a pod gets.
fn pod_status(node: &str, request: &Request<'_>) -> Result<(), String> {
    if request.operation != Operation::Update {
        return Ok(());
    }
    let differs = |way: &[&str]| {
        let of = |object: Option<&Value>| object.and_then(|it| at(it, way)).cloned();
        of(request.object) != of(request.old)
    };
    if differs(&["metadata", "labels"]) {
        return Err(format!("node {node:?} cannot update labels through pod status"));
    }
    if differs(&["status", "resourceClaimStatuses"]) {
        return Err(format!("node {node:?} cannot update resource claim statuses"));
    }
    Ok(())
}

/// A node says how large a volume has become, and nothing else.
fn claim_status(node: &str, request: &Request<'_>) -> Result<(), String> {
    const OWN: [&str; 5] = [
        "capacity",
        "conditions",
        "allocatedResources",
        "allocatedResourceStatuses",
        "modifyVolumeStatus",
    ];
    let rest = |object: Option<&Value>| {
        let mut rest = object.cloned().unwrap_or_default();
        if let Some(metadata) = rest.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|field, _| !matches!(&**field, "managedFields" | "resourceVersion"));
        }
        if let Some(status) = rest.get_mut("status").and_then(Value::as_object_mut) {
            status.retain(|field, _| !OWN.contains(&&**field));
        }
        rest
    };
    match request.operation == Operation::Update && rest(request.object) != rest(request.old) {
        true => Err(format!(
            "node {node:?} is not allowed to update fields other than status.capacity and status.conditions"
        )),
        false => Ok(()),
    }
}

fn slice(node: &str, request: &Request<'_>) -> Result<(), String> {
    let owner = |object: Option<&Value>| {
        object.and_then(|it| text(it, &["spec", "nodeName"])) == Some(node)
    };
    let (word, is_own) = match request.operation {
        Operation::Create => ("create", owner(request.object)),
        Operation::Delete => ("delete", owner(request.old)),
        _ => ("update", owner(request.object) && owner(request.old)),
    };
    match is_own {
        true => Ok(()),
        false => Err(format!(
            "can only {word} ResourceSlice with the same NodeName as the requesting node"
        )),
    }
}

fn own_node(node: &str, request: &Request<'_>) -> Result<(), String> {
    let object = request.object.unwrap_or(&Value::Null);
    let own = if request.name.is_empty() { name(object) } else { request.name };
    if own != node {
        return Err(format!("node {node:?} is not allowed to modify node {own:?}"));
    }
    let restricted = |object: Option<&Value>| {
        let labels = object.and_then(|it| at(it, &["metadata", "labels"]));
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
            let taints =
                |object: Option<&Value>| object.and_then(|it| at(it, &["spec", "taints"])).cloned();
            if request.subresource.is_empty() && taints(request.object) != taints(request.old) {
                return Err(format!("node {node:?} is not allowed to modify taints"));
            }
            let owners = |object: Option<&Value>| {
                object.and_then(|it| at(it, &["metadata", "ownerReferences"])).cloned()
            };
            if owners(request.object) != owners(request.old) {
                return Err(format!("node {node:?} is not allowed to modify ownerReferences"));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Labels of Kubernetes' own domains that a node says of itself.
const OWN_LABELS: [&str; 12] = [
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
];

fn is_restricted(key: &str) -> bool {
    let prefix = key.split_once('/').map_or("", |(prefix, _)| prefix);
    let is_in = |domain: &str| {
        prefix.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let is_own =
        OWN_LABELS.contains(&key) || is_in("kubelet.kubernetes.io") || is_in("node.kubernetes.io");
    is_in(RESTRICTED) || ((is_in("kubernetes.io") || is_in("k8s.io")) && !is_own)
}

fn lease(node: &str, request: &Request<'_>) -> Result<(), String> {
    if request.namespace != "kube-node-lease" {
        return Err(format!(
            "can only access leases in the {:?} system namespace",
            "kube-node-lease"
        ));
    }
    let object = request.object.unwrap_or(&Value::Null);
    let own = if request.name.is_empty() { name(object) } else { request.name };
    if own != node {
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
