//! The writer: plans a batch, makes it durable, applies it, tells watchers, answers.
//!
//! Whoever holds the engine's lock is the writer: a caller who finds it free does his own write at
//! once, and saves two changes of thread; what comes meanwhile is done by the writer's thread, all
//! of it in one write. Only one thread is ever in here, so the plan sees a state that nobody else changes. In a batch
//! later requests see what earlier ones will have done (`Plan::ahead`); nobody else sees it before
//! it is durable. After a write of the log has failed nothing more is written: what the disk kept
//! of it is known only at the next start.

use super::Shared;
use super::keeper::{self, Job};
use super::log::{AppendError, Log};
use super::queue::Request;
use super::record::{Record, put_commit, put_record};
use super::state::{Commit, Lease};
use crate::error::{Error, Invalid};
use crate::kv::{Event, KeyValue, LeaseId, Revision};
use crate::reply::Answer;
use crate::store::io_error;
use crate::txn::{Change, Expect, Outcome, Txn};
use bytes::Bytes;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::Duration;

/// Checkpoints are made when the log has grown by this, or by what the last one had.
const MIN_LOG_BYTES: u64 = 16 << 20;
/// A disk that takes longer for a write is waited for by the writer's thread alone.
const QUICK: Duration = Duration::from_millis(5);
/// The longest lease (etcd's own bound).
pub const MAX_LEASE_S: u64 = 9_000_000_000;
/// Keys that one transaction of an ended lease deletes, and their bytes.
const LEASE_KEYS_AT_ONCE: usize = 512;
const LEASE_BYTES_AT_ONCE: usize = 256 << 10;
/// Bytes of a batch that ended leases take; the rest of them goes in the next. After a start leases that
/// were granted over hours may end at once, and a batch has to fit into a segment.
const MAX_ENDED_BYTES: usize = 1 << 20;
/// Revisions that are forgotten under one hold of the lock.
const PRUNE_AT_ONCE: usize = 1024;

/// Sends an answer, or the batch's failure in its place.
type Sending = Box<dyn FnOnce(Option<&Error>) + Send>;

/// What will have happened when the batch is durable.
#[derive(Default)]
struct Plan {
    /// Records, as they go to the log.
    bytes: Vec<u8>,
    commits: Vec<Commit>,
    others: Vec<Record>,
    /// Keys as this batch leaves them.
    ahead: HashMap<Bytes, Option<Arc<KeyValue>>>,
    revision: Revision,
    last_lease: LeaseId,
    compacted: Revision,
    /// Bytes of records that ended leases took.
    ended_bytes: usize,
    answers: Vec<Sending>,
}

/// The writer's own.
pub struct Engine {
    shared: Arc<Shared>,
    log: Log,
    jobs: Option<Sender<Job>>,
    stopped: Option<Error>,
    /// Size of the last checkpoint; whether one is being made.
    base_bytes: u64,
    checkpointing: bool,
    /// How long a write of the log takes, lately.
    write_time: Duration,
    /// No lease ends before.
    first_end: Option<Duration>,
    /// Leases that are revoked and still have keys.
    revoking: Vec<(LeaseId, Answer<()>)>,
}

impl Engine {
    /// Over an opened log.
    pub fn new(shared: Arc<Shared>, log: Log, jobs: Option<Sender<Job>>, base_bytes: u64) -> Self {
        let first_end = shared.read().leases.values().map(|lease| lease.ends).min();
        Self {
            shared,
            log,
            jobs,
            stopped: None,
            base_bytes,
            checkpointing: false,
            write_time: Duration::ZERO,
            first_end,
            revoking: Vec::new(),
        }
    }

    /// Does everything that waits; answers how long until a lease ends.
    pub fn drain(&mut self) -> Option<Duration> {
        loop {
            let batch = self.shared.queue.take();
            let now = self.shared.clock.now();
            let ended = self.stopped.is_none() && self.first_end.is_some_and(|end| end <= now);
            if batch.is_empty() && !ended && self.revoking.is_empty() {
                break;
            }
            self.step(batch);
        }
        self.first_end
            .filter(|_| self.stopped.is_none())
            .map(|end| end.saturating_sub(self.shared.clock.now()))
    }

    /// Does what waits, one batch; answers whether the writer's thread has to look sooner now.
    pub fn lead(&mut self) -> bool {
        let before = self.first_end;
        let batch = self.shared.queue.take();
        if !batch.is_empty() {
            self.step(batch);
        }
        while !self.revoking.is_empty() {
            self.step(Vec::new());
        }
        match (before, self.first_end) {
            (Some(before), Some(now)) => now < before,
            (before, now) => now.is_some() && before.is_none(),
        }
    }

