//! What there is of a kind, in memory: listed and watched once for all controllers.
//!
//! Objects are found by name, by namespace, by the controller that owns them and by label. Whoever
//! subscribes is told of each change, once, in order, at once, and is to do no more than note a key.
//! After a watch was cut off, only what differs is told.
//!
//! Invariant: [`Mirror::shows`] ends when everything up to a write is here. Fields that no controller
//! reads (`managedFields`) are left out; the API keeps them when an object without them is written.

mod index;
#[cfg(test)]
mod tests;

use crate::Timer;
use crate::pause::Pause;
use crate::queue::Queue;
use index::Index;
pub use index::controller_uid;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, Weak};
use teu_api::object;
use teu_client::{Choice, Client, Event, Kind, Watch};
use tokio::sync::watch as channel;
use tokio::task::JoinSet;

/// An object as it was seen.
pub type Object = Arc<Value>;
/// `namespace/name`; nothing before the slash for what lives in the cluster.
pub type Key = Arc<str>;

/// What happened to an object. One of the two is there.
#[derive(Debug, Clone)]
pub struct Change {
    /// As it was.
    pub before: Option<Object>,
    /// As it is.
    pub after: Option<Object>,
}

impl Change {
    /// As it is, or was last.
    pub fn newest(&self) -> Option<&Object> {
        self.after.as_ref().or(self.before.as_ref())
    }
}

type Handler = Box<dyn Fn(&Change, &Queue) + Send + Sync>;

/// Who is told, and the queue it notes keys in: when that has gone, nobody is told any more.
struct Subscriber {
    queue: Weak<Queue>,
    handler: Handler,
}

/// The objects of a kind.
pub struct Mirror {
    index: RwLock<Index>,
    subscribers: RwLock<Vec<Subscriber>>,
    /// Everything up to this revision is here; 0 before the first list.
    seen: channel::Sender<u64>,
}

impl std::fmt::Debug for Mirror {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mirror").field("seen", &*self.seen.borrow()).finish_non_exhaustive()
    }
}

/// The key of an object.
pub fn key_of(object: &Value) -> Key {
    key(object::namespace(object), object::name(object))
}

/// The key of a name.
pub fn key(namespace: &str, name: &str) -> Key {
    format!("{namespace}/{name}").into()
}

/// Namespace and name of a key.
pub fn parts(key: &str) -> (&str, &str) {
    key.split_once('/').unwrap_or(("", key))
}

