//! Encryption at rest: a store between the server and the real one that seals the values of chosen
//! resources, so that neither files, nor etcd, nor snapshots have them in the clear.
//!
//! It stands below the caches and above the backend: what is above never sees a sealed value, what is
//! below never an open one. What cannot be opened is an error of the read that met it, never a value.
//! Which resources, by which keys, [`config`] says, in Kubernetes' own file; how a value looks, [`cipher`].

pub mod cipher;
pub mod config;
mod rewrite;

pub use config::{SealingError, Sealings};
pub use rewrite::{Rewritten, forget, rewrite};

use bytes::Bytes;
use std::io::Write;
use std::sync::Arc;
use std::task::{Context, Poll};
use teu_store::watch::Source;
use teu_store::{
    Change, Consistency, Error, Event, Found, KeyValue, LeaseId, Listed, Message, Outcome, Range,
    Reply, Revision, Status, Store, Txn, Watch, WatchRequest,
};

/// A store whose values are sealed.
pub struct Sealed {
    inner: Arc<dyn Store>,
    sealings: Arc<Sealings>,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealed").field("sealings", &self.sealings).finish_non_exhaustive()
    }
}

impl Sealed {
    /// Over a store.
    pub fn new(inner: Arc<dyn Store>, sealings: Arc<Sealings>) -> Self {
        Self { inner, sealings }
    }
}

impl Sealings {
    /// A version as whoever reads sees it.
    fn open_one(&self, kv: Arc<KeyValue>) -> Result<Arc<KeyValue>, Error> {
        if kv.is_deletion() {
            return Ok(kv);
        }
        let Some(sealing) = self.of(&kv.key) else { return Ok(kv) };
        let open = sealing.open(&kv.key, &kv.value).map_err(|reason| Error::Io {
            what: "decrypting a value",
            kind: std::io::ErrorKind::InvalidData,
            reason: format!("{}: {reason}", teu_store::store::printable(&kv.key)),
        })?;
        Ok(match open {
            None => kv,
            Some(value) => Arc::new(KeyValue { value: value.into(), ..(*kv).clone() }),
        })
    }

    fn open_maybe(&self, kv: Option<Arc<KeyValue>>) -> Result<Option<Arc<KeyValue>>, Error> {
        kv.map(|kv| self.open_one(kv)).transpose()
    }

    fn open_event(&self, event: Event) -> Result<Event, Error> {
        Ok(Event { kv: self.open_one(event.kv)?, previous: self.open_maybe(event.previous)? })
    }

    fn seal_txn(&self, mut txn: Txn) -> Result<Txn, Error> {
        for write in &mut txn.writes {
            let Change::Put { value, .. } = &mut write.change else { continue };
            if let Some(sealing) = self.of(&write.key) {
                let sealed = sealing.seal(&write.key, value).ok_or_else(|| Error::Io {
                    what: "encrypting a value",
                    kind: std::io::ErrorKind::Other,
                    reason: "the system gave no random bytes".to_owned(),
                })?;
                *value = sealed.map_or_else(|| value.clone(), Bytes::from);
            }
        }
        Ok(txn)
    }
}

impl Store for Sealed {
    fn get(&self, key: &[u8], consistency: Consistency) -> Reply<Found> {
        let reply = self.inner.get(key, consistency);
        if self.sealings.of(key).is_none() {
            return reply;
        }
        let sealings = Arc::clone(&self.sealings);
        Reply::boxed(async move {
            let Found { revision, kv } = reply.await?;
            Ok(Found { revision, kv: sealings.open_maybe(kv)? })
        })
    }

    fn range(&self, range: Range) -> Reply<Listed> {
        let reply = self.inner.range(range);
        let sealings = Arc::clone(&self.sealings);
        Reply::boxed(async move {
            let mut listed = reply.await?;
            let kvs = std::mem::take(&mut listed.kvs).into_iter();
            listed.kvs = kvs.map(|kv| sealings.open_one(kv)).collect::<Result<_, Error>>()?;
            Ok(listed)
        })
    }

    fn commit(&self, txn: Txn) -> Reply<Outcome> {
        let txn = match self.sealings.seal_txn(txn) {
            Ok(txn) => txn,
            Err(error) => return Reply::now(Err(error)),
        };
        let reply = self.inner.commit(txn);
        let sealings = Arc::clone(&self.sealings);
        Reply::boxed(async move {
            Ok(match reply.await? {
                Outcome::Conflict { revision, current } => {
                    let current = current.into_iter().map(|kv| sealings.open_maybe(kv));
                    Outcome::Conflict { revision, current: current.collect::<Result<_, Error>>()? }
                }
                done => done,
            })
        })
    }

    fn watch(&self, request: WatchRequest) -> Reply<Watch> {
        let reply = self.inner.watch(request);
        let sealings = Arc::clone(&self.sealings);
        Reply::boxed(async move {
            let inner = reply.await?;
            Ok(Watch::new(Opened { inner, sealings }))
        })
    }

    fn grant(&self, seconds: u64) -> Reply<LeaseId> {
        self.inner.grant(seconds)
    }

    fn keep_alive(&self, lease: LeaseId) -> Reply<u64> {
        self.inner.keep_alive(lease)
    }

    fn revoke(&self, lease: LeaseId) -> Reply<()> {
        self.inner.revoke(lease)
    }

    fn compact(&self, revision: Revision) -> Reply<()> {
        self.inner.compact(revision)
    }

    fn defragment(&self) -> Reply<()> {
        self.inner.defragment()
    }

    fn snapshot(&self, sink: Box<dyn Write + Send>) -> Reply<u64> {
        self.inner.snapshot(sink)
    }

    fn status(&self) -> Reply<Status> {
        self.inner.status()
    }
}

/// A watch whose events are opened.
struct Opened {
    inner: Watch,
    sealings: Arc<Sealings>,
}

impl Source for Opened {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        self.inner.poll_next(context).map(|message| match message? {
            Message::Events(events) => {
                let events = events.into_iter().map(|event| self.sealings.open_event(event));
                Ok(Message::Events(events.collect::<Result<_, Error>>()?))
            }
            progress => Ok(progress),
        })
    }

    fn ask(&mut self) -> Result<(), Error> {
        self.inner.ask()
    }
}

#[cfg(test)]
mod tests;
