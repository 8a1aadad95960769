//! What pods say of their claims of devices, and what follows for the claims. Pure.

use crate::finalizers;
use crate::pods::{controller_ref, is_over};
use serde_json::{Value, json};
use teu_api::object::{at, is_terminating, name, namespace, text, uid};

/// Says at a claim for which entry of its pod it was made.
const ENTRY: &str = "resource.kubernetes.io/pod-claim-name";
/// Keeps a claim while it has devices.
const PROTECTION: &str = "resource.kubernetes.io/delete-protection";
/// Bytes of the part of a name that is not drawn.
const BASE_BYTES: usize = 57;
/// Pods that share a claim.
const MOST_USERS: usize = 256;

/// An entry of a pod's `resourceClaims`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named<'a> {
    /// What the pod calls it.
    pub name: &'a str,
    /// What it is made from, if it is made.
    pub template: Option<&'a str>,
    /// The claim, as far as the pod says.
    pub claim: Option<&'a str>,
    /// Whether one is needed: a status without a claim says no.
    pub is_needed: bool,
}

impl Named<'_> {
    /// Whether it names this claim or template.
    pub fn names(&self, name: &str) -> bool {
        self.claim == Some(name) || self.template == Some(name)
    }
}

/// The entries of a pod.
pub fn named(pod: &Value) -> impl Iterator<Item = Named<'_>> {
    let entries = at(pod, &["spec", "resourceClaims"]).and_then(Value::as_array);
    let said = at(pod, &["status", "resourceClaimStatuses"]).and_then(Value::as_array);
    entries.into_iter().flatten().filter_map(move |entry| {
        let name = text(entry, &["name"])?;
        let template = text(entry, &["resourceClaimTemplateName"]);
        let said = said.and_then(|all| all.iter().find(|it| it["name"] == name));
        let made = said.and_then(|it| text(it, &["resourceClaimName"]));
        Some(Named {
            name,
            template,
            claim: text(entry, &["resourceClaimName"]).or(made),
            is_needed: said.is_none() || made.is_some(),
        })
    })
}

/// Whether a pod runs no more, or never will.
pub fn is_done(pod: &Value) -> bool {
    let has_node = text(pod, &["spec", "nodeName"]).is_some_and(|node| !node.is_empty());
    is_over(pod) || (is_terminating(pod) && !has_node)
}

/// For which entry a claim was made.
pub fn entry_of(claim: &Value) -> Option<&str> {
    text(claim, &["metadata", "annotations", ENTRY])
}

/// The claim of a pod's entry.
pub fn make(pod: &Value, entry: &str, template: &Value) -> Value {
    let mut base = format!("{}-{entry}-", name(pod));
    if base.len() > BASE_BYTES {
        // Both are cut, so that both can be told.
        let part = |text: &str| text[..text.len() * BASE_BYTES / base.len()].to_owned();
        base = format!("{}-{}", part(name(pod)), part(entry));
    }
    let mut metadata = json!({
        "generateName": base, "namespace": namespace(pod), "ownerReferences": [controller_ref(pod)],
    });
    for field in ["labels", "annotations"] {
        if let Some(value) = at(template, &["spec", "metadata", field]) {
            metadata[field] = value.clone();
        }
    }
    metadata["annotations"][ENTRY] = entry.into();
    json!({
        "apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": metadata,
        "spec": template["spec"]["spec"],
    })
}

/// For whom a claim is reserved.
pub fn users(claim: &Value) -> impl Iterator<Item = &Value> {
    at(claim, &["status", "reservedFor"]).and_then(Value::as_array).into_iter().flatten()
}

/// Whether a claim is reserved for a pod.
pub fn is_reserved(claim: &Value, pod: &Value) -> bool {
    users(claim).any(|user| user["uid"] == *uid(pod))
}

/// The status of a claim that has devices, reserved for a pod that has a node; none if it is or cannot be.
pub fn reserved(claim: &Value, pod: &Value) -> Option<Value> {
    let has_node = text(pod, &["spec", "nodeName"]).is_some_and(|node| !node.is_empty());
    let is_allocated = at(claim, &["status", "allocation"]).is_some_and(Value::is_object);
    if !has_node || !is_allocated || is_reserved(claim, pod) || users(claim).count() >= MOST_USERS {
        return None;
    }
    let mut status = claim["status"].clone();
    let mut all: Vec<Value> = users(claim).cloned().collect();
    all.push(json!({ "resource": "pods", "name": name(pod), "uid": uid(pod) }));
    status["reservedFor"] = all.into();
    Some(status)
}

fn is_protected(claim: &Value) -> bool {
    finalizers::has(claim, PROTECTION)
}