    /// Whether writes are so fast that whoever asks may do his own.
    pub fn is_quick(&self) -> bool {
        self.write_time < QUICK
    }

    /// Does one batch.
    pub fn step(&mut self, batch: Vec<Request>) {
        let mut plan = {
            let state = self.shared.read();
            Plan {
                revision: state.revision,
                last_lease: state.last_lease,
                compacted: state.compacted,
                ..Plan::default()
            }
        };
        if self.stopped.is_none() {
            self.end_leases(&mut plan);
        }
        for (id, answer) in std::mem::take(&mut self.revoking) {
            self.plan(&mut plan, Request::Revoke(id, answer));
        }
        for request in batch {
            self.plan(&mut plan, request);
        }
        let mut failure = self.stopped.clone();
        if failure.is_none() && !plan.bytes.is_empty() {
            let begun = self.shared.clock.now();
            match self.log.append(&plan.bytes) {
                Ok(batch) => {
                    let time = self.shared.clock.now().saturating_sub(begun);
                    self.write_time = (self.write_time * 7 + time) / 8;
                    self.apply(&mut plan, batch);
                }
                Err(AppendError::NoRoom(error)) => {
                    failure = Some(io_error("making room in the log", &error));
                    // A lease that should have ended is tried again, not at once.
                    let now = self.shared.clock.now();
                    let soon = now + Duration::from_secs(1);
                    let later = self.first_end.filter(|first| *first > now);
                    self.first_end = Some(later.map_or(soon, |first| first.min(soon)));
                }
                Err(AppendError::Failed(error)) => {
                    let reason = format!("{}: {error}", self.shared.disk.describe());
                    let stopped = Error::Stopped { kind: error.kind(), reason };
                    self.stopped = Some(stopped.clone());
                    failure = Some(stopped);
                }
            }
        }
        for answer in plan.answers {
            answer(failure.as_ref());
        }
        if let Some(failure) = &failure {
            for (_, answer) in self.revoking.drain(..) {
                let _ = answer.send(Err(failure.clone()));
            }
        }
        self.checkpoint_if_due();
        self.shared.disk_bytes.store(self.log.bytes() + self.base_bytes, Ordering::Relaxed);
    }

    fn plan(&mut self, plan: &mut Plan, request: Request) {
        match request {
            Request::Commit(txn, answer) => {
                let outcome = self.commit(plan, txn);
                plan.answer(answer, outcome);
            }
            Request::Compact(revision, answer) => {
                let done = self.compact(plan, revision);
                plan.answer(answer, done);
            }
            Request::Grant(seconds, answer) => {
                let granted = match seconds {
                    1..=MAX_LEASE_S => {
                        plan.last_lease += 1;
                        let id = plan.last_lease;
                        plan.record(Record::Grant { id, seconds });
                        Ok(id)
                    }
                    _ => Err(Error::Invalid(Invalid::LeaseTime { limit_s: MAX_LEASE_S })),
                };
                plan.answer(answer, granted);
            }
            Request::KeepAlive(id, answer) => {
                let kept = self.keep_alive(plan, id);
                plan.answer(answer, kept);
            }
            Request::Revoke(id, answer) => match self.has_lease(plan, id) {
                true if self.revoke(plan, id) => plan.answer(answer, Ok(())),
                true => self.revoking.push((id, answer)),
                false => plan.answer(answer, Err(Error::NoLease(id))),
            },
            Request::Checkpoint(answer) => {
                // Whoever asks wants old values gone from the files, too. What fails here costs space.
                let _ = self.log.turn();
                self.start_checkpoint(Some(answer));
            }
            Request::Checkpointed(done, answer) => self.checkpointed(done, answer),
        }
    }

    /// The newest version of a key, this batch included.
    fn current(&self, plan: &Plan, key: &Bytes) -> Option<Arc<KeyValue>> {
        match plan.ahead.get(key) {
            Some(kv) => kv.clone(),
            None => self.shared.read().get(key).cloned(),
        }
    }

