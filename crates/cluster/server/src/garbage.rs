//! Deletes what belongs to nobody any more, and finishes deletions that concern dependents.
//!
//! ```text
//! owner gone ─▶ dependents without another owner are deleted; with one, the reference goes
//! owner with `foregroundDeletion` ─▶ its dependents are deleted; it goes when none blocks it
//! owner with `orphan` ─▶ its dependents lose the reference; it goes
//! ```
//! One watch over everything in the store feeds it: no resource needs a cache for this, and what
//! names no owner costs nothing. Before anything is done, the objects are read as they are now, and
//! what is done holds only for those (by UID and resource version); so two servers on one store may
//! both do it. The task sleeps while nothing happens.

mod graph;

use crate::api::{Api, Call, WriteOptions, store_status};
use crate::auth::User;
use crate::table::{Entry, Rows};
use crate::verbs::delete::{DeleteOptions, Propagation};
use crate::verbs::input::Input;
use crate::verbs::meta::texts;
use bytes::Bytes;
use graph::{Graph, Owner, owners_of};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use teu_api::{Status, object};
use teu_store::watch::Message;
use teu_store::{Consistency, Event, Range, Span, WatchRequest};

const ROOT: &str = "/registry/";
const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";
/// Objects of one page of the first look.
const PAGE: usize = 500;
/// Events that may wait while something is done.
const LAG: usize = 200_000;
/// Before what failed is tried again, doubling.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// What is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    /// Whether it still belongs to somebody.
    Dependent(Bytes),
    /// Whether its deletion can go on.
    Owner(Bytes),
}

/// Runs until the server stops.
pub async fn run(api: Arc<Api>) {
    let name = "system:serviceaccount:kube-system:generic-garbage-collector";
    let user = Arc::new(User::internal(name));
    while !api.shutdown.has_begun() {
        let mut collector = Collector {
            api: Arc::clone(&api),
            user: Arc::clone(&user),
            graph: Graph::default(),
            keys: HashMap::new(),
            work: BTreeSet::new(),
        };
        // It ends when it could not keep up, or the store is gone for a moment: from the beginning.
        let _ = collector.follow().await;
        tokio::select! {
            () = tokio::time::sleep(FIRST_PAUSE) => {}
            () = api.shutdown.begun() => return,
        }
    }
}

struct Collector {
    api: Arc<Api>,
    user: Arc<User>,
    graph: Graph,
    /// Where owners are that wait for their dependents, by their UID.
    keys: HashMap<Box<str>, Bytes>,
    work: BTreeSet<Work>,
}

impl Collector {
    async fn follow(&mut self) -> Result<(), teu_store::Error> {
        let revision = self.look_at_all().await?;
        let request =
            WatchRequest { lag: LAG, ..WatchRequest::new(Span::prefix(ROOT), revision + 1) };
        let store = Arc::clone(&self.api.store);
        let mut watch = store.watch(request).await?;
        let shutdown = self.api.shutdown.clone();
        let mut pause = FIRST_PAUSE;
        loop {
            let failed = self.work_off().await;
            pause = if failed { (pause * 2).min(LAST_PAUSE) } else { FIRST_PAUSE };
            let message = tokio::select! {
                message = watch.next() => message?,
                () = tokio::time::sleep(pause), if failed => continue,
                () = shutdown.begun() => return Ok(()),
            };
            if let Message::Events(events) = message {
                events.iter().for_each(|event| self.see(event));
            }
        }
    }

    /// Reads all there is, page by page, as of one revision.
    async fn look_at_all(&mut self) -> Result<u64, teu_store::Error> {
        let mut range = Range { limit: PAGE, ..Range::all(Span::prefix(ROOT)) };
        loop {
            let listed = self.api.store.range(range.clone()).await?;
            if range.at == 0 {
                range.at = listed.revision;
            }
            for kv in &listed.kvs {
                self.put(&kv.key, &kv.value);
            }
            match listed.kvs.last() {
                Some(last) if listed.more => range.span = range.span.behind(&last.key),
                _ => break,
            }
        }
        self.work.extend(self.graph.all().into_iter().map(Work::Dependent));
        Ok(range.at)
    }

    fn see(&mut self, event: &Event) {
        let key = &event.kv.key;
        if !event.kv.is_deletion() {
            self.put(key, &event.kv.value);
            return;
        }
        for uid in self.graph.remove(key) {
            // Its owner may wait for it.
            self.work.extend(self.keys.get(&uid).cloned().map(Work::Owner));
        }
        let last = event.previous.as_ref().and_then(|kv| parse(&kv.value));
        let Some(last) = last else {
            // Whose it was is not known: everybody is looked at.
            self.work.extend(self.graph.all().into_iter().map(Work::Dependent));
            return;
        };
        let uid = object::uid(&last);
        self.keys.remove(uid);
        self.work.extend(self.graph.dependents(uid).into_iter().map(Work::Dependent));
    }

