//! How a controller is written: which kinds it reads, whose changes wake it, and one look at a key.
//!
//! ```text
//! pub async fn run(context: Context) {
//!     let mut desk = Desk::new(&context);
//!     let jobs = desk.each(JOBS);                    a job that changes is looked at
//!     let pods = desk.owned(PODS, &jobs, "Job");     a pod's change wakes the job that has it, or may
//!     desk.work(AT_ONCE, Jobs { context, jobs, pods }).await;
//! }
//!
//! impl Controller for Jobs {
//!     async fn look(&self, key: &Key) -> Look { .. }  reads all anew; does and says what follows
//! }
//! ```
//!
//! To write another, copy `ttl.rs`, which is the smallest. Nothing is looked at before everything is here
//! that is read. A mirror holds no queue and no controller, so what a desk subscribed ends with it.

use crate::Context;
use crate::claim::concerned;
use crate::mirror::{Change, Key, Mirror, key_of};
use crate::queue::Queue;
use crate::worker::{Look, work};
use std::future::Future;
use std::sync::Arc;
use teu_client::Kind;

/// What has to be known of a controller.
pub trait Controller: Send + Sync + 'static {
    /// Looks at what a key names, as it is now, and does what follows. Why it was woken is nobody's
    /// business.
    fn look(&self, key: &Key) -> impl Future<Output = Look> + Send;
}

type Told = Box<dyn Fn(&Change, &Queue) + Send + Sync>;

/// What a controller reads, and what wakes it.
pub struct Desk {
    context: Context,
    queue: Arc<Queue>,
    read: Vec<Arc<Mirror>>,
    told: Vec<(Arc<Mirror>, Told)>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("read", &self.read).finish_non_exhaustive()
    }
}

impl Desk {
    /// With nothing on it.
    pub fn new(context: &Context) -> Self {
        let queue = Queue::new(Arc::clone(&context.timer));
        Self { context: context.clone(), queue, read: Vec::new(), told: Vec::new() }
    }

    /// Where keys go, for those who are woken by more than mirrors.
    pub fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.queue)
    }

    /// A kind that is read; its changes wake nobody.
    pub fn reads(&mut self, kind: Kind<'static>) -> Arc<Mirror> {
        self.reads_some(kind, "")
    }

    /// The objects of a kind that a field selector takes (empty for all). Writes do not wait until such a
    /// mirror shows them: the change wakes whoever wrote.
    pub fn reads_some(&mut self, kind: Kind<'static>, fields: &'static str) -> Arc<Mirror> {
        let mirror = self.context.mirrors.of(kind, fields);
        self.read.push(Arc::clone(&mirror));
        mirror
    }

    /// A kind each of whose objects is looked at when it changes.
    pub fn each(&mut self, kind: Kind<'static>) -> Arc<Mirror> {
        let mirror = self.reads(kind);
        self.on(&mirror, |change, queue| {
            if let Some(object) = change.newest() {
                queue.add(key_of(object));
            }
        });
        mirror
    }

    /// A kind whose changes wake the owners (of a kind of that name) that control the object, or may.
    pub fn owned(
        &mut self,
        kind: Kind<'static>,
        owners: &Arc<Mirror>,
        name: &'static str,
    ) -> Arc<Mirror> {
        let (mirror, owners) = (self.reads(kind), Arc::clone(owners));
        self.on(&mirror, move |change, queue| {
            concerned(change, &owners, name).into_iter().for_each(|key| queue.add(key));
        });
        mirror
    }

    /// Says who is woken by changes of what a mirror shows.
    pub fn on(
        &mut self,
        mirror: &Arc<Mirror>,
        told: impl Fn(&Change, &Queue) + Send + Sync + 'static,
    ) {
        self.told.push((Arc::clone(mirror), Box::new(told)));
    }

    /// Works until the future is dropped; so many looks at once.
    pub async fn work(self, at_once: usize, controller: impl Controller) {
        for mirror in &self.read {
            mirror.ready().await;
        }
        for (mirror, told) in self.told {
            mirror.subscribe(&self.queue, told);
        }
        let controller = Arc::new(controller);
        let look = |key: Key| {
            let controller = Arc::clone(&controller);
            async move { controller.look(&key).await }
        };
        work(self.queue, at_once, look).await;
    }
}
