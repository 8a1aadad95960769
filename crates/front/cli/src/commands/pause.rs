//! `teu pause`, `teu unpause`: frozen and thawed.

use super::each;
use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Arity, Command, Completes, Matches};

/// `pause`.
pub const PAUSE: Command = Command {
    usage: "CONTAINER [CONTAINER...]",
    arity: Arity::AtLeast(1),
    operands: Completes::Running,
    examples: &[("teu pause web", "until: teu unpause web")],
    ..Command::new("pause", "Pause all processes within one or more containers", pause)
};

/// `unpause`.
pub const UNPAUSE: Command = Command {
    usage: "CONTAINER [CONTAINER...]",
    arity: Arity::AtLeast(1),
    operands: Completes::Running,
    examples: &[("teu unpause web", "")],
    ..Command::new("unpause", "Unpause all processes within one or more containers", unpause)
};

fn pause(ctx: &Context, matches: &Matches) -> Result<u8> {
    let containers = ctx.containers()?;
    each(ctx, &matches.operands, |name| {
        containers.pause(name)?;
        Ok(Some(name.to_owned()))
    })
}

fn unpause(ctx: &Context, matches: &Matches) -> Result<u8> {
    let containers = ctx.containers()?;
    each(ctx, &matches.operands, |name| {
        containers.unpause(name)?;
        Ok(Some(name.to_owned()))
    })
}
