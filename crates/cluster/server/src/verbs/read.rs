//! One object.

use crate::api::{Api, Call, store_status};
use crate::stored::{Object, Stored};
use teu_api::Status;
use teu_store::cache::ListAt;
use teu_store::{Consistency, KeyValue};

/// Reads `resourceVersion` where an object's name is given.
pub fn at_least(text: &str) -> Result<Option<ListAt>, Status> {
    match text {
        "" => Ok(None),
        "0" => Ok(Some(ListAt::Any)),
        text => text.parse().map(|revision| Some(ListAt::NotOlderThan(revision))).map_err(|_| {
            Status::bad_request(format!(
                "Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax"
            ))
        }),
    }
}

impl Api {
    /// One object as it is now, or as new as wanted.
    pub async fn get(&self, call: &Call, at: Option<ListAt>) -> Result<Object, Status> {
        if let Some(at) = at {
            let found =
                call.entry.shelf.cache().get(&call.key(), at).await.map_err(store_status)?;
            return found.map(|item| object(&item.kv)).ok_or_else(|| call.not_found());
        }
        self.current(call).await?.ok_or_else(|| call.not_found())
    }

    /// One object as it is now, if it is there.
    pub async fn current(&self, call: &Call) -> Result<Option<Object>, Status> {
        let found = self.store.get(&call.key(), Consistency::Linearizable).await;
        Ok(found.map_err(store_status)?.kv.as_deref().map(object))
    }
}

/// As operations answer it.
pub fn object(kv: &KeyValue) -> Object {
    Object { stored: Stored::new(kv.value.clone()), revision: kv.modified }
}
