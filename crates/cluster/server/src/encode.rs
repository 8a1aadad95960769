//! Objects, lists and changes as bytes: JSON that is spliced from what is stored, or, where a client
//! wants something else, made from what was parsed.

pub mod event;
pub mod list;
pub mod table;
pub mod yaml;

use crate::request::accept::TYPES;
use crate::request::{Accept, Form, Format};
use crate::stored::Stored;
use crate::table::Entry;
use bytes::Bytes;
use serde_json::{Map, Value};
use teu_api::{Rules, Status};
use teu_kubernetes::protobuf;
use teu_store::Revision;

/// What the rows of a table carry of their objects (`includeObject`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Include {
    /// Nothing.
    None,
    /// Their metadata.
    #[default]
    Metadata,
    /// All.
    Whole,
}

impl Include {
    /// What a query says.
    pub fn parse(text: &str) -> Result<Self, Status> {
        match text {
            "" | "Metadata" => Ok(Self::Metadata),
            "None" => Ok(Self::None),
            "Object" => Ok(Self::Whole),
            other => {
                Err(Status::bad_request(format!("unrecognized includeObject value: {other:?}")))
            }
        }
    }
}

/// How an answer looks.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Format and form.
    pub accept: Accept,
    /// Of tables.
    pub include: Include,
    /// Seconds since 1970, for ages.
    pub now: i64,
}

impl Look {
    /// A number that differs between all looks of an entry.
    pub fn shape(&self, entry: &Entry) -> u64 {
        let own = self.accept.shape() | (self.include as u64) << 12;
        entry.shape().rotate_left(16) ^ own
    }

    /// Whether stored bytes can be spliced.
    pub fn is_plain(&self, entry: &Entry) -> bool {
        let accept = self.accept;
        !entry.converts
            && !entry.fills
            && accept.format == Format::Json
            && accept.form == Form::Whole
            && !accept.is_pretty
    }
}

/// One object.
pub fn object(
    entry: &Entry,
    stored: &Stored,
    revision: Revision,
    look: &Look,
) -> Result<Bytes, Status> {
    if look.is_plain(entry) {
        let mut out = Vec::with_capacity(stored.json().len() + 64);
        stored.write(&mut out, &entry.head, revision);
        return Ok(out.into());
    }
    let whole = entry.open(stored, revision)?;
    document(&form(&*entry.row.rules, whole, look), look.accept)
}

/// An object in the form that is wanted.
pub fn form(rules: &dyn Rules, whole: Value, look: &Look) -> Value {
    match look.accept.form {
        Form::Whole => whole,
        Form::Partial => partial(&whole),
        Form::Table => {
            let metadata =
                whole.get("metadata").and_then(|metadata| metadata.get("resourceVersion"));
            let list = metadata.map(|version| serde_json::json!({ "resourceVersion": version }));
            table::table(
                rules,
                std::slice::from_ref(&whole),
                list.unwrap_or_else(|| serde_json::json!({})),
                look,
            )
        }
    }
}

/// `PartialObjectMetadata`.
pub fn partial(whole: &Value) -> Value {
    let mut fields = Map::new();
    fields.insert("kind".to_owned(), "PartialObjectMetadata".into());
    fields.insert("apiVersion".to_owned(), "meta.k8s.io/v1".into());
    fields.insert(
        "metadata".to_owned(),
        whole.get("metadata").cloned().unwrap_or_else(|| serde_json::json!({})),
    );
    fields.into()
}

/// Any document in a format.
pub fn document(document: &Value, accept: Accept) -> Result<Bytes, Status> {
    match accept.format {
        Format::Yaml => Ok(yaml::print(document).into()),
        Format::Json => Ok(json(document, accept.is_pretty)),
        Format::Protobuf => Ok(protobuf(document)?.into()),
    }
}

/// A document as protobuf, if its kind has such a form.
pub fn protobuf(document: &Value) -> Result<Vec<u8>, Status> {
    protobuf::encode(document).map_err(|_| Status::not_acceptable(&TYPES[..2]))
}

/// A document as JSON.
pub fn json(document: &Value, is_pretty: bool) -> Bytes {
    let printed = match is_pretty {
        true => serde_json::to_vec_pretty(document).map(|mut bytes| {
            bytes.push(b'\n');
            bytes
        }),
        false => serde_json::to_vec(document),
    };
    // A tree of values always prints.
    printed.unwrap_or_default().into()
}
