//! `teu attach`: the person's streams to a container that runs.

use super::run::keys;
use super::start::proxies;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::foreground::{Ended, Manner, stay};
use crate::streams::{Wanted, for_container};
use crate::terminal;
use teu_containers::state::Status;

/// The command.
pub const ATTACH: Command = Command {
    usage: "[OPTIONS] CONTAINER",
    arity: Arity::Exactly(1),
    flags: &[&[
        Flag::text("detach-keys", "string", "Override the key sequence for detaching a container"),
        Flag::switch("no-stdin", "Do not attach STDIN"),
        Flag::text("sig-proxy", "bool", "Proxy all received signals to the process (default true)"),
    ]],
    operands: Completes::Running,
    examples: &[(
        "teu attach --no-stdin web",
        "watch without typing; ctrl-p ctrl-q leaves a terminal",
    )],
    ..Command::new(
        "attach",
        "Attach local standard input, output, and error streams to a running container",
        run,
    )
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let containers = ctx.containers()?;
    let found = containers.find(matches.operand(0))?;
    let refused = match found.state.status {
        Status::Running => None,
        Status::Paused => Some("You cannot attach to a paused container, unpause it first"),
        Status::Restarting => {
            Some("You cannot attach to a restarting container, wait until it is running")
        }
        _ => Some("You cannot attach to a stopped container, start it first"),
    };
    if let Some(refused) = refused {
        return Err(Failure::new(refused));
    }
    let record = found.record;
    let stdin = record.stdin_open && !matches.switch("no-stdin");
    if record.tty && stdin && !terminal::in_is_terminal() {
        return Err(Failure::new("the input device is not a TTY").hint("use --no-stdin"));
    }
    let wanted = Wanted { stdin, stdout: true, stderr: !record.tty };
    let keys = (stdin && record.tty).then_some(keys(matches)?);
    let (theirs, ours) = for_container(wanted)?;
    let session = containers.attach(&record.id, theirs)?;
    let proxy = proxies(matches)? && !record.tty;
    let manner = Manner { id: record.id, terminal: record.tty, keys, proxy };
    match stay(containers, session, ours, &manner)? {
        Ended::Exited(code) => Ok(u8::try_from(code & 255).unwrap_or(255)),
        Ended::Detached => {
            eprint_line("read escape sequence");
            Ok(0)
        }
    }
}

fn eprint_line(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{text}");
}
