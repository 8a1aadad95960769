//! Starts the controllers beside the server, each as a user of its own; they end with it.

use crate::api::Api;
use crate::auth::User;
use crate::local::Local;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use teu_controllers::{Context, Timer, accounts};

/// The runtime's own.
struct Tokio;

impl Timer for Tokio {
    fn sleep(&self, milliseconds: u64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(Duration::from_millis(milliseconds)))
    }
}

/// Starts only what gives every namespace its account.
pub fn start_accounts(api: &Arc<Api>, authority_pem: String) {
    let context = context(api, "service-account-controller");
    until_shutdown(api, accounts::run(context, authority_pem));
}

/// Starts them all.
pub fn start(api: &Arc<Api>, authority_pem: String) {
    start_accounts(api, authority_pem);
}

fn context(api: &Arc<Api>, name: &str) -> Context {
    let user = User::internal(&format!("system:serviceaccount:kube-system:{name}"));
    Context { client: Arc::new(Local::new(api, user, name)), timer: Arc::new(Tokio) }
}

fn until_shutdown(api: &Arc<Api>, controller: impl Future<Output = ()> + Send + 'static) {
    let shutdown = api.shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = controller => {}
            () = shutdown.begun() => {}
        }
    });
}
