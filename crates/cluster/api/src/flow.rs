//! Priority and fairness (`flowcontrol.apiserver.k8s.io`): which flow a request belongs to, and when
//! its turn is.
//!
//! A [`Schema`] sorts a request into a flow of a priority level. [`Seats`] holds the seats of all
//! levels: each level has its share of them, lends what it does not use, and gets it back with the
//! next seat that falls free; within a level, whoever waits is served by the time that his flow has
//! had. Both are pure: who waits and how long something took is handed in. [`defaults`] are the
//! objects that every cluster has.

pub mod defaults;
mod level;
mod schema;
mod seats;

pub use level::{Level, Limit, Queuing};
pub use schema::{Request, Schema};
pub use seats::{Counts, Place, Seats, Ticket, Turn};

/// The API group.
pub const GROUP: &str = "flowcontrol.apiserver.k8s.io";

#[cfg(test)]
mod tests;
