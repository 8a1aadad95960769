//! What a cluster keeps true by itself: each controller watches, and writes what is missing.
//!
//! They know the API only by [`teu_client::Client`], so they run beside the server, elsewhere, or in a
//! simulation. All sleep while nothing changes. A controller that is cut off begins anew: it needs
//! nothing but what the API says.
//!
//! - [`accounts`]: every namespace has its default service account and the cluster's authority.
#![forbid(unsafe_code)]

pub mod accounts;
mod follow;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use teu_client::Client;

/// Waits; nothing here looks at a clock.
pub trait Timer: Send + Sync + 'static {
    /// For so many milliseconds.
    fn sleep(&self, milliseconds: u64) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// What every controller needs.
#[derive(Clone)]
pub struct Context {
    /// The API, as the controller's own user.
    pub client: Arc<dyn Client>,
    /// Time.
    pub timer: Arc<dyn Timer>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}
