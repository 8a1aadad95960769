//! The client: settings that are the same for all registries, and a session for each.

use super::credentials::{CredentialSource, Fixed};
use super::error::{RemoteError, Result};
use super::http::{Http, Proxies, Request, Response, Timeouts};
use super::policy::Policy;
use super::registries::{Endpoint, Purpose, Registries};
use super::repository::Repository;
use super::retry::RetryPolicy;
use super::session::{Session, said};
use super::tls::Trust;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use teu_oci::Reference;

/// Everything a client is told by whoever may read files and the environment.
#[derive(Debug)]
pub struct RemoteConfig {
    /// Mirrors, rewriting, blocking.
    pub registries: Registries,
    /// Who the person is.
    pub credentials: Box<dyn CredentialSource>,
    /// Whom to believe.
    pub trust: Trust,
    /// Which images may be used; `None`: all of them.
    pub policy: Option<Policy>,
    /// How to get out.
    pub proxies: Proxies,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// How often to ask again.
    pub retries: RetryPolicy,
    /// `teu/1.2.3`
    pub user_agent: String,
}

impl Default for RemoteConfig {
    fn default() -> Self {
        Self {
            registries: Registries::default(),
            credentials: Box::new(Fixed::default()),
            trust: Trust::default(),
            policy: None,
            proxies: Proxies::default(),
            timeouts: Timeouts::DEFAULT,
            retries: RetryPolicy::DEFAULT,
            user_agent: concat!("teu/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// A client of registries; cheap to clone, to be shared between threads.
#[derive(Debug, Clone)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registries: Registries,
    credentials: Box<dyn CredentialSource>,
    http: Arc<Http>,
    policy: Option<Policy>,
    retries: RetryPolicy,
    /// How each host is spoken to, once it is known.
    bases: Mutex<HashMap<String, (String, bool)>>,
}

impl Client {
    /// Whether the settings ask for lazy pulls of an image.
    pub fn is_lazy(&self, name: &Reference) -> bool {
        self.0.registries.is_lazy(name)
    }

    /// A client that nobody has used yet; connects to nothing.
    pub fn new(config: RemoteConfig) -> Self {
        let RemoteConfig { registries, credentials, policy, retries, .. } = config;
        let RemoteConfig { trust, proxies, timeouts, user_agent, .. } = config;
        let http = Arc::new(Http::new(trust, proxies, timeouts, &user_agent));
        let bases = Mutex::default();
        Self(Arc::new(Inner { registries, credentials, http, policy, retries, bases }))
    }

    /// The places a repository may be read from, in order; for writing just one.
    pub fn repositories(&self, name: &Reference, purpose: Purpose) -> Result<Vec<Candidate>> {
        let endpoints = self.0.registries.endpoints(name, purpose)?;
        Ok(endpoints
            .into_iter()
            .map(|endpoint| Candidate { client: self.clone(), endpoint, name: name.clone() })
            .collect())
    }

    /// The repository at the registry itself.
    pub fn repository(&self, name: &Reference, purpose: Purpose) -> Result<Repository> {
        let mut candidates = self.repositories(name, purpose)?;
        match candidates.pop() {
            Some(candidate) => candidate.connect(),
            None => Err(RemoteError::Blocked(name.registry.clone())),
        }
    }

    /// Says whether a registry takes these credentials: Docker's login.
    pub fn login(&self, registry: &str, credentials: super::Credentials) -> Result<()> {
        let name = Reference {
            registry: registry.to_owned(),
            repository: "library/login".to_owned(),
            tag: None,
            digest: None,
        };
        let mut endpoints = self.0.registries.endpoints(&name, Purpose::Write)?;
        let Some(endpoint) = endpoints.pop() else {
            return Err(RemoteError::Blocked(registry.to_owned()));
        };
        let session = self.session(&endpoint, credentials)?;
        let url = format!("{}/v2/", session.base);
        let response = session.send("", &|| Request::new("GET", url.clone()), None)?;
        match response.status {
            200 => Ok(()),
            401 | 403 => {
                Err(RemoteError::Login { registry: registry.to_owned(), detail: said(response) })
            }
            _ => Err(session.refusal(registry, "GET /v2/", response)),
        }
    }

    /// Which images may be used.
    pub fn policy(&self) -> Option<&Policy> {
        self.0.policy.as_ref()
    }

    pub(super) fn http(&self) -> &Http {
        &self.0.http
    }

    fn session(&self, endpoint: &Endpoint, credentials: super::Credentials) -> Result<Session> {
        let (base, verify) = self.base(endpoint)?;
        let (http, retries) = (self.0.http.clone(), self.0.retries);
        Ok(Session::new(http, retries, &endpoint.registry, base, verify, credentials))
    }

    /// How a host is spoken to. Only one that is insecure by name or by the settings is tried
    /// without proof, and then in plain.
    fn base(&self, endpoint: &Endpoint) -> Result<(String, bool)> {
        if !endpoint.insecure {
            return Ok((format!("https://{}", endpoint.host), true));
        }
        if let Ok(bases) = self.0.bases.lock()
            && let Some(known) = bases.get(&endpoint.host)
        {
            return Ok(known.clone());
        }
        let ping = |scheme: &str| -> Result<Response> {
            let url = format!("{scheme}://{}/v2/", endpoint.host);
            self.0.http.send(Request::new("GET", url), false)
        };
        let found = match ping("https") {
            Ok(_) => (format!("https://{}", endpoint.host), false),
            Err(RemoteError::Transport { source, .. }) if is_no_tls(&source) => {
                ping("http")?;
                (format!("http://{}", endpoint.host), false)
            }
            Err(error) => return Err(error),
        };
        if let Ok(mut bases) = self.0.bases.lock() {
            bases.insert(endpoint.host.clone(), found.clone());
        }
        Ok(found)
    }
}

/// A server that speaks no TLS answers a greeting with nonsense, or hangs up.
fn is_no_tls(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Io(error) => error.kind() != std::io::ErrorKind::ConnectionRefused,
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::Protocol(_) => true,
        ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed => true,
        _ => false,
    }
}

/// A place where a repository may be; nothing is connected yet.
#[derive(Debug)]
pub struct Candidate {
    client: Client,
    endpoint: Endpoint,
    name: Reference,
}

impl Candidate {
    /// Looks up the credentials, and how the host is spoken to.
    pub fn connect(self) -> Result<Repository> {
        let Endpoint { registry, repository, .. } = &self.endpoint;
        let credentials = self.client.0.credentials.find(registry, repository)?;
        let session = self.client.session(&self.endpoint, credentials)?;
        Ok(Repository::new(session, self.endpoint.repository, self.name))
    }
}
