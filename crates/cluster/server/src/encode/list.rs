//! Lists as bytes.

use super::{Look, document, partial, table};
use crate::request::Form;
use crate::table::Entry;
use crate::verbs::list::Listing;
use bytes::Bytes;
use serde_json::{Map, Value};
use std::io::Write as _;
use teu_api::Status;

/// A list.
pub fn list(entry: &Entry, listing: &Listing, look: &Look) -> Result<Bytes, Status> {
    if look.is_plain(entry) {
        return Ok(spliced(entry, listing));
    }
    let items =
        entry.open_all(listing.items.iter().map(|item| (&item.object, item.kv.modified)))?;
    let metadata = metadata(listing);
    let whole = match look.accept.form {
        Form::Table => table::table(&*entry.row.rules, &items, metadata, look),
        Form::Partial => {
            let items = items.iter().map(partial).collect();
            wrap("PartialObjectMetadataList", "meta.k8s.io/v1", metadata, items)
        }
        Form::Whole => wrap(&entry.row.resource.list_kind, &entry.api_version, metadata, items),
    };
    document(&whole, look.accept)
}

/// JSON put together of what is stored; items of built-in kinds do not repeat their kind, as in the
/// real server.
fn spliced(entry: &Entry, listing: &Listing) -> Bytes {
    let bytes: usize = listing.items.iter().map(|item| item.object.json().len() + 32).sum();
    let mut out = Vec::with_capacity(bytes + 256);
    out.push(b'{');
    out.extend_from_slice(&crate::stored::head(&entry.row.resource.list_kind, &entry.api_version));
    let _ = write!(out, "\"metadata\":{},\"items\":[", metadata(listing));
    let head: &[u8] = if entry.is_custom { &entry.head } else { b"" };
    for (at, item) in listing.items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        item.object.write(&mut out, head, item.kv.modified);
    }
    out.extend_from_slice(b"]}");
    out.into()
}

fn metadata(listing: &Listing) -> Value {
    let mut metadata = Map::new();
    if listing.revision > 0 {
        metadata.insert("resourceVersion".to_owned(), listing.revision.to_string().into());
    }
    if let Some(next) = &listing.next {
        metadata.insert("continue".to_owned(), next.clone().into());
    }
    if let Some(remaining) = listing.remaining {
        metadata.insert("remainingItemCount".to_owned(), remaining.into());
    }
    metadata.into()
}

fn wrap(kind: &str, api_version: &str, metadata: Value, items: Vec<Value>) -> Value {
    let mut fields = Map::new();
    fields.insert("kind".to_owned(), kind.into());
    fields.insert("apiVersion".to_owned(), api_version.into());
    fields.insert("metadata".to_owned(), metadata);
    fields.insert("items".to_owned(), items.into());
    fields.into()
}
