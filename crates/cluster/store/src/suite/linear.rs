//! Whether a history of concurrent operations on one key can be put into one order that respects
//! real time (Wing and Gong's search, with Lowe's memory of what was tried).
//!
//! A key is a register of unique values. An operation whose answer was lost may have happened at
//! any time after it began, or never. The search is bounded: undecided is not passed.

use std::collections::HashSet;

/// A register's content; 0 is "no such key".
pub type Value = u64;

/// What was asked and answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Read this.
    Read(Value),
    /// Wrote this.
    Write(Value),
    /// Found the first and wrote the second.
    Swap(Value, Value),
    /// Wanted to find the first; found the second, which is another.
    SwapFailed(Value, Value),
    /// Wanted to find this; found something else and was not told what.
    Refused(Value),
}

/// An operation with its time.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// What.
    pub op: Op,
    /// When it began.
    pub begun: u64,
    /// When it was answered; `None` if the answer was lost.
    pub ended: Option<u64>,
}

/// The verdict.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order.
    Linearizable,
    /// There is none.
    Violated,
    /// The bound was reached.
    Undecided,
}

/// States of the search that are kept.
const MAX_STATES: usize = 2_000_000;

/// What a register has after an operation; `None` if it cannot have happened here.
fn step(value: Value, op: Op) -> Option<Value> {
    match op {
        Op::Read(seen) => (seen == value).then_some(value),
        Op::Write(new) => Some(new),
        Op::Swap(old, new) => (old == value).then_some(new),
        Op::SwapFailed(wanted, seen) => (seen == value && wanted != value).then_some(value),
        Op::Refused(wanted) => (wanted != value).then_some(value),
    }
}

/// A set of operations by their number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Set(Vec<u64>);

impl Set {
    fn has(&self, at: usize) -> bool {
        self.0[at / 64] >> (at % 64) & 1 == 1
    }

    fn flip(&mut self, at: usize) {
        self.0[at / 64] ^= 1 << (at % 64);
    }
}

/// Judges the history of one key that had `first` at its beginning.
pub fn check(first: Value, mut calls: Vec<Call>) -> Verdict {
    calls.sort_by_key(|call| call.begun);
    let mut done = Set(vec![0; calls.len() / 64 + 1]);
    let mut seen: HashSet<(Set, Value)> = HashSet::new();
    // The path: which operation was put next, and the value before it.
    let mut path: Vec<(usize, Value)> = Vec::new();
    let mut value = first;
    let mut next = 0;
    loop {
        if calls.iter().enumerate().all(|(at, call)| done.has(at) || call.ended.is_none()) {
            return Verdict::Linearizable;
        }
        // Nothing may be put before an operation that had ended when it began.
        let open = calls.iter().enumerate().filter(|(at, _)| !done.has(*at));
        let bound = open.filter_map(|(_, call)| call.ended).min().unwrap_or(u64::MAX);
        let found = (next..calls.len())
            .take_while(|at| calls[*at].begun <= bound)
            .filter(|at| !done.has(*at))
            .find_map(|at| {
                let after = step(value, calls[at].op)?;
                let mut with = done.clone();
                with.flip(at);
                (!seen.contains(&(with.clone(), after))).then_some((at, after, with))
            });
        if let Some((at, after, with)) = found {
            if seen.len() >= MAX_STATES {
                return Verdict::Undecided;
            }
            seen.insert((with.clone(), after));
            path.push((at, value));
            (done, value, next) = (with, after, 0);
            continue;
        }
        let Some((at, before)) = path.pop() else { return Verdict::Violated };
        done.flip(at);
        (value, next) = (before, at + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(op: Op, begun: u64, ended: u64) -> Call {
        Call { op, begun, ended: (ended != 0).then_some(ended) }
    }

    #[test]
    fn verdicts() {
        let good = |calls: &[Call]| assert_eq!(check(0, calls.to_vec()), Verdict::Linearizable);
        let bad = |calls: &[Call]| assert_eq!(check(0, calls.to_vec()), Verdict::Violated);
        good(&[]);
        good(&[call(Op::Write(1), 1, 2), call(Op::Read(1), 3, 4)]);
        bad(&[call(Op::Write(1), 1, 2), call(Op::Read(0), 3, 4)]);
        // Concurrent: either order.
        good(&[call(Op::Write(1), 1, 5), call(Op::Read(0), 2, 3), call(Op::Read(1), 3, 4)]);
        bad(&[call(Op::Write(1), 1, 5), call(Op::Read(1), 2, 3), call(Op::Read(0), 4, 6)]);
        // A lost answer may have happened late, or never.
        good(&[call(Op::Write(1), 1, 0), call(Op::Read(0), 2, 3), call(Op::Read(1), 8, 9)]);
        good(&[call(Op::Write(1), 1, 0), call(Op::Read(0), 8, 9)]);
        bad(&[call(Op::Write(1), 5, 0), call(Op::Read(1), 1, 2)]);
        // Of two swaps of the same value one loses.
        bad(&[call(Op::Swap(0, 1), 1, 5), call(Op::Swap(0, 2), 2, 6)]);
        good(&[call(Op::Swap(0, 1), 1, 5), call(Op::SwapFailed(0, 1), 2, 6)]);
        bad(&[call(Op::SwapFailed(0, 1), 2, 6), call(Op::Swap(0, 1), 7, 8)]);
        good(&[call(Op::Write(1), 1, 5), call(Op::Refused(0), 2, 6)]);
        bad(&[call(Op::Refused(0), 1, 2), call(Op::Write(1), 3, 4)]);
        // A lost write is lost.
        bad(&[call(Op::Write(1), 1, 2), call(Op::Write(2), 3, 4), call(Op::Read(1), 5, 6)]);
    }
}
