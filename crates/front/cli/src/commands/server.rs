//! `teu server`: the Kubernetes API in one process, until SIGTERM; and what is done to its data.
//!
//! A configuration file says everything; flags say the usual, and win.

use crate::context::{Context, complain};
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::units::human_size;
use std::path::{Path, PathBuf};
use teu_server::credentials::shown;
use teu_server::time::{SystemWall, Wall, rfc3339};
use teu_server::{Config, Event, StoreConfig, control, run, snapshots};

/// The command.
pub const SERVER: Command = Command {
    usage: "[OPTIONS] [kubeconfig | cert | encrypt | snapshot] [ARG...]",
    arity: Arity::AtMost(3),
    flags: &[&[
        Flag::text("config", "file", "Configuration (TOML)").completes(Completes::Files),
        Flag::text("data-dir", "dir", "Where the cluster's data is (default DATA/server)")
            .completes(Completes::Files),
        Flag::text("store", "store", "embedded, or etcd://HOST[:PORT],… (etcds:// with TLS)"),
        Flag::text("bind", "address", "Address to listen on (default 0.0.0.0:6443; port 0: any)"),
        Flag::list("tls-san", "Further name or address that the server's certificate is for"),
    ]],
    examples: &[
        ("teu server", "then: export KUBECONFIG=/run/teu/server/admin.kubeconfig; kubectl get ns"),
        ("teu server kubeconfig > ~/.kube/config", "who may everything"),
        (
            "teu server cert",
            "which certificates there are and until when; `cert repair` renews them",
        ),
        ("teu server encrypt", "write everything anew by the first key of `encryption-config`"),
        ("teu server snapshot save", "while it runs, or not"),
        ("teu server snapshot restore FILE --data-dir NEW", "into an empty folder"),
    ],
    operands: Completes::Words(&["cert", "encrypt", "kubeconfig", "snapshot"]),
    ..Command::new("server", "Serve the Kubernetes API", server)
};

fn server(ctx: &Context, matches: &Matches) -> Result<u8> {
    let config = config(ctx, matches)?;
    let words: Vec<&str> = matches.operands.iter().map(String::as_str).collect();
    match *words {
        [] => run(&config, |event| tell(ctx, event))?,
        ["kubeconfig"] => ctx.print(&kubeconfig(&config)?)?,
        ["cert"] => {
            for found in shown::list(&config)? {
                let ends = found.ends.map_or_else(|| "cannot be read".to_owned(), until);
                ctx.line(&format!("{}  {}  {ends}", found.path.display(), found.name))?;
            }
        }
        ["cert", "repair"] => {
            for path in shown::repair(&config)? {
                ctx.line(&format!("renewed {}", path.display()))?;
            }
        }
        ["encrypt"] => match control::rewrite_sealed(&config)? {
            Some(done) => ctx.line(&done)?,
            None => {
                let hint = "start it with `encryption-config`, then encrypt";
                return Err(Failure::new("no server runs on this data").hint(hint));
            }
        },
        ["snapshot", "save"] => save(ctx, &config, None)?,
        ["snapshot", "save", file] => save(ctx, &config, Some(Path::new(file)))?,
        ["snapshot", "restore", file] => {
            let revision = snapshots::restore(&config, Path::new(file))?;
            let folder = config.store_folder();
            ctx.line(&format!("{} is at revision {revision} again", folder.display()))?;
        }
        ["snapshot", "list"] => {
            for found in snapshots::list(&config)? {
                ctx.line(&format!("{}  {}", found.path.display(), human_size(found.bytes, 3)))?;
            }
        }
        _ => {
            let message = format!("teu server has no command {:?}", words.join(" "));
            let hint = "teu server kubeconfig, teu server cert [repair], teu server encrypt, teu server snapshot save|restore|list [FILE]";
            return Err(Failure::new(message).hint(hint));
        }
    }
    Ok(0)
}

/// Until when a certificate is good.
fn until(ends: i64) -> String {
    let word = if ends <= SystemWall.seconds() { "ended" } else { "until" };
    format!("{word} {}", rfc3339(ends))
}

fn config(ctx: &Context, matches: &Matches) -> Result<Config> {
    let mut config = config_of(ctx, matches.nonempty("config"), matches.nonempty("data-dir"))?;
    if let Some(store) = matches.nonempty("store") {
        config.store = StoreConfig::parse(store)?;
    }
    if let Some(bind) = matches.nonempty("bind") {
        bind.clone_into(&mut config.bind);
    }
    config.names.extend(matches.list("tls-san").into_iter().map(str::to_owned));
    Ok(config)
}

/// The configuration of a file, in a data folder; the usual ones if none is said.
pub fn config_of(ctx: &Context, file: Option<&str>, folder: Option<&str>) -> Result<Config> {
    let home = ctx.home();
    let mut config = Config::new(home.data.join("server"), home.run.join("server"));
    if let Some(file) = file {
        config.read(Path::new(file))?;
    }
    if let Some(folder) = folder {
        config.data = std::path::absolute(folder)?;
    }
    // Servers with other data are other servers, and keep what goes with a boot beside it.
    if config.data != home.data.join("server") {
        config.run = config.data.join("run");
    }
    Ok(config)
}

fn kubeconfig(config: &Config) -> Result<String> {
    let path = config.kubeconfig();
    std::fs::read_to_string(&path).map_err(|error| {
        let message = format!("cannot read {}: {error}", path.display());
        Failure::new(message).hint("`teu server` writes it when it starts")
    })
}

/// Asks the server that runs, or opens the store if none does.
fn save(ctx: &Context, config: &Config, file: Option<&Path>) -> Result<()> {
    let file: Option<PathBuf> = file.map(std::path::absolute).transpose()?;
    let path = match control::save_snapshot(config, file.as_deref())? {
        Some(path) => path,
        None => snapshots::save_stopped(config, file.as_deref())?,
    };
    ctx.line(&path.display().to_string())
}

/// One line an event; scripts wait for the first.
fn tell(ctx: &Context, event: Event) {
    match event {
        Event::Ready { address, kubeconfig } => {
            // Whoever closed it does not want to know.
            let _ = ctx.line(&format!("ready on https://{address}"));
            let _ = ctx.line(&format!("kubeconfig {}", kubeconfig.display()));
        }
        Event::Reloaded(file) => match &file.trouble {
            None => complain(&format!("{} has changed and counts now", file.path.display())),
            Some(why) => complain(&format!(
                "{} has changed and is not taken over; what it said before counts: {why}",
                file.path.display()
            )),
        },
        Event::Cut(connections) => {
            complain(&format!("{connections} connections did not end in time and were cut"));
        }
    }
}
