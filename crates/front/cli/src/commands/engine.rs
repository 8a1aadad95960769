//! `teu engine`: the Docker Engine API on sockets, until SIGTERM.

use crate::context::{Context, warn};
use crate::failure::{Doing, Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use std::net::ToSocketAddrs;
use std::os::fd::{OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use teu_engine::{Config, Engine, Service};
use teu_pki::{Identity, load_certificates};
use teu_web::{ClientCertificates, Listener, RuntimeOptions, Shutdown, Tls, UnixOptions};
use tokio::signal::unix::{SignalKind, signal};

/// First descriptor that systemd hands on.
const FIRST_INHERITED: RawFd = 3;
/// Most of them.
const INHERITED_LIMIT: i32 = 64;
/// Threads that drive connections: they only move bytes.
const THREADS: usize = 2;
/// Threads for blocking work; they end when they are idle.
const BLOCKING_THREADS: usize = teu_engine::serve::SHORT_LIMIT + 16;

/// The command.
pub const ENGINE: Command = Command {
    usage: "[OPTIONS]",
    arity: Arity::Exactly(0),
    flags: &[&[
        Flag::list(
            "host",
            "Where to listen: unix:///path, tcp://address:port, fd:// (default unix://RUN/engine.sock)",
        )
        .short('H'),
        Flag::text("group", "string", "Group that may use unix sockets (default root only)")
            .short('G'),
        Flag::switch("tlsverify", "Take TCP connections with a client certificate only"),
        Flag::text("tlscacert", "string", "Certificates of the authorities of clients")
            .completes(Completes::Files),
        Flag::text("tlscert", "string", "The engine's own certificate").completes(Completes::Files),
        Flag::text("tlskey", "string", "Its key").completes(Completes::Files),
        Flag::switch(
            "insecure-tcp",
            "Take TCP connections without TLS: whoever can connect becomes root",
        ),
    ]],
    examples: &[
        ("teu engine", "then: docker -H unix:///run/teu/engine.sock ps"),
        ("teu engine -H unix:///run/docker.sock", "where clients look for Docker"),
        (
            "teu engine -H tcp://0.0.0.0:2376 --tlsverify --tlscacert ca.pem …",
            "for other machines",
        ),
    ],
    ..Command::new("engine", "Serve the Docker Engine API", run)
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    // Before anything is opened that could get their numbers.
    let mut handed = handed_on(matches)?;
    let containers = ctx.containers()?.clone().with_nursery();
    let config = Config {
        containers,
        worker_command: worker_command(ctx),
        registries: Arc::new(crate::registry::ForEngine),
        version: env!("CARGO_PKG_VERSION"),
    };
    let engine = Engine::new(config).map_err(|error| Failure::new(error.message()))?;
    let options = RuntimeOptions { threads: THREADS, blocking_threads: BLOCKING_THREADS };
    let runtime = teu_web::runtime(options)?;
    let tls = tls(matches)?;
    let served = runtime.block_on(async {
        let mut listeners = Vec::new();
        for place in places(ctx, matches)? {
            if place.starts_with("fd://") {
                for socket in std::mem::take(&mut handed) {
                    listeners.push(Listener::inherited(socket)?);
                }
            } else {
                listeners.push(listen(&place, matches, tls.as_ref()).await?);
            }
        }
        serve(ctx, engine, listeners).await
    });
    // Attachments and the like end with the process; nothing is lost of what they are attached to.
    runtime.shutdown_background();
    served?;
    Ok(0)
}

/// This program again, for one build; in the same home.
fn worker_command(ctx: &Context) -> Vec<String> {
    let mut command = vec!["/proc/self/exe".to_owned()];
    if *ctx.home() != teu_containers::Home::system() {
        command.push("--root".to_owned());
        command.push(ctx.home().data.display().to_string());
    }
    command.push("build-worker".to_owned());
    command
}

async fn serve(ctx: &Context, engine: Arc<Engine>, listeners: Vec<Listener>) -> Result<()> {
    let shutdown = Shutdown::new();
    let service = Service::new(engine.clone());
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut child = signal(SignalKind::child())?;
    let mut servers = tokio::task::JoinSet::new();
    for listener in listeners {
        let address = listener.address();
        let limits = teu_engine::serve::limits();
        servers.spawn(teu_web::serve(listener, limits, service.clone(), shutdown.clone()));
        ctx.line(&format!("API listen on {address}"))?;
    }
    // What ran before a boot and is to run always.
    tokio::task::spawn_blocking(move || {
        if let Ok(resumed) = engine.containers().resume() {
            for (name, error) in resumed.failed {
                warn(&format!("{name} could not be started again: {error}"));
            }
        }
    });
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            // Shims that this process started.
            _ = child.recv() => teu_containers::shim::reap(),
            Some(ended) = servers.join_next() => {
                ended.map_err(|error| Failure::new(error.to_string()))??;
                return Err(Failure::new("a listener has ended"));
            }
        }
    }
    shutdown.begin();
    while let Some(ended) = servers.join_next().await {
        ended.map_err(|error| Failure::new(error.to_string()))??;
    }
    Ok(())
}