    fn commit(&self, plan: &mut Plan, txn: Txn) -> Result<Outcome, Error> {
        let current: Vec<_> =
            txn.writes.iter().map(|write| self.current(plan, &write.key)).collect();
        let holds = txn.writes.iter().zip(&current).all(|(write, current)| match write.expect {
            Expect::Any => true,
            Expect::Absent => current.is_none(),
            Expect::Revision(0) => current.is_none(),
            Expect::Revision(asked) => current.as_ref().is_some_and(|kv| kv.modified == asked),
        });
        if !holds {
            return Ok(Outcome::Conflict { revision: plan.revision, current });
        }
        let revision = plan.revision + 1;
        let mut events = Vec::with_capacity(txn.writes.len());
        for (write, previous) in txn.writes.into_iter().zip(current) {
            let (value, created, lease) = match (write.change, &previous) {
                (Change::Put { lease, .. }, _) if lease != 0 && !self.has_lease(plan, lease) => {
                    return Err(Error::NoLease(lease));
                }
                (Change::Put { value, lease }, None) => (value, revision, lease),
                (Change::Put { value, lease }, Some(old)) => (value, old.created, lease),
                (Change::Delete, Some(_)) => (Bytes::new(), 0, 0),
                (Change::Delete, None) | (Change::Check, _) => continue,
            };
            let kv = KeyValue { key: write.key, value, created, modified: revision, lease };
            events.push(Event { kv: Arc::new(kv), previous });
        }
        if events.is_empty() {
            return Ok(Outcome::Done { revision: plan.revision });
        }
        plan.commit(Commit { revision, events });
        Ok(Outcome::Done { revision })
    }

    fn compact(&self, plan: &mut Plan, revision: Revision) -> Result<(), Error> {
        if revision > plan.revision {
            return Err(Error::Future { asked: revision, current: plan.revision });
        }
        if revision <= plan.compacted {
            return Err(Error::Compacted { asked: revision, compacted: plan.compacted });
        }
        plan.compacted = revision;
        plan.record(Record::Compact(revision));
        Ok(())
    }

    fn has_lease(&self, plan: &Plan, id: LeaseId) -> bool {
        let last = plan.others.iter().rev().find_map(|record| match record {
            Record::Grant { id: granted, .. } if *granted == id => Some(true),
            Record::Revoke(revoked) if *revoked == id => Some(false),
            _ => None,
        });
        last.unwrap_or_else(|| self.shared.read().leases.contains_key(&id))
    }

    /// Not durable and need not be: a start begins every lease anew.
    fn keep_alive(&self, plan: &Plan, id: LeaseId) -> Result<u64, Error> {
        let alive = self.has_lease(plan, id);
        let now = self.shared.clock.now();
        let mut state = self.shared.write();
        let lease = state.leases.get_mut(&id).filter(|_| alive).ok_or(Error::NoLease(id))?;
        lease.ends = now + Duration::from_secs(lease.seconds);
        Ok(lease.seconds)
    }

    /// Ends a lease: its keys go, a bounded number in each transaction, then the lease itself. Answers
    /// whether the batch had room for all of them.
    fn revoke(&self, plan: &mut Plan, id: LeaseId) -> bool {
        let mut keys: Vec<Bytes> = {
            let state = self.shared.read();
            state.leases.get(&id).map(|lease| lease.keys.iter().cloned().collect())
        }
        .unwrap_or_default();
        keys.extend(plan.ahead.keys().cloned());
        keys.sort();
        keys.dedup();
        let ended = keys.into_iter().filter_map(|key| {
            let previous = self.current(plan, &key).filter(|kv| kv.lease == id)?;
            Some((key, previous))
        });
        let ended: Vec<_> = ended.collect();
        let mut rest = ended.as_slice();
        while !rest.is_empty() {
            if plan.ended_bytes >= MAX_ENDED_BYTES {
                return false;
            }
            let mut bytes = 0;
            let fits = rest.iter().take(LEASE_KEYS_AT_ONCE).take_while(|(key, _)| {
                bytes += key.len();
                bytes <= LEASE_BYTES_AT_ONCE
            });
            let (some, later) = rest.split_at(fits.count());
            rest = later;
            let revision = plan.revision + 1;
            let event = |(key, previous): &(Bytes, Arc<KeyValue>)| {
                let (key, value) = (key.clone(), Bytes::new());
                let kv = KeyValue { key, value, created: 0, modified: revision, lease: 0 };
                Event { kv: Arc::new(kv), previous: Some(Arc::clone(previous)) }
            };
            let before = plan.bytes.len();
            plan.commit(Commit { revision, events: some.iter().map(event).collect() });
            plan.ended_bytes += plan.bytes.len() - before;
        }
        plan.record(Record::Revoke(id));
        true
    }