/// The status of a claim without these users, if it changes. With the last of them, or when nobody uses it
/// and it is to go, its devices go too.
pub fn released(claim: &Value, gone: &[Value]) -> Option<Value> {
    let left: Vec<Value> = users(claim).filter(|user| !gone.contains(user)).cloned().collect();
    let is_allocated = at(claim, &["status", "allocation"]).is_some_and(Value::is_object);
    let is_last = left.is_empty() && (!gone.is_empty() || is_terminating(claim));
    let frees = is_last && is_allocated && is_protected(claim);
    if gone.is_empty() && !frees {
        return None;
    }
    let mut status = claim["status"].clone();
    let fields = status.as_object_mut()?;
    match left.is_empty() {
        true => drop(fields.shift_remove("reservedFor")),
        false => drop(fields.insert("reservedFor".to_owned(), left.into())),
    }
    if frees {
        fields.shift_remove("allocation");
    }
    Some(status)
}

/// A claim without our finalizer, if that keeps nothing any more. To be asked only when users have just
/// gone: whoever is about to give it devices sets the finalizer first.
pub fn without_protection(claim: &Value) -> Option<Value> {
    let is_allocated = at(claim, &["status", "allocation"]).is_some_and(Value::is_object);
    let is_free = !is_allocated && users(claim).next().is_none();
    (is_free && is_protected(claim)).then(|| finalizers::without(claim, PROTECTION))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(node: &str, status: Value) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "p", "namespace": "n", "uid": "u" },
            "spec": { "nodeName": node, "resourceClaims": [
                { "name": "own", "resourceClaimTemplateName": "t" },
                { "name": "shared", "resourceClaimName": "c" },
            ] },
            "status": status,
        })
    }

    #[test]
    fn pods_name_claims_and_what_they_are_made_from() {
        let new = pod("", json!({}));
        let all: Vec<_> = named(&new).map(|it| (it.template, it.claim, it.is_needed)).collect();
        assert_eq!(all, [(Some("t"), None, true), (None, Some("c"), true)]);
        let said = |claim: Value| {
            let pod = pod(
                "",
                json!({ "resourceClaimStatuses": [{ "name": "own", "resourceClaimName": claim }] }),
            );
            let first = named(&pod).next().map(|it| (it.claim.map(str::to_owned), it.is_needed));
            first.expect("an entry")
        };
        assert_eq!(said(json!("made")), (Some("made".to_owned()), true));
        assert_eq!(said(Value::Null), (None, false));
    }

    #[test]
    fn a_claim_is_made_as_the_template_says() {
        let template = json!({ "spec": { "metadata": { "labels": { "a": "b" } }, "spec": { "devices": {} } } });
        let claim = make(&pod("", json!({})), "own", &template);
        assert_eq!(claim["metadata"]["generateName"], "p-own-");
        assert_eq!(claim["metadata"]["labels"], json!({ "a": "b" }));
        assert_eq!((entry_of(&claim), &claim["spec"]), (Some("own"), &json!({ "devices": {} })));
        let mut long = pod("", json!({}));
        long["metadata"]["name"] = "x".repeat(70).into();
        let claim = make(&long, "own", &template);
        assert!(claim["metadata"]["generateName"].as_str().is_some_and(|it| it.len() <= 58));
    }

    #[test]
    fn the_last_user_takes_the_devices_along() {
        let user = |uid: &str| json!({ "resource": "pods", "name": uid, "uid": uid });
        let mut claim = json!({
            "metadata": { "finalizers": [PROTECTION] },
            "status": { "allocation": {}, "reservedFor": [user("a"), user("b")] },
        });
        assert_eq!(released(&claim, &[]), None);
        let one = released(&claim, &[user("a")]).expect("it changes");
        assert_eq!(one, json!({ "allocation": {}, "reservedFor": [user("b")] }));
        assert_eq!(released(&claim, &[user("a"), user("b")]), Some(json!({})));
        assert_eq!(without_protection(&claim), None);
        claim["status"] = json!({});
        assert!(without_protection(&claim).is_some_and(|free| !is_protected(&free)));
    }

    #[test]
    fn a_pod_with_a_node_has_its_claim_reserved() {
        let claim = json!({ "status": { "allocation": {} } });
        assert_eq!(reserved(&claim, &pod("", json!({}))), None);
        assert_eq!(reserved(&json!({ "status": {} }), &pod("x", json!({}))), None);
        let status = reserved(&claim, &pod("x", json!({}))).expect("it changes");
        assert!(is_reserved(&json!({ "status": status }), &pod("x", json!({}))));
    }
}
