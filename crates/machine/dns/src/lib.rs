//! A small DNS server over zones it is given, run by the shim inside the pod's namespace.
//!
//! No threads, no async runtime: one descriptor to poll (`AsFd`) and one call when it is
//! readable ([`Server::handle`]). Names that the zone does not know are forwarded to the host's
//! resolvers over sockets of the namespace the process is in; a timer behind the same descriptor
//! ends what they never answer.
//!
//! Refuses: recursion, caching, zone transfers, and anything unbounded: the limits are the constants
//! of `server` and `message`. RFC 1034, 1035, 6891, 7766, 8482.
//! Start reading at [`answer`], which is pure.
#![forbid(unsafe_code)]

mod answer;
mod clients;
mod forward;
mod message;
mod server;
mod sockets;
mod zone;

pub use answer::{Outcome, Transport, answer};
pub use server::Server;
pub use sockets::{Sockets, bind_in};
pub use zone::{Answer, Zone};
