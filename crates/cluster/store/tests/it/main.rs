//! Suites of the store: every backend against the contract, and against faults.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod cache;
mod cluster;
mod embedded;
mod etcd;
mod kill;
mod power;
