//! ResourceQuotas: what is used is counted and written to their status, where writers add to it.
//!
//! A namespace is counted when a quota of it is new or changes, and when something has gone or become
//! less; what comes was charged when it was made. Counting reads the quota first and then lists, at
//! least as new as that, and its write holds only for the quota as it was read: so no charge is lost.
//! Nothing is mirrored; kinds are watched only while some quota names them.

use crate::Context;
use crate::desk::{Controller, Desk};
use crate::mirror::{Key, Mirror, key, parts};
use crate::pause::Pause;
use crate::queue::Queue;
use crate::resources::{DEFINITIONS, QUOTAS};
use crate::worker::Look;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use teu_api::admission::quota::{kind_of, status, version_of};
use teu_api::object;
use teu_client::{Choice, Event, Kind};
use tokio::task::JoinSet;

/// Namespaces that are counted at once.
const AT_ONCE: usize = 2;
/// What goes in this time is counted together.
const GATHER_MILLISECONDS: u64 = 50;
/// What was being written while a quota was new may have missed it: it is counted once more.
const AGAIN_MILLISECONDS: u64 = 1000;

/// A resource that quotas name: group and name in paths.
type Name = (String, String);

/// What of a definition is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Definition {
    There,
    Gone,
}

struct Counter {
    context: Context,
    quotas: Arc<Mirror>,
    queue: Arc<Queue>,
    watched: Mutex<BTreeMap<Name, String>>,
    /// They hold this, so it does not hold them.
    watching: Weak<Mutex<JoinSet<()>>>,
}

/// Runs until the future is dropped.
pub async fn run(context: Context) {
    let mut desk = Desk::new(&context);
    let quotas = desk.reads(QUOTAS);
    desk.on(&quotas, |change, queue| {
        let spec = |quota: &Option<Arc<Value>>| quota.as_ref().map(|it| it["spec"].clone());
        // What writers add to a status is no news; that somebody else wrote it is.
        let strays = |quota: &Arc<Value>| quota["status"]["hard"] != quota["spec"]["hard"];
        if let Some(newest) = change.newest()
            && (spec(&change.before) != spec(&change.after) || strays(newest))
        {
            queue.add(key(object::namespace(newest), ""));
        }
    });
    let watching = Arc::new(Mutex::new(JoinSet::new()));
    let counter = Counter {
        context,
        quotas,
        queue: desk.queue(),
        watched: Mutex::default(),
        watching: Arc::downgrade(&watching),
    };
    desk.work(AT_ONCE, Quotas(Arc::new(counter))).await;
    drop(watching);
}

struct Quotas(Arc<Counter>);

impl Controller for Quotas {
    async fn look(&self, key: &Key) -> Look {
        self.0.count(parts(key).0).await
    }
}

/// The resources that a quota's `hard` is about.
fn names(quota: &Value) -> BTreeSet<Name> {
    let hard = object::at(quota, &["spec", "hard"]).and_then(Value::as_object);
    let names = hard.into_iter().flatten().map(|(name, _)| kind_of(name));
    names.map(|(group, plural)| (group.to_owned(), plural.to_owned())).collect()
}

impl Counter {
    async fn count(self: &Arc<Self>, namespace: &str) -> Look {
        let choice = Choice { namespace: namespace.to_owned(), ..Choice::default() };
        let quotas = self.context.client.list(QUOTAS, &choice).await?.items;
        let wanted: BTreeSet<Name> = quotas.iter().flat_map(names).collect();
        let mut objects: Vec<(&Name, Vec<Value>)> = Vec::new();
        for name in &wanted {
            let Some(version) = self.watch(name).await else { continue };
            let kind = Kind { group: &name.0, version: &version, plural: &name.1 };
            match self.context.client.list(kind, &choice).await {
                Ok(list) => objects.push((name, list.items)),
                // A custom resource that has gone: nothing of it is left.
                Err(status) if status.code == 404 => {}
                Err(status) => return Err(status),
            }
        }
        let mut is_new = false;
        for quota in &quotas {
            let all = objects.iter().flat_map(|(name, items)| {
                items.iter().map(|item| (name.0.as_str(), name.1.as_str(), item))
            });
            let counted = status(quota, all);
            is_new |= object::at(quota, &["status", "hard"]) != counted.get("hard");
            self.context.write_status(QUOTAS, quota, counted).await?;
        }
        Ok(is_new.then_some(AGAIN_MILLISECONDS))
    }

