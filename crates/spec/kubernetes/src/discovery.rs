//! Discovery: which groups, versions and resources a server has, in every form that clients ask for.
//!
//! Pure functions over a list of resources, built-in and custom alike. A [`Catalog`] puts them in
//! order once; the documents are then only printed.

mod aggregated;
mod plain;
mod version;

pub use aggregated::{Form, aggregated};
pub use plain::{api_versions, group_document, group_list, resource_list};
pub use version::by_priority;

use crate::resource::{self, Resource};

/// Resources by group and version, in the order of discovery.
#[derive(Debug, Clone, Default)]
pub struct Catalog<'a> {
    /// Groups: core (empty name) first, then the built-in ones, then others by name.
    pub groups: Vec<Group<'a>>,
}

/// A group.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// Its name; empty for core.
    pub name: &'a str,
    /// Its versions, the preferred one first.
    pub versions: Vec<Version<'a>>,
}

/// A version of a group.
#[derive(Debug, Clone)]
pub struct Version<'a> {
    /// Its name, such as `v1`.
    pub name: &'a str,
    /// Its resources, by name.
    pub resources: Vec<&'a Resource>,
    /// Whether they are known only from earlier, because the server behind them does not answer.
    pub stale: bool,
}

impl<'a> Catalog<'a> {
    /// Of these resources.
    pub fn new(resources: impl IntoIterator<Item = &'a Resource>) -> Self {
        let mut catalog = Self::default();
        for resource in resources {
            catalog.version(&resource.group, &resource.version).resources.push(resource);
        }
        let known = resource::groups();
        let place = |name: &str| known.iter().position(|(group, _)| *group == name);
        catalog.groups.sort_by(|one, two| {
            let rank = |name| place(name).unwrap_or(known.len());
            rank(one.name).cmp(&rank(two.name)).then_with(|| one.name.cmp(two.name))
        });
        for group in &mut catalog.groups {
            match place(group.name).and_then(|at| known.get(at)) {
                Some((_, order)) => group.versions.sort_by_key(|version| {
                    order.iter().position(|name| *name == version.name).unwrap_or(order.len())
                }),
                None => group.versions.sort_by(|one, two| by_priority(one.name, two.name)),
            }
            for version in &mut group.versions {
                version.resources.sort_by(|one, two| one.plural.cmp(&two.plural));
            }
        }
        catalog
    }

    fn version(&mut self, group: &'a str, version: &'a str) -> &mut Version<'a> {
        let at = self.groups.iter().position(|each| each.name == group).unwrap_or_else(|| {
            self.groups.push(Group { name: group, versions: Vec::new() });
            self.groups.len() - 1
        });
        let versions = &mut self.groups[at].versions;
        let at = versions.iter().position(|each| each.name == version).unwrap_or_else(|| {
            versions.push(Version { name: version, resources: Vec::new(), stale: false });
            versions.len() - 1
        });
        &mut versions[at]
    }

    /// The group of this name.
    pub fn group(&self, name: &str) -> Option<&Group<'a>> {
        self.groups.iter().find(|group| group.name == name)
    }
}

impl<'a> Group<'a> {
    /// Its version of this name.
    pub fn version(&self, name: &str) -> Option<&Version<'a>> {
        self.versions.iter().find(|version| version.name == name)
    }
}

/// `apps/v1`, or `v1` for core.
pub(crate) fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

#[cfg(test)]
mod tests;
