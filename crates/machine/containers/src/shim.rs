//! The shim: parent of all processes of one pod, the only process of ours that stays.
//!
//! It is started by the first command that needs it ([`spawn`]), talks [`protocol`] with every later
//! one ([`connect`]), sleeps in epoll while nothing happens, and ends with its pod, undoing what it
//! did: mounts, network, cgroups, files. It survives everything else; when it is killed itself, its
//! free `shim.lock` tells the next command, and `state.json` (pid and start time) what is left.
//!
//! Start reading at [`main`] (arguments and set-up), then `pod.rs` (what containers share),
//! `container.rs` (one life), `service.rs` (requests).

mod aftermath;
mod channel;
mod client;
mod clock;
mod container;
mod error;
mod exec;
mod failure;
mod files;
mod health;
mod init;
mod inquiry;
mod launch;
mod log;
mod main;
mod nursery;
mod pod;
mod probe;
pub mod protocol;
mod reactor;
mod records;
mod relay;
mod restart;
mod service;
mod streams;

pub use client::{Connection, connect, reap, spawn};
pub use error::Error;
pub use init::{PROBE, init};
pub use main::main;
pub use nursery::Nursery;
