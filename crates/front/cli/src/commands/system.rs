//! `teu system …`: disk use, pruning, events, information.

use super::container::{PRUNE_FLAGS, report};
use super::image::prune_filter;
use super::{FORMAT, confirm, filters};
use crate::context::{Context, complain};
use crate::failure::{Failure, Result, chain};
use crate::flags::{Command, Flag, Matches};
use crate::time;

mod df;

/// The group.
pub const SYSTEM: Command = Command::group(
    "system",
    "Manage Teu",
    &[&DF, &super::events::EVENTS, &super::info::INFO, &PRUNE, &RESUME],
);

const DF: Command = Command {
    usage: "[OPTIONS]",
    flags: &[&[
        FORMAT,
        Flag::switch("verbose", "Show detailed information on space usage, and what keeps it")
            .short('v'),
    ]],
    examples: &[("teu system df -v", "what keeps each byte")],
    ..Command::new("df", "Show disk usage", df::run)
};

const PRUNE: Command = Command {
    usage: "[OPTIONS]",
    flags: &[
        PRUNE_FLAGS,
        &[
            Flag::switch("all", "Remove all unused images not just dangling ones").short('a'),
            Flag::switch("volumes", "Prune anonymous volumes"),
        ],
    ],
    examples: &[("teu system prune -a --volumes", "all that nothing uses")],
    ..Command::new("prune", "Remove unused data", prune)
};

const RESUME: Command = Command {
    examples: &[("teu system resume", "once after a boot, by a unit: see docs/boot.md")],
    ..Command::new("resume", "Start what ran before a boot and is to run always", resume)
};

fn resume(ctx: &Context, _: &Matches) -> Result<u8> {
    let resumed = ctx.containers()?.resume()?;
    for name in &resumed.started {
        ctx.line(name)?;
    }
    for (name, error) in &resumed.failed {
        complain(&format!("cannot start {name}: {}", chain(error)));
    }
    Ok(u8::from(!resumed.failed.is_empty()))
}

fn prune(ctx: &Context, matches: &Matches) -> Result<u8> {
    let filters = filters(matches)?;
    let (all, volumes) = (matches.switch("all"), matches.switch("volumes"));
    if volumes && filters.iter().any(|(key, _)| key == "until") {
        return Err(Failure::new(
            "ERROR: The \"until\" filter is not supported with \"--volumes\"",
        ));
    }
    if !matches.switch("force") {
        let mut question = "This will remove:\n  - all stopped containers\n  - all networks not used by at least one container\n".to_owned();
        if volumes {
            question.push_str("  - all anonymous volumes not used by at least one container\n");
        }
        question.push_str(match all {
            true => "  - all images without at least one container associated to them\n  - all build cache",
            false => "  - all dangling images\n  - unused build cache",
        });
        if !confirm(&question)? {
            return Ok(0);
        }
    }
    let containers = ctx.containers()?;
    // Whatever was left by something that was killed counts as unused too.
    containers.repair()?;
    let mut bytes = 0;
    let mut text = String::new();
    let mut section = |title: &str, removed: &[String]| {
        if !removed.is_empty() {
            text.push_str(&format!("{title}:\n{}\n\n", removed.join("\n")));
        }
    };
    let pruned = containers.prune(&filters)?;
    bytes += pruned.reclaimed_bytes;
    section("Deleted Containers", &pruned.removed);
    section("Deleted Networks", &super::network::prune_unused(ctx, &filters)?);
    if volumes {
        let pruned = containers.prune_volumes(false, &filters)?;
        bytes += pruned.reclaimed_bytes;
        section("Deleted Volumes", &pruned.removed);
    }
    let cache = super::builder::prune_cache(ctx, all, &filters)?;
    bytes += cache.reclaimed_bytes;
    let ids: Vec<String> = cache.removed.iter().map(|record| record.id.clone()).collect();
    section("Deleted build cache objects", &ids);
    let in_use = containers.images_in_use()?;
    let pruned = ctx.images()?.prune(&prune_filter(&filters, all)?, &in_use)?;
    bytes += pruned.freed_bytes;
    let lines: Vec<String> =
        super::rmi::lines(&pruned.removed).iter().map(|line| line.to_lowercase()).collect();
    section("Deleted Images", &lines);
    ctx.print(&(text + &report("", &[], bytes)))?;
    Ok(0)
}

/// Nanoseconds of a time in an image.
fn created_ns(text: Option<&str>) -> i64 {
    text.and_then(time::parse).unwrap_or(0)
}