    fn end_leases(&mut self, plan: &mut Plan) {
        let now = self.shared.clock.now();
        if self.first_end.is_none_or(|first| first > now) {
            return;
        }
        let mut ended: Vec<LeaseId> = {
            let state = self.shared.read();
            let ended = state.leases.iter().filter(|(_, lease)| lease.ends <= now);
            ended.map(|(id, _)| *id).collect()
        };
        ended.sort_unstable();
        for id in ended {
            if !self.revoke(plan, id) {
                // The next batch goes on at once.
                return;
            }
        }
        let state = self.shared.read();
        let later = state.leases.values().map(|lease| lease.ends).filter(|ends| *ends > now);
        self.first_end = later.min();
    }

    /// The batch is durable: now everybody may see it.
    fn apply(&mut self, plan: &mut Plan, batch: u64) {
        let now = self.shared.clock.now();
        let mut events = Vec::new();
        let upto = plan.revision;
        let mut compacting = false;
        {
            let mut state = self.shared.write();
            state.batch = batch;
            // Leases first: keys of this batch may belong to them.
            for record in &plan.others {
                if let Record::Grant { id, seconds } = record {
                    let ends = now + Duration::from_secs(*seconds);
                    let lease = Lease { seconds: *seconds, ends, keys: Default::default() };
                    state.leases.insert(*id, lease);
                    self.first_end = Some(self.first_end.map_or(ends, |first| first.min(ends)));
                    state.last_lease = state.last_lease.max(*id);
                }
            }
            for commit in plan.commits.drain(..) {
                events.extend(commit.events.iter().map(|event| (commit.revision, event.clone())));
                state.apply(commit);
            }
            for record in &plan.others {
                match record {
                    Record::Revoke(id) => drop(state.leases.remove(id)),
                    Record::Compact(revision) => {
                        state.compacted = state.compacted.max(*revision);
                        compacting = true;
                    }
                    _ => {}
                }
            }
        }
        self.shared.hub.publish(&events, upto);
        while compacting {
            compacting = self.shared.write().prune(PRUNE_AT_ONCE);
        }
    }

    fn checkpoint_if_due(&mut self) {
        let due = self.log.bytes() > MIN_LOG_BYTES.max(self.base_bytes);
        if due && !self.checkpointing && self.stopped.is_none() {
            self.start_checkpoint(None);
        }
    }

    fn start_checkpoint(&mut self, answer: Option<Answer<()>>) {
        self.checkpointing = true;
        match &self.jobs {
            Some(jobs) => drop(jobs.send(Job::Checkpoint(answer))),
            None => {
                let done = keeper::checkpoint(&self.shared);
                self.checkpointed(done, answer);
            }
        }
    }

    /// The log before it is no longer needed. A checkpoint that failed costs space, no data; the
    /// next try is when the log has grown by as much again.
    fn checkpointed(&mut self, done: io::Result<(u64, u64)>, answer: Option<Answer<()>>) {
        self.checkpointing = false;
        let done = done.and_then(|(batch, bytes)| {
            self.base_bytes = bytes;
            self.log.forget(batch)
        });
        if done.is_err() {
            self.base_bytes = self.log.bytes() + MIN_LOG_BYTES;
        }
        if let Some(answer) = answer {
            let _ = answer.send(done.map_err(|error| io_error("writing a checkpoint", &error)));
        }
    }
}

impl Drop for Engine {
    /// Nobody will answer any more.
    fn drop(&mut self) {
        self.shared.queue.end();
        self.shared.hub.close();
    }
}

impl Plan {
    fn record(&mut self, record: Record) {
        put_record(&mut self.bytes, &record);
        self.others.push(record);
    }

    fn commit(&mut self, commit: Commit) {
        self.revision = commit.revision;
        put_commit(&mut self.bytes, commit.revision, commit.events.iter().map(|event| &*event.kv));
        for event in &commit.events {
            let alive = (!event.kv.is_deletion()).then(|| Arc::clone(&event.kv));
            self.ahead.insert(event.kv.key.clone(), alive);
        }
        self.commits.push(commit);
    }

    /// What is sent once the batch is durable.
    fn answer<T: Send + 'static>(&mut self, answer: Answer<T>, result: Result<T, Error>) {
        self.answers.push(Box::new(move |failure| {
            let result = failure.map_or(result, |error| Err(error.clone()));
            let _ = answer.send(result);
        }));
    }
}
