//! `ControllerRevision`: the templates that a stateful or daemon set had, as patches of it, so that pods of an
//! older one can be made again. Clients find the one of a template byte by byte, so it is written as Go writes it.

use crate::Context;
use crate::hash;
use crate::mirror::{Object, controller_uid};
use crate::pods::{controller_ref, created};
use crate::resources::REVISIONS;
use serde_json::{Value, json};
use teu_api::kinds::equal::same;
use teu_api::kinds::field::At;
use teu_api::{Status, object};
use teu_client::{Deletion, Kind, Patch};

/// The label of pods that names theirs.
pub const LABEL: &str = "controller-revision-hash";
/// The hash, at a stateful set's revision; a daemon set's has it under `LABEL`.
const HASH: &str = "controller.kubernetes.io/hash";

/// An owner's revisions: that of its template, and all, the oldest first.
#[derive(Debug, Clone)]
pub struct Revisions {
    /// Of the template as it is.
    pub newest: Value,
    /// All there are.
    pub all: Vec<Object>,
    /// Others of the same template as the newest, as somebody may have made them by hand.
    pub twins: Vec<Object>,
}

/// What a revision keeps of an owner, with all fields in the order of their names.
fn data(owner: &Value) -> Value {
    let mut template = owner["spec"]["template"].clone();
    template["$patch"] = "replace".into();
    let mut data = json!({ "spec": { "template": template } });
    data.sort_all_objects();
    data
}

/// The template that a revision keeps.
pub fn template(revision: &Value) -> Value {
    let mut template = revision["data"]["spec"]["template"].clone();
    if let Some(fields) = template.as_object_mut() {
        fields.shift_remove("$patch");
    }
    template
}

/// What pods of a daemon set say of a revision: what its label says, or its name where somebody made it
/// without one.
pub fn hash(revision: &Value) -> &str {
    object::label(revision, LABEL).unwrap_or_else(|| object::name(revision))
}

fn number(revision: &Value) -> i64 {
    At::root(revision).get("revision").int()
}

/// Finds the revision of the template of an owner of this kind, gives it the highest number, or makes it.
/// On a name that another template has, `Err` with `AlreadyExists`, and the owner counts a collision, by
/// which the next name is another.
pub async fn sync(
    context: &Context,
    kind: Kind<'static>,
    owner: &Value,
    all: Vec<Object>,
) -> Result<Revisions, Status> {
    let made = newest(context, owner, all).await;
    if made.as_ref().is_err_and(|status| status.reason == "AlreadyExists") {
        let mut said = owner["status"].clone();
        let count = At::root(owner).get("status.collisionCount").int() + 1;
        said["collisionCount"] = count.into();
        context.write_status(kind, owner, said).await?;
    }
    made
}

async fn newest(
    context: &Context,
    owner: &Value,
    mut all: Vec<Object>,
) -> Result<Revisions, Status> {
    all.sort_by_key(|revision| (number(revision), created(revision)));
    let wanted = data(owner);
    let next = all.last().map_or(0, |last| number(last)) + 1;
    let is_equal = |revision: &Value| same(&revision["data"], &wanted);
    let equal = all.iter().rposition(|revision| is_equal(revision));
    let before = equal.map_or(&[][..], |at| &all[..at]);
    let twins = before.iter().filter(|revision| is_equal(revision)).cloned().collect();
    let newest = match equal {
        Some(at) if at + 1 == all.len() => (*all[at]).clone(),
        Some(at) => {
            let at = (object::namespace(owner), object::name(&all[at]));
            let patch = json!({ "revision": next });
            context.client.patch(REVISIONS, at, "", Patch::Merge, patch).await?
        }
        None => {
            let count = At::root(owner).get("status.collisionCount").opt_int();
            let hash = hash::of(&wanted, count);
            let mut labels = owner["spec"]["template"]["metadata"]["labels"].clone();
            // Each of the two kinds calls it as it always did.
            let label = if owner["kind"] == "DaemonSet" { LABEL } else { HASH };
            labels[label] = hash.clone().into();
            let mut revision = json!({
                "apiVersion": "apps/v1", "kind": "ControllerRevision",
                "metadata": {
                    "name": format!("{}-{hash}", object::name(owner)),
                    "namespace": object::namespace(owner), "labels": labels,
                    "ownerReferences": [controller_ref(owner)],
                },
                "data": wanted, "revision": next,
            });
            if let Some(annotations) = object::at(owner, &["metadata", "annotations"]) {
                revision["metadata"]["annotations"] = annotations.clone();
            }
            let made = make(context, owner, revision).await?;
            all.push(Object::new(made.clone()));
            made
        }
    };
    Ok(Revisions { newest, all, twins })
}

/// Makes a revision. One of its name that keeps the same of the same owner is the one that was wanted; any
/// other is a collision.
async fn make(context: &Context, owner: &Value, revision: Value) -> Result<Value, Status> {
    let (namespace, name) = (object::namespace(owner), object::name(&revision).to_owned());
    let data = revision["data"].clone();
    let refused = match context.create(REVISIONS, namespace, revision).await {
        Err(status) if status.reason == "AlreadyExists" => status,
        made => return made,
    };
    let there = context.client.get(REVISIONS, namespace, &name).await?;
    let is_own = controller_uid(&there) == Some(object::uid(owner));
    if is_own && same(&there["data"], &data) { Ok(there) } else { Err(refused) }
}

impl Revisions {
    /// One by its name.
    pub fn find(&self, name: &str) -> Option<&Object> {
        self.all.iter().find(|revision| object::name(revision) == name)
    }

    /// Deletes the oldest of those that nobody uses, beyond so many.
    pub async fn forget(&self, context: &Context, used: &[&str], keep: i64) -> Result<(), Status> {
        let is_used = |revision: &&Object| {
            let name = object::name(revision);
            used.contains(&name) || name == object::name(&self.newest)
        };
        let unused: Vec<&Object> = self.all.iter().filter(|one| !is_used(one)).collect();
        let surplus = unused.len().saturating_sub(usize::try_from(keep).unwrap_or(0));
        for revision in unused.into_iter().take(surplus) {
            context.delete(REVISIONS, revision, Deletion::default()).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_control_plane_kept_is_the_same_template() {
        // As Go's controllers write it: times that are not there are null.
        let owner = json!({ "spec": { "template": {
            "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "c" }] },
        } } });
        let theirs = json!({ "spec": { "template": {
            "$patch": "replace", "metadata": { "creationTimestamp": null, "labels": { "a": "b" } },
            "spec": { "containers": [{ "name": "c" }] },
        } } });
        assert!(same(&data(&owner), &theirs));
        let mut other = theirs;
        other["spec"]["template"]["spec"]["containers"][0]["name"] = "d".into();
        assert!(!same(&data(&owner), &other));
    }
}
