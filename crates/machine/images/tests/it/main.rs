//! The store on a real disk, as root, against the tools of others.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod archives;
mod collection;
mod crash;
mod hostile;
mod layers;
mod lazy;
mod ledger;
mod registry;
mod store;
mod support;
