//! `teu restart`: stop, if it runs, and start.

use super::each;
use super::stop::{STOP_FLAGS, manner};
use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Arity, Command, Completes, Matches};

/// The command.
pub const RESTART: Command = Command {
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    arity: Arity::AtLeast(1),
    flags: &[STOP_FLAGS],
    operands: Completes::Containers,
    examples: &[("teu restart -t 3 web", "SIGTERM, three seconds, SIGKILL, start")],
    ..Command::new("restart", "Restart one or more containers", run)
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let stop = manner(matches)?;
    let containers = ctx.containers()?;
    each(ctx, &matches.operands, |name| {
        containers.restart(name, stop)?;
        Ok(Some(name.to_owned()))
    })
}
