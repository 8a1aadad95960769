//! `teu run`: a new container, at once.

use super::create::create;
use crate::container_flags::CONTAINER;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches, Order};
use crate::foreground::{Ended, Manner, hold_signals, stay};
use crate::request::request;
use crate::streams::detach::DetachKeys;
use crate::streams::{Wanted, for_container};
use crate::terminal;
use teu_containers::create::Created;
use teu_containers::lifecycle::{Attach, Remove, Session};

/// The command.
pub const RUN: Command = Command {
    usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    arity: Arity::AtLeast(1),
    order: Order::FlagsFirst,
    flags: &[
        CONTAINER,
        &[
            Flag::switch("detach", "Run container in background and print container ID").short('d'),
            Flag::text(
                "detach-keys",
                "string",
                "Override the key sequence for detaching a container",
            ),
            Flag::text("sig-proxy", "bool", "Proxy received signals to the process (default true)"),
        ],
    ],
    operands: Completes::Images,
    examples: &[
        ("teu run --rm -it debian bash", "a shell, gone afterwards"),
        ("teu run -d --name web -p 8080:80 nginx", "a server on port 8080"),
        ("teu run --rm -v ./src:/src:ro -m 512m python python /src/job.py", "files and a limit"),
        ("teu run -d --restart on-failure:3 --pod shop worker", "in a pod, started again"),
    ],
    ..Command::new("run", "Create and run a new container from an image", run)
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let mut request = request(ctx, matches).map_err(|failure| failure.code(125))?;
    let detached = matches.switch("detach");
    let wanted = wanted(matches, detached)?;
    let tty = request.container.tty;
    if tty && wanted.stdin && !terminal::in_is_terminal() {
        return Err(Failure::new("the input device is not a TTY").hint("leave out -t, or -i"));
    }
    let keys = keys(matches)?;
    let proxy = super::start::proxies(matches)?;
    request.container.stdin_once = wanted.stdin;
    let auto_remove = request.container.auto_remove;
    let created = create(ctx, matches, request)?;
    if detached {
        start(ctx, &created, Attach::default(), auto_remove)?;
        ctx.line(&created.id)?;
        return Ok(0);
    }
    let (theirs, ours) = for_container(wanted)?;
    let keys = (wanted.stdin && tty).then_some(keys);
    let id = created.id.clone();
    let manner = Manner { id, terminal: tty, keys, proxy: proxy && !tty };
    hold_signals(&manner)?;
    let session = start(ctx, &created, theirs, auto_remove)?;
    if !wanted.stdout && !wanted.stderr {
        ctx.line(&created.id)?;
    }
    match stay(ctx.containers()?, session, ours, &manner)? {
        Ended::Exited(code) => Ok(u8::try_from(code & 255).unwrap_or(255)),
        Ended::Detached => Ok(0),
    }
}

/// The streams that `-a` and `-i` ask for.
fn wanted(matches: &Matches, detached: bool) -> Result<Wanted> {
    let names = matches.list("attach");
    if detached && !names.is_empty() {
        let message = "conflicting options: cannot specify both --attach and --detach";
        return Err(Failure::new(message).code(125));
    }
    let tty = matches.switch("tty");
    let mut wanted = Wanted::default();
    if detached {
        return Ok(wanted);
    }
    if names.is_empty() {
        wanted = Wanted { stdin: matches.switch("interactive"), stdout: true, stderr: true };
    }
    for name in names {
        match name.to_ascii_lowercase().as_str() {
            "stdin" => wanted.stdin = matches.switch("interactive"),
            "stdout" => wanted.stdout = true,
            "stderr" => wanted.stderr = true,
            _ => {
                let message = format!(
                    "invalid argument {name:?} for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR"
                );
                return Err(Failure::new(message).code(125));
            }
        }
    }
    // A terminal is one stream.
    if tty {
        wanted = Wanted { stdout: wanted.stdout || wanted.stderr, stderr: false, ..wanted };
    }
    Ok(wanted)
}

/// `--detach-keys`.
pub fn keys(matches: &Matches) -> Result<DetachKeys> {
    match matches.nonempty("detach-keys") {
        None => Ok(DetachKeys::default()),
        Some(text) => Ok(DetachKeys::parse(text).map_err(|e| Failure::from(e).code(125))?),
    }
}

fn start(ctx: &Context, created: &Created, streams: Attach, auto_remove: bool) -> Result<Session> {
    let containers = ctx.containers()?;
    containers.start(&created.id, streams).map_err(|error| {
        if auto_remove {
            // Usually gone already: whoever starts it removes it.
            let _ = containers.remove(&created.id, Remove { force: true, volumes: true });
        }
        let code = u8::try_from(error.exit_code()).unwrap_or(125);
        Failure::from(error).code(code)
    })
}
