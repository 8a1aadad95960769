//! Where the objects of one resource are: a prefix of the store and, from the first question on, a
//! cache of it. Versions of a resource share a shelf.
//!
//! Lazy, because a cluster has a hundred resources and most are never asked for: an empty server
//! keeps no cache and starts no task.

use crate::stored::Stored;
use bytes::Bytes;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use teu_store::cache::{Cache, CacheConfig};
use teu_store::clock::Monotonic;
use teu_store::{Span, Store};
use teu_web::{Begun, Shutdown};
use tokio::task::JoinHandle;

/// The root of all keys, as Kubernetes has it.
const ROOT: &str = "/registry/";
/// One for all caches, so that they wake together for what is due every minute.
static CLOCK: LazyLock<Monotonic> = LazyLock::new(Monotonic::new);

/// One resource's place.
pub struct Shelf {
    store: Arc<dyn Store>,
    prefix: String,
    running: Mutex<Option<(Cache<Stored>, JoinHandle<()>)>>,
    /// Its resource is no longer served; watches of it end.
    retired: Shutdown,
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        let running = self.running.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, feed)) = running.take() {
            feed.abort();
        }
    }
}

impl Shelf {
    /// Of what is stored under a name, such as `deployments` or `example.com/widgets`.
    pub fn new(store: Arc<dyn Store>, storage: &str) -> Self {
        let prefix = format!("{ROOT}{storage}/");
        Self { store, prefix, running: Mutex::new(None), retired: Shutdown::new() }
    }

    /// Ends the watches: the resource has gone.
    pub fn retire(&self) {
        self.retired.begin();
    }

    /// Waits for that.
    pub fn retired(&self) -> Begun {
        self.retired.begun()
    }

    /// The store beneath.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// An object's key; the namespace is empty for what lives in the cluster.
    pub fn key(&self, namespace: &str, name: &str) -> Bytes {
        let slash = if namespace.is_empty() { "" } else { "/" };
        format!("{}{namespace}{slash}{name}", self.prefix).into()
    }

    /// All keys, or those of a namespace.
    pub fn span(&self, namespace: &str) -> Span {
        if namespace.is_empty() {
            return Span::prefix(self.prefix.clone());
        }
        Span::prefix(format!("{}{namespace}/", self.prefix))
    }

    /// What follows the prefix in a key: `namespace/name` or `name`.
    pub fn rest<'a>(&self, key: &'a [u8]) -> &'a str {
        let rest = key.get(self.prefix.len()..).unwrap_or_default();
        std::str::from_utf8(rest).unwrap_or_default()
    }

    /// The cache, if somebody has asked for it before.
    pub fn running(&self) -> Option<Cache<Stored>> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().map(|(cache, _)| cache.clone())
    }

    /// The cache; started by the first who asks.
    pub fn cache(&self) -> Cache<Stored> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((cache, _)) = &*running {
            return cache.clone();
        }
        let config = CacheConfig::new(self.prefix.clone());
        let clock = Arc::new(*CLOCK);
        let (cache, feed) =
            Cache::new(Arc::clone(&self.store), clock, config, |kv| Stored::new(kv.value.clone()));
        let task = tokio::spawn(async move {
            // It ends with the store, and whoever asks the cache then hears of it.
            let _ = feed.run().await;
        });
        *running = Some((cache.clone(), task));
        cache
    }
}