    fn put(&mut self, key: &Bytes, value: &Bytes) {
        let names_owners = contains(value, b"\"ownerReferences\"");
        let ends = contains(value, b"\"deletionTimestamp\"");
        let object = if names_owners || ends { parse(value) } else { None };
        let Some(object) = object else {
            // One that names no owner may have done so before; those that waited for it look.
            for uid in self.graph.remove(key) {
                self.work.extend(self.keys.get(&uid).cloned().map(Work::Owner));
            }
            return;
        };
        let before = self.graph.remove(key);
        self.graph.put(key, &object);
        for uid in before {
            self.work.extend(self.keys.get(&uid).cloned().map(Work::Owner));
        }
        if names_owners {
            self.work.insert(Work::Dependent(key.clone()));
        }
        let finalizers = texts(&object, "finalizers");
        if ends && finalizers.iter().any(|name| matches!(&**name, FOREGROUND | ORPHAN)) {
            self.keys.insert(object::uid(&object).into(), key.clone());
            self.work.insert(Work::Owner(key.clone()));
        }
    }

    /// Does what is to be done; says whether something failed and is to be tried again.
    async fn work_off(&mut self) -> bool {
        let mut again = BTreeSet::new();
        while let Some(work) = self.work.pop_first() {
            let done = match &work {
                Work::Dependent(key) => self.dependent(key).await,
                Work::Owner(key) => self.owner(key).await,
            };
            match done {
                // Whoever changed it has caused an event, and it is looked at anew.
                Err(status) if matches!(status.code, 404 | 409) => {}
                Err(_) => drop(again.insert(work)),
                Ok(()) => {}
            }
        }
        self.work = again;
        !self.work.is_empty()
    }

    /// The object behind a key as it is now.
    async fn read(&self, key: &Bytes) -> Result<Option<(Call, Value)>, Status> {
        let rows = self.api.table.rows();
        let Some((entry, namespace, name)) = place(&rows, key) else { return Ok(None) };
        let call = Call {
            user: Arc::clone(&self.user),
            entry,
            rows,
            namespace,
            name,
            subresource: String::new(),
        };
        let Some(found) = self.api.current(&call).await? else { return Ok(None) };
        let object = call.entry.open(&found.stored, found.revision)?;
        Ok(Some((call, object)))
    }

    /// Deletes an object that belongs to nobody any more.
    async fn dependent(&mut self, key: &Bytes) -> Result<(), Status> {
        let Some((call, object)) = self.read(key).await? else { return Ok(()) };
        let owners = owners_of(&object);
        let finalizers = texts(&object, "finalizers");
        let is_foreground = finalizers.iter().any(|name| name == FOREGROUND);
        if owners.is_empty() || (object::is_terminating(&object) && !is_foreground) {
            return Ok(());
        }
        let (mut solid, mut lost, mut waiting) = (0, Vec::new(), Vec::new());
        for owner in &owners {
            match self.state(&call, owner).await? {
                State::Solid => solid += 1,
                State::Lost => lost.push(owner),
                State::Waiting => waiting.push(owner),
            }
        }
        if solid == owners.len() {
            return Ok(());
        }
        if solid > 0 {
            let gone: Vec<&str> = lost.iter().chain(&waiting).map(|owner| &*owner.uid).collect();
            return self.let_go(&call, object, &gone).await;
        }
        if object::is_terminating(&object) {
            return Ok(());
        }
        let has_dependents = !self.graph.dependents(object::uid(&object)).is_empty();
        let propagation = if !waiting.is_empty() && has_dependents {
            Some(Propagation::Foreground)
        } else if finalizers.iter().any(|name| name == ORPHAN) {
            Some(Propagation::Orphan)
        } else if is_foreground {
            Some(Propagation::Foreground)
        } else {
            Some(Propagation::Background)
        };
        if propagation == Some(Propagation::Foreground) && self.is_in_circle(&object) {
            // Nobody would ever be the first to go.
            self.unblock(&call, object.clone()).await?;
        }
        self.delete(&call, &object, propagation).await
    }

    /// How an owner is now.
    async fn state(&self, dependent: &Call, owner: &Owner) -> Result<State, Status> {
        let (group, version) =
            owner.api_version.split_once('/').unwrap_or(("", &owner.api_version));
        // What nobody serves may be served again: its dependents stay.
        let Some(entry) = dependent.rows.find_kind(group, version, &owner.kind) else {
            return Ok(State::Solid);
        };
        let namespace = match entry.row.resource.is_namespaced() {
            true if dependent.namespace.is_empty() => return Ok(State::Solid),
            true => dependent.namespace.as_str(),
            false => "",
        };
        let key = entry.shelf.key(namespace, &owner.name);
        let found = self.api.store.get(&key, Consistency::Linearizable).await;
        let found = found.map_err(store_status)?.kv.and_then(|kv| parse(&kv.value));
        Ok(match found {
            Some(found) if object::uid(&found) == &*owner.uid => {
                let waits = texts(&found, "finalizers").iter().any(|name| name == FOREGROUND);
                match object::is_terminating(&found) && waits {
                    true => State::Waiting,
                    false => State::Solid,
                }
            }
            _ => State::Lost,
        })
    }