/// What `-H` names, or the usual place.
fn places(ctx: &Context, matches: &Matches) -> Result<Vec<String>> {
    let named: Vec<String> = matches.list("host").into_iter().map(str::to_owned).collect();
    if !named.is_empty() {
        return Ok(named);
    }
    let path = ctx.home().run.join("engine.sock");
    Ok(vec![format!("unix://{}", path.display())])
}

async fn listen(place: &str, matches: &Matches, tls: Option<&Tls>) -> Result<Listener> {
    if let Some(path) = place.strip_prefix("unix://") {
        let group = matches.nonempty("group").map(group).transpose()?;
        let options = UnixOptions { mode: if group.is_some() { 0o660 } else { 0o600 }, group };
        let path = PathBuf::from(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).doing(|| format!("make {}", parent.display()))?;
        }
        return Ok(Listener::unix(&path, options).await?);
    }
    if let Some(address) = place.strip_prefix("tcp://") {
        return tcp(address, matches.switch("insecure-tcp"), tls).await;
    }
    Err(Failure::new(format!("invalid address {place:?} of -H"))
        .hint("unix:///path, tcp://address:port or fd://"))
}

async fn tcp(address: &str, insecure: bool, tls: Option<&Tls>) -> Result<Listener> {
    if let Some(tls) = tls {
        return Ok(Listener::tcp(address).await?.with_tls(tls.clone()));
    }
    if !insecure {
        return Err(Failure::new(format!(
            "tcp://{address}: a TCP socket without TLS gives root to whoever can connect"
        ))
        .hint("add --tlsverify --tlscacert CA --tlscert CERT --tlskey KEY; or, on a loopback address only, --insecure-tcp"));
    }
    let mut addresses = address.to_socket_addrs().doing(|| format!("look up {address}"))?;
    if !addresses.all(|address| address.ip().is_loopback()) {
        return Err(Failure::new(format!(
            "tcp://{address}: --insecure-tcp is for loopback addresses only"
        )));
    }
    warn(&format!(
        "tcp://{address} is open to every process of this machine, and each can become root by it"
    ));
    Ok(Listener::tcp(address).await?)
}

fn tls(matches: &Matches) -> Result<Option<Tls>> {
    let path = |flag: &str| matches.nonempty(flag).map(PathBuf::from);
    let all = (path("tlscacert"), path("tlscert"), path("tlskey"));
    match (matches.switch("tlsverify"), all) {
        (true, (Some(authority), Some(certificate), Some(key))) => {
            let identity = Identity::load(&certificate, &key)?;
            let authorities = load_certificates(&authority)?;
            Ok(Some(Tls::new(&identity, ClientCertificates::Required(authorities))?))
        }
        (false, (None, None, None)) => Ok(None),
        (true, _) => Err(Failure::new("--tlsverify needs --tlscacert, --tlscert and --tlskey")),
        (false, _) => Err(Failure::new(
            "certificates without --tlsverify: clients would not be asked who they are",
        )),
    }
}

fn group(name: &str) -> Result<u32> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let text =
        std::fs::read_to_string(Path::new("/etc/group")).doing(|| "read /etc/group".into())?;
    let found = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    });
    found.ok_or_else(|| Failure::new(format!("no group is called {name:?}")))
}

/// Sockets that systemd opened, where `-H fd://` asks for them; sd_listen_fds(3).
fn handed_on(matches: &Matches) -> Result<Vec<OwnedFd>> {
    if !matches.list("host").iter().any(|place| place.starts_with("fd://")) {
        return Ok(Vec::new());
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<i32>().ok());
    let ours = number("LISTEN_PID").is_none_or(|pid| u32::try_from(pid) == Ok(std::process::id()));
    let count = number("LISTEN_FDS").filter(|count| ours && (1..=INHERITED_LIMIT).contains(count));
    let Some(count) = count else {
        return Err(Failure::new("fd://: no socket was handed on (LISTEN_FDS)")
            .hint("for systemd: a .socket unit beside the service's"));
    };
    let mut sockets = Vec::new();
    for number in FIRST_INHERITED..FIRST_INHERITED + count {
        let socket = teu_sys::descriptors::inherited(number);
        sockets.push(socket.doing(|| format!("take over descriptor {number}"))?);
    }
    Ok(sockets)
}
