//! `teu kill`: a signal, SIGKILL unless another is named.

use super::each;
use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::options::signals;

/// The command.
pub const KILL: Command = Command {
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    arity: Arity::AtLeast(1),
    flags: &[&[Flag::text("signal", "string", "Signal to send to the container").short('s')]],
    operands: Completes::Running,
    examples: &[("teu kill -s HUP web", "reload its configuration")],
    ..Command::new("kill", "Kill one or more running containers", run)
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let signal = signals::parse(matches.nonempty("signal").unwrap_or("KILL"))?;
    let containers = ctx.containers()?;
    each(ctx, &matches.operands, |name| {
        containers.kill(name, signal)?;
        Ok(Some(name.to_owned()))
    })
}
