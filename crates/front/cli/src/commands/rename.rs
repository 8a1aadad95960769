//! `teu rename`.

use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Arity, Command, Completes, Matches};

/// The command.
pub const RENAME: Command = Command {
    usage: "CONTAINER NEW_NAME",
    arity: Arity::Exactly(2),
    operands: Completes::Containers,
    examples: &[("teu rename web old", "")],
    ..Command::new("rename", "Rename a container", run)
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    ctx.containers()?.rename(matches.operand(0), matches.operand(1))?;
    Ok(0)
}
