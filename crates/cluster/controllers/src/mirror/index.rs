//! Objects by name, and the keys of those that a controller owns or that have a label.
//!
//! Labels are kept as a hash of namespace, key and value: what it finds is looked at again, so that two
//! that hash alike cost a look and no more.

use super::{Key, Object, key_of, parts};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound;
use teu_api::kinds::labels::selects;
use teu_api::object;

#[derive(Debug, Default)]
pub struct Index {
    objects: BTreeMap<Key, Object>,
    /// By the controller's uid; `/namespace` for those without one.
    controlled: HashMap<Box<str>, BTreeSet<Key>>,
    labelled: HashMap<u64, BTreeSet<Key>>,
    hasher: RandomState,
}

/// The uid of the owner that controls an object.
pub fn controller_uid(object: &Value) -> Option<&str> {
    let owners = object::at(object, &["metadata", "ownerReferences"])?.as_array()?;
    let is_controller = |owner: &&Value| owner.get("controller") == Some(&Value::Bool(true));
    owners.iter().find(is_controller)?.get("uid")?.as_str()
}

fn controller(object: &Value) -> Box<str> {
    let none = || format!("/{}", object::namespace(object)).into();
    controller_uid(object).map_or_else(none, Into::into)
}

impl Index {
    fn labels(&self, object: &Value) -> Vec<u64> {
        let labels = object::at(object, &["metadata", "labels"]).and_then(Value::as_object);
        let namespace = object::namespace(object);
        let hash = |(key, value): (&String, &Value)| {
            Some(self.hasher.hash_one((namespace, &**key, value.as_str()?)))
        };
        labels.into_iter().flatten().filter_map(hash).collect()
    }

    pub fn put(&mut self, object: &Object) {
        let key = key_of(object);
        self.remove(&key);
        self.controlled.entry(controller(object)).or_default().insert(Key::clone(&key));
        for label in self.labels(object) {
            self.labelled.entry(label).or_default().insert(Key::clone(&key));
        }
        self.objects.insert(key, Object::clone(object));
    }

    pub fn remove(&mut self, key: &str) {
        let Some(object) = self.objects.remove(key) else { return };
        let by = controller(&object);
        if let Some(keys) = self.controlled.get_mut(&by) {
            keys.remove(key);
            if keys.is_empty() {
                self.controlled.remove(&by);
            }
        }
        for label in self.labels(&object) {
            if let Some(keys) = self.labelled.get_mut(&label) {
                keys.remove(key);
                if keys.is_empty() {
                    self.labelled.remove(&label);
                }
            }
        }
    }

    pub fn get(&self, key: &str) -> Option<&Object> {
        self.objects.get(key)
    }

    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.objects.keys()
    }

    pub fn all(&self) -> impl Iterator<Item = &Object> {
        self.objects.values()
    }

    pub fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = &Object> {
        let from = format!("{namespace}/");
        let namespace = namespace.to_owned();
        self.objects
            .range::<str, _>((Bound::Included(&*from), Bound::Unbounded))
            .take_while(move |(key, _)| parts(key).0 == namespace)
            .map(|(_, object)| object)
    }

    fn of(&self, keys: Option<&BTreeSet<Key>>) -> Vec<Object> {
        keys.into_iter().flatten().filter_map(|key| self.objects.get(key)).cloned().collect()
    }

    pub fn controlled_by(&self, uid: &str) -> Vec<Object> {
        self.of(self.controlled.get(uid))
    }

    pub fn orphans(&self, namespace: &str) -> Vec<Object> {
        self.of(self.controlled.get(&*format!("/{namespace}")))
    }

    pub fn selected(&self, namespace: &str, selector: &Value) -> Vec<Object> {
        let nothing = Value::Null;
        let is_right = |object: &Object| {
            let labels = object::at(object, &["metadata", "labels"]).unwrap_or(&nothing);
            object::namespace(object) == namespace && selects(selector, labels)
        };
        let labels = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
        let mut fewest: Option<Option<&BTreeSet<Key>>> = None;
        for (key, value) in labels {
            let hash =
                self.hasher.hash_one((namespace, &**key, value.as_str().unwrap_or_default()));
            let keys = self.labelled.get(&hash);
            let count = |keys: Option<&BTreeSet<Key>>| keys.map_or(0, BTreeSet::len);
            if fewest.is_none_or(|known| count(keys) < count(known)) {
                fewest = Some(keys);
            }
        }
        match fewest {
            Some(keys) => self.of(keys).into_iter().filter(is_right).collect(),
            None => {
                self.in_namespace(namespace).filter(|object| is_right(object)).cloned().collect()
            }
        }
    }
}
