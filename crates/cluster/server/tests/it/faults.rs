//! The whole server under faults, as processes that real requests over TLS reach: killed at any
//! instant, its etcd's members stopped, stood still and cut off, saved while it is written to.
//!
//! What is asked each time: no acknowledged write is lost and no revision given out twice (histories
//! of concurrent clients are judged for linearizability), and watchers that go on from where they
//! were miss nothing and see nothing twice.

mod client;
mod history;
mod kills;
mod load;
mod members;
mod partition;
mod process;
mod snapshots;
mod watcher;
