//! `teu history`: the steps of an image, newest first; or the changes of a cluster's object.

use super::tag::find;
use super::{FORMAT, NO_TRUNC, QUIET, object};
use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::output::{Listing, Row, Style};
use crate::text::{ellipsis, short_id};
use crate::time;
use crate::units::human_size;

/// Characters of an instruction that are shown.
const CREATED_BY_COLUMNS: usize = 45;

/// The command.
pub const HISTORY: Command = Command {
    usage: "[OPTIONS] IMAGE | KIND/NAME",
    arity: Arity::Exactly(1),
    flags: &[&[
        FORMAT,
        Flag::text(
            "human",
            "bool",
            "Print sizes and dates in human readable format (default true)",
        )
        .short('H'),
        NO_TRUNC,
        Flag::text("platform", "string", "Show history for the given platform"),
        QUIET,
        object::NAMESPACE,
        object::DATA_DIR,
    ]],
    operands: Completes::Images,
    examples: &[
        ("teu history --no-trunc nginx", "whole command lines"),
        ("teu history deployment/web", "who changed what of a cluster's object, and when"),
    ],
    ..Command::new("history", "Show the history of an image, or of an object of the cluster", run)
};

const HEADS: &[(&str, &str)] = &[
    ("ID", "IMAGE"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
];

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let mut image = match find(ctx, matches.operand(0)) {
        Ok(image) => image,
        // A name with a slash may be an object's, if a server runs here that can say so.
        Err(failure) if object::is_object(matches.operand(0)) => {
            return object::history(ctx, matches)?.ok_or_else(|| object::neither(&failure));
        }
        Err(failure) => return Err(failure),
    };
    if let Some(platform) = matches.nonempty("platform") {
        let platform = platform.parse()?;
        image = ctx.images()?.resolve_platform(matches.operand(0), Some(&platform))?;
    }
    let whole = matches.switch("no-trunc");
    let human = matches.text("human").is_none_or(|text| text != "false");
    let now = time::now_ns();
    // Sizes of files, as `images` shows them, not of archives; oldest first.
    let told = ctx.images()?.history(&image);
    let mut rows = Vec::new();
    for (step, told) in image.config.history.iter().zip(told.iter().rev()) {
        let bytes = told.size_bytes;
        let created = step.created.as_deref().and_then(time::parse);
        let by = step.created_by.as_deref().unwrap_or_default().replace('\t', " ");
        let at = created.map_or_else(|| "N/A".to_owned(), time::rfc3339);
        let since = created.map_or_else(|| "N/A".to_owned(), |ns| time::ago(ns, now));
        rows.push(
            Row::new()
                .field("Comment", step.comment.as_deref().unwrap_or_default())
                .field("CreatedAt", at.clone())
                .field("CreatedBy", if whole { by } else { ellipsis(&by, CREATED_BY_COLUMNS) })
                .field("CreatedSince", if human { since } else { at })
                .field("ID", "<missing>")
                .field("Size", if human { human_size(bytes, 3) } else { bytes.to_string() }),
        );
    }
    if let Some(last) = rows.pop() {
        let id = image.id.as_str();
        rows.push(last.field("ID", if whole { id } else { short_id(id) }));
    }
    rows.reverse();
    let shown = if human { "CreatedSince" } else { "CreatedAt" };
    let listing = Listing {
        heads: HEADS,
        shown: &["ID", shown, "CreatedBy", "Size", "Comment"],
        quiet: "ID",
        rows,
    };
    let (format, quiet) = (matches.nonempty("format"), matches.switch("quiet"));
    ctx.list(&listing, Style { format, quiet, whole, ..Style::default() })?;
    Ok(0)
}
