//! `teu registry`: the OCI distribution protocol over the local images.
//!
//! A configuration file says everything; flags say the usual, and win.

use crate::context::{Context, complain, warn};
use crate::failure::{Failure, Result};
use crate::flags::{Command, Flag, Matches};
use std::path::Path;
use teu_registry::access::Mode;
use teu_registry::config::{Auth, Config, TlsFiles};
use teu_registry::service::{Event, run};
use teu_registry::upstreams::parse_flag;

/// The command.
pub const REGISTRY: Command = Command {
    usage: "[OPTIONS]",
    flags: &[&[
        Flag::text("config", "file", "Configuration (TOML, or JSON if it ends in .json)"),
        Flag::list("listen", "Address to listen on (default 127.0.0.1:5000; port 0: any free one)"),
        Flag::switch("serve-local", "Also serve the images of this machine, for reading"),
        Flag::list("cache", "NAME=REGISTRY: serve (and keep) what is REGISTRY's beneath NAME/"),
        Flag::text("tls-cert", "file", "Certificate (PEM, with those that vouch for it)"),
        Flag::text("tls-key", "file", "Private key of the certificate (PEM)"),
        Flag::text(
            "tls-clients",
            "file",
            "Authorities (PEM) of clients, who must show a certificate",
        ),
        Flag::text("htpasswd", "file", "Users and passwords (bcrypt: htpasswd -B)"),
        Flag::text("auth", "mode", "How users log in: basic or token"),
        Flag::switch("anonymous-read", "Everybody may pull (users are asked for tokens)"),
        Flag::text("audit", "file", "Write a line of JSON for each request"),
        Flag::text("metrics", "address", "Address to give out metrics on, for Prometheus"),
        Flag::integer("quota", "Bytes that one repository may have"),
        Flag::integer("uploads", "Uploads at a time, half ones included (default 1000)"),
        Flag::integer(
            "upload-age",
            "Seconds after which a half upload is given up (default 86400)",
        ),
        Flag::integer("unneeded-age", "Seconds that blobs without a manifest stay (default 3600)"),
        Flag::integer("sweep-pause", "Seconds between sweeps at least (default 5)").hidden(),
    ]],
    examples: &[
        ("teu registry", "docker push 127.0.0.1:5000/app"),
        ("teu registry --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem", ""),
        ("teu registry --cache hub=docker.io", "docker pull 127.0.0.1:5000/hub/library/busybox"),
        ("teu registry --config /etc/teu/registry.toml", "docs/registry.md says what can be in it"),
    ],
    ..Command::new("registry", "Run a registry over the local images", registry)
};

fn registry(ctx: &Context, matches: &Matches) -> Result<u8> {
    let mut config = match matches.nonempty("config") {
        Some(path) => Config::read(Path::new(path))?,
        None => Config::default(),
    };
    let listen = matches.list("listen");
    if !listen.is_empty() {
        config.listen = listen.into_iter().map(str::to_owned).collect();
    }
    config.serve_local |= matches.switch("serve-local");
    config.audit = matches.nonempty("audit").map(Into::into).or(config.audit);
    config.metrics = matches.nonempty("metrics").map(str::to_owned).or(config.metrics);
    tls(matches, &mut config)?;
    users(matches, &mut config)?;
    let limits = &mut config.limits;
    let count = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    limits.quota_bytes = number(matches, "quota")?.or(limits.quota_bytes);
    limits.uploads = number(matches, "uploads")?.map(count).or(limits.uploads);
    limits.upload_age_seconds = number(matches, "upload-age")?.or(limits.upload_age_seconds);
    limits.unneeded_age_seconds = number(matches, "unneeded-age")?.or(limits.unneeded_age_seconds);
    limits.sweep_pause_seconds = number(matches, "sweep-pause")?.or(limits.sweep_pause_seconds);
    for text in matches.list("cache") {
        config.upstreams.push(parse_flag(text).ok_or_else(|| {
            let message = format!("--cache {text}: expected NAME=REGISTRY");
            Failure::new(message).hint("for example: --cache hub=docker.io")
        })?);
    }
    run(ctx.images()?, &config, &crate::registry::outside(), tell)?;
    Ok(0)
}

/// The flags about TLS.
fn tls(matches: &Matches, config: &mut Config) -> Result<()> {
    match (matches.nonempty("tls-cert"), matches.nonempty("tls-key")) {
        (None, None) => {}
        (Some(cert), Some(key)) => {
            let (certificate, key) = (cert.into(), key.into());
            config.tls = Some(TlsFiles { certificate, key, clients: None });
        }
        _ => {
            let message = "a certificate and its key belong together";
            return Err(Failure::new(message).hint("give both --tls-cert and --tls-key"));
        }
    }
    match (matches.nonempty("tls-clients"), &mut config.tls) {
        (None, _) => Ok(()),
        (Some(path), Some(files)) => {
            files.clients = Some(path.into());
            Ok(())
        }
        (Some(_), None) => {
            let message = "clients show certificates only to a registry that speaks TLS";
            Err(Failure::new(message).hint("give --tls-cert and --tls-key, too"))
        }
    }
}

/// The flags about users.
fn users(matches: &Matches, config: &mut Config) -> Result<()> {
    if let Some(path) = matches.nonempty("htpasswd") {
        let (mode, anonymous_read) = (None, false);
        config.auth = Some(Auth { htpasswd: path.into(), mode, anonymous_read });
    }
    let mode = match matches.nonempty("auth") {
        None => None,
        Some("basic") => Some(Mode::Basic),
        Some("token") => Some(Mode::Token),
        Some(other) => {
            return Err(Failure::new(format!("--auth is basic or token, not {other}")));
        }
    };
    let anonymous_read = matches.switch("anonymous-read");
    match &mut config.auth {
        Some(auth) => {
            auth.mode = mode.or(auth.mode);
            auth.anonymous_read |= anonymous_read;
            Ok(())
        }
        None if mode.is_some() || anonymous_read => {
            let message = "without users, everybody may do everything already";
            Err(Failure::new(message).hint("name them with --htpasswd"))
        }
        None => Ok(()),
    }
}

/// A number that cannot be negative, if it is given.
fn number(matches: &Matches, flag: &str) -> Result<Option<u64>> {
    let Some(value) = matches.integer(flag) else { return Ok(None) };
    let value = u64::try_from(value);
    value.map(Some).map_err(|_| Failure::new(format!("--{flag} must not be negative")))
}

/// One line an event; scripts read where it listens from standard output.
fn tell(event: Event) {
    match event {
        Event::Listening(address) => say(&format!("listening on {address}")),
        Event::Mirror { registry, address } => say(&format!("mirror of {registry} on {address}")),
        Event::Metrics(address) => say(&format!("metrics on http://{address}/metrics")),
        Event::Open(address) => warn(&format!(
            "anybody who can reach {address} may push and delete: --htpasswd names users"
        )),
        Event::Trouble(error) => complain(&crate::failure::chain(&error)),
        Event::Cut(connections) => {
            complain(&format!("{connections} connections did not end in time and were cut"));
        }
    }
}

fn say(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    // Whoever closed it does not want to know.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
