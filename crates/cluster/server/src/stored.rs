//! An object as it is stored: JSON that begins with kind, version and `metadata`, without its resource
//! version, so that what is answered is the stored bytes with a new head spliced in.
//!
//! Why: most of what a server does is to hand out what it has. Parsing and printing again would be
//! the larger part of its time, and parsed objects several times the memory. What selectors ask for
//! is kept beside, made when the first selector asks.

use crate::table::Entry;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::OnceLock;
use teu_api::{Row, Status};
use teu_store::Revision;

const METADATA: &[u8] = b"\"metadata\":{";

/// An object's bytes. Cheap to clone but for what selectors left in it.
#[derive(Debug)]
pub struct Stored {
    json: Bytes,
    /// Where `"metadata":{` begins; 0 says that these are not our bytes.
    head: usize,
    /// Boxed: most objects never have one.
    index: OnceLock<Box<Index>>,
}

/// What selectors look at.
#[derive(Debug, Default)]
pub struct Index {
    labels: BTreeMap<Box<str>, Box<str>>,
    name: Box<str>,
    namespace: Box<str>,
    fields: Vec<(&'static str, Box<str>)>,
    /// The version whose fields they are, if the object had to be converted for that.
    api_version: Box<str>,
    /// For a row of the same shelf that is selected by other fields, as another version may be.
    next: OnceLock<Box<Index>>,
}

/// An object as operations answer it.
#[derive(Debug)]
pub struct Object {
    /// Its bytes.
    pub stored: Stored,
    /// Its revision; 0 says that it has none (a dry run's).
    pub revision: Revision,
}

/// The part of an object that most selectors need.
#[derive(Deserialize, Default)]
struct Labelled<'a> {
    #[serde(borrow, default)]
    metadata: LabelledMeta<'a>,
}

#[derive(Deserialize, Default)]
struct LabelledMeta<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    namespace: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    labels: Option<BTreeMap<Cow<'a, str>, Cow<'a, str>>>,
}

impl Stored {
    /// What the store has.
    pub fn new(json: Bytes) -> Self {
        let head = json.windows(METADATA.len()).position(|bytes| bytes == METADATA).unwrap_or(0);
        Self { json, head, index: OnceLock::new() }
    }

    /// Prints an object for the store. Its resource version does not go in.
    pub fn seal(object: &Value) -> Self {
        Self::seal_as(object, object.get("apiVersion").and_then(Value::as_str).unwrap_or_default())
    }

    /// The same under another version.
    pub fn seal_as(object: &Value, api_version: &str) -> Self {
        let mut json = Vec::with_capacity(512);
        let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
        json.extend_from_slice(b"{\"kind\":");
        print(&mut json, kind);
        json.extend_from_slice(b",\"apiVersion\":");
        print(&mut json, api_version);
        json.push(b',');
        let head = json.len();
        json.extend_from_slice(METADATA);
        let metadata = object.get("metadata").and_then(Value::as_object);
        let kept = |name: &&String| !matches!(name.as_str(), "resourceVersion" | "selfLink");
        let names = metadata.into_iter().flatten().filter(|(name, _)| kept(name));
        for (at, (name, value)) in names.enumerate() {
            field(&mut json, name, value, at > 0);
        }
        json.push(b'}');
        let rest = object.as_object().into_iter().flatten();
        let rest =
            rest.filter(|(name, _)| !matches!(name.as_str(), "kind" | "apiVersion" | "metadata"));
        for (name, value) in rest {
            field(&mut json, name, value, true);
        }
        json.push(b'}');
        // The store keeps it for as long as the object lives: no room for more than there is.
        json.shrink_to_fit();
        Self { json: json.into(), head, index: OnceLock::new() }
    }

    /// As it is stored.
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// The version it was stored in.
    pub fn api_version(&self) -> &str {
        const FIELD: &str = "\"apiVersion\":\"";
        let head = std::str::from_utf8(self.json.get(..self.head).unwrap_or_default());
        let head = head.unwrap_or_default();
        let found = head.split_once(FIELD).and_then(|(_, rest)| rest.split_once('"'));
        found.map_or("", |(version, _)| version)
    }

    /// Parsed, with its resource version.
    pub fn to_value(&self, revision: Revision) -> Result<Value, Status> {
        let mut value: Value = serde_json::from_slice(&self.json).map_err(|error| {
            Status::internal(format!("what is stored is not an object: {error}"))
        })?;
        if revision > 0 {
            let metadata = teu_api::object::metadata_mut(&mut value);
            metadata.insert("resourceVersion".to_owned(), revision.to_string().into());
        }
        Ok(value)
    }

    /// Prints it with its resource version, under a head (`"kind":…,"apiVersion":…,`, or nothing).
    pub fn write(&self, out: &mut Vec<u8>, head: &[u8], revision: Revision) {
        out.push(b'{');
        out.extend_from_slice(head);
        let (start, rest) = (self.head, self.head + METADATA.len());
        out.extend_from_slice(self.json.get(start..rest).unwrap_or_default());
        let rest = self.json.get(rest..).unwrap_or_default();
        if revision > 0 {
            let comma = if rest.first() == Some(&b'}') { "" } else { "," };
            let _ = write!(out, "\"resourceVersion\":\"{revision}\"{comma}");
        }
        out.extend_from_slice(rest);
    }

