//! `teu exec`: a further process in a container that runs.

use super::run::keys;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches, Order};
use crate::foreground::{Ended, Manner, stay_with_execution};
use crate::request::variables;
use crate::streams::{Ends, for_process};
use crate::terminal;
use teu_containers::exec::{ExecRequest, ExecStreams};

/// Rows and columns of a terminal nobody sees.
const SIZE_DEFAULT: (u16, u16) = (24, 80);

/// The command.
pub const EXEC: Command = Command {
    usage: "[OPTIONS] CONTAINER COMMAND [ARG...]",
    arity: Arity::AtLeast(2),
    order: Order::FlagsFirst,
    flags: &[&[
        Flag::switch("detach", "Detached mode: run command in the background").short('d'),
        Flag::text("detach-keys", "string", "Override the key sequence for detaching a container"),
        Flag::list("env", "Set environment variables").short('e'),
        Flag::list("env-file", "Read in a file of environment variables")
            .completes(Completes::Files),
        Flag::switch("interactive", "Keep STDIN open even if not attached").short('i'),
        Flag::switch("privileged", "Give extended privileges to the command"),
        Flag::switch("tty", "Allocate a pseudo-TTY").short('t'),
        Flag::text("user", "string", "Username or UID (format: <name|uid>[:<group|gid>])")
            .short('u'),
        Flag::text("workdir", "string", "Working directory inside the container").short('w'),
    ]],
    operands: Completes::Running,
    examples: &[
        ("teu exec -it web sh", "a shell inside"),
        ("teu exec -u postgres db psql -c 'select 1'", "as another user"),
    ],
    ..Command::new("exec", "Execute a command in a running container", run)
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let containers = ctx.containers()?;
    let (detached, tty) = (matches.switch("detach"), matches.switch("tty"));
    let interactive = matches.switch("interactive") && !detached;
    if tty && interactive && !terminal::in_is_terminal() {
        return Err(Failure::new("the input device is not a TTY").hint("leave out -t, or -i"));
    }
    let keys = keys(matches)?;
    let request = ExecRequest {
        command: matches.operands[1..].to_vec(),
        env: variables(matches)?,
        user: matches.nonempty("user").map(str::to_owned),
        working_dir: matches.nonempty("workdir").map(str::to_owned),
        tty: tty.then(|| terminal::size().unwrap_or(SIZE_DEFAULT)),
        privileged: matches.switch("privileged"),
        id: None,
    };
    let (theirs, ours) = match tty || detached {
        true => (ExecStreams::default(), Ends::default()),
        false => for_process(interactive)?,
    };
    let execution = containers.exec(matches.operand(0), &request, theirs).map_err(|error| {
        let code = match error.exit_code() {
            code @ (126 | 127) => u8::try_from(code).unwrap_or(1),
            _ => 1,
        };
        Failure::from(error).code(code)
    })?;
    if detached {
        return Ok(0);
    }
    let keys = (tty && interactive).then_some(keys);
    let id = matches.operand(0).to_owned();
    let manner = Manner { id, terminal: tty, keys, proxy: false };
    match stay_with_execution(execution, ours, interactive, &manner, containers)? {
        Ended::Exited(code) => Ok(u8::try_from(code & 255).unwrap_or(255)),
        Ended::Detached => Ok(0),
    }
}
