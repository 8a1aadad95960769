//! `teu export`: a container's files as a tar.

use super::save::sink;
use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Arity, Command, Completes, Flag, Matches};

/// The command.
pub const EXPORT: Command = Command {
    usage: "[OPTIONS] CONTAINER",
    arity: Arity::Exactly(1),
    flags: &[&[Flag::text("output", "string", "Write to a file, instead of STDOUT")
        .short('o')
        .completes(Completes::Files)]],
    operands: Completes::Containers,
    examples: &[("teu export -o root.tar web", "")],
    ..Command::new("export", "Export a container's filesystem as a tar archive", run)
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let mut tar = ctx.containers()?.export(matches.operand(0))?;
    let mut sink = sink(matches.nonempty("output"), "export")?;
    std::io::copy(&mut tar, &mut sink)?;
    sink.finish()?;
    Ok(0)
}
