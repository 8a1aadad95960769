//! The table that drives the server: which resources there are, replaced as a whole when one comes
//! or goes, so that a request sees one table from its beginning to its end.

use crate::shelf::Shelf;
use crate::stored::{Stored, head};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
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
    /// Whether its definition is on its way out: nothing new is made of it.
    pub is_going: bool,
    /// Whether its objects are stored in another form.
    pub converts: bool,
    /// Whether what is stored may lack defaults that its schema has now.
    pub fills: bool,
    /// Of a custom resource: the version objects are stored in.
    stored_version: String,
    /// Of a custom resource whose versions differ in more than their name.
    converter: Option<Arc<dyn Converter>>,
}

/// Makes objects of one version out of those of another. It may take its time: see
/// `crd::convert`.
pub trait Converter: Send + Sync + std::fmt::Debug {
    /// Converts them all to a version (`group/version`).
    fn convert(&self, objects: Vec<Value>, wanted: &str) -> Result<Vec<Value>, Status>;
}

/// A version of a custom resource.
#[derive(Debug)]
pub struct CustomRow {
    /// The row.
    pub row: Row,
    /// Its schema as the definition has it.
    pub schema: Option<Arc<Value>>,
    /// `group/version` that objects are stored in.
    pub stored_version: String,
    /// How others become it, if by more than the name.
    pub converter: Option<Arc<dyn Converter>>,
    /// Whether its definition is on its way out.
    pub is_going: bool,
}

impl Entry {
    /// A stored object in this row's form, with its resource version.
    pub fn open(&self, stored: &Stored, revision: Revision) -> Result<Value, Status> {
        let mut all = self.open_all([(stored, revision)])?;
        all.pop().ok_or_else(|| Status::internal("an object was lost while it was converted"))
    }

    /// Many of them; those that a webhook has to convert go to it together.
    pub fn open_all<'a>(
        &self,
        all: impl IntoIterator<Item = (&'a Stored, Revision)>,
    ) -> Result<Vec<Value>, Status> {
        let (mut values, mut foreign) = (Vec::new(), Vec::new());
        for (stored, revision) in all {
            if self.has_to_convert(stored) {
                foreign.push(values.len());
            }
            values.push(stored.to_value(revision)?);
        }
        if let (Some(converter), false) = (&self.converter, foreign.is_empty()) {
            let sent = foreign.iter().map(|at| std::mem::take(&mut values[*at])).collect();
            let converted = converter.convert(sent, &self.api_version)?;
            for (at, value) in foreign.into_iter().zip(converted) {
                values[at] = value;
            }
        }
        values.into_iter().map(|value| Ok(self.finish(value))).collect()
    }

    /// Whether an object is stored in a version from which only a webhook leads to this row's.
    pub fn has_to_convert(&self, stored: &Stored) -> bool {
        self.converter.is_some() && stored.api_version() != self.api_version
    }

    fn finish(&self, mut value: Value) -> Value {
        if self.converts && !self.is_custom {
            let (group, version) = (self.group(), &self.row.resource.version);
            value = convert::from_stored(group, version, self.kind(), value);
        }
        if let Some(fields) = value.as_object_mut() {
            fields.insert("kind".to_owned(), self.kind().into());
            fields.insert("apiVersion".to_owned(), self.api_version.clone().into());
        }
        if self.fills {
            self.row.rules.default(&mut value);
        }
        value
    }

    /// An object of this row as it is stored.
    pub fn seal(&self, object: &Value) -> Result<Stored, Status> {
        if self.is_custom {
            return match &self.converter {
                Some(converter) if self.stored_version != self.api_version => {
                    let mut made = converter.convert(vec![object.clone()], &self.stored_version)?;
                    let lost = || Status::internal("an object was lost while it was converted");
                    Ok(Stored::seal(&made.pop().ok_or_else(lost)?))
                }
                _ => Ok(Stored::seal_as(object, &self.stored_version)),
            };
        }
        if !self.converts {
            return Ok(Stored::seal(object));
        }
        let (group, version) = (self.group(), &self.row.resource.version);
        Ok(Stored::seal(&convert::to_stored(group, version, self.kind(), object.clone())))
    }

    /// Where fields of its objects are that a request does not change.
    pub fn has_status(&self) -> bool {
        self.row.rules.has_status()
    }

    /// Whether its objects are kept; reviews are only answered.
    pub fn is_stored(&self) -> bool {
        !self.row.storage.is_empty()
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

/// What only a custom row has.
#[derive(Default)]
struct CustomParts {
    schema: Option<Arc<Value>>,
    stored_version: String,
    converter: Option<Arc<dyn Converter>>,
    is_going: bool,
}

/// Whether a schema says what anything is that is not there.
fn has_default(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => fields.contains_key("default") || fields.values().any(has_default),
        Value::Array(items) => items.iter().any(has_default),
        _ => false,
    }
}

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
        let stored = self.all().filter(|entry| entry.is_stored());
        stored.filter(|entry| seen.insert(entry.row.storage.to_string())).cloned().collect()
    }

    fn insert(&mut self, store: &Arc<dyn Store>, row: Row, custom: Option<CustomParts>) {
        let shelf = self.shelves.entry(row.storage.to_string());
        let shelf = shelf.or_insert_with(|| Arc::new(Shelf::new(Arc::clone(store), &row.storage)));
        let api_version = row.resource.api_version();
        let resource = &row.resource;
        let places = (resource.group.to_string(), resource.version.to_string());
        let plural = resource.plural.to_string();
        let stored_as = convert::stored_as(&resource.group, &resource.version, &resource.kind);
        let is_custom = custom.is_some();
        let CustomParts { schema, stored_version, converter, is_going } =
            custom.unwrap_or_default();
        let entry = Entry {
            shelf: Arc::clone(shelf),
            head: head(&row.resource.kind, &api_version),
            api_version,
            is_custom,
            is_going,
            converts: converter.is_some() || (!is_custom && stored_as.is_some()),
            fills: schema.as_deref().is_some_and(has_default),
            schema_document: schema,
            stored_version,
            converter,
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
            table.insert(&store, row, None);
        }
        Self { store, current: RwLock::new(Arc::new(table)) }
    }

    /// As it is now.
    pub fn rows(&self) -> Arc<Rows> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts the rows of a custom resource in the place of those it had; none take it away. A built-in
    /// resource is never replaced.
    pub fn set_custom(&self, group: &str, plural: &str, rows: Vec<CustomRow>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.find_any(group, plural).is_some_and(|entry| !entry.is_custom) {
            return;
        }
        let mut next = Rows::clone(&current);
        next.generation += 1;
        next.remove(group, plural);
        for CustomRow { row, schema, stored_version, converter, is_going } in rows {
            let parts = CustomParts { schema, stored_version, converter, is_going };
            next.insert(&self.store, row, Some(parts));
        }
        let live: HashSet<String> = next.all().map(|entry| entry.row.storage.to_string()).collect();
        next.shelves.retain(|storage, shelf| {
            let is_live = live.contains(storage);
            if !is_live {
                shelf.retire();
            }
            is_live
        });
        *current = Arc::new(next);
    }
}
