//! The table that drives the server: which resources there are, replaced as a whole when one comes
//! or goes, so that a request sees one table from its beginning to its end.

use crate::shelf::Shelf;
use crate::stored::{Stored, head};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use teu_api::kinds::convert;
use teu_api::{Row, Status};
use teu_kubernetes::discovery::by_priority;
use teu_store::{Revision, Store};

/// A row and where its objects are.
#[derive(Debug)]
pub struct Entry {
    /// The row.
    pub row: Row,
    /// Its objects' place.
    pub shelf: Arc<Shelf>,
    /// `apps/v1`.
    pub api_version: String,
    /// `"kind":…,"apiVersion":…,` of its objects.
    pub head: Vec<u8>,
    /// Whether a CustomResourceDefinition brought it.
    pub is_custom: bool,
    /// A custom resource's own schema, for OpenAPI.
    pub schema_document: Option<Arc<Value>>,
    /// Whether its objects are stored in another form.
    pub converts: bool,
}

impl Entry {
    /// A stored object in this row's form, with its resource version.
    pub fn open(&self, stored: &Stored, revision: Revision) -> Result<Value, Status> {
        let mut value = stored.to_value(revision)?;
        if self.converts {
            let (group, version) = (self.group(), &self.row.resource.version);
            value = convert::from_stored(group, version, self.kind(), value);
        }
        if let Some(fields) = value.as_object_mut() {
            fields.insert("kind".to_owned(), self.kind().into());
            fields.insert("apiVersion".to_owned(), self.api_version.clone().into());
        }
        Ok(value)
    }

    /// An object of this row as it is stored.
    pub fn seal(&self, object: &Value) -> Stored {
        if !self.converts {
            return Stored::seal(object);
        }
        let (group, version) = (self.group(), &self.row.resource.version);
        Stored::seal(&convert::to_stored(group, version, self.kind(), object.clone()))
    }

    /// Where fields of its objects are that a request does not change.
    pub fn has_status(&self) -> bool {
        self.row.rules.has_status()
    }

    /// Its group.
    pub fn group(&self) -> &str {
        &self.row.resource.group
    }

    /// Its name in paths.
    pub fn plural(&self) -> &str {
        &self.row.resource.plural
    }

    /// Its kind.
    pub fn kind(&self) -> &str {
        &self.row.resource.kind
    }

    /// A number for the shape of what is answered: differs between rows.
    pub fn shape(&self) -> u64 {
        use std::hash::{Hash, Hasher};
        let mut hasher = std::hash::DefaultHasher::new();
        self.head.hash(&mut hasher);
        hasher.finish()
    }
}

type Plurals = BTreeMap<String, Arc<Entry>>;
type Versions = BTreeMap<String, Plurals>;

/// All rows at one time.
#[derive(Debug, Default, Clone)]
pub struct Rows {
    groups: BTreeMap<String, Versions>,
    shelves: HashMap<String, Arc<Shelf>>,
    /// Counts the tables there have been; documents made from one are known by it.
    pub generation: u64,
}

impl Rows {
    /// A resource.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Entry>> {
        self.groups.get(group)?.get(version)?.get(plural)
    }

    /// A resource in any of its versions, the most stable first.
    pub fn find_any(&self, group: &str, plural: &str) -> Option<&Arc<Entry>> {
        let versions = self.versions(group);
        versions.into_iter().find_map(|version| self.find(group, version, plural))
    }

    /// A resource by its kind.
    pub fn find_kind(&self, group: &str, version: &str, kind: &str) -> Option<&Arc<Entry>> {
        self.resources(group, version).find(|entry| entry.kind() == kind)
    }

    /// The groups, core (empty) first.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str)
    }

    /// A group's versions, the preferred first.
    pub fn versions(&self, group: &str) -> Vec<&str> {
        let mut versions: Vec<&str> =
            self.groups.get(group).into_iter().flatten().map(|(version, _)| &**version).collect();
        versions.sort_by(|one, two| by_priority(one, two));
        versions
    }

    /// The resources of a version.
    pub fn resources(&self, group: &str, version: &str) -> impl Iterator<Item = &Arc<Entry>> {
        self.groups
            .get(group)
            .and_then(|found| found.get(version))
            .into_iter()
            .flat_map(Plurals::values)
    }

    /// Every row.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.groups.values().flat_map(Versions::values).flat_map(Plurals::values)
    }

    /// One row of each shelf.
    pub fn each_stored(&self) -> Vec<Arc<Entry>> {
        let mut seen = std::collections::BTreeSet::new();
        self.all().filter(|entry| seen.insert(entry.row.storage.to_string())).cloned().collect()
    }

    fn insert(&mut self, store: &Arc<dyn Store>, row: Row, is_custom: bool) {
        let shelf = self.shelves.entry(row.storage.to_string());
        let shelf = shelf.or_insert_with(|| Arc::new(Shelf::new(Arc::clone(store), &row.storage)));
        let api_version = row.resource.api_version();
        let resource = &row.resource;
        let places = (resource.group.to_string(), resource.version.to_string());
        let plural = resource.plural.to_string();
        let stored_as = convert::stored_as(&resource.group, &resource.version, &resource.kind);
        let entry = Entry {
            shelf: Arc::clone(shelf),
            head: head(&row.resource.kind, &api_version),
            api_version,
            is_custom: false,
            schema_document: None,
            converts: !is_custom && stored_as.is_some(),
            row,
        };
        let version = self.groups.entry(places.0).or_default().entry(places.1).or_default();
        version.insert(plural, Arc::new(entry));
    }

    fn remove(&mut self, group: &str, plural: &str) {
        if let Some(versions) = self.groups.get_mut(group) {
            for plurals in versions.values_mut() {
                plurals.remove(plural);
            }
            versions.retain(|_, plurals| !plurals.is_empty());
            if versions.is_empty() {
                self.groups.remove(group);
            }
        }
    }
}

/// The table.
pub struct Table {
    store: Arc<dyn Store>,
    current: RwLock<Arc<Rows>>,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("generation", &self.rows().generation).finish_non_exhaustive()
    }
}

impl Table {
    /// With the built-in rows.
    pub fn new(store: Arc<dyn Store>, rows: Vec<Row>) -> Self {
        let mut table = Rows::default();
        for row in rows {
            table.insert(&store, row, false);
        }
        Self { store, current: RwLock::new(Arc::new(table)) }
    }

    /// As it is now.
    pub fn rows(&self) -> Arc<Rows> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts the rows of a custom resource in the place of those it had; none take it away. A built-in
    /// resource is never replaced.
    pub fn set_custom(&self, group: &str, plural: &str, rows: Vec<Row>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.find_any(group, plural).is_some_and(|entry| !entry.is_custom) {
            return;
        }
        let mut next = Rows::clone(&current);
        next.generation += 1;
        next.remove(group, plural);
        for row in rows {
            next.insert(&self.store, row, true);
        }
        let live: std::collections::HashSet<String> =
            next.all().map(|entry| entry.row.storage.to_string()).collect();
        next.shelves.retain(|storage, _| live.contains(storage));
        *current = Arc::new(next);
    }
}
