//! Whose a pod is, or a replica set: an owner adopts what it selects and nobody controls, and lets go
//! what it does not select any more.

use crate::Context;
use crate::mirror::{Change, Key, Mirror, Object, controller_uid, key, key_of};
use crate::pods::controller_ref;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use teu_api::kinds::labels::{is_empty, selects};
use teu_api::{Status, object};
use teu_client::Kind;

/// What an owner claims.
#[derive(Debug, Default, PartialEq)]
pub struct Claim {
    /// What is its own already.
    pub mine: Vec<Object>,
    /// What becomes its own.
    pub adopt: Vec<Object>,
    /// What is let go.
    pub release: Vec<Object>,
}

/// The label selector of an owner of pods; a replication controller has but a map.
pub fn selector(owner: &Value) -> Value {
    let selector = object::at(owner, &["spec", "selector"]).cloned().unwrap_or_default();
    match owner["kind"] == "ReplicationController" {
        true => json!({ "matchLabels": selector }),
        false => selector,
    }
}

/// Whether an owner selects something. An empty selector selects nothing here.
pub fn is_selected(owner: &Value, other: &Value) -> bool {
    let selector = selector(owner);
    let nothing = Value::Null;
    let labels = object::at(other, &["metadata", "labels"]).unwrap_or(&nothing);
    !is_empty(&selector) && selects(&selector, labels)
}

/// Decides, on what the owner controls and on what nobody does.
pub fn plan(owner: &Value, owned: Vec<Object>, orphans: Vec<Object>) -> Claim {
    let mut claim = Claim::default();
    let ends = object::is_terminating(owner);
    for object in owned {
        match is_selected(owner, &object) {
            true => claim.mine.push(object),
            false if !ends => claim.release.push(object),
            false => {}
        }
    }
    let is_free = |orphan: &Object| !object::is_terminating(orphan) && is_selected(owner, orphan);
    if !ends {
        claim.adopt = orphans.into_iter().filter(is_free).collect();
    }
    claim
}

/// Does it; answers all that is the owner's then. What somebody else took or deleted meanwhile is left.
pub async fn settle(
    context: &Context,
    kinds: (Kind<'static>, Kind<'static>),
    owner: &Value,
    claim: Claim,
) -> Result<Vec<Object>, Status> {
    let (owner_kind, kind) = kinds;
    for object in &claim.release {
        let gone = json!([{ "$patch": "delete", "uid": object::uid(owner) }]);
        let patch = json!({ "metadata": { "uid": object::uid(object), "ownerReferences": gone } });
        change(context, kind, object, patch).await?;
    }
    let mut mine = claim.mine;
    if claim.adopt.is_empty() {
        return Ok(mine);
    }
    // The mirror may show an owner that is gone: nobody may be given to it.
    let at = (object::namespace(owner), object::name(owner));
    let now = context.client.get(owner_kind, at.0, at.1).await?;
    if object::uid(&now) != object::uid(owner) || object::is_terminating(&now) {
        return Ok(mine);
    }
    for object in claim.adopt {
        let owners = json!([controller_ref(owner)]);
        let patch =
            json!({ "metadata": { "uid": object::uid(&object), "ownerReferences": owners } });
        mine.extend(change(context, kind, &object, patch).await?.map(Object::new));
    }
    Ok(mine)
}

async fn change(
    context: &Context,
    kind: Kind<'static>,
    object: &Value,
    patch: Value,
) -> Result<Option<Value>, Status> {
    let at = (object::namespace(object), object::name(object));
    match context.patch(kind, at, "", patch).await {
        Ok(changed) => Ok(Some(changed)),
        Err(status) if matches!(status.code, 404 | 409 | 422) => Ok(None),
        Err(status) => Err(status),
    }
}

/// The reference to the owner that controls an object.
pub fn controller(object: &Value) -> Option<&Value> {
    let owners = object::at(object, &["metadata", "ownerReferences"])?.as_array()?;
    owners.iter().find(|owner| owner["controller"] == true)
}

/// Whom a change of an object concerns: the owners (of one kind) that control it, controlled it, or may
/// adopt it.
pub fn concerned(change: &Change, owners: &Mirror, kind: &str) -> BTreeSet<Key> {
    let controller = |object: &Value| -> Option<Key> {
        let owner = controller(object).filter(|owner| owner["kind"] == kind)?;
        let found = key(object::namespace(object), owner["name"].as_str()?);
        let is_same = |known: Object| owner["uid"] == object::uid(&known);
        owners.at(&found).is_none_or(is_same).then_some(found)
    };
    let all = [&change.before, &change.after];
    let mut keys: BTreeSet<Key> =
        all.into_iter().flatten().filter_map(|object| controller(object)).collect();
    let Some(after) = change.after.as_ref().filter(|after| controller_uid(after).is_none()) else {
        return keys;
    };
    let labels = |object: &Value| object::at(object, &["metadata", "labels"]).cloned();
    let is_free_now =
        |before: &Object| controller_uid(before).is_some() || labels(before) != labels(after);
    if !object::is_terminating(after) && change.before.as_ref().is_none_or(is_free_now) {
        let may = owners.in_namespace(object::namespace(after)).into_iter();
        keys.extend(may.filter(|owner| is_selected(owner, after)).map(|owner| key_of(&owner)));
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, app: &str) -> Object {
        Object::new(json!({ "metadata": { "name": name, "labels": { "app": app } } }))
    }

    #[test]
    fn what_is_selected_is_adopted_and_the_rest_let_go() {
        let mut owner =
            json!({ "metadata": {}, "spec": { "selector": { "matchLabels": { "app": "x" } } } });
        let names = |list: &[Object]| -> Vec<String> {
            list.iter().map(|object| object::name(object).to_owned()).collect()
        };
        let (owned, orphans) =
            (vec![named("a", "x"), named("b", "y")], vec![named("c", "x"), named("d", "y")]);
        let claim = plan(&owner, owned.clone(), orphans.clone());
        let all = [names(&claim.mine), names(&claim.adopt), names(&claim.release)];
        assert_eq!(all, [["a"], ["c"], ["b"]]);
        owner["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        let claim = plan(&owner, owned, orphans);
        assert_eq!((names(&claim.mine).len(), claim.adopt.len(), claim.release.len()), (1, 0, 0));
    }
}
