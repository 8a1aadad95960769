//! A set of paths through an object, as a tree; FieldsV1 is its JSON.

use super::element::{Element, ElementError};
use super::typed::{Atom, atom_of};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use teu_kubernetes::Schema;

/// Paths; the root is nameless.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Set {
    /// Whether the path to here is one of the set.
    pub(super) here: bool,
    /// What is below. No empty sets are kept.
    pub(super) below: BTreeMap<Element, Set>,
}

/// A path, for messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path(pub Vec<Element>);

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|element| write!(f, "{element}"))
    }
}

impl Set {
    /// With paths of fields.
    pub fn of_fields(paths: &[&[&str]]) -> Self {
        let mut set = Self::default();
        for path in paths {
            let node = path.iter().fold(&mut set, |node, name| {
                node.below.entry(Element::Field((*name).to_owned())).or_default()
            });
            node.here = true;
        }
        set
    }

    /// Whether no path is in it.
    pub fn is_empty(&self) -> bool {
        !self.here && self.below.is_empty()
    }

    /// Puts a path in.
    pub(super) fn insert(&mut self, path: &[Element]) {
        let node =
            path.iter().fold(self, |node, element| node.below.entry(element.clone()).or_default());
        node.here = true;
    }

    /// What is below an element.
    pub(super) fn child(&self, element: &Element) -> Option<&Set> {
        self.below.get(element)
    }

    /// Whether a path is in it.
    pub fn has(&self, path: &[Element]) -> bool {
        path.iter().try_fold(self, |node, element| node.child(element)).is_some_and(|it| it.here)
    }

    /// Paths of either.
    #[must_use]
    pub fn union(mut self, other: &Self) -> Self {
        self.extend(other);
        self
    }

    fn extend(&mut self, other: &Self) {
        self.here |= other.here;
        for (element, set) in &other.below {
            self.below.entry(element.clone()).or_default().extend(set);
        }
    }

    /// Paths of both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut both = Self { here: self.here && other.here, below: BTreeMap::new() };
        for (element, set) in &self.below {
            if let Some(set) = other.child(element).map(|other| set.intersection(other)) {
                both.keep(element, set);
            }
        }
        both
    }

    /// Paths of the first that are not of the second; what is below a path of the second stays.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut rest = Self { here: self.here && !other.here, below: BTreeMap::new() };
        for (element, set) in &self.below {
            match other.child(element) {
                Some(other) => rest.keep(element, set.difference(other)),
                None => rest.keep(element, set.clone()),
            }
        }
        rest
    }

    /// Likewise, without what is below a path of the second.
    #[must_use]
    pub fn recursive_difference(&self, other: &Self) -> Self {
        if other.here {
            return Self::default();
        }
        let mut rest = Self { here: self.here, below: BTreeMap::new() };
        for (element, set) in &self.below {
            match other.child(element) {
                Some(other) => rest.keep(element, set.recursive_difference(other)),
                None => rest.keep(element, set.clone()),
            }
        }
        rest
    }

    fn keep(&mut self, element: &Element, set: Self) {
        if !set.is_empty() {
            self.below.insert(element.clone(), set);
        }
    }

    /// With each field of a struct that leads to a path made a path itself, so that taking away what
    /// is in a struct takes the empty struct too.
    #[must_use]
    pub(super) fn with_named_fields(&self, schema: &Schema) -> Self {
        let mut set = Self { here: self.here, below: BTreeMap::new() };
        let atom = atom_of(schema, None);
        for (element, child) in &self.below {
            let schema = atom.child(element);
            let mut child = child.with_named_fields(schema);
            if let (Element::Field(name), Atom::Struct(shape)) = (element, &atom) {
                child.here |= shape.field(name).is_some();
            }
            set.below.insert(element.clone(), child);
        }
        set
    }

    /// What a type that has become atomic makes of a set: its parts are no paths any more.
    #[must_use]
    pub(super) fn as_schema_sees(&self, schema: &Schema) -> Self {
        let atom = atom_of(schema, None);
        if atom.is_atomic() && !self.below.is_empty() {
            return Self { here: true, below: BTreeMap::new() };
        }
        let mut set = Self { here: self.here, below: BTreeMap::new() };
        for (element, child) in &self.below {
            set.keep(element, child.as_schema_sees(atom.child(element)));
        }
        set
    }

    /// Every path.
    pub fn paths(&self) -> Vec<Path> {
        let mut paths = Vec::new();
        self.collect(&mut Vec::new(), &mut paths);
        paths
    }

    fn collect(&self, prefix: &mut Vec<Element>, paths: &mut Vec<Path>) {
        if self.here {
            paths.push(Path(prefix.clone()));
        }
        for (element, set) in &self.below {
            prefix.push(element.clone());
            set.collect(prefix, paths);
            prefix.pop();
        }
    }

    /// Reads FieldsV1.
    pub fn from_value(fields: &Value) -> Result<Self, ElementError> {
        let mut set = Self::default();
        for (text, below) in fields.as_object().into_iter().flatten() {
            if text == "." {
                continue;
            }
            let Some(element) = Element::parse(text)? else { continue };
            let mut child = Self::from_value(below)?;
            child.here = below.as_object().is_none_or(|it| it.is_empty() || it.contains_key("."));
            set.keep(&element, child);
        }
        Ok(set)
    }

    /// Writes it.
    pub fn to_value(&self) -> Value {
        let mut fields = Map::new();
        for (element, set) in &self.below {
            let Value::Object(below) = set.to_value() else { continue };
            let mut inner = Map::new();
            if set.here && !below.is_empty() {
                inner.insert(".".to_owned(), Value::Object(Map::new()));
            }
            inner.extend(below);
            fields.insert(element.to_text(), Value::Object(inner));
        }
        Value::Object(fields)
    }
}
