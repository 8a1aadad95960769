//! `metadata.managedFields`: who owns which paths, by what, in which version, since when.

use super::set::Set;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Entries of updates that one object may have; the oldest are merged beyond it.
const MAX_UPDATE_ENTRIES: usize = 10;
const OLD_UPDATES: &str = "ancient-changes";

/// By what an owner came to its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// It applied them.
    Apply,
    /// It wrote them in any other way.
    Update,
}

/// One owner. An applier is the same in all versions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// Name.
    pub manager: String,
    /// How.
    pub operation: Operation,
    /// In which version; empty for an applier.
    pub api_version: String,
    /// Through which subresource; empty for none.
    pub subresource: String,
}

/// What it owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// The version that the paths are of.
    pub api_version: String,
    /// The paths.
    pub set: Set,
    /// Since when.
    pub time: Option<String>,
}

/// Owners of one object's fields.
pub type Managed = BTreeMap<Owner, Owned>;

impl Owner {
    /// As messages name it.
    pub(super) fn shown(&self) -> String {
        let mut text = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if self.operation == Operation::Update {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }
}

/// Why entries cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManagedError {
    /// Not one of the two.
    #[error("operation must be `Apply` or `Update`")]
    Operation,
    /// None.
    #[error("apiVersion must not be empty")]
    ApiVersion,
    /// None.
    #[error("missing fieldsType in managed fields entry {0}")]
    NoFieldsType(usize),
    /// Not `FieldsV1`.
    #[error("invalid fieldsType {kind:?} in managed fields entry {index}")]
    FieldsType {
        /// What it says.
        kind: String,
        /// Where.
        index: usize,
    },
    /// A path is none.
    #[error("error decoding set: {0}")]
    Set(#[from] super::element::ElementError),
}

/// Reads the entries of an object; none if it has none.
pub fn read(object: &Value) -> Result<Managed, ManagedError> {
    let mut managed = Managed::new();
    let entries = crate::object::at(object, &["metadata", "managedFields"]);
    for (index, entry) in entries.and_then(Value::as_array).into_iter().flatten().enumerate() {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let operation = match text("operation") {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return Err(ManagedError::Operation),
        };
        let api_version = text("apiVersion").to_owned();
        if api_version.is_empty() {
            return Err(ManagedError::ApiVersion);
        }
        match text("fieldsType") {
            "FieldsV1" => {}
            "" => return Err(ManagedError::NoFieldsType(index)),
            kind => return Err(ManagedError::FieldsType { kind: kind.to_owned(), index }),
        }
        let is_update = operation == Operation::Update;
        let owner = Owner {
            manager: text("manager").to_owned(),
            operation,
            api_version: if is_update { api_version.clone() } else { String::new() },
            subresource: text("subresource").to_owned(),
        };
        let set = entry.get("fieldsV1").map(Set::from_value).transpose()?.unwrap_or_default();
        let time = entry.get("time").and_then(Value::as_str).map(str::to_owned);
        managed.insert(owner, Owned { api_version, set, time });
    }
    Ok(managed)
}

/// Whether an object asks for its owners to be forgotten: an empty list, or one empty entry.
pub fn is_reset(object: &Value) -> bool {
    let entries = crate::object::at(object, &["metadata", "managedFields"]);
    match entries.and_then(Value::as_array).map(Vec::as_slice) {
        Some([]) => true,
        Some([entry]) => entry.as_object().is_some_and(Map::is_empty),
        _ => false,
    }
}

/// Takes the entries out of an object.
pub fn strip(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
    }
}

/// Writes the entries into an object, appliers first, then by time.
pub fn write(object: &mut Value, managed: &Managed) {
    let mut entries: Vec<(&Owner, &Owned)> = managed.iter().collect();
    entries.sort_by(|(a, one), (b, other)| {
        (a.operation, &one.time, &a.manager, &one.api_version, &a.subresource).cmp(&(
            b.operation,
            &other.time,
            &b.manager,
            &other.api_version,
            &b.subresource,
        ))
    });
    if entries.is_empty() {
        return strip(object);
    }
    let entries: Vec<Value> = entries.into_iter().map(entry).collect();
    crate::object::metadata_mut(object).insert("managedFields".to_owned(), entries.into());
}

fn entry((owner, owned): (&Owner, &Owned)) -> Value {
    let mut entry = Map::new();
    let mut put = |name: &str, text: &str| {
        if !text.is_empty() {
            entry.insert(name.to_owned(), text.into());
        }
    };
    put("manager", &owner.manager);
    put("operation", if owner.operation == Operation::Apply { "Apply" } else { "Update" });
    put("apiVersion", &owned.api_version);
    put("time", owned.time.as_deref().unwrap_or_default());
    put("fieldsType", "FieldsV1");
    entry.insert("fieldsV1".to_owned(), owned.set.to_value());
    if !owner.subresource.is_empty() {
        entry.insert("subresource".to_owned(), json!(owner.subresource));
    }
    Value::Object(entry)
}

/// Merges the oldest entries of updates, version by version, until there are few enough.
pub(super) fn cap(managed: &mut Managed) {
    let mut updates: Vec<(Option<String>, Owner)> = managed
        .iter()
        .filter(|(owner, _)| owner.operation == Operation::Update)
        .map(|(owner, owned)| (owned.time.clone(), owner.clone()))
        .collect();
    let mut count = updates.len();
    updates.sort();
    let mut first_of: BTreeMap<String, Owner> = BTreeMap::new();
    for (time, owner) in updates {
        if count <= MAX_UPDATE_ENTRIES {
            break;
        }
        let Some(first) = first_of.get(&owner.api_version) else {
            first_of.insert(owner.api_version.clone(), owner);
            continue;
        };
        let bucket = Owner {
            manager: OLD_UPDATES.to_owned(),
            operation: Operation::Update,
            api_version: owner.api_version.clone(),
            subresource: String::new(),
        };
        let Some(owned) = managed.remove(&owner) else { continue };
        let kept = managed.remove(&bucket).or_else(|| managed.remove(first));
        let set = owned.set.union(&kept.map(|it| it.set).unwrap_or_default());
        managed.insert(bucket, Owned { set, time, ..owned });
        count -= 1;
    }
}
