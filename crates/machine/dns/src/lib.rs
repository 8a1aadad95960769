//! A small DNS server over zones it is given, run by the shim inside the pod's namespace.
//!
//! No threads, no async runtime: one descriptor to poll ([`Server::as_fd`]) and one call when it is
//! readable ([`Server::handle`]). Names that the zone does not know are forwarded to the host's
//! resolvers over sockets of the namespace the process is in; a timer in the same descriptor ends
//! what they never answer.
//!
//! Refuses: recursion, caching, zone transfers, and anything unbounded: see the constants of
//! `server`. RFC 1034, 1035, 6891, 7766, 8482.
#![forbid(unsafe_code)]

mod server;
mod zone;

pub use server::{Server, Sockets, bind_in};
pub use zone::{Answer, Zone};
