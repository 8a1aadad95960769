//! Quotas: whether there is room for what is written, and the charge that is written with it.
//!
//! The charge is part of the object's own transaction, on the condition that the quota is as it was
//! read: two writers never take the same room, and what was not written was not charged. Writers of
//! one namespace take turns in this process, so that they do not chase each other; servers that
//! share a store are told apart by the condition.

use crate::api::{Api, Call, store_status};
use crate::stored::Stored;
use serde_json::Value;
use teu_api::admission::quota::{charge, growth, must_specify, takes, usage};
use teu_api::{Status, object};
use teu_store::cache::ListAt;
use teu_store::{Change, Expect, Range, Write};
use tokio::sync::MutexGuard;

/// How often a charge is made anew while others change the quota.
pub const TRIES: usize = 20;

/// What is written beside an object that quotas count.
#[derive(Debug, Default)]
pub struct Charge<'a> {
    /// The quotas with what they are charged.
    pub writes: Vec<Write>,
    /// The writer's turn, until it has written.
    _turn: Option<MutexGuard<'a, ()>>,
}

impl Api {
    /// What a write costs, or that there is no room for it. Nothing has been charged before the
    /// writes are done, with the object's own.
    pub async fn charge(
        &self,
        call: &Call,
        new: &Value,
        old: Option<&Value>,
    ) -> Result<Charge<'_>, Status> {
        let (group, plural) = (call.entry.group(), call.entry.plural());
        if !counts(call, old.is_some()) {
            return Ok(Charge::default());
        }
        let Some(quotas) = call.rows.find("", "v1", "resourcequotas") else {
            return Ok(Charge::default());
        };
        let span = quotas.shelf.span(&call.namespace);
        let seen = quotas.shelf.cache().list(&span, ListAt::Any).await.map_err(store_status)?;
        let before = old.map(|old| usage(group, plural, old));
        let growth = growth(&usage(group, plural, new), before.as_ref());
        if seen.items.is_empty() || growth.is_empty() {
            return Ok(Charge::default());
        }
        let turn = self.quota_turns.of(&call.namespace).lock().await;
        let found = self.store.range(Range::all(span)).await.map_err(store_status)?;
        let mut writes = Vec::new();
        for kv in found.kvs {
            let mut quota = quotas.open(&Stored::new(kv.value.clone()), kv.modified)?;
            if !takes(&quota, group, plural, new) {
                continue;
            }
            if (group, plural) == ("", "pods")
                && let Some(why) = must_specify(&quota, new)
            {
                return Err(call.forbidden(&why));
            }
            if let Some(used) = charge(&quota, &growth).map_err(|why| call.forbidden(&why))? {
                object::child_mut(&mut quota, "status").insert("used".to_owned(), used);
                let value = quotas.seal(&quota)?.json().clone();
                let change = Change::Put { value, lease: 0 };
                let expect = Expect::Revision(kv.modified);
                writes.push(Write { key: kv.key.clone(), expect, change });
            }
        }
        Ok(Charge { writes, _turn: Some(turn) })
    }
}

/// Whether quotas look at this write at all: every new object of a namespace, and changes of those
/// whose use may grow.
fn counts(call: &Call, is_change: bool) -> bool {
    if call.namespace.is_empty() {
        return false;
    }
    match (call.entry.group(), call.entry.plural(), &*call.subresource) {
        (_, "events", _) => false,
        ("", "pods", "resize") => is_change,
        ("", "services" | "persistentvolumeclaims", "") => true,
        (_, _, "") => !is_change,
        _ => false,
    }
}
