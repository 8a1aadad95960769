//! What one object has that another has not, path by path.

use super::super::element::Element;
use super::super::set::Set;
use super::{Atom, atom_of, element_of, field_of, is_bare};
use serde_json::Value;
use std::collections::BTreeMap;
use teu_kubernetes::{ListKind, Schema};

/// Paths that differ between two objects.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) added: Set,
    pub(crate) modified: Set,
    pub(crate) removed: Set,
}

impl Comparison {
    /// Without what is not looked at.
    pub(crate) fn without(&self, ignored: &Set) -> Self {
        Self {
            added: self.added.recursive_difference(ignored),
            modified: self.modified.recursive_difference(ignored),
            removed: self.removed.recursive_difference(ignored),
        }
    }
}

/// Compares.
pub(crate) fn compare(old: &Value, new: &Value, schema: &Schema) -> Comparison {
    let mut walk = Walk { path: Vec::new(), found: Comparison::default() };
    walk.values(Some(old), Some(new), schema);
    walk.found
}

struct Walk {
    path: Vec<Element>,
    found: Comparison,
}

impl Walk {
    fn values(&mut self, old: Option<&Value>, new: Option<&Value>, schema: &Schema) {
        // A missing or null side is of whatever kind the other is.
        let side = |value: Option<&Value>| value.is_some_and(|value| !value.is_null());
        let told = if side(new) {
            new
        } else if side(old) {
            old
        } else {
            new.or(old)
        };
        let atom = atom_of(schema, told);
        let changes_kind = matches!((old, new), (Some(old), Some(new))
            if side(Some(old)) && side(Some(new)) && old.is_object() != new.is_object());
        if atom.is_atomic() || changes_kind || is_bare(old) && is_bare(new) {
            return self.leaf(old, new);
        }
        match atom {
            Atom::Scalar(_) => return self.leaf(old, new),
            Atom::List(item, kind) => self.lists(old, new, item, kind),
            Atom::Map(schema, _) => self.maps(old, new, |_| schema),
            Atom::Struct(shape) => self.maps(old, new, |name| field_of(shape, name)),
        }
        if old.is_none() {
            self.found.added.insert(&self.path);
        } else if new.is_none() {
            self.found.removed.insert(&self.path);
        }
    }

    fn leaf(&mut self, old: Option<&Value>, new: Option<&Value>) {
        match (old, new) {
            (None, Some(_)) => self.found.added.insert(&self.path),
            (Some(_), None) => self.found.removed.insert(&self.path),
            (Some(old), Some(new)) if old != new => self.found.modified.insert(&self.path),
            _ => {}
        }
    }

    fn maps<'a>(
        &mut self,
        old: Option<&Value>,
        new: Option<&Value>,
        schema_of: impl Fn(&str) -> &'a Schema,
    ) {
        let old = old.and_then(Value::as_object);
        let new = new.and_then(Value::as_object);
        for (name, value) in old.into_iter().flatten() {
            let new = new.and_then(|new| new.get(name));
            // Most of an object does not change.
            if new != Some(value) {
                self.descend(Element::Field(name.clone()), Some(value), new, schema_of(name));
            }
        }
        let is_new = |name: &str| old.is_none_or(|old| !old.contains_key(name));
        for (name, value) in new.into_iter().flatten().filter(|(name, _)| is_new(name)) {
            self.descend(Element::Field(name.clone()), None, Some(value), schema_of(name));
        }
    }

    fn lists(&mut self, old: Option<&Value>, new: Option<&Value>, item: &Schema, kind: &ListKind) {
        let mut items: BTreeMap<Element, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
        for (is_new, list) in [(false, old), (true, new)] {
            for (at, value) in list.and_then(Value::as_array).into_iter().flatten().enumerate() {
                let Ok(element) = element_of(item, kind, at, value) else { continue };
                let (olds, news) = items.entry(element).or_default();
                if is_new { news.push(value) } else { olds.push(value) }
            }
        }
        for (element, (olds, news)) in items {
            match (olds.as_slice(), news.as_slice()) {
                ([], [new]) => self.descend(element, None, Some(new), item),
                ([old], []) => self.descend(element, Some(old), None, item),
                ([old], [new]) => self.descend(element, Some(old), Some(new), item),
                // Items that are there more than once are compared as a whole.
                (olds, news) => {
                    self.path.push(element);
                    match (olds.is_empty(), news.is_empty()) {
                        (true, _) => self.found.added.insert(&self.path),
                        (_, true) => self.found.removed.insert(&self.path),
                        _ if olds != news => self.found.modified.insert(&self.path),
                        _ => {}
                    }
                    self.path.pop();
                }
            }
        }
    }

    fn descend(
        &mut self,
        element: Element,
        old: Option<&Value>,
        new: Option<&Value>,
        schema: &Schema,
    ) {
        self.path.push(element);
        self.values(old, new, schema);
        self.path.pop();
    }
}
