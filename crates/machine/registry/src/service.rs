//! A registry as a process: listens, says so, serves until it is told to stop, drains.

use crate::options::Options;
use crate::server::Registry;
use std::time::Duration;
use teu_images::Store;
use teu_pki::Identity;
use teu_web::{ClientCertificates, Limits, Listener, RuntimeOptions, Shutdown, Tls};
use tokio::signal::unix::{SignalKind, signal};

/// Threads for work on the disk, and some more for bodies that are read from it.
const BLOCKING_THREADS: usize = 64;

/// What a registry's process is told.
#[derive(Debug)]
pub struct Service {
    /// Addresses to listen on; a port of 0 is any free one.
    pub listen: Vec<String>,
    /// What to show to clients: with it, TLS is spoken.
    pub tls: Option<Identity>,
    /// How it behaves.
    pub options: Options,
    /// What clients may take.
    pub limits: Limits,
}

/// What happens to a registry's process, for whoever tells people.
#[derive(Debug)]
pub enum Event {
    /// It listens here.
    Listening(String),
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
    /// Signals.
    #[error("cannot wait for signals: {0}")]
    Signals(#[source] std::io::Error),
}

impl Default for Service {
    fn default() -> Self {
        let limits = Limits { drain: Duration::from_secs(30), ..Limits::default() };
        let listen = vec!["127.0.0.1:5000".to_owned()];
        Self { listen, tls: None, options: Options::default(), limits }
    }
}

/// Runs a registry over a store until SIGTERM or SIGINT.
pub fn run(
    store: &Store,
    service: Service,
    tell: impl Fn(Event) + Send + Sync + 'static,
) -> Result<(), Error> {
    raise_descriptors();
    let registry = Registry::open(store, service.options.clone())?;
    let options = RuntimeOptions { blocking_threads: BLOCKING_THREADS, ..Default::default() };
    teu_web::runtime(options)?.block_on(serve(registry, service, tell))
}

async fn serve(
    registry: Registry,
    service: Service,
    tell: impl Fn(Event) + Send + Sync + 'static,
) -> Result<(), Error> {
    let tls = service.tls.map(|identity| Tls::new(&identity, ClientCertificates::Ignored));
    let tls = tls.transpose()?;
    let shutdown = Shutdown::new();
    let stop = stop_signal()?;
    let mut servers = tokio::task::JoinSet::new();
    for address in &service.listen {
        let mut listener = Listener::tcp(address).await?;
        if let Some(tls) = &tls {
            listener = listener.with_tls(tls.clone());
        }
        tell(Event::Listening(listener.address()));
        let (limits, registry) = (service.limits.clone(), registry.clone());
        servers.spawn(teu_web::serve(listener, limits, registry, shutdown.clone()));
    }
    let tell = std::sync::Arc::new(tell);
    let report = tell.clone();
    let (sweeper, sweep_end) = (registry.clone(), shutdown.clone());
    let sweep = tokio::spawn(async move {
        sweeper.sweep_until(sweep_end, move |error| report(Event::Trouble(error))).await;
    });
    stop.await;
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
        tell(Event::Cut(cut));
    }
    Ok(())
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