    fn watched(&self) -> std::sync::MutexGuard<'_, BTreeMap<Name, String>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that a resource is watched; its version, if it is there.
    async fn watch(self: &Arc<Self>, name: &Name) -> Option<String> {
        if let Some(known) = self.watched().get(name).cloned() {
            return (!known.is_empty()).then_some(known);
        }
        let version = match version_of(&name.0, &name.1) {
            Some(version) => version.to_owned(),
            None => self.custom_version(name).await.unwrap_or_default(),
        };
        if let Some(watching) = self.watching.upgrade()
            && self.watched().insert(name.clone(), version.clone()).is_none()
        {
            let (this, name, version) = (Arc::clone(self), name.clone(), version.clone());
            let mut watching = watching.lock().unwrap_or_else(PoisonError::into_inner);
            while watching.try_join_next().is_some() {}
            watching.spawn(async move {
                let is_custom = version_of(&name.0, &name.1).is_none();
                match (is_custom, version.is_empty()) {
                    (false, _) => return this.follow(&name, &version).await,
                    (true, true) => this.await_definition(&name, Definition::There).await,
                    // Who watches what is no longer defined hears nothing more, not even of the next.
                    (true, false) => tokio::select! {
                        () = this.follow(&name, &version) => {}
                        () = this.await_definition(&name, Definition::Gone) => {}
                    },
                }
                this.watched().remove(&name);
                this.count_all(&name);
            });
        }
        (!version.is_empty()).then_some(version)
    }

    async fn custom_version(&self, (group, plural): &Name) -> Option<String> {
        let name = format!("{plural}.{group}");
        let found = self.context.client.get(DEFINITIONS, "", &name).await.ok()?;
        let versions = object::at(&found, &["spec", "versions"])?.as_array()?;
        let served = versions.iter().find(|version| version["served"] == true)?;
        object::text(served, &["name"]).map(str::to_owned)
    }

    /// Waits until a resource that a quota names is defined, or is no longer.
    async fn await_definition(&self, name: &Name, wanted: Definition) {
        let fields = format!("metadata.name={}.{}", name.1, name.0);
        let choice = Choice { fields, ..Choice::default() };
        let mut pause = Pause::new();
        loop {
            if let Ok(mut watch) = self.context.client.watch(DEFINITIONS, &choice, "").await {
                pause.reset();
                let mut was_seen = false;
                while let Ok(event) = watch.next().await {
                    was_seen |= matches!(event, Event::Applied(_));
                    match event {
                        Event::Applied(it) if wanted == Definition::There && is_served(&it) => {
                            return;
                        }
                        Event::Deleted(_) if wanted == Definition::Gone => return,
                        // It went while nobody looked.
                        Event::Bookmark(_) if wanted == Definition::Gone && !was_seen => return,
                        _ => {}
                    }
                }
            }
            self.context.timer.sleep(pause.next()).await;
        }
    }

    /// Has all namespaces counted whose quotas name a resource.
    fn count_all(&self, name: &Name) {
        for quota in self.quotas.all() {
            if names(&quota).contains(name) {
                self.queue.add(key(object::namespace(&quota), ""));
            }
        }
    }

    /// Has namespaces counted when something of them goes or becomes less.
    async fn follow(&self, name: &Name, version: &str) {
        let kind = Kind { group: &name.0, version, plural: &name.1 };
        let mut pause = Pause::new();
        loop {
            if let Ok(mut watch) = self.context.client.watch(kind, &Choice::default(), "").await {
                pause.reset();
                let mut is_behind = true;
                while let Ok(event) = watch.next().await {
                    match event {
                        // What went while nobody looked is counted now.
                        Event::Bookmark(_) if std::mem::take(&mut is_behind) => {
                            self.count_all(name)
                        }
                        Event::Bookmark(_) => {}
                        Event::Applied(object) if is_behind || !frees(name, &object) => {}
                        Event::Applied(object) | Event::Deleted(object) => {
                            self.gather(name, &object)
                        }
                    }
                }
            }
            self.context.timer.sleep(pause.next()).await;
        }
    }

    fn gather(&self, name: &Name, object: &Value) {
        let namespace = object::namespace(object);
        if self.quotas.in_namespace(namespace).iter().any(|quota| names(quota).contains(name)) {
            self.queue.add_after(key(namespace, ""), GATHER_MILLISECONDS);
        }
    }
}

/// Whether a definition's resource is served.
fn is_served(definition: &Value) -> bool {
    let conditions = object::at(definition, &["status", "conditions"]).and_then(Value::as_array);
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|it| it["type"] == "Established" && it["status"] == "True")
}

/// Whether an object that is there may use less than it did.
fn frees((group, plural): &Name, object: &Value) -> bool {
    match (&**group, &**plural) {
        ("", "pods") => {
            let phase = object::text(object, &["status", "phase"]);
            matches!(phase, Some("Succeeded" | "Failed")) || resizes(object)
        }
        ("", "services" | "persistentvolumeclaims") => true,
        _ => false,
    }
}

/// Whether a pod has been resized: its spec is of another generation than its first.
fn resizes(pod: &Value) -> bool {
    object::generation(pod) > 1
}
