//! Watch events as bytes, each made once for all watchers that want it alike.

use super::{Look, document, form, json as printed};
use crate::request::{Accept, Format};
use crate::table::Entry;
use crate::verbs::Found;
use crate::verbs::watch::Change;
use bytes::Bytes;
use serde_json::{Value, json};
use teu_api::Status;
use teu_kubernetes::protobuf;
use teu_store::Revision;

/// Marks the bookmark behind the initial events.
const INITIAL_END: &str = "k8s.io/initial-events-end";

/// How an event is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Added,
    Modified,
    Deleted,
}

impl Word {
    fn text(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// A change as one frame; `None` for what this watcher is not told.
pub fn change(
    entry: &Entry,
    change: &Change,
    look: &Look,
    marks_initial_end: bool,
) -> Result<Option<Bytes>, Status> {
    let shape = |word: Word| look.shape(entry) ^ (word as u64 + 1) << 20;
    let bytes = match change {
        Change::Initial(item) => object(entry, Word::Added, item, item.kv.modified, look)?,
        Change::InitialEnd(_) if !marks_initial_end => return Ok(None),
        Change::InitialEnd(revision) => bookmark(entry, *revision, true, look)?,
        Change::Bookmark(revision) => bookmark(entry, *revision, false, look)?,
        Change::Added(event) | Change::Modified(event) => {
            let word =
                if matches!(change, Change::Added(_)) { Word::Added } else { Word::Modified };
            let make = || frame(entry, word, &event.item, event.revision, look);
            event.encodings.get(shape(word), make)
        }
        Change::Deleted(event, last) => {
            // What is shown of an object that left the selection is what was before.
            let left = !std::sync::Arc::ptr_eq(last, &event.item);
            let make = || frame(entry, Word::Deleted, last, event.revision, look);
            event.encodings.get(shape(Word::Deleted) ^ u64::from(left) << 24, make)
        }
    };
    Ok(Some(bytes))
}

/// What cannot be encoded is told as an error, to all alike.
fn frame(entry: &Entry, word: Word, item: &Found, revision: Revision, look: &Look) -> Bytes {
    let made = object(entry, word, item, revision, look);
    made.unwrap_or_else(|status| error(&status, look))
}

fn object(
    entry: &Entry,
    word: Word,
    item: &Found,
    revision: Revision,
    look: &Look,
) -> Result<Bytes, Status> {
    if look.is_plain(entry) {
        let mut out = Vec::with_capacity(item.object.json().len() + 96);
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(word.text().as_bytes());
        out.extend_from_slice(b"\",\"object\":");
        item.object.write(&mut out, &entry.head, revision);
        out.extend_from_slice(b"}\n");
        return Ok(out.into());
    }
    wrap(word.text(), form(&*entry.row.rules, entry.open(&item.object, revision)?, look), look)
}

fn bookmark(
    entry: &Entry,
    revision: Revision,
    is_initial_end: bool,
    look: &Look,
) -> Result<Bytes, Status> {
    let mut metadata =
        json!({ "resourceVersion": revision.to_string(), "creationTimestamp": null });
    if is_initial_end {
        metadata["annotations"] = json!({ INITIAL_END: "true" });
    }
    let whole = json!({
        "kind": entry.kind(), "apiVersion": entry.api_version, "metadata": metadata,
    });
    let shown = match look.accept.form {
        crate::request::Form::Table => json!({
            "kind": "Table", "apiVersion": "meta.k8s.io/v1",
            "metadata": { "resourceVersion": revision.to_string() },
            "columnDefinitions": [], "rows": [],
        }),
        _ => form(&*entry.row.rules, whole, look),
    };
    wrap("BOOKMARK", shown, look)
}

/// The last event of a watch that cannot go on.
pub fn error(status: &Status, look: &Look) -> Bytes {
    let shown = status.to_value();
    wrap("ERROR", shown.clone(), look).unwrap_or_else(|_| {
        let json = Look { accept: Accept { format: Format::Json, ..look.accept }, ..*look };
        wrap("ERROR", shown, &json).unwrap_or_default()
    })
}

fn wrap(word: &str, object: Value, look: &Look) -> Result<Bytes, Status> {
    match look.accept.format {
        Format::Protobuf => Ok(protobuf::watch_event(word, &super::protobuf(&object)?).into()),
        Format::Yaml => {
            let mut bytes = b"---\n".to_vec();
            let event = json!({ "type": word, "object": object });
            bytes.extend_from_slice(&document(&event, look.accept)?);
            Ok(bytes.into())
        }
        Format::Json => {
            let event = json!({ "type": word, "object": object });
            let mut bytes = printed(&event, false).to_vec();
            bytes.push(b'\n');
            Ok(bytes.into())
        }
    }
}
