//! A registry as a process: listens, says so, serves until it is told to stop, drains.

use crate::access::{Access, Gate, UsersError};
use crate::audit::Audit;
use crate::config::{Config, ConfigError, TlsFiles};
use crate::depot::Depot;
use crate::hooks::{HookError, Hooks};
use crate::metrics::Metrics;
use crate::objects::{Objects, StorageError};
use crate::options::Options;
use crate::server::{Registry, Setup};
use crate::upstreams::{Outside, UpstreamError, Upstreams};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use teu_images::Store;
use teu_pki::Identity;
use teu_web::{ClientCertificates, Limits, Listener, RuntimeOptions, Shutdown, Tls, respond};
use tokio::signal::unix::{SignalKind, signal};

/// Threads for work on the disk, and some more for bodies that are read from it.
const BLOCKING_THREADS: usize = 64;
/// And as many again for those who wait for upstreams.
const UPSTREAM_THREADS: usize = 64;
/// Where it listens if nobody says where.
const LISTEN: &str = "127.0.0.1:5000";
/// For requests that are under way when it stops.
const DRAIN: Duration = Duration::from_secs(30);
/// Troubles that wait to be told.
const TROUBLES: usize = 16;
/// Connections for those who read metrics.
const METRICS_CONNECTIONS: usize = 16;

/// What happens to a registry's process, for whoever tells people.
#[derive(Debug)]
pub enum Event {
    /// It listens here.
    Listening(String),
    /// This address is the mirror of an upstream.
    Mirror {
        /// The upstream's registry.
        registry: String,
        /// The address.
        address: String,
    },
    /// Metrics are given out here.
    Metrics(String),
    /// Anybody who can reach this address may do everything.
    Open(String),
    /// Something could not be done, and will be tried again.
    Trouble(teu_images::Error),
    /// Connections were cut because they did not end in time.
    Cut(usize),
}