    /// What selectors look at.
    pub fn selectable(&self, row: &Row) -> &Index {
        let make = || Box::new(Index::of(&self.json, row, None));
        let mut index: &Index = self.index.get_or_init(make);
        while !index.is_for(row, "") {
            index = index.next.get_or_init(make);
        }
        index
    }

    /// The same in a row's own version: what is stored in another one may have to be converted first.
    /// Nothing if that fails; it is tried again for the next who asks.
    pub fn selectable_in(&self, entry: &Entry) -> Option<&Index> {
        let row = &entry.row;
        if !entry.has_to_convert(self) || row.rules.selectable().is_empty() {
            return Some(self.selectable(row));
        }
        let make = || Box::new(Index::of(&self.json, row, None));
        let mut index: &Index = self.index.get_or_init(make);
        let mut made = None;
        while !index.is_for(row, &entry.api_version) {
            if index.next.get().is_none() && made.is_none() {
                let value = entry.open(self, 0).ok()?;
                let mut own = Index::of(&self.json, row, Some(&value));
                own.api_version = (*entry.api_version).into();
                made = Some(Box::new(own));
            }
            index = index.next.get_or_init(|| made.take().unwrap_or_default());
        }
        Some(index)
    }
}

impl Index {
    /// Of an object; its fields as they are stored, or as `value` has them.
    fn of(json: &[u8], row: &Row, value: Option<&Value>) -> Self {
        let found: Labelled<'_> = serde_json::from_slice(json).unwrap_or_default();
        let boxed = |text: Cow<'_, str>| text.into_owned().into_boxed_str();
        let labels = found.metadata.labels.unwrap_or_default();
        let mut index = Self {
            labels: labels.into_iter().map(|(key, value)| (boxed(key), boxed(value))).collect(),
            name: boxed(found.metadata.name),
            namespace: boxed(found.metadata.namespace.unwrap_or_default()),
            fields: Vec::new(),
            api_version: Box::default(),
            next: OnceLock::new(),
        };
        let selectable = row.rules.selectable();
        if !selectable.is_empty() {
            let parsed: Value = match value {
                Some(_) => Value::Null,
                None => serde_json::from_slice(json).unwrap_or_default(),
            };
            let value = value.unwrap_or(&parsed);
            for field in selectable {
                let text = row.rules.field(value, field).unwrap_or_default();
                index.fields.push((field, text.into()));
            }
        }
        index
    }

    /// Whether it has the fields that a row is selected by, as they are in this version.
    fn is_for(&self, row: &Row, api_version: &str) -> bool {
        *self.api_version == *api_version
            && self.fields.iter().map(|(name, _)| name).eq(row.rules.selectable())
    }

    /// A label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(|value| &**value)
    }

    /// A field that may be selected by.
    pub fn field(&self, field: &str) -> Option<&str> {
        match field {
            "metadata.name" => Some(&self.name),
            "metadata.namespace" => Some(&self.namespace),
            _ => {
                let found = self.fields.iter().find(|(name, _)| *name == field);
                found.map(|(_, value)| &**value)
            }
        }
    }
}

/// `"kind":…,"apiVersion":…,` of a row's objects.
pub fn head(kind: &str, api_version: &str) -> Vec<u8> {
    let mut head = Vec::with_capacity(64);
    head.extend_from_slice(b"\"kind\":");
    print(&mut head, kind);
    head.extend_from_slice(b",\"apiVersion\":");
    print(&mut head, api_version);
    head.push(b',');
    head
}

fn field(json: &mut Vec<u8>, name: &str, value: &Value, comma: bool) {
    if comma {
        json.push(b',');
    }
    print(json, name);
    json.push(b':');
    print(json, value);
}

/// Printing into memory cannot fail: keys of our maps are texts.
fn print<T: serde::Serialize + ?Sized>(json: &mut Vec<u8>, value: &T) {
    let _ = serde_json::to_writer(json, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_sealed_comes_back_under_any_head() {
        let object = json!({
            "apiVersion": "v1", "data": {"a": "\"metadata\":{"}, "kind": "ConfigMap",
            "metadata": {"name": "x", "resourceVersion": "7", "labels": {"a": "b"}},
        });
        let sealed = Stored::seal(&object);
        assert_eq!(sealed.api_version(), "v1");
        let again = Stored::new(sealed.json().clone());
        let mut out = Vec::new();
        again.write(&mut out, &head("Other", "v2"), 12);
        let value: Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(value["kind"], "Other");
        assert_eq!(value["metadata"]["resourceVersion"], "12");
        assert_eq!(value["metadata"]["labels"]["a"], "b");
        assert_eq!(value["data"], object["data"]);
    }
}
