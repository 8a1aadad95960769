//! `teu wait`: blocks until containers end, and prints their exit codes.

use super::each;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use teu_containers::lifecycle::WaitFor;

/// The command.
pub const WAIT: Command = Command {
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    arity: Arity::AtLeast(1),
    flags: &[&[Flag::text("condition", "string", "not-running, next-exit or removed")]],
    operands: Completes::Running,
    examples: &[("teu wait job", "prints its exit code")],
    ..Command::new(
        "wait",
        "Block until one or more containers stop, then print their exit codes",
        run,
    )
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let what = match matches.nonempty("condition") {
        None | Some("not-running") => WaitFor::NotRunning,
        Some("next-exit") => WaitFor::NextExit,
        Some("removed") => WaitFor::Removed,
        Some(other) => {
            return Err(Failure::new(format!("invalid condition: {other:?}"))
                .hint("not-running, next-exit or removed"));
        }
    };
    let containers = ctx.containers()?;
    each(ctx, &matches.operands, |name| Ok(Some(containers.wait(name, what)?.to_string())))
}
