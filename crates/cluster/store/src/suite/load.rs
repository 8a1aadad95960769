//! Concurrent clients, their history, and its judgement; also used while members of a cluster
//! fail.

use super::linear::{self, Call, Op, Value, Verdict};
use super::{Say, in_time};
use crate::error::Error;
use crate::kv::{KeyValue, Revision};
use crate::store::{Consistency, Store};
use crate::txn::{Change, Expect, Outcome, Txn};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What the clients do.
#[derive(Debug, Clone)]
pub struct Load {
    /// Where their keys are; each run needs its own.
    pub prefix: String,
    /// Clients at once, each on its own thread.
    pub clients: usize,
    /// Keys they share.
    pub keys: usize,
    /// Operations of each client.
    pub operations: usize,
    /// A pause after each operation.
    pub pause: Duration,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Operations that were answered, and that were not.
    pub answered: usize,
    /// See there.
    pub lost: usize,
}

/// A case: clients on a healthy store.
pub fn linearizable(store: &Arc<dyn Store>) {
    let load = Load {
        prefix: format!("/s/linear/{}/", store.now()),
        clients: 5,
        keys: 3,
        operations: 60,
        pause: Duration::ZERO,
    };
    let report = run(&vec![Arc::clone(store); load.clients], &load);
    assert_eq!(report.lost, 0);
}

/// Runs a load, each client on its own handle, and judges every key. Answers may be lost; what was
/// answered has to be right.
pub fn run(stores: &[Arc<dyn Store>], load: &Load) -> Report {
    let zero = Instant::now();
    let values = AtomicU64::new(1);
    let histories: Vec<Vec<(usize, Call)>> = std::thread::scope(|scope| {
        let clients = stores.iter().enumerate().map(|(number, store)| {
            let client = Client { store, load, zero, values: &values, seed: number as u64 + 1 };
            scope.spawn(move || client.run())
        });
        let clients: Vec<_> = clients.collect();
        clients.into_iter().map(|client| client.join().expect("a client")).collect()
    });
    let mut report = Report::default();
    let mut by_key: HashMap<usize, Vec<Call>> = HashMap::new();
    for (key, call) in histories.into_iter().flatten() {
        match call.ended {
            Some(_) => report.answered += 1,
            None => report.lost += 1,
        }
        by_key.entry(key).or_default().push(call);
    }
    for (key, mut calls) in by_key {
        // The last word: what stands there now was read after everything.
        let last = stores[0].key(&format!("{}{key}", load.prefix));
        let at = u64::try_from(zero.elapsed().as_nanos()).unwrap_or(u64::MAX);
        calls.push(Call { op: Op::Read(value_of(last.as_ref())), begun: at, ended: Some(at + 1) });
        let verdict = linear::check(0, calls.clone());
        assert_eq!(verdict, Verdict::Linearizable, "key {key}: {calls:#?}");
    }
    report
}

fn value_of(kv: Option<&Arc<KeyValue>>) -> Value {
    let text = kv.map(|kv| String::from_utf8_lossy(&kv.value).into_owned());
    text.map_or(0, |text| text.parse().expect("only numbers are written"))
}

struct Client<'a> {
    store: &'a Arc<dyn Store>,
    load: &'a Load,
    zero: Instant,
    values: &'a AtomicU64,
    seed: u64,
}

impl Client<'_> {
    fn random(&mut self, below: usize) -> usize {
        // xorshift: no more is needed to mix operations.
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        usize::try_from(self.seed % below as u64).unwrap_or(0)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.zero.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn run(mut self) -> Vec<(usize, Call)> {
        self.seed = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut calls = Vec::new();
        // What this client saw last at each key, for its swaps.
        let mut seen: HashMap<usize, (Value, Revision)> = HashMap::new();
        for _ in 0..self.load.operations {
            let key = self.random(self.load.keys);
            let kind = self.random(10);
            let begun = self.now();
            let (op, answered) = self.operation(key, kind, &mut seen);
            if let Some(op) = op {
                let ended = answered.then(|| self.now());
                calls.push((key, Call { op, begun, ended }));
            }
            std::thread::sleep(self.load.pause);
        }
        calls
    }

    /// One operation: what to record, and whether it was answered. A read without an answer says
    /// nothing.
    fn operation(
        &mut self,
        key: usize,
        kind: usize,
        seen: &mut HashMap<usize, (Value, Revision)>,
    ) -> (Option<Op>, bool) {
        let name = format!("{}{key}", self.load.prefix);
        let value = self.values.fetch_add(1, Ordering::Relaxed);
        let put = Change::Put { value: value.to_string().into(), lease: 0 };
        let (txn, old, new) = match (kind, seen.get(&key)) {
            (0..4, _) | (_, None) => {
                let get = self.store.get(name.as_bytes(), Consistency::Linearizable);
                let Ok(found) = in_time("a get", get) else { return (None, false) };
                let value = value_of(found.kv.as_ref());
                seen.insert(key, (value, found.kv.map_or(0, |kv| kv.modified)));
                return (Some(Op::Read(value)), true);
            }
            (4..6, _) => (Txn::one(name, Expect::Any, put), None, value),
            (_, Some((old, 0))) => (Txn::one(name, Expect::Absent, put), Some(*old), value),
            (6, Some((old, at))) => (Txn::delete(name, *at), Some(*old), 0),
            (_, Some((old, at))) => (Txn::one(name, Expect::Revision(*at), put), Some(*old), value),
        };
        let wanted = old.map_or(Op::Write(new), |old| Op::Swap(old, new));
        match in_time("a commit", self.store.commit(txn)) {
            Ok(Outcome::Done { revision }) => {
                seen.insert(key, (new, if new == 0 { 0 } else { revision }));
                (Some(wanted), true)
            }
            Ok(Outcome::Conflict { current, .. }) => {
                let kv = current[0].as_ref();
                let found = value_of(kv);
                seen.insert(key, (found, kv.map_or(0, |kv| kv.modified)));
                (Some(Op::SwapFailed(old.unwrap_or(0), found)), true)
            }
            // Never sent, so it did not happen.
            Err(Error::Unavailable { .. } | Error::Overloaded { .. }) => (None, false),
            Err(_) => (Some(wanted), false),
        }
    }
}