/// Why a registry's process could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image store.
    #[error(transparent)]
    Store(#[from] teu_images::Error),
    /// Sockets, TLS, threads.
    #[error(transparent)]
    Web(#[from] teu_web::Error),
    /// The certificate.
    #[error(transparent)]
    Pki(#[from] teu_pki::Error),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The users.
    #[error(transparent)]
    Users(#[from] UsersError),
    /// A webhook.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// The object storage.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// An upstream.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The audit file.
    #[error("cannot open {}: {source}", path.display())]
    Audit {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Rules without users.
    #[error("rules of access need users: set auth.htpasswd, or take the rules out")]
    NoUsers,
    /// Signals.
    #[error("cannot wait for signals: {0}")]
    Signals(#[source] std::io::Error),
}

type Tell = Arc<dyn Fn(Event) + Send + Sync>;

/// Runs a registry over a store until SIGTERM or SIGINT.
pub fn run(
    store: &Store,
    config: &Config,
    outside: &Outside,
    tell: impl Fn(Event) + Send + Sync + 'static,
) -> Result<(), Error> {
    raise_descriptors();
    let (troubles, told) = tokio::sync::mpsc::channel(TROUBLES);
    let metrics = Arc::new(Metrics::default());
    let setup = Setup {
        options: Options::of(config),
        gate: gate_of(config)?,
        audit: config.audit.as_deref().map(open_audit).transpose()?,
        hooks: Some(Hooks::start(&config.webhooks, metrics.clone())?),
        metrics,
        troubles: Some(troubles),
        upstreams: Upstreams::of(config, outside)?,
    };
    let tls = config.tls.as_ref().map(tls_of).transpose()?;
    let more = if config.upstreams.is_empty() { 0 } else { UPSTREAM_THREADS };
    let blocking_threads = BLOCKING_THREADS + more;
    let options = RuntimeOptions { blocking_threads, ..Default::default() };
    let runtime = teu_web::runtime(options)?;
    let depot = match &config.storage {
        Some(_) if config.serve_local => return Err(StorageError::Local.into()),
        Some(far) => Depot::objects(store, Objects::open(far, outside, runtime.handle().clone())?),
        None => Depot::local(store),
    };
    let registry = Registry::open(store, depot, setup)?;
    let serving = Serving { registry: registry.clone(), tls, tell: Arc::new(tell) };
    let served = runtime.block_on(serving.serve(config, told));
    registry.finish();
    served
}

fn tls_of(files: &TlsFiles) -> Result<Tls, Error> {
    let shown = Identity::load(&files.certificate, &files.key)?;
    let clients = match &files.clients {
        Some(path) => ClientCertificates::Required(teu_pki::load_certificates(path)?),
        None => ClientCertificates::Ignored,
    };
    Ok(Tls::new(&shown, clients)?)
}

fn gate_of(config: &Config) -> Result<Gate, Error> {
    match &config.auth {
        Some(auth) => Ok(Gate::guarded(Access::of(auth, &config.access)?)?),
        None if config.access.is_empty() => Ok(Gate::open()),
        None => Err(Error::NoUsers),
    }
}

fn open_audit(path: &std::path::Path) -> Result<Audit, Error> {
    Audit::open(path).map_err(|source| Error::Audit { path: path.to_path_buf(), source })
}

struct Serving {
    registry: Registry,
    tls: Option<Tls>,
    tell: Tell,
}

impl Serving {
    async fn serve(
        self,
        config: &Config,
        mut troubles: tokio::sync::mpsc::Receiver<teu_images::Error>,
    ) -> Result<(), Error> {
        let shutdown = Shutdown::new();
        let stop = stop_signal()?;
        let mut servers = tokio::task::JoinSet::new();
        let mut limits = Limits { drain: DRAIN, ..Limits::default() };
        limits.connections = config.limits.connections.unwrap_or(limits.connections);
        let default = [LISTEN.to_owned()];
        let listen = if config.listen.is_empty() { &default[..] } else { &config.listen };
        let own = self.listeners(listen).await?;
        let mut mirrors = Vec::new();
        for (settings, upstream) in config.upstreams.iter().zip(self.registry.upstreams()) {
            let handler = self.registry.mirror(upstream);
            for listener in self.listeners(&settings.listen).await? {
                let registry = settings.registry.clone();
                (self.tell)(Event::Mirror { registry, address: listener.address() });
                mirrors.push((listener, handler.clone()));
            }
        }
        // All of them, before any of these is told: who reads the first line knows that the rest listens, too.
        self.tell_listening(&own, config);
        for (listener, handler) in mirrors {
            servers.spawn(teu_web::serve(listener, limits.clone(), handler, shutdown.clone()));
        }
        for listener in own {
            let (limits, registry) = (limits.clone(), self.registry.clone());
            servers.spawn(teu_web::serve(listener, limits, registry, shutdown.clone()));
        }
        if let Some(address) = &config.metrics {
            let listener = Listener::tcp(address).await?;
            (self.tell)(Event::Metrics(listener.address()));
            servers.spawn(serve_metrics(listener, self.registry.clone(), shutdown.clone()));
        }
        let (registry, end, report) = (self.registry.clone(), shutdown.clone(), self.tell.clone());
        let sweep = tokio::spawn(async move {
            registry.sweep_until(end, move |error| report(Event::Trouble(error))).await;
        });
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(error) = troubles.recv() => (self.tell)(Event::Trouble(error)),
            }
        }
        shutdown.begin();
        let mut cut = 0;
        while let Some(ended) = servers.join_next().await {
            if let Ok(drained) = ended {
                cut += drained?.cut;
            }
        }
        // It holds the record, which the next registry wants.
        let _ = sweep.await;
        if cut > 0 {
            (self.tell)(Event::Cut(cut));
        }
        Ok(())
    }

    async fn listeners(&self, listen: &[String]) -> Result<Vec<Listener>, Error> {
        let mut listeners = Vec::new();
        for address in listen {
            let listener = Listener::tcp(address).await?;
            listeners.push(match &self.tls {
                Some(tls) => listener.with_tls(tls.clone()),
                None => listener,
            });
        }
        Ok(listeners)
    }

    fn tell_listening(&self, listeners: &[Listener], config: &Config) {
        for listener in listeners {
            let is_far = listener.tcp_address().is_none_or(|address| !address.ip().is_loopback());
            if is_far && config.auth.is_none() {
                (self.tell)(Event::Open(listener.address()));
            }
            (self.tell)(Event::Listening(listener.address()));
        }
    }
}

async fn serve_metrics(
    listener: Listener,
    registry: Registry,
    shutdown: Shutdown,
) -> teu_web::Result<teu_web::Drained> {
    let handler = move |request: teu_web::Request| {
        let registry = registry.clone();
        async move {
            match request.uri().path() {
                "/metrics" => {
                    let kind = Some("text/plain; version=0.0.4; charset=utf-8");
                    respond::with(http::StatusCode::OK, kind, registry.metrics_page().into())
                }
                _ => respond::empty(http::StatusCode::NOT_FOUND),
            }
        }
    };
    let limits = Limits { connections: METRICS_CONNECTIONS, drain: DRAIN, ..Limits::default() };
    teu_web::serve(listener, limits, handler, shutdown).await
}

fn stop_signal() -> Result<impl Future<Output = ()>, Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Connections and uploads are descriptors, and there may be more than the usual 1024.
fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Without it, accepting waits for descriptors.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
