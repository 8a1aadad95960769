//! Certificates renew themselves while the server runs: its own, the admin's kubeconfig, and those by
//! which aggregated APIs and nodes know it, when a third of their time is left. Connections that are there stay.

use super::{Credentials, CredentialsError, Issued};
use crate::api::Api;
use crate::config::Config;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use teu_pki::{Identity, Validity};
use teu_web::Tls;

/// Who this server is for others, as long as it is.
#[derive(Debug, Default)]
pub struct Held(Mutex<Option<Arc<Identity>>>);

impl Held {
    /// Who it is now.
    pub fn get(&self) -> Option<Arc<Identity>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Who it is from now on.
    pub fn set(&self, identity: Arc<Identity>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(identity);
    }
}

impl From<Arc<Identity>> for Held {
    fn from(identity: Arc<Identity>) -> Self {
        Self(Mutex::new(Some(identity)))
    }
}

/// Sleeps are no longer: a machine that was suspended looks soon after.
const LONGEST_SLEEP: Duration = Duration::from_secs(6 * 3600);
/// After a renewal that failed.
const PAUSE: Duration = Duration::from_secs(60);

/// What is renewed, and where it is used.
pub struct Renewal {
    /// Who issues.
    pub credentials: Arc<Credentials>,
    /// The server's configuration.
    pub config: Config,
    /// Names that the server's certificate is for, beside the usual ones.
    pub names: Vec<String>,
    /// Where it can be reached.
    pub address: String,
    /// The listener.
    pub tls: Tls,
}

impl std::fmt::Debug for Renewal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renewal").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Renewal {
    /// Until the server stops.
    pub async fn run(self, api: Arc<Api>, issued: Issued) {
        let mut due = due(&issued);
        loop {
            let now = api.wall.seconds();
            let left = Duration::from_secs((due - now).max(0).unsigned_abs());
            tokio::select! {
                () = tokio::time::sleep(left.min(LONGEST_SLEEP)) => {}
                () = api.shutdown.begun() => return,
            }
            if api.wall.seconds() < due {
                continue;
            }
            due = match self.renew(&api) {
                Ok(next) => next,
                Err(_) => api.wall.seconds() + PAUSE.as_secs().cast_signed(),
            };
        }
    }

    /// Makes them anew; says when they are to be made again.
    fn renew(&self, api: &Api) -> Result<i64, CredentialsError> {
        let issued = self.credentials.issue(&self.config, &self.names)?;
        self.tls.renew(&issued.server)?;
        api.proxy_identity.set(Arc::clone(&issued.proxy));
        api.nodes.identity.set(Arc::clone(&issued.node_client));
        self.credentials.write_kubeconfig(&self.config, &self.address)?;
        Ok(due(&issued))
    }
}

/// When a third of a certificate's time from now on is left.
fn due(issued: &Issued) -> i64 {
    let validity = issued.server.chain().first().and_then(|own| Validity::of(own));
    validity.map_or(i64::MAX, |validity| {
        // They begin a little before they were made.
        let made = validity.begins + teu_pki::SKEW_SECONDS;
        made + (validity.ends - made) * 2 / 3
    })
}
