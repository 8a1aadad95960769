//! What a cluster keeps true by itself: each controller watches, and writes what is missing.
//!
//! They know the API only by [`teu_client::Client`], so they run beside the server, elsewhere, or in a
//! simulation. All sleep while nothing changes. A controller that is cut off begins anew: it needs
//! nothing but what the API says.
//!
//! ```text
//! API ─watch─▶ Mirror (one a kind, shared) ─change─▶ Queue (keys) ─▶ work ─▶ plan ─▶ Context ─▶ API
//!                  ▲                                                            │
//!                  └── a write is over when the mirror shows it ◀───────────────┘
//! ```
//!
//! - [`mirror`]: what there is of a kind, in memory, found by namespace, controller and label.
//! - [`desk`]: how a controller is written. [`resources`]: what it may read and write.
//! - [`queue`], [`worker`]: which objects are to be looked at, and the loop that does it.
//! - [`context`]: what a controller is given; its writes wait until its own mirror shows them, so that
//!   nothing is ever decided on what stood before them.
//! - [`recorder`]: events for people. [`leader`]: only one of several servers runs all this.
//! - [`all`]: the list of them, each as a user of its own.
//! - [`pods`], [`claim`], [`batch`], [`conditions`], [`finalizers`], [`hash`]: what controllers of pods share.
//! - [`accounts`]: every namespace has its default service account and the cluster's authority.
//!   [`account_tokens`]: secrets that hold an account's token.
//! - [`replicas`], [`deployment`]: so many pods of a template; one template after another. [`job`], [`cron`]: pods that
//!   end, once or at times of the calendar.
//!   [`stateful`] (with [`revisions`]): pods with names and volumes of their own.
//!   [`daemon`]: a pod on every node. [`ttl`]: finished jobs go after their time.
//! - [`services`]: where their traffic may go; [`networks`]: of which addresses they are.
//! - [`disruption`]: how many pods may be evicted. [`quota`]: what of a namespace is used.
//! - [`volumes`]: which claim has which, and that neither goes while it is in use. [`ephemeral`]: claims that
//!   pods have for themselves.
//! - [`devices`]: claims of devices, made for pods and let go.
//! - [`pod_garbage`]: pods that nobody ends any more. [`tokens`]: tokens to join by, when they have expired.
#![forbid(unsafe_code)]

pub mod account_tokens;
pub mod accounts;
pub mod all;
pub mod batch;
pub mod claim;
pub mod conditions;
pub mod context;
pub mod cron;
pub mod daemon;
pub mod deployment;
pub mod desk;
pub mod devices;
pub mod disruption;
pub mod ephemeral;
pub mod finalizers;
pub mod hash;
pub mod job;
pub mod leader;
pub mod mirror;
pub mod networks;
mod pause;
pub mod pod_garbage;
pub mod pods;
pub mod queue;
pub mod quota;
pub mod recorder;
pub mod replicas;
pub mod resources;
pub mod revisions;
pub mod services;
pub mod stateful;
#[cfg(test)]
mod testing;
pub mod timer;
pub mod tokens;
pub mod ttl;
pub mod volumes;
pub mod worker;

pub use context::{Context, Office};
pub use timer::Timer;
