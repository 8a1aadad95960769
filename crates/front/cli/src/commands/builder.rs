//! `teu builder …`: the build cache.

use super::container::{PRUNE_FLAGS, report};
use super::{FORMAT, confirm, filters};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Command, Flag, Matches};
use crate::output::{Listing, Row, Style};
use crate::text::short_id;
use crate::time;
use crate::units::{bytes, human_size};
use teu_builder::{PruneReport, PruneRequest, RecordUsage};

/// Nanoseconds of a second.
const SECOND_NS: i64 = 1_000_000_000;

/// The group.
pub const BUILDER: Command = Command {
    aliases: &["buildx"],
    ..Command::group("builder", "Manage builds", &[&super::build::BUILD, &DU, &PRUNE])
};

const DU: Command = Command {
    aliases: &["df"],
    usage: "[OPTIONS]",
    flags: &[&[FORMAT, Flag::switch("verbose", "Show whole descriptions")]],
    examples: &[("teu builder du", "what takes the space")],
    ..Command::new("du", "Show what the build cache holds", du)
};

const PRUNE: Command = Command {
    usage: "[OPTIONS]",
    flags: &[
        PRUNE_FLAGS,
        &[
            Flag::switch("all", "Remove cache mounts too").short('a'),
            Flag::text("keep-storage", "bytes", "Amount of cache to keep"),
        ],
    ],
    examples: &[("teu builder prune -f", "without asking")],
    ..Command::new("prune", "Remove build cache", prune)
};

/// Heads of its fields.
pub const HEADS: &[(&str, &str)] = &[
    ("ID", "CACHE ID"),
    ("CacheType", "CACHE TYPE"),
    ("Size", "SIZE"),
    ("CreatedSince", "CREATED"),
    ("LastUsedSince", "LAST USED"),
    ("InUse", "IN USE"),
    ("Description", "DESCRIPTION"),
];
/// Its columns.
pub const SHOWN: &[&str] =
    &["ID", "CacheType", "Size", "CreatedSince", "LastUsedSince", "InUse", "Description"];

/// One record.
pub fn row(record: &RecordUsage, now_ns: i64) -> Row {
    Row::new()
        .field("ID", short_id(&record.id))
        .field("CacheType", record.kind)
        .field("Size", human_size(record.size_bytes, 4))
        .field("CreatedSince", time::ago(record.created_s.saturating_mul(SECOND_NS), now_ns))
        .field("LastUsedSince", time::ago(record.last_used_s.saturating_mul(SECOND_NS), now_ns))
        .field("InUse", record.in_use.to_string())
        .field("Description", record.description.as_str())
}

fn du(ctx: &Context, matches: &Matches) -> Result<u8> {
    let records = teu_builder::usage(&ctx.home().data.join("build"), ctx.images()?)?;
    let now = time::now_ns();
    let total: u64 = records.iter().map(|record| record.size_bytes).sum();
    let idle: u64 = records.iter().filter(|r| !r.in_use).map(|record| record.size_bytes).sum();
    let rows = records.iter().map(|record| row(record, now)).collect();
    let listing = Listing { heads: HEADS, shown: SHOWN, quiet: "ID", rows };
    let (format, whole) = (matches.nonempty("format"), matches.switch("verbose"));
    ctx.list(&listing, Style { format, whole, ..Style::default() })?;
    if format.is_none() {
        let (idle, total) = (human_size(idle, 4), human_size(total, 4));
        ctx.print(&format!("Reclaimable:   {idle}\nTotal:         {total}\n"))?;
    }
    Ok(0)
}

/// Removes what is not in use.
pub fn prune_cache(ctx: &Context, all: bool, filters: &[(String, String)]) -> Result<PruneReport> {
    let mut request = PruneRequest { all, ..PruneRequest::default() };
    for (key, value) in filters {
        match key.as_str() {
            "until" | "unused-for" => {
                let ns = time::instant(value, time::now_ns())?;
                request.unused_since_s = Some(ns.div_euclid(SECOND_NS));
            }
            // About other kinds of things.
            "label" | "label!" => return Ok(PruneReport::default()),
            other => return Err(Failure::new(format!("invalid filter '{other}'"))),
        }
    }
    Ok(teu_builder::prune(&ctx.home().data.join("build"), ctx.images()?, request)?)
}

fn prune(ctx: &Context, matches: &Matches) -> Result<u8> {
    let filters = filters(matches)?;
    let all = matches.switch("all");
    let question = match all {
        true => "This will remove all build cache, cache mounts included.",
        false => "This will remove all build cache that is not in use.",
    };
    if !matches.switch("force") && !confirm(question)? {
        return Ok(0);
    }
    let pruned = match matches.nonempty("keep-storage") {
        None => prune_cache(ctx, all, &filters)?,
        Some(text) => {
            let request = PruneRequest { all, keep_bytes: bytes(text)?, ..PruneRequest::default() };
            teu_builder::prune(&ctx.home().data.join("build"), ctx.images()?, request)?
        }
    };
    let ids: Vec<String> = pruned.removed.iter().map(|record| record.id.clone()).collect();
    ctx.print(&report("Deleted build cache objects", &ids, pruned.reclaimed_bytes))?;
    Ok(0)
}
