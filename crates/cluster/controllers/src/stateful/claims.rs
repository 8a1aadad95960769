//! The claims of a stateful set's pods: whose they are, by `persistentVolumeClaimRetentionPolicy`, and
//! whether a pod may begin with what is there. Pure.
//!
//! | whenScaled | whenDeleted | a claim belongs to |
//! |---|---|---|
//! | Retain | Retain | nobody |
//! | Retain | Delete | the set |
//! | Delete | Retain | its pod, once that is beyond the number of replicas |
//! | Delete | Delete | the same, until then the set |
//!
//! Whom it belongs to it goes with: so only owners are written here, and nothing is deleted.

use super::pod::ordinal;
use crate::pods::controller_ref;
use serde_json::{Value, json};
use teu_api::kinds::field::At;
use teu_api::object;

/// The names of an ordinal's claims.
pub fn names(set: &Value, ordinal: i64) -> Vec<String> {
    let (at, own) = (At::root(set), object::name(set));
    let templates = at.get("spec.volumeClaimTemplates");
    let name = |template: At<'_, '_>| format!("{}-{own}-{ordinal}", template.text("metadata.name"));
    templates.items().map(name).collect()
}

/// The ordinal whose claim has this name, if the set has such claims.
pub fn ordinal_of(set: &Value, claim: &str) -> Option<i64> {
    let at = At::root(set);
    let templates = at.get("spec.volumeClaimTemplates");
    templates.items().find_map(|template| {
        let rest = claim.strip_prefix(template.text("metadata.name"))?.strip_prefix('-')?;
        ordinal(set, &json!({ "metadata": { "name": rest } }))
    })
}

fn owners(claim: &Value) -> Vec<Value> {
    let list = object::at(claim, &["metadata", "ownerReferences"]).and_then(Value::as_array);
    list.cloned().unwrap_or_default()
}

/// The owners that a claim is to have, if it has others. `is_wanted` says whether its pod is among the
/// set's replicas.
pub fn owners_to_be(
    set: &Value,
    pod: &Value,
    claim: &Value,
    is_wanted: bool,
) -> Option<Vec<Value>> {
    let before = owners(claim);
    let is_ours =
        |owner: &Value| [object::uid(set), object::uid(pod)].iter().any(|uid| owner["uid"] == *uid);
    if before.iter().any(|owner| owner["controller"] == true && !is_ours(owner)) {
        // Somebody else sees to it.
        return None;
    }
    let at = At::root(set);
    let policy = at.get("spec.persistentVolumeClaimRetentionPolicy");
    let deletes = |when: &str| policy.text(when) == "Delete";
    let mut after: Vec<Value> = before.iter().filter(|owner| !is_ours(owner)).cloned().collect();
    match (deletes("whenScaled"), deletes("whenDeleted")) {
        (true, _) if !is_wanted => after.push(controller_ref(pod)),
        (_, true) => after.push(controller_ref(set)),
        _ => {}
    }
    (after != before).then_some(after)
}

/// Whether a pod of this name has to wait before it is made: its claim is on its way out, or goes with an
/// earlier pod of that name.
pub fn is_stale(pod: &str, claim: &Value) -> bool {
    let is_earlier = |owner: &Value| owner["kind"] == "Pod" && owner["name"] == *pod;
    object::is_terminating(claim) || owners(claim).iter().any(is_earlier)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(scaled: &str, deleted: &str) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": { "name": "db", "namespace": "n", "uid": "set" },
            "spec": {
                "volumeClaimTemplates": [{ "metadata": { "name": "data" } }],
                "persistentVolumeClaimRetentionPolicy": { "whenScaled": scaled, "whenDeleted": deleted },
            },
        })
    }

    fn pod() -> Value {
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "db-0", "uid": "pod" } })
    }

    fn claim(owners: &[Value]) -> Value {
        json!({ "metadata": { "name": "data-db-0", "ownerReferences": owners } })
    }

    #[test]
    fn a_claim_belongs_to_whom_the_policy_says() {
        let check = |policy: (&str, &str), is_wanted: bool, expected: &[&str]| {
            let set = set(policy.0, policy.1);
            let all = [controller_ref(&set)];
            // From nobody, and from the other policy.
            for before in [&[][..], &all[..]] {
                let claim = claim(before);
                let after =
                    owners_to_be(&set, &pod(), &claim, is_wanted).unwrap_or_else(|| owners(&claim));
                let uids: Vec<&str> = after.iter().filter_map(|it| it["uid"].as_str()).collect();
                assert_eq!(uids, expected, "{policy:?} {is_wanted}");
            }
        };
        check(("Retain", "Retain"), true, &[]);
        check(("Retain", "Retain"), false, &[]);
        check(("Retain", "Delete"), true, &["set"]);
        check(("Retain", "Delete"), false, &["set"]);
        check(("Delete", "Retain"), true, &[]);
        check(("Delete", "Retain"), false, &["pod"]);
        check(("Delete", "Delete"), true, &["set"]);
        check(("Delete", "Delete"), false, &["pod"]);
        let other = claim(&[json!({ "uid": "other", "controller": true })]);
        assert_eq!(owners_to_be(&set("Delete", "Delete"), &pod(), &other, true), None);
    }

    #[test]
    fn claims_are_known_by_their_names() {
        let set = set("", "");
        assert_eq!(names(&set, 3), ["data-db-3"]);
        assert_eq!(ordinal_of(&set, "data-db-3"), Some(3));
        for other in ["data-db-x", "data-web-3", "logs-db-3", "data-db", "data-db-03"] {
            assert_eq!(ordinal_of(&set, other), None, "{other}");
        }
    }

    #[test]
    fn a_pod_waits_for_the_claim_of_the_one_before_it() {
        assert!(!is_stale("db-0", &claim(&[controller_ref(&set("", ""))])));
        assert!(is_stale("db-0", &claim(&[controller_ref(&pod())])));
        let mut going = claim(&[]);
        going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        assert!(is_stale("db-0", &going));
    }
}