    /// Whether something that belongs to it waits for it, too.
    fn is_in_circle(&self, object: &Value) -> bool {
        let dependents = self.graph.dependents(object::uid(object));
        self.keys.values().any(|key| dependents.contains(key))
    }

    /// Lets an owner's deletion go on.
    async fn owner(&mut self, key: &Bytes) -> Result<(), Status> {
        let Some((call, object)) = self.read(key).await? else { return Ok(()) };
        let uid = object::uid(&object).to_owned();
        let finalizers = texts(&object, "finalizers");
        let has = |wanted: &str| finalizers.iter().any(|name| name == wanted);
        if !object::is_terminating(&object) {
            return Ok(());
        }
        let dependents = self.graph.dependents(&uid);
        if has(ORPHAN) {
            for key in dependents {
                if let Some((call, dependent)) = self.read(&key).await? {
                    self.let_go(&call, dependent, &[&uid]).await?;
                }
            }
            return self.take_finalizer(&call, object, ORPHAN).await;
        }
        if !has(FOREGROUND) {
            return Ok(());
        }
        let mut blocked = false;
        for key in dependents {
            let Some((_, dependent)) = self.read(&key).await? else { continue };
            let owners = owners_of(&dependent);
            blocked |= owners.iter().any(|owner| *owner.uid == *uid && owner.blocks);
            self.work.insert(Work::Dependent(key));
        }
        match blocked {
            true => Ok(()),
            false => self.take_finalizer(&call, object, FOREGROUND).await,
        }
    }

    async fn delete(
        &self,
        call: &Call,
        object: &Value,
        propagation: Option<Propagation>,
    ) -> Result<(), Status> {
        let text = |path: &[&str]| object::text(object, path).map(str::to_owned);
        let options = DeleteOptions {
            propagation,
            uid: text(&["metadata", "uid"]),
            resource_version: text(&["metadata", "resourceVersion"]),
            ..DeleteOptions::default()
        };
        self.api.delete(call, &options).await.map(|_| ())
    }

    async fn write(&self, call: &Call, object: Value) -> Result<(), Status> {
        let manager = "garbage-collector".to_owned();
        let options = WriteOptions { manager, ..WriteOptions::default() };
        self.api.change(call, Input::Whole(object), &options).await.map(|_| ())
    }

    /// Takes the references to these owners away.
    async fn let_go(&self, call: &Call, mut object: Value, uids: &[&str]) -> Result<(), Status> {
        let is_gone = |reference: &Value| {
            let uid = reference.get("uid").and_then(Value::as_str).unwrap_or_default();
            uids.contains(&uid)
        };
        let metadata = object::metadata_mut(&mut object);
        let Some(Value::Array(owners)) = metadata.get_mut("ownerReferences") else { return Ok(()) };
        owners.retain(|owner| !is_gone(owner));
        if owners.is_empty() {
            metadata.shift_remove("ownerReferences");
        }
        self.write(call, object).await
    }

    /// Keeps an object from being waited for.
    async fn unblock(&self, call: &Call, mut object: Value) -> Result<(), Status> {
        let metadata = object::metadata_mut(&mut object);
        let Some(Value::Array(owners)) = metadata.get_mut("ownerReferences") else { return Ok(()) };
        for owner in owners {
            owner["blockOwnerDeletion"] = false.into();
        }
        self.write(call, object).await
    }

    async fn take_finalizer(
        &self,
        call: &Call,
        mut object: Value,
        name: &str,
    ) -> Result<(), Status> {
        let left: Vec<String> = texts(&object, "finalizers");
        let left: Vec<String> = left.into_iter().filter(|known| known != name).collect();
        let metadata = object::metadata_mut(&mut object);
        match left.is_empty() {
            true => drop(metadata.shift_remove("finalizers")),
            false => drop(metadata.insert("finalizers".to_owned(), json!(left))),
        }
        self.write(call, object).await
    }
}

/// How an owner is.
enum State {
    /// There.
    Solid,
    /// Gone, or another of its name.
    Lost,
    /// It waits for its dependents to go.
    Waiting,
}

/// The resource, namespace and name behind a key.
fn place(rows: &Rows, key: &Bytes) -> Option<(Arc<Entry>, String, String)> {
    let rest = std::str::from_utf8(key.get(ROOT.len()..)?).ok()?;
    rows.each_stored().into_iter().find_map(|entry| {
        let rest = rest.strip_prefix(&*entry.row.storage)?.strip_prefix('/')?;
        let (namespace, name) = match entry.row.resource.is_namespaced() {
            true => rest.split_once('/')?,
            false => ("", rest),
        };
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        (!name.contains('/')).then_some((entry, namespace, name))
    })
}

fn parse(value: &Bytes) -> Option<Value> {
    serde_json::from_slice(value).ok()
}

fn contains(value: &[u8], wanted: &[u8]) -> bool {
    value.windows(wanted.len()).any(|bytes| bytes == wanted)
}
