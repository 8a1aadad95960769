//! Events for people: what a controller did to an object, and what went wrong.
//!
//! They are written beside the work: nothing waits for them, and when too many wait, more are dropped.
//! The same event again raises the count of the first. One object causes 25 events at once, and one more
//! every five minutes.

use crate::Timer;
use crate::resources::EVENTS;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use teu_api::object;
use teu_client::{Client, Patch};
use tokio::sync::mpsc;

/// Events that wait to be written.
const WAITING: usize = 1000;
/// Events that are remembered to be counted, and objects whose number of events is.
const REMEMBERED: usize = 4096;
/// Events of one object at once.
const BURST: u64 = 25;
/// For one more.
const REFILL_MILLISECONDS: u64 = 300_000;

/// How an event is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// As it should be.
    Normal,
    /// Somebody should look.
    Warning,
}

#[derive(Debug, PartialEq, Eq, Hash, Clone)]
struct Identity {
    component: &'static str,
    uid: String,
    level: Level,
    reason: String,
    message: String,
}

struct Noted {
    about: Value,
    namespace: String,
    identity: Identity,
}

/// Notes events; clones write to the same place.
#[derive(Clone)]
pub struct Recorder {
    sender: mpsc::Sender<Noted>,
    component: &'static str,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("component", &self.component).finish_non_exhaustive()
    }
}

impl Recorder {
    /// The same, for another component.
    pub fn named(&self, component: &'static str) -> Self {
        Self { component, ..self.clone() }
    }

    /// Notes an event about an object.
    pub fn event(&self, about: &Value, level: Level, reason: &str, message: impl Into<String>) {
        let text = |path: &[&str]| object::text(about, path).unwrap_or_default();
        let identity = Identity {
            component: self.component,
            uid: object::uid(about).to_owned(),
            level,
            reason: reason.to_owned(),
            message: message.into(),
        };
        let namespace = object::namespace(about).to_owned();
        let about = json!({
            "apiVersion": text(&["apiVersion"]), "kind": text(&["kind"]),
            "namespace": namespace, "name": object::name(about), "uid": identity.uid,
            "resourceVersion": text(&["metadata", "resourceVersion"]),
        });
        let _ = self.sender.try_send(Noted { about, namespace, identity });
    }

    /// What is as it should be.
    pub fn normal(&self, about: &Value, reason: &str, message: impl Into<String>) {
        self.event(about, Level::Normal, reason, message);
    }

    /// What somebody should look at.
    pub fn warning(&self, about: &Value, reason: &str, message: impl Into<String>) {
        self.event(about, Level::Warning, reason, message);
    }
}

/// A recorder, and what writes for it until all its clones are gone.
pub fn open(
    client: Arc<dyn Client>,
    timer: Arc<dyn Timer>,
) -> (Recorder, impl Future<Output = ()> + Send) {
    let (sender, mut receiver) = mpsc::channel::<Noted>(WAITING);
    let recording = async move {
        let mut book = Book::default();
        while let Some(noted) = receiver.recv().await {
            if book.allows(&noted.identity, timer.now()) {
                book.write(&*client, &*timer, noted).await;
            }
        }
    };
    (Recorder { sender, component: "teu" }, recording)
}

/// What was written.
#[derive(Default)]
struct Book {
    written: HashMap<Identity, (String, u64)>,
    /// Events an object may still cause, and since when that stands.
    left: HashMap<(&'static str, String), (u64, u64)>,
    last_nanoseconds: i64,
}

impl Book {
    fn allows(&mut self, identity: &Identity, now: u64) -> bool {
        if self.left.len() >= REMEMBERED {
            self.left.retain(|_, (_, since)| now.saturating_sub(*since) < REFILL_MILLISECONDS);
            if self.left.len() >= REMEMBERED {
                self.left.clear();
            }
        }
        let place = (identity.component, identity.uid.clone());
        let (left, since) = self.left.entry(place).or_insert((BURST, now));
        let more = now.saturating_sub(*since) / REFILL_MILLISECONDS;
        *left = left.saturating_add(more).min(BURST);
        *since += more * REFILL_MILLISECONDS;
        let is_allowed = *left > 0;
        *left = left.saturating_sub(1);
        is_allowed
    }

    async fn write(&mut self, client: &dyn Client, timer: &dyn Timer, noted: Noted) {
        let Noted { about, namespace, identity } = noted;
        let namespace = if namespace.is_empty() { "default".to_owned() } else { namespace };
        if let Some((name, count)) = self.written.get_mut(&identity) {
            *count += 1;
            let again = json!({ "count": *count, "lastTimestamp": timer.text() });
            let at = (&*namespace, &**name);
            // It may have been forgotten meanwhile.
            if client.patch(EVENTS, at, "", Patch::Merge, again).await.is_ok() {
                return;
            }
        }
        if self.written.len() >= REMEMBERED {
            self.written.clear();
        }
        let nanoseconds = (timer.wall() * 1_000_000).max(self.last_nanoseconds + 1);
        self.last_nanoseconds = nanoseconds;
        let name = format!("{}.{nanoseconds:x}", object::text(&about, &["name"]).unwrap_or("x"));
        let now = timer.text();
        let event = json!({
            "metadata": { "name": name, "namespace": namespace },
            "involvedObject": about, "reason": identity.reason, "message": identity.message,
            "type": match identity.level { Level::Normal => "Normal", Level::Warning => "Warning" },
            "source": { "component": identity.component },
            "reportingComponent": identity.component, "reportingInstance": "",
            "firstTimestamp": now, "lastTimestamp": now, "count": 1,
        });
        // An event that cannot be written is lost: nothing depends on it.
        if client.create(EVENTS, &namespace, event).await.is_ok() {
            self.written.insert(identity, (name, 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_object_cannot_flood() {
        let mut book = Book::default();
        let identity = |uid: &str| Identity {
            component: "c",
            uid: uid.to_owned(),
            level: Level::Normal,
            reason: String::new(),
            message: String::new(),
        };
        let allowed = (0..40).filter(|_| book.allows(&identity("a"), 0)).count();
        assert_eq!(allowed, 25);
        assert!(book.allows(&identity("b"), 0));
        assert!(!book.allows(&identity("a"), REFILL_MILLISECONDS - 1));
        assert!(book.allows(&identity("a"), REFILL_MILLISECONDS));
        assert!(!book.allows(&identity("a"), REFILL_MILLISECONDS));
    }
}
