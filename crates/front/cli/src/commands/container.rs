//! `teu container …`: the same commands under their management name.

use super::inspect::{INSPECT_FLAGS, show};
use super::{FILTER, confirm, filters};
use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::units::human_size;
use serde_json::Value;

/// The group.
pub const CONTAINER: Command = Command::group(
    "container",
    "Manage containers",
    &[
        &super::attach::ATTACH,
        &super::commit::COMMIT,
        &super::cp::CP,
        &super::create::CREATE,
        &super::diff::DIFF,
        &super::exec::EXEC,
        &super::exists::CONTAINER,
        &super::export::EXPORT,
        &INSPECT,
        &super::kill::KILL,
        &super::logs::LOGS,
        &super::ps::LS,
        &super::pause::PAUSE,
        &super::port::PORT,
        &PRUNE,
        &super::rename::RENAME,
        &super::restart::RESTART,
        &super::rm::RM,
        &super::run::RUN,
        &super::start::START,
        &super::stats::STATS,
        &super::stop::STOP,
        &super::top::TOP,
        &super::pause::UNPAUSE,
        &super::update::UPDATE,
        &super::wait::WAIT,
    ],
);

const INSPECT: Command = Command {
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    arity: Arity::AtLeast(1),
    flags: &[INSPECT_FLAGS, &[Flag::switch("size", "Display total file sizes").short('s')]],
    operands: Completes::Containers,
    examples: &[("teu container inspect -f '{{.State.Pid}}' web", "one field")],
    ..Command::new("inspect", "Display detailed information on one or more containers", inspect)
};

/// Flags of every `prune`.
pub const PRUNE_FLAGS: &[Flag] =
    &[FILTER_LONG, Flag::switch("force", "Do not prompt for confirmation").short('f')];
const FILTER_LONG: Flag = Flag { short: None, ..FILTER };

const PRUNE: Command = Command {
    usage: "[OPTIONS]",
    flags: &[PRUNE_FLAGS],
    examples: &[("teu container prune -f", "without asking")],
    ..Command::new("prune", "Remove all stopped containers", prune)
};

fn inspect(ctx: &Context, matches: &Matches) -> Result<u8> {
    show(ctx, matches, &[("container", look_up)], matches.switch("size"))
}

/// A container as Docker's `inspect` shows it.
pub fn look_up(ctx: &Context, name: &str, size: bool) -> Result<Option<Value>> {
    match ctx.containers()?.inspect(name, size) {
        Ok(value) => Ok(Some(value)),
        Err(teu_containers::Error::NoSuchContainer(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn prune(ctx: &Context, matches: &Matches) -> Result<u8> {
    let filters = filters(matches)?;
    let question = "This will remove all stopped containers.";
    if !matches.switch("force") && !confirm(question)? {
        return Ok(0);
    }
    let pruned = ctx.containers()?.prune(&filters)?;
    ctx.print(&report("Deleted Containers", &pruned.removed, pruned.reclaimed_bytes))?;
    Ok(0)
}

/// What a prune prints.
pub fn report(title: &str, removed: &[String], bytes: u64) -> String {
    let mut text = String::new();
    if !removed.is_empty() {
        text = format!("{title}:\n{}\n\n", removed.join("\n"));
    }
    text + &format!("Total reclaimed space: {}\n", human_size(bytes, 4))
}
