//! What a namespace's status says of its end, in the real controller's words.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use teu_api::{Status, object};

/// What is left in a namespace after everything was asked to go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// Objects, by `plural.group`.
    pub objects: BTreeMap<String, usize>,
    /// Objects that wait, by finalizer.
    pub finalizers: BTreeMap<String, usize>,
}

impl Left {
    /// Counts an object of a resource.
    pub fn add(&mut self, plural: &str, group: &str, object: &Value) {
        *self.objects.entry(format!("{plural}.{group}")).or_default() += 1;
        let finalizers = object::at(object, &["metadata", "finalizers"]).and_then(Value::as_array);
        for name in finalizers.into_iter().flatten().filter_map(Value::as_str) {
            *self.finalizers.entry(name.to_owned()).or_default() += 1;
        }
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}

/// Writes into a namespace how its last emptying went.
pub fn note(namespace: &mut Value, outcome: &Result<Left, Status>, now: &str) {
    let nothing = Left::default();
    let left = outcome.as_ref().unwrap_or(&nothing);
    let failed = outcome.as_ref().err().map(|status| status.message.clone());
    let counted = |all: &BTreeMap<String, usize>, how: &str| {
        let each: Vec<String> = all
            .iter()
            .map(|(name, count)| format!("{name} {how} {count} resource instances"))
            .collect();
        (!each.is_empty()).then(|| each.join(", "))
    };
    let objects = counted(&left.objects, "has");
    let finalizers = counted(&left.finalizers, "in");
    let rows = [
        (
            "NamespaceDeletionDiscoveryFailure",
            None,
            ("ResourcesDiscovered", "All resources successfully discovered"),
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            None,
            ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
        ),
        (
            "NamespaceDeletionContentFailure",
            failed.map(|why| ("ContentDeletionFailed", why)),
            ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
        ),
        (
            "NamespaceContentRemaining",
            objects
                .map(|all| ("SomeResourcesRemain", format!("Some resources are remaining: {all}"))),
            ("ContentRemoved", "All content successfully removed"),
        ),
        (
            "NamespaceFinalizersRemaining",
            finalizers.map(|all| {
                let text = format!("Some content in the namespace has finalizers remaining: {all}");
                ("SomeFinalizersRemain", text)
            }),
            ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
        ),
    ];
    for (kind, fault, (reason, message)) in rows {
        let (state, reason, message) = match fault {
            Some((reason, message)) => ("True", reason, message),
            None => ("False", reason, message.to_owned()),
        };
        set(namespace, kind, (state, reason, &message), now);
    }
}

/// Sets a condition; when it changed its mind is kept.
fn set(namespace: &mut Value, kind: &str, said: (&str, &str, &str), now: &str) {
    let status = object::child_mut(namespace, "status");
    let all = status.entry("conditions").or_insert_with(|| json!([]));
    let Some(all) = all.as_array_mut() else { return };
    let (state, reason, message) = said;
    let mut condition = json!({
        "type": kind, "status": state, "lastTransitionTime": now, "reason": reason, "message": message,
    });
    match all.iter_mut().find(|known| known["type"] == kind) {
        Some(known) => {
            if known["status"] == state {
                condition["lastTransitionTime"] = known["lastTransitionTime"].take();
            }
            *known = condition;
        }
        None => all.push(condition),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_said_and_taken_back() {
        let mut left = Left::default();
        left.add("pods", "", &json!({ "metadata": { "finalizers": ["a/b", "c"] } }));
        left.add("pods", "", &json!({ "metadata": { "finalizers": ["a/b"] } }));
        left.add("jobs", "batch", &json!({}));
        let mut namespace = json!({ "status": { "phase": "Terminating" } });
        let said = |namespace: &Value, kind: &str| {
            let all = namespace["status"]["conditions"].as_array().expect("conditions");
            let found = all.iter().find(|it| it["type"] == kind).expect("the condition");
            let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
            (text("status"), text("lastTransitionTime"), text("message"))
        };
        let own = |(a, b, c): (&str, &str, &str)| (a.to_owned(), b.to_owned(), c.to_owned());
        note(&mut namespace, &Ok(left.clone()), "t1");
        note(&mut namespace, &Ok(left), "t2");
        let text = "Some resources are remaining: jobs.batch has 1 resource instances, pods. has 2 resource instances";
        assert_eq!(said(&namespace, "NamespaceContentRemaining"), own(("True", "t1", text)));
        let text = "Some content in the namespace has finalizers remaining: a/b in 2 resource instances, c in 1 resource instances";
        assert_eq!(said(&namespace, "NamespaceFinalizersRemaining"), own(("True", "t1", text)));
        note(&mut namespace, &Err(Status::internal("broken")), "t3");
        let (state, time, message) = said(&namespace, "NamespaceDeletionContentFailure");
        assert_eq!((&*state, &*time), ("True", "t3"));
        assert!(message.contains("broken"), "{message}");
        note(&mut namespace, &Ok(Left::default()), "t4");
        let text = "All content successfully removed";
        assert_eq!(said(&namespace, "NamespaceContentRemaining"), own(("False", "t3", text)));
        assert_eq!(namespace["status"]["conditions"].as_array().map(Vec::len), Some(5));
    }
}
