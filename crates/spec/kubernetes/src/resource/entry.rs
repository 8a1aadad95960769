//! How a line of the table of built-in resources is written, and what it becomes.
//!
//! A line says only what is particular to a resource; names that follow from others are made.

use super::{Resource, Scope, Subresource, Text};

/// Verbs of a resource that is kept.
const ALL_VERBS: &[&str] =
    &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
/// Verbs of a part of an object.
const PART_VERBS: &[&str] = &["get", "patch", "update"];

/// A resource of the table.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    kind: &'static str,
    plural: &'static str,
    scope: Scope,
    verbs: &'static [&'static str],
    short: &'static [&'static str],
    categories: &'static [&'static str],
    parts: &'static [Part],
}

/// A subresource of the table.
#[derive(Clone, Copy)]
pub(super) struct Part {
    name: &'static str,
    /// Group, version and kind; empty kind for the object's own.
    is: (&'static str, &'static str, &'static str),
    verbs: &'static [&'static str],
}

/// A group and one of its versions.
pub(super) struct Set {
    /// API group; empty for core.
    pub(super) group: &'static str,
    /// Its version.
    pub(super) version: &'static str,
    /// What its types are called: `io.k8s.api.apps`.
    pub(super) package: &'static str,
    /// Its resources, by name.
    pub(super) entries: &'static [Entry],
}

impl Part {
    pub(super) const STATUS: Self = Self::of("status", PART_VERBS);
    pub(super) const SCALE: Self = Self::of("scale", PART_VERBS).is("autoscaling", "v1", "Scale");

    /// A part of the object's own kind.
    pub(super) const fn of(name: &'static str, verbs: &'static [&'static str]) -> Self {
        Self { name, is: ("", "", ""), verbs }
    }

    /// A part that is read and written like `status`.
    pub(super) const fn written(name: &'static str) -> Self {
        Self::of(name, PART_VERBS)
    }

    /// Of another kind than the object.
    pub(super) const fn is(
        mut self,
        group: &'static str,
        version: &'static str,
        kind: &'static str,
    ) -> Self {
        self.is = (group, version, kind);
        self
    }

    fn build(&self, set: &Set, kind: &'static str) -> Subresource {
        let (group, version, kind) = match self.is {
            (_, _, "") => (set.group, set.version, kind),
            other => other,
        };
        Subresource {
            name: self.name.into(),
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
            verbs: texts(self.verbs),
        }
    }
}

impl Entry {
    /// One whose objects live in namespaces.
    pub(super) const fn namespaced(kind: &'static str, plural: &'static str) -> Self {
        Self {
            kind,
            plural,
            scope: Scope::Namespaced,
            verbs: ALL_VERBS,
            short: &[],
            categories: &[],
            parts: &[],
        }
    }

    /// One whose objects live in the cluster.
    pub(super) const fn cluster(kind: &'static str, plural: &'static str) -> Self {
        let mut entry = Self::namespaced(kind, plural);
        entry.scope = Scope::Cluster;
        entry
    }

    /// Other verbs than all.
    pub(super) const fn verbs(mut self, verbs: &'static [&'static str]) -> Self {
        self.verbs = verbs;
        self
    }

    /// Short names.
    pub(super) const fn short(mut self, short: &'static [&'static str]) -> Self {
        self.short = short;
        self
    }

    /// Categories.
    pub(super) const fn categories(mut self, categories: &'static [&'static str]) -> Self {
        self.categories = categories;
        self
    }

    /// Subresources.
    pub(super) const fn parts(mut self, parts: &'static [Part]) -> Self {
        self.parts = parts;
        self
    }

    pub(super) fn build(&self, set: &Set) -> Resource {
        Resource {
            group: set.group.into(),
            version: set.version.into(),
            kind: self.kind.into(),
            list_kind: format!("{}List", self.kind).into(),
            plural: self.plural.into(),
            singular: self.kind.to_ascii_lowercase().into(),
            short: texts(self.short),
            categories: texts(self.categories),
            scope: self.scope,
            verbs: texts(self.verbs),
            subresources: self.parts.iter().map(|part| part.build(set, self.kind)).collect(),
            type_name: format!("{}.{}.{}", set.package, set.version, self.kind).into(),
        }
    }
}

fn texts(list: &[&'static str]) -> Vec<Text> {
    list.iter().map(|text| Text::Borrowed(*text)).collect()
}
