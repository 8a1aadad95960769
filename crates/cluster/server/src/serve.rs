//! A server from its configuration to its end: store, credentials, table, listener; ready; drained.

use crate::api::Api;
use crate::audit::{Audit, AuditError, Log, Policy};
use crate::auth::oidc::{Issuers, OidcError};
use crate::auth::{Access, User, defaults};
use crate::bootstrap;
use crate::config::{Config, StoreConfig};
use crate::connect::Nodes;
use crate::control::House;
use crate::controllers;
use crate::credentials::renewal::Renewal;
use crate::credentials::{CredentialsError, Held, make_private_folder, shared};
use crate::fairness;
use crate::handler::Service;
use crate::history::{self, History};
use crate::lifetimes::Lifetimes;
use crate::masters::{self, Sharing};
use crate::outgoing::Outgoing;
use crate::reload::{self, Reloaded, Watched};
use crate::sealing::{Sealed, SealingError, Sealings};
use crate::services::API_ADDRESS;
use crate::time::Wall;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use teu_api::Status;
use teu_store::embedded::{Embedded, OpenError};
use teu_store::etcd::{self, Etcd};
use teu_store::{Error as StoreError, Store};
use teu_web::{ClientCertificates, Limits, Listener, Shutdown, Tls};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// For requests under way when the server stops; watches end at once.
const DRAIN: Duration = Duration::from_secs(10);
/// For caches to come as far as the store, when a server starts.
const PATIENCE: Duration = Duration::from_secs(60);
/// Files that have changed and nobody has heard of yet; further ones are only counted.
const RELOADED: usize = 64;

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The embedded store.
    #[error("cannot open the store: {0}")]
    Open(#[from] OpenError),
    /// Etcd.
    #[error("cannot use the store: {0}")]
    Store(#[from] StoreError),
    /// Keys and certificates.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// Keys and certificates of others.
    #[error(transparent)]
    Pki(#[from] teu_pki::Error),
    /// The listener.
    #[error(transparent)]
    Web(#[from] teu_web::Error),
    /// TLS towards etcd.
    #[error("cannot use the TLS files for etcd: {0}")]
    EtcdTls(#[source] rustls::Error),
    /// What every cluster has could not be made.
    #[error("cannot make what every cluster begins with: {0}")]
    Bootstrap(#[source] Status),
    /// Encryption at rest.
    #[error(transparent)]
    Sealing(#[from] SealingError),
    /// Issuers.
    #[error(transparent)]
    Oidc(#[from] OidcError),
    /// Two places that say the same.
    #[error("the configuration has both `authentication-config` and `[oidc]`: keep one of them")]
    TwoAuthentications,
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Signals.
    #[error("cannot listen to signals: {0}")]
    Signals(#[source] std::io::Error),
}

/// What a server tells while it runs.
#[derive(Debug)]
pub enum Event {
    /// It answers.
    Ready {
        /// Where.
        address: String,
        /// Who may everything.
        kubeconfig: PathBuf,
    },
    /// A file of its configuration has changed.
    Reloaded(Reloaded),
    /// Connections that had to be cut at its end.
    Cut(usize),
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    api: Arc<Api>,
    listener: Listener,
    address: SocketAddr,
    shutdown: Shutdown,
    singletons: JoinHandle<()>,
    reloaded: mpsc::Receiver<Reloaded>,
}

/// Runs a server until SIGTERM or SIGINT.
pub fn run(config: &Config, tell: impl Fn(Event)) -> Result<(), Error> {
    allow_files();
    let runtime = teu_web::runtime(teu_web::RuntimeOptions::default())?;
    let served = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
        let shutdown = Shutdown::new();
        let mut server = Server::start(config, &shutdown).await?;
        let mut reloaded = server.reloaded();
        let address = server.address.to_string();
        let serving = tokio::spawn(server.serve());
        tell(Event::Ready { address, kubeconfig: config.kubeconfig() });
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                Some(file) = reloaded.recv() => tell(Event::Reloaded(file)),
            }
        }
        shutdown.begin();
        match serving.await {
            Ok(cut) => cut,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    });
    runtime.shutdown_timeout(DRAIN);
    let cut = served?;
    if cut > 0 {
        tell(Event::Cut(cut));
    }
    Ok(())
}

/// Each connection is a file, and a shell or an init system allows a thousand at first. What may be had is
/// taken; where it may not, the server serves fewer.
fn allow_files() {
    let now = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, ..now });
}

impl Server {
    /// Opens everything and makes what is missing. Nobody is answered before [`Server::serve`].
    pub async fn start(config: &Config, shutdown: &Shutdown) -> Result<Self, Error> {
        make_private_folder(&config.data)?;
        let beneath = open(config).await?;
        let (store, sealed) = seal(config, Arc::clone(&beneath))?;
        let listener = Listener::tcp(&config.bind).await?;
        let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
        let bound = listener.tcp_address().unwrap_or(unspecified);
        let address = reachable(bound);
        let own = config.advertise.unwrap_or_else(|| machine_address(bound));
        let names = [address.ip(), own, API_ADDRESS.into()];
        let names = names.map(|ip| ip.to_string()).to_vec();
        let credentials = Arc::new(shared::open(config, &*store).await?);
        let issued = credentials.issue(config, &names)?;
        credentials.write_kubeconfig(config, &address.to_string())?;
        let clients = ClientCertificates::Welcome(credentials.authority_der.clone());
        let tls = Tls::new(&issued.server, clients)?;
        let access = Access::of_cluster(Arc::clone(&credentials.signer));
        let mut api = Api::new(store, access, shutdown.clone());
        api.beneath = sealed;
        api.outgoing = Outgoing { allows_loopback: config.allows_loopback };
        api.lifetimes = Lifetimes::new(config.event_seconds);
        api.is_shared = matches!(config.store, StoreConfig::Etcd { .. });
        api.proxy_identity.set(Arc::clone(&issued.proxy));
        api.nodes = Nodes {
            authorities: credentials.authority.certificate_pem().into_bytes(),
            identity: Held::from(Arc::clone(&issued.node_client)),
        };
        api.issuers.set(issuers(config)?);
        api.audit = audit(config, &api.wall)?;
        let api = Arc::new(api);
        let user = Arc::new(User::internal("system:apiserver"));
        begin(async || bootstrap::namespaces(&api, &user).await).await?;
        begin(async || bootstrap::authentication(&api, &credentials).await).await?;
        begin(async || bootstrap::priorities(&api).await).await?;
        let own = SocketAddr::new(own, bound.port());
        let sharing = if api.is_shared { Sharing::Shared } else { Sharing::Alone };
        begin(async || masters::publish(&api, own, sharing).await).await?;
        tokio::spawn(masters::run(Arc::clone(&api), own, sharing));
        // What is encrypted at rest is not kept there at all.
        let left_out = api.beneath.as_ref().map(|(_, sealings)| Arc::clone(sealings));
        let folder = config.data.join("history");
        let history = Arc::new(History::new(folder, config.history, left_out));
        let (past, wall) = (Arc::clone(&history), Arc::clone(&api.wall));
        tokio::spawn(history::run(past, beneath, wall, shutdown.clone()));
        let (told, reloaded) = mpsc::channel(RELOADED);
        tokio::spawn(reload::run(watched(config, &api), told, Arc::clone(&api)));
        let house = House { api: Arc::clone(&api), history, config: config.clone() };
        crate::control::open(house, shutdown).await?;
        begin(async || crate::crd::load(&api).await).await?;
        tokio::spawn(crate::crd::run(Arc::clone(&api)));
        tokio::spawn(crate::aggregate::run(Arc::clone(&api)));
        begin(async || furnish(&api, &user).await).await?;
        tokio::spawn(fairness::run(Arc::clone(&api)));
        let (authority, is_shared) = (Arc::clone(&credentials.authority), api.is_shared);
        let singletons = tokio::spawn(controllers::lead(Arc::clone(&api), authority, is_shared));
        let renewal = Renewal {
            credentials,
            config: config.clone(),
            names,
            address: address.to_string(),
            tls: tls.clone(),
        };
        tokio::spawn(renewal.run(Arc::clone(&api), issued));
        tokio::spawn(compact(Arc::clone(&api.store), config.compaction, shutdown.clone()));
        let (listener, shutdown) = (listener.with_tls(tls), shutdown.clone());
        Ok(Self { api, listener, address, shutdown, singletons, reloaded })
    }

    /// Where it can be reached from this machine.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Files of the configuration, as they change; for who asks first.
    pub fn reloaded(&mut self) -> mpsc::Receiver<Reloaded> {
        std::mem::replace(&mut self.reloaded, mpsc::channel(1).1)
    }

    /// What it serves.
    pub fn api(&self) -> &Arc<Api> {
        &self.api
    }

    /// Answers until the shutdown begins; says how many connections had to be cut.
    pub async fn serve(self) -> Result<usize, Error> {
        self.api.is_ready.store(true, Ordering::Release);
        let service = Service::new(Arc::clone(&self.api));
        let drained = teu_web::serve(self.listener, limits(), service, self.shutdown).await?;
        // Leadership is given back, unless the store does not answer.
        let _ = tokio::time::timeout(DRAIN, self.singletons).await;
        Ok(drained.cut)
    }
}

/// The store beneath one that seals, and how that does.
type Beneath = Option<(Arc<dyn Store>, Arc<Sealings>)>;

/// What every cluster has: roles, the server's own APIs, levels of priority.
async fn furnish(api: &Arc<Api>, user: &Arc<User>) -> Result<(), Status> {
    let (roles, own) =
        tokio::join!(defaults::ensure(api, user), crate::aggregate::own::ensure(api));
    roles.and(own)?;
    fairness::ensure(api).await
}

/// Does one of the first things, again while the server's caches are not as far as the store: on a machine that is
/// slow that is no reason not to start. Each try has waited by itself.
async fn begin<T>(thing: impl AsyncFn() -> Result<T, Status>) -> Result<T, Error> {
    let begun = Instant::now();
    loop {
        match thing().await {
            Err(status) if status.code == 504 && begun.elapsed() < PATIENCE => {}
            done => return done.map_err(Error::Bootstrap),
        }
    }
}

/// The store as the server uses it, and what is beneath it.
fn seal(config: &Config, inner: Arc<dyn Store>) -> Result<(Arc<dyn Store>, Beneath), Error> {
    let Some(path) = &config.encryption else { return Ok((inner, None)) };
    let sealings = Arc::new(Sealings::load(path)?);
    let store = Arc::new(Sealed::new(Arc::clone(&inner), Arc::clone(&sealings)));
    Ok((store, Some((inner, sealings))))
}

fn issuers(config: &Config) -> Result<Issuers, Error> {
    Ok(match (&config.authentication, &config.oidc) {
        (Some(_), Some(_)) => return Err(Error::TwoAuthentications),
        (Some(path), None) => Issuers::load(path)?,
        (None, Some(simple)) => Issuers::simple(simple)?,
        (None, None) => Issuers::default(),
    })
}

fn audit(config: &Config, wall: &Arc<dyn Wall>) -> Result<Option<Arc<Audit>>, Error> {
    let Some(wanted) = &config.audit else { return Ok(None) };
    let policy = Policy::load(&wanted.policy).map_err(AuditError::from)?;
    let log = Log::open(wanted.log.clone())?;
    Ok(Some(Arc::new(Audit::new(policy, log, Arc::clone(wall)))))
}

/// The files that count anew when they change.
fn watched(config: &Config, api: &Arc<Api>) -> Vec<Watched> {
    let mut files = Vec::new();
    let mut watch = |what, path: &Path, take: Arc<dyn Fn() -> Result<(), String> + Send + Sync>| {
        files.push(Watched { what, path: path.to_path_buf(), take });
    };
    if let (Some(path), Some((_, sealings))) = (&config.encryption, &api.beneath) {
        let (own, sealings) = (path.clone(), Arc::clone(sealings));
        let take = move || sealings.reload(&own).map_err(|error| error.to_string());
        watch("encryption", path, Arc::new(take));
    }
    if let Some(path) = &config.authentication {
        let (own, api) = (path.clone(), Arc::clone(api));
        let take = move || {
            let issuers = Issuers::load(&own).map_err(|error| error.to_string())?;
            api.issuers.set(issuers);
            Ok(())
        };
        watch("authentication", path, Arc::new(take));
    }
    if let (Some(wanted), Some(audit)) = (&config.audit, &api.audit) {
        let (own, audit) = (wanted.policy.clone(), Arc::clone(audit));
        let take = move || {
            let policy = Policy::load(&own).map_err(|error| error.to_string())?;
            audit.judge_by(policy);
            Ok(())
        };
        watch("audit_policy", &wanted.policy, Arc::new(take));
    }
    files
}

fn limits() -> Limits {
    Limits {
        connections: 20_000,
        header_bytes: 128 << 10,
        body_bytes: crate::handler::MAX_BODY_BYTES,
        streams: 1000,
        drain: DRAIN,
        ..Limits::default()
    }
}

/// An address that listens everywhere is reached at home.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let home = match bound.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(home, bound.port())
}

/// By which address others reach what listens everywhere, or would if it did not listen on loopback only,
/// which cannot be an endpoint: the one that the kernel would send from. Nothing is sent.
fn machine_address(bound: SocketAddr) -> IpAddr {
    if !bound.ip().is_unspecified() && !bound.ip().is_loopback() {
        return bound.ip();
    }
    let any = if bound.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
    let towards = if bound.is_ipv6() { "[2001:db8::1]:9" } else { "192.0.2.1:9" };
    let socket = UdpSocket::bind(any).and_then(|socket| socket.connect(towards).map(|()| socket));
    socket
        .and_then(|socket| socket.local_addr())
        .map_or_else(|_| bound.ip(), |address| address.ip())
}

async fn open(config: &Config) -> Result<Arc<dyn Store>, Error> {
    match &config.store {
        StoreConfig::Embedded => Ok(Arc::new(Embedded::open(&config.store_folder())?)),
        StoreConfig::Etcd { endpoints, is_tls } => {
            let mut etcd = etcd::Config::new(endpoints.clone());
            if *is_tls {
                etcd.tls = Some(Arc::new(etcd_tls(config)?));
            }
            let runtime = tokio::runtime::Handle::current();
            Ok(Arc::new(Etcd::connect(etcd, runtime).await?))
        }
    }
}

fn etcd_tls(config: &Config) -> Result<rustls::ClientConfig, Error> {
    let files = &config.etcd;
    let mut roots = rustls::RootCertStore::empty();
    if let Some(path) = &files.ca {
        for authority in teu_pki::load_certificates(path)? {
            roots.add(authority).map_err(Error::EtcdTls)?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Error::EtcdTls)?
        .with_root_certificates(roots);
    match (&files.certificate, &files.key) {
        (Some(certificate), Some(key)) => {
            let own = teu_pki::Identity::load(certificate, key)?;
            builder.with_client_auth_cert(own.chain().to_vec(), own.key()).map_err(Error::EtcdTls)
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

/// Forgets history that nobody can want any more. Between two looks it sleeps; a store that did not
/// change is left alone.
async fn compact(store: Arc<dyn Store>, interval: Duration, shutdown: Shutdown) {
    let mut before = 0;
    loop {
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = shutdown.begun() => return,
        }
        if before > 0 {
            // Another server on the same store may have been faster.
            let _ = store.compact(before).await;
        }
        let newest = store.get(b"/registry/", teu_store::Consistency::Local).await;
        let newest = newest.map_or(before, |found| found.revision);
        before = if newest > before { newest } else { 0 };
    }
}
