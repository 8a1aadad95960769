//! Verbs of `teu pod` that move whole pods: start, stop, restart, kill, pause, unpause.

use super::{ID_FILE, IGNORE, LATEST, all, chosen, podmans, runs, verb};
use crate::commands::each;
use crate::commands::stop::{STOP_FLAGS, manner};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Command, Flag, Matches};
use crate::options::signals;
use teu_containers::list::PodSummary;
use teu_containers::{Containers, Error};

/// `pod start`.
pub const START: Command = Command {
    flags: &[&[all("Start all pods"), LATEST, ID_FILE]],
    examples: &[("teu pod start shop", "all its containers, in the order they were made")],
    ..verb("start", "Start all containers of one or more pods", start)
};
/// `pod stop`.
pub const STOP: Command = Command {
    flags: &[STOP_FLAGS, &[all("Stop all pods that run"), IGNORE, LATEST, ID_FILE]],
    examples: &[("teu pod stop -t 3 shop", "SIGTERM, three seconds, SIGKILL")],
    ..verb("stop", "Stop all containers of one or more pods", stop)
};
/// `pod restart`.
pub const RESTART: Command = Command {
    flags: &[STOP_FLAGS, &[all("Restart all pods that run"), LATEST]],
    examples: &[("teu pod restart shop", "stop all its containers, and start them")],
    ..verb("restart", "Restart all containers of one or more pods", restart)
};
/// `pod kill`.
pub const KILL: Command = Command {
    flags: &[&[
        all("Kill all containers in all pods"),
        LATEST,
        Flag::text("signal", "string", "Signal to send (default \"KILL\")").short('s'),
    ]],
    examples: &[("teu pod kill -s HUP shop", "a signal to every container of a pod")],
    ..verb("kill", "Send a signal to all containers of one or more pods", kill)
};
/// `pod pause`.
pub const PAUSE: Command = Command {
    flags: &[&[all("Pause all pods that run"), LATEST]],
    examples: &[("teu pod pause shop", "freeze it; teu pod unpause shop goes on")],
    ..verb("pause", "Pause all containers of one or more pods", pause)
};
/// `pod unpause`.
pub const UNPAUSE: Command = Command {
    flags: &[&[all("Unpause all pods that are paused"), LATEST]],
    examples: &[("teu pod unpause shop", "what was frozen goes on")],
    ..verb("unpause", "Unpause all containers of one or more pods", unpause)
};

/// Does one thing to all that are meant; answers as podman with what was typed, or full ids.
fn to_each(
    ctx: &Context,
    matches: &Matches,
    fits: fn(&PodSummary) -> bool,
    ignore: bool,
    act: impl Fn(&Containers, &str) -> teu_containers::Result<()>,
) -> Result<u8> {
    let containers = ctx.containers()?;
    let pods = chosen(ctx, matches, fits)?;
    podmans(each(ctx, &pods, |name| {
        let id = containers.find_pod(name).map(|(pod, _)| pod.id);
        match act(containers, name) {
            Ok(()) => Ok(Some(id?)),
            Err(Error::NoSuchPod(_)) if ignore => Ok(None),
            Err(error) => Err(error.into()),
        }
    }))
}

fn start(ctx: &Context, matches: &Matches) -> Result<u8> {
    let idle = |pod: &PodSummary| pod.status != "Running";
    to_each(ctx, matches, idle, false, |all, name| all.start_pod(name).map(drop))
}

fn stop(ctx: &Context, matches: &Matches) -> Result<u8> {
    let how = manner(matches)?;
    to_each(ctx, matches, runs, matches.switch("ignore"), |all, name| all.stop_pod(name, how))
}

fn restart(ctx: &Context, matches: &Matches) -> Result<u8> {
    let how = manner(matches)?;
    to_each(ctx, matches, runs, false, |all, name| all.restart_pod(name, how))
}

fn kill(ctx: &Context, matches: &Matches) -> Result<u8> {
    let signal = signals::parse(matches.nonempty("signal").unwrap_or("KILL"));
    let signal = signal.map_err(|error| Failure::from(error).code(125))?;
    to_each(ctx, matches, runs, false, |all, name| all.kill_pod(name, signal))
}

fn pause(ctx: &Context, matches: &Matches) -> Result<u8> {
    to_each(ctx, matches, runs, false, Containers::pause_pod)
}

fn unpause(ctx: &Context, matches: &Matches) -> Result<u8> {
    let frozen = |pod: &PodSummary| pod.status == "Paused";
    to_each(ctx, matches, frozen, false, Containers::unpause_pod)
}
