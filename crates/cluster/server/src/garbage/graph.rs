//! Who belongs to whom: only objects that name owners are kept, by their keys.

use bytes::Bytes;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use teu_api::object;

/// An owner, as its dependent names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub api_version: Box<str>,
    pub kind: Box<str>,
    pub name: Box<str>,
    pub uid: Box<str>,
    /// Whether the owner waits for the dependent when it goes in the foreground.
    pub blocks: bool,
}

/// All dependents.
#[derive(Debug, Default)]
pub struct Graph {
    owners: HashMap<Bytes, Vec<Box<str>>>,
    dependents: HashMap<Box<str>, BTreeSet<Bytes>>,
}

/// The owners that an object names: all of them, as many as fit into it. One that was left out could be
/// the only one that is still there.
pub fn owners_of(object: &Value) -> Vec<Owner> {
    let list = object::at(object, &["metadata", "ownerReferences"]).and_then(Value::as_array);
    let owner = |value: &Value| {
        let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
        Owner {
            api_version: text("apiVersion").into(),
            kind: text("kind").into(),
            name: text("name").into(),
            uid: text("uid").into(),
            blocks: value.get("blockOwnerDeletion").and_then(Value::as_bool).unwrap_or(false),
        }
    };
    list.into_iter().flatten().map(owner).collect()
}

impl Graph {
    /// Notes an object as it is now.
    pub fn put(&mut self, key: &Bytes, object: &Value) {
        self.remove(key);
        let owners: Vec<Box<str>> = owners_of(object).into_iter().map(|owner| owner.uid).collect();
        for uid in &owners {
            self.dependents.entry(uid.clone()).or_default().insert(key.clone());
        }
        if !owners.is_empty() {
            self.owners.insert(key.clone(), owners);
        }
    }

    /// Forgets one that is gone; says whom it belonged to.
    pub fn remove(&mut self, key: &Bytes) -> Vec<Box<str>> {
        let owners = self.owners.remove(key).unwrap_or_default();
        for uid in &owners {
            if let Some(keys) = self.dependents.get_mut(uid) {
                keys.remove(key);
                if keys.is_empty() {
                    self.dependents.remove(uid);
                }
            }
        }
        owners
    }

    /// The keys of what belongs to an object.
    pub fn dependents(&self, uid: &str) -> Vec<Bytes> {
        self.dependents.get(uid).into_iter().flatten().cloned().collect()
    }

    /// The keys of all that belong to somebody.
    pub fn all(&self) -> Vec<Bytes> {
        self.owners.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dependents_are_found_by_their_owner() {
        let of = |uids: &[&str]| {
            let owners: Vec<Value> = uids.iter().map(|uid| json!({ "uid": uid })).collect();
            json!({ "metadata": { "ownerReferences": owners } })
        };
        let key = |text: &'static str| Bytes::from_static(text.as_bytes());
        let mut graph = Graph::default();
        graph.put(&key("a"), &of(&["1", "2"]));
        graph.put(&key("b"), &of(&["1"]));
        graph.put(&key("c"), &of(&[]));
        assert_eq!(graph.dependents("1"), [key("a"), key("b")]);
        graph.put(&key("a"), &of(&["2"]));
        assert_eq!(graph.dependents("1"), [key("b")]);
        assert_eq!(graph.remove(&key("a")), ["2".into()]);
        assert!(graph.dependents("2").is_empty());
        assert_eq!(graph.all(), [key("b")]);
    }
}
