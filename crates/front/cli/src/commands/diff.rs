//! `teu diff`: what a container changed in its files; or how a cluster's object differs from what it was.

use super::object;
use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::output::{Listing, Row, Style};

/// The command.
pub const DIFF: Command = Command {
    usage: "CONTAINER | KIND/NAME [--at WHEN]",
    arity: Arity::Exactly(1),
    flags: &[&[
        object::AT,
        object::DATA_DIR,
        Flag::text("format", "string", "'json' or a Go TEMPLATE of .Type and .Path"),
        object::NAMESPACE,
    ]],
    operands: Completes::Containers,
    examples: &[
        ("teu diff web", "files added (A), changed (C), deleted (D)"),
        ("teu diff --at 10m deployment/web", "how it differs from ten minutes ago"),
    ],
    ..Command::new(
        "diff",
        "Inspect changes to a container's files, or to an object of the cluster",
        run,
    )
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    // No container has a slash in its name.
    if matches.nonempty("at").is_some() || object::is_object(matches.operand(0)) {
        return object::diff(ctx, matches);
    }
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
