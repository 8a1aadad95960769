//! `teu update`: other limits or another restart policy for containers that exist.

use super::each;
use crate::context::{Context, warn};
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::options::lists;
use crate::request::resources;
use teu_containers::lifecycle::Update;

/// The command.
pub const UPDATE: Command = Command {
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    arity: Arity::AtLeast(1),
    flags: &[&[
        Flag::integer("blkio-weight", "Block IO weight, between 10 and 1000, or 0 to disable"),
        Flag::integer("cpu-period", "Limit CPU CFS (Completely Fair Scheduler) period"),
        Flag::integer("cpu-quota", "Limit CPU CFS (Completely Fair Scheduler) quota"),
        Flag::integer("cpu-rt-period", "Limit the CPU real-time period in microseconds"),
        Flag::integer("cpu-rt-runtime", "Limit the CPU real-time runtime in microseconds"),
        Flag::integer("cpu-shares", "CPU shares (relative weight)").short('c'),
        Flag::text("cpus", "decimal", "Number of CPUs"),
        Flag::text("cpuset-cpus", "string", "CPUs in which to allow execution (0-3, 0,1)"),
        Flag::text("cpuset-mems", "string", "MEMs in which to allow execution (0-3, 0,1)"),
        Flag::text("memory", "bytes", "Memory limit").short('m'),
        Flag::text("memory-reservation", "bytes", "Memory soft limit"),
        Flag::text(
            "memory-swap",
            "bytes",
            "Swap limit equal to memory plus swap: -1 for unlimited",
        ),
        Flag::integer("pids-limit", "Tune container pids limit (set -1 for unlimited)"),
        Flag::text("restart", "string", "Restart policy to apply when a container exits"),
    ]],
    operands: Completes::Containers,
    examples: &[("teu update -m 1g --cpus 2 web", "more room, at once")],
    ..Command::new("update", "Update configuration of one or more containers", run)
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    if matches.values.is_empty() {
        return Err(Failure::new("you must provide one or more flags when using this command"));
    }
    let update = Update {
        resources: resources(matches)?,
        restart: matches.nonempty("restart").map(lists::restart).transpose()?,
    };
    let containers = ctx.containers()?;
    each(ctx, &matches.operands, |name| {
        for warning in containers.update(name, &update)? {
            warn(&warning);
        }
        Ok(Some(name.to_owned()))
    })
}
