//! `teu diff`: what a container changed in its files.

use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::output::{Listing, Row, Style};

/// The command.
pub const DIFF: Command = Command {
    usage: "CONTAINER",
    arity: Arity::Exactly(1),
    flags: &[&[Flag::text("format", "string", "'json' or a Go TEMPLATE of .Type and .Path")]],
    operands: Completes::Containers,
    examples: &[("teu diff web", "files added (A), changed (C), deleted (D)")],
    ..Command::new(
        "diff",
        "Inspect changes to files or directories on a container's filesystem",
        run,
    )
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let changes = ctx.containers()?.diff(matches.operand(0))?;
    let row = |change: &teu_containers::pending::Change| {
        let path = change.path.to_string_lossy().into_owned();
        Row::new().field("Type", change.kind.to_string()).field("Path", path)
    };
    let listing = Listing {
        heads: &[("Type", "CHANGE TYPE"), ("Path", "PATH")],
        shown: &["Type", "Path"],
        quiet: "Path",
        rows: changes.iter().map(row).collect(),
    };
    let format = matches.nonempty("format").or(Some("{{.Type}} {{.Path}}"));
    ctx.list(&listing, Style { format, whole: true, ..Style::default() })?;
    Ok(0)
}
