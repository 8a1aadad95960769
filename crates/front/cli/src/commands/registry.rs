//! `teu registry`: the OCI distribution protocol over the local images.

use crate::context::{Context, complain};
use crate::failure::{Failure, Result};
use crate::flags::{Command, Flag, Matches};
use std::path::Path;
use std::time::Duration;
use teu_registry::service::{Event, Service, run};

/// The command.
pub const REGISTRY: Command = Command {
    usage: "[OPTIONS]",
    flags: &[&[
        Flag::list("listen", "Address to listen on (default 127.0.0.1:5000; port 0: any free one)"),
        Flag::switch("serve-local", "Also serve the images of this machine, for reading"),
        Flag::integer("uploads", "Uploads at a time, half ones included (default 1000)"),
        Flag::integer(
            "upload-age",
            "Seconds after which a half upload is given up (default 86400)",
        ),
        Flag::integer("unneeded-age", "Seconds that blobs without a manifest stay (default 3600)"),
        Flag::integer("sweep-pause", "Seconds between sweeps at least (default 5)").hidden(),
        Flag::text("tls-cert", "file", "Certificate (PEM, with those that vouch for it)"),
        Flag::text("tls-key", "file", "Private key of the certificate (PEM)"),
    ]],
    examples: &[
        ("teu registry", "docker push 127.0.0.1:5000/app"),
        ("teu registry --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem", ""),
    ],
    ..Command::new("registry", "Run a registry over the local images", registry)
};

fn registry(ctx: &Context, matches: &Matches) -> Result<u8> {
    let mut service = Service::default();
    let listen = matches.list("listen");
    if !listen.is_empty() {
        service.listen = listen.into_iter().map(str::to_owned).collect();
    }
    service.options.serve_local = matches.switch("serve-local");
    number(matches, "uploads", |count| service.options.uploads = count as usize)?;
    let options = &mut service.options;
    number(matches, "upload-age", |age| options.upload_age = Duration::from_secs(age))?;
    number(matches, "unneeded-age", |age| options.unneeded_age = Duration::from_secs(age))?;
    number(matches, "sweep-pause", |age| options.sweep_pause = Duration::from_secs(age))?;
    service.tls = match (matches.nonempty("tls-cert"), matches.nonempty("tls-key")) {
        (None, None) => None,
        (Some(certificate), Some(key)) => {
            Some(teu_pki::Identity::load(Path::new(certificate), Path::new(key))?)
        }
        _ => {
            let message = "a certificate and its key belong together";
            return Err(Failure::new(message).hint("give both --tls-cert and --tls-key"));
        }
    };
    run(ctx.images()?, service, tell)?;
    Ok(0)
}

/// A number that cannot be negative, if it is given.
fn number(matches: &Matches, flag: &str, set: impl FnOnce(u64)) -> Result<()> {
    let Some(value) = matches.integer(flag) else { return Ok(()) };
    let value = u64::try_from(value);
    set(value.map_err(|_| Failure::new(format!("--{flag} must not be negative")))?);
    Ok(())
}

/// One line an event; scripts read where it listens from standard output.
fn tell(event: Event) {
    match event {
        Event::Listening(address) => {
            use std::io::Write;
            let mut out = std::io::stdout().lock();
            // Whoever closed it does not want to know.
            let _ = writeln!(out, "listening on {address}").and_then(|()| out.flush());
        }
        Event::Trouble(error) => complain(&crate::failure::chain(&error)),
        Event::Cut(connections) => {
            complain(&format!("{connections} connections did not end in time and were cut"));
        }
    }
}
