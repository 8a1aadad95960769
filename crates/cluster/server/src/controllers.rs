//! Runs beside the server what a cluster has once: the controllers, each as a user of its own, and the
//! server's own singletons. Where several servers share a store, only their leader does.

use crate::api::Api;
use crate::auth::{User, defaults};
use crate::id;
use crate::local::Local;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use teu_client::Client;
use teu_controllers::account_tokens::Issuer;
use teu_controllers::all::{self, Means};
use teu_controllers::leader::Candidate;
use teu_controllers::{Office, Timer};
use teu_pki::Authority;

/// Who writes, in `managedFields`; and the lease of who leads.
const MANAGER: &str = "kube-controller-manager";

/// The runtime's own clock, and the server's time of day.
struct Tokio {
    begun: Instant,
    api: Arc<Api>,
}

impl Timer for Tokio {
    fn sleep(&self, milliseconds: u64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(Duration::from_millis(milliseconds)))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn wall(&self) -> i64 {
        i64::try_from(self.api.wall.since_epoch().as_millis()).unwrap_or(i64::MAX)
    }
}

fn timer(api: &Arc<Api>) -> Arc<dyn Timer> {
    Arc::new(Tokio { begun: Instant::now(), api: Arc::clone(api) })
}

fn client(api: &Arc<Api>, user: &str) -> Arc<dyn Client> {
    Arc::new(Local::new(api, User::internal(user), MANAGER))
}

/// Runs all singletons until the server stops: at once where the store is this server's alone, else
/// when it leads.
pub async fn lead(api: Arc<Api>, authority: Arc<Authority>, is_shared: bool) {
    let term = || async {
        tokio::join!(
            run(&api, authority.certificate_pem()),
            crate::certificates::run(Arc::clone(&api), Arc::clone(&authority)),
            crate::namespaces::run(Arc::clone(&api)),
            crate::garbage::run(Arc::clone(&api)),
            crate::aggregate::own::run(Arc::clone(&api)),
            crate::taints::run(Arc::clone(&api)),
            defaults::aggregate(Arc::clone(&api), Arc::new(User::internal("system:apiserver"))),
        );
    };
    let shutdown = api.shutdown.clone();
    if is_shared {
        let candidate = Candidate {
            client: client(&api, "system:kube-controller-manager"),
            timer: timer(&api),
            lease: MANAGER,
            identity: id::uid(),
        };
        return candidate.run(shutdown.begun(), term).await;
    }
    tokio::select! {
        () = term() => {}
        () = shutdown.begun() => {}
    }
}

/// Runs the controllers until the future is dropped.
pub async fn run(api: &Arc<Api>, authority_pem: String) {
    let office = Office::open(client(api, "system:kube-controller-manager"), timer(api));
    let as_account = |name: &str| client(api, &format!("system:serviceaccount:kube-system:{name}"));
    let issuer = api.accounts.clone().map(|accounts| accounts as Arc<dyn Issuer>);
    all::run(&office, as_account, Means { authority_pem, issuer }).await;
}