/// The revision of an object.
fn revision(object: &Value) -> u64 {
    let text = object::text(object, &["metadata", "resourceVersion"]);
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

impl Mirror {
    fn new() -> Self {
        Self {
            index: RwLock::default(),
            subscribers: RwLock::default(),
            seen: channel::Sender::new(0),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is told of every change from now on, and first of all that is here already, while there is the
    /// queue.
    pub fn subscribe(
        &self,
        queue: &Arc<Queue>,
        handler: impl Fn(&Change, &Queue) + Send + Sync + 'static,
    ) {
        // The lock keeps changes away while what is here is told.
        let mut subscribers = self.subscribers.write().unwrap_or_else(PoisonError::into_inner);
        subscribers.retain(|subscriber| subscriber.queue.strong_count() > 0);
        let here: Vec<Object> = self.read().all().cloned().collect();
        for object in here {
            handler(&Change { before: None, after: Some(object) }, queue);
        }
        let handler = Box::new(handler);
        subscribers.push(Subscriber { queue: Arc::downgrade(queue), handler });
    }

    /// Ends when the first list is here.
    pub async fn ready(&self) {
        self.reaches(1).await;
    }

    async fn reaches(&self, revision: u64) {
        let mut seen = self.seen.subscribe();
        // The sender lives as long as the mirror.
        let _ = seen.wait_for(|seen| *seen >= revision).await;
    }

    /// Ends when an object as a write answered it, or a later one, is here.
    pub async fn shows(&self, written: &Value) {
        self.reaches(revision(written)).await;
    }

    /// Ends when an object is gone from here, or is another of its name.
    pub async fn lacks(&self, object: &Value) {
        let (key, uid) = (key_of(object), object::uid(object));
        let mut seen = self.seen.subscribe();
        let is_gone = |_: &u64| self.at(&key).is_none_or(|found| object::uid(&found) != uid);
        let _ = seen.wait_for(is_gone).await;
    }

    /// One object.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Object> {
        self.at(&key(namespace, name))
    }

    /// One object, by its key.
    pub fn at(&self, key: &str) -> Option<Object> {
        self.read().get(key).cloned()
    }

    /// All objects, by their keys' order.
    pub fn all(&self) -> Vec<Object> {
        self.read().all().cloned().collect()
    }

    /// Those of a namespace, by their names' order.
    pub fn in_namespace(&self, namespace: &str) -> Vec<Object> {
        self.read().in_namespace(namespace).cloned().collect()
    }

    /// Those whose controller has this uid.
    pub fn controlled_by(&self, uid: &str) -> Vec<Object> {
        self.read().controlled_by(uid)
    }

    /// Those of a namespace that no controller owns.
    pub fn orphans(&self, namespace: &str) -> Vec<Object> {
        self.read().orphans(namespace)
    }

    /// Those of a namespace that a label selector (`metav1.LabelSelector`) selects.
    pub fn selected(&self, namespace: &str, selector: &Value) -> Vec<Object> {
        self.read().selected(namespace, selector)
    }

    fn tell(&self, change: &Change) {
        let subscribers = self.subscribers.read().unwrap_or_else(PoisonError::into_inner);
        // What changes is under the lock that subscribers take, so that they miss nothing.
        {
            let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
            match (&change.before, &change.after) {
                (_, Some(after)) => index.put(after),
                (Some(before), None) => index.remove(&key_of(before)),
                (None, None) => return,
            }
        }
        for Subscriber { queue, handler } in &*subscribers {
            if let Some(queue) = queue.upgrade() {
                handler(change, &queue);
            }
        }
    }

    fn put(&self, mut object: Value) -> Key {
        object::metadata_mut(&mut object).shift_remove("managedFields");
        let (key, revision) = (key_of(&object), revision(&object));
        let before = self.at(&key);
        if before.as_ref().is_none_or(|before| self::revision(before) != revision) {
            self.replace(before, object);
        }
        key
    }

    /// An object of the same name that is another one has gone first.
    fn replace(&self, before: Option<Object>, object: Value) {
        let is_other = |before: &Object| object::uid(before) != object::uid(&object);
        let before = match before {
            Some(before) if is_other(&before) => {
                self.tell(&Change { before: Some(before), after: None });
                None
            }
            before => before,
        };
        self.tell(&Change { before, after: Some(Arc::new(object)) });
    }

    fn remove(&self, key: &str) {
        if let Some(before) = self.at(key) {
            self.tell(&Change { before: Some(before), after: None });
        }
    }

    fn note(&self, revision: u64) {
        // Also when it is the same: who waits for an object to go looks again.
        self.seen.send_modify(|seen| *seen = revision.max(*seen));
    }

    /// Takes over what a watch from the beginning says until it ends. Whether it said all there is.
    async fn follow(&self, watch: &mut dyn Watch) -> bool {
        let mut listed = Some(HashSet::new());
        while let Ok(event) = watch.next().await {
            match (event, &mut listed) {
                (Event::Applied(object), Some(listed)) => drop(listed.insert(self.put(object))),
                (Event::Applied(object), None) => {
                    let revision = revision(&object);
                    self.put(object);
                    self.note(revision);
                }
                (Event::Deleted(object), _) => {
                    self.remove(&key_of(&object));
                    self.note(revision(&object));
                }
                (Event::Bookmark(revision), _) => {
                    if let Some(listed) = listed.take() {
                        self.keep_only(&listed);
                    }
                    self.note(revision.parse().unwrap_or(1));
                }
            }
        }
        listed.is_none()
    }

    fn keep_only(&self, listed: &HashSet<Key>) {
        let here: Vec<Key> = self.read().keys().cloned().collect();
        for key in here.iter().filter(|key| !listed.contains(*key)) {
            self.remove(key);
        }
    }
}

/// The mirrors that somebody wanted; they end when this is dropped.
pub struct Mirrors {
    client: Arc<dyn Client>,
    timer: Arc<dyn Timer>,
    all: Mutex<HashMap<(Kind<'static>, &'static str), Arc<Mirror>>>,
    tasks: Mutex<JoinSet<()>>,
}

impl std::fmt::Debug for Mirrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mirrors").finish_non_exhaustive()
    }
}

impl Mirrors {
    /// None yet.
    pub fn new(client: Arc<dyn Client>, timer: Arc<dyn Timer>) -> Self {
        Self { client, timer, all: Mutex::default(), tasks: Mutex::default() }
    }

    /// Lets go of all who are told of changes: they may hold what holds this, and nothing of it would
    /// ever end.
    pub fn close(&self) {
        let all: Vec<Arc<Mirror>> = {
            let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            all.values().cloned().collect()
        };
        for mirror in all {
            let mut told = mirror.subscribers.write().unwrap_or_else(PoisonError::into_inner);
            let told = std::mem::take(&mut *told);
            drop(told);
        }
    }

    /// That of a kind, or of those of it that a field selector takes (empty for all); it begins when it is
    /// first wanted. Needs a runtime.
    pub fn of(&self, kind: Kind<'static>, fields: &'static str) -> Arc<Mirror> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mirror) = all.get(&(kind, fields)) {
            return Arc::clone(mirror);
        }
        let mirror = Arc::new(Mirror::new());
        all.insert((kind, fields), Arc::clone(&mirror));
        let choice = Choice { fields: fields.to_owned(), ..Choice::default() };
        let (client, timer) = (Arc::clone(&self.client), Arc::clone(&self.timer));
        let kept = Arc::clone(&mirror);
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(async move {
            let mut pause = Pause::new();
            loop {
                if let Ok(mut watch) = client.watch(kind, &choice, "").await
                    && kept.follow(&mut *watch).await
                {
                    pause.reset();
                }
                timer.sleep(pause.next()).await;
            }
        });
        mirror
    }

    /// That of all of a kind, if somebody wanted it.
    pub fn find(&self, kind: Kind<'_>) -> Option<Arc<Mirror>> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let found = all.iter().find(|((known, fields), _)| *known == kind && fields.is_empty());
        found.map(|(_, mirror)| Arc::clone(mirror))
    }
}
