//! `teu stop`: a signal, some time, SIGKILL.

use super::each;
use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::options::signals;
use teu_containers::lifecycle::Stop;

/// Flags of everything that stops.
pub const STOP_FLAGS: &[Flag] = &[
    Flag::text("signal", "string", "Signal to send to the container").short('s'),
    Flag::integer("timeout", "Seconds to wait before killing the container (-1 for ever)")
        .short('t'),
    Flag::integer("time", "Seconds to wait before killing the container").hidden(),
];

/// The command.
pub const STOP: Command = Command {
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    arity: Arity::AtLeast(1),
    flags: &[STOP_FLAGS],
    operands: Completes::Running,
    examples: &[("teu stop -t 3 web db", "SIGTERM, three seconds, SIGKILL")],
    ..Command::new("stop", "Stop one or more running containers", run)
};

/// What [`STOP_FLAGS`] say.
pub fn manner(matches: &Matches) -> Result<Stop> {
    Ok(Stop {
        signal: matches.nonempty("signal").map(signals::parse).transpose()?,
        timeout_s: matches.integer("timeout").or_else(|| matches.integer("time")),
    })
}

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let stop = manner(matches)?;
    let containers = ctx.containers()?;
    each(ctx, &matches.operands, |name| {
        containers.stop(name, stop)?;
        Ok(Some(name.to_owned()))
    })
}
