//! `teu pod …`: sandboxes whose containers share network, IPC and host name.

use super::inspect::{INSPECT_FLAGS, show};
use super::logs::LOG_FLAGS;
use super::stats::STATS_FLAGS;
use super::stop::{STOP_FLAGS, manner};
use super::{FILTER, FORMAT, NO_TRUNC, QUIET, confirm, each, filters};
use crate::container_flags::CONTAINER;
use crate::context::{Context, warn};
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches, Order};
use crate::options::signals;
use crate::output::{Listing, Row, Style};
use crate::text::short_id;
use crate::time;
use serde_json::Value;

mod create;

/// The group.
pub const POD: Command = Command::group(
    "pod",
    "Manage pods: containers that share network, IPC and host name",
    &[
        &create::CREATE,
        &INSPECT,
        &KILL,
        &LOGS,
        &PAUSE,
        &PRUNE,
        &PS,
        &RESTART,
        &RM,
        &START,
        &STATS,
        &STOP,
        &TOP,
        &UNPAUSE,
    ],
);

const fn verb(
    name: &'static str,
    about: &'static str,
    run: fn(&Context, &Matches) -> Result<u8>,
) -> Command {
    Command {
        usage: "[OPTIONS] POD [POD...]",
        arity: Arity::AtLeast(1),
        operands: Completes::Pods,
        ..Command::new(name, about, run)
    }
}

const INSPECT: Command = Command {
    flags: &[INSPECT_FLAGS],
    ..verb("inspect", "Display detailed information on one or more pods", inspect)
};
const KILL: Command = Command {
    flags: &[&[Flag::text("signal", "string", "Signal to send").short('s')]],
    ..verb("kill", "Send a signal to all containers of one or more pods", kill)
};
const LOGS: Command = Command {
    usage: "[OPTIONS] POD",
    arity: Arity::Exactly(1),
    flags: &[LOG_FLAGS],
    ..verb("logs", "Fetch the logs of all containers of a pod", logs)
};
const PAUSE: Command = verb("pause", "Pause all containers of one or more pods", pause);
const UNPAUSE: Command = verb("unpause", "Unpause all containers of one or more pods", unpause);
const START: Command = verb("start", "Start all containers of one or more pods", start);
const STOP: Command = Command {
    flags: &[STOP_FLAGS],
    ..verb("stop", "Stop all containers of one or more pods", stop)
};
const RESTART: Command = Command {
    flags: &[STOP_FLAGS],
    ..verb("restart", "Restart all containers of one or more pods", restart)
};
const RM: Command = Command {
    aliases: &["remove"],
    flags: &[&[Flag::switch("force", "Stop running containers first").short('f')]],
    ..verb("rm", "Remove one or more pods with their containers", rm)
};
const STATS: Command = Command {
    usage: "[OPTIONS] [POD...]",
    arity: Arity::AtLeast(0),
    flags: &[STATS_FLAGS],
    ..verb("stats", "Display what the containers of pods use", stats)
};
const TOP: Command = Command {
    usage: "POD [ps OPTIONS]",
    order: Order::FlagsFirst,
    ..verb("top", "Display the processes of all containers of a pod", top)
};
const PS: Command = Command {
    aliases: &["ls", "list"],
    usage: "[OPTIONS]",
    flags: &[&[FILTER, FORMAT, NO_TRUNC, QUIET]],
    ..Command::new("ps", "List pods", ps)
};
const PRUNE: Command = Command {
    usage: "[OPTIONS]",
    flags: &[&[Flag::switch("force", "Do not prompt for confirmation").short('f')]],
    ..Command::new("prune", "Remove pods without running containers", prune)
};

fn inspect(ctx: &Context, matches: &Matches) -> Result<u8> {
    show(ctx, matches, &[("pod", look_up)], false)
}

/// A pod as podman's `inspect` shows it.
pub fn look_up(ctx: &Context, name: &str, _size: bool) -> Result<Option<Value>> {
    match ctx.containers()?.inspect_pod(name) {
        Ok(value) => Ok(Some(value)),
        Err(teu_containers::Error::NoSuchPod(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn kill(ctx: &Context, matches: &Matches) -> Result<u8> {
    let signal = signals::parse(matches.nonempty("signal").unwrap_or("KILL"))?;
    let containers = ctx.containers()?;
    each(ctx, &matches.operands, |name| {
        containers.kill_pod(name, signal)?;
        Ok(Some(name.to_owned()))
    })
}

fn pause(ctx: &Context, matches: &Matches) -> Result<u8> {
    let containers = ctx.containers()?;
    each(ctx, &matches.operands, |name| {
        containers.pause_pod(name)?;
        Ok(Some(name.to_owned()))
    })
}

fn unpause(ctx: &Context, matches: &Matches) -> Result<u8> {
    let containers = ctx.containers()?;
    each(ctx, &matches.operands, |name| {
        containers.unpause_pod(name)?;
        Ok(Some(name.to_owned()))
    })
}

fn start(ctx: &Context, matches: &Matches) -> Result<u8> {
    let containers = ctx.containers()?;
    each(ctx, &matches.operands, |name| {
        containers.start_pod(name)?;
        Ok(Some(name.to_owned()))
    })
}

fn stop(ctx: &Context, matches: &Matches) -> Result<u8> {
    let (containers, stop) = (ctx.containers()?, manner(matches)?);
    each(ctx, &matches.operands, |name| {
        containers.stop_pod(name, stop)?;
        Ok(Some(name.to_owned()))
    })
}

fn restart(ctx: &Context, matches: &Matches) -> Result<u8> {
    let (containers, stop) = (ctx.containers()?, manner(matches)?);
    each(ctx, &matches.operands, |name| {
        containers.restart_pod(name, stop)?;
        Ok(Some(name.to_owned()))
    })
}

fn rm(ctx: &Context, matches: &Matches) -> Result<u8> {
    let containers = ctx.containers()?;
    let force = matches.switch("force");
    each(ctx, &matches.operands, |name| match containers.remove_pod(name, force) {
        Ok(()) => Ok(Some(name.to_owned())),
        Err(error @ teu_containers::Error::NoSuchPod(_)) if force => {
            crate::context::complain(&error.to_string());
            Ok(None)
        }
        Err(error) => Err(error.into()),
    })
}

fn members(ctx: &Context, pods: &[String]) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for pod in pods {
        ids.extend(ctx.containers()?.find_pod(pod)?.1);
    }
    Ok(ids)
}

fn stats(ctx: &Context, matches: &Matches) -> Result<u8> {
    let mut ids = members(ctx, &matches.operands)?;
    let containers = ctx.containers()?;
    ids.retain(|id| {
        containers
            .find(id)
            .is_ok_and(|found| found.state.status == teu_containers::state::Status::Running)
    });
    super::stats::show(ctx, matches, &ids)
}

fn logs(ctx: &Context, matches: &Matches) -> Result<u8> {
    let containers = ctx.containers()?;
    let options = super::logs::options(matches)?;
    let ids = members(ctx, &matches.operands)?;
    if options.follow && ids.len() > 1 {
        return Err(Failure::new("--follow of a pod with several containers is not supported")
            .hint("follow one of them: teu logs -f CONTAINER"));
    }
    for id in ids {
        let name = containers.find(&id)?.record.name;
        let prefix = format!("{name} ");
        super::logs::print(ctx, &id, &options, matches.switch("timestamps"), &prefix)?;
    }
    Ok(0)
}

fn top(ctx: &Context, matches: &Matches) -> Result<u8> {
    let containers = ctx.containers()?;
    let mut rows: Vec<Vec<String>> = Vec::new();
    for id in members(ctx, &matches.operands[..1])? {
        let Ok(processes) = containers.top(&id, &matches.operands[1..]) else { continue };
        if rows.is_empty() {
            rows.push(processes.titles);
        }
        rows.extend(processes.rows);
    }
    for cell in rows.iter_mut().flatten() {
        *cell = crate::text::plain(cell).into_owned();
    }
    ctx.print(&crate::output::align(&rows))?;
    Ok(0)
}

fn prune(ctx: &Context, matches: &Matches) -> Result<u8> {
    let question = "This will remove all pods without running containers.";
    if !matches.switch("force") && !confirm(question)? {
        return Ok(0);
    }
    let containers = ctx.containers()?;
    let idle = |status: &str| !matches!(status, "Running" | "Degraded" | "Paused");
    let pods: Vec<String> = containers
        .list_pods(&[])?
        .into_iter()
        .filter(|pod| idle(&pod.status))
        .map(|pod| pod.id)
        .collect();
    each(ctx, &pods, |id| {
        containers.remove_pod(id, false)?;
        Ok(Some(id.to_owned()))
    })
}

fn ps(ctx: &Context, matches: &Matches) -> Result<u8> {
    let now = time::now_ns();
    let whole = matches.switch("no-trunc");
    let row = |pod: &teu_containers::list::PodSummary| {
        let names: Vec<&str> = pod.containers.iter().map(|(_, name, _)| name.as_str()).collect();
        Row::new()
            .field("ID", if whole { pod.id.as_str() } else { short_id(&pod.id) })
            .field("Name", pod.name.as_str())
            .field("Status", pod.status.as_str())
            .field("Created", time::ago(pod.created_ns, now))
            .field("CreatedAt", time::listed(pod.created_ns))
            .field("NumberOfContainers", pod.containers.len().to_string())
            .field("ContainerNames", names.join(","))
            .field("Networks", pod.networks.join(","))
            .labels(&pod.labels)
    };
    let listing = Listing {
        heads: &[
            ("ID", "POD ID"),
            ("Name", "NAME"),
            ("Status", "STATUS"),
            ("Created", "CREATED"),
            ("CreatedAt", "CREATED AT"),
            ("NumberOfContainers", "# OF CONTAINERS"),
            ("ContainerNames", "CONTAINERS"),
            ("Networks", "NETWORKS"),
            ("Labels", "LABELS"),
        ],
        shown: &["ID", "Name", "Status", "Created", "NumberOfContainers", "ContainerNames"],
        quiet: "ID",
        rows: ctx.containers()?.list_pods(&filters(matches)?)?.iter().map(row).collect(),
    };
    let (format, quiet) = (matches.nonempty("format"), matches.switch("quiet"));
    ctx.list(&listing, Style { format, quiet, whole, ..Style::default() })?;
    Ok(0)
}

/// Prints what making a pod gave.
fn made(ctx: &Context, id: &str, warnings: &[String]) -> Result<u8> {
    for warning in warnings {
        warn(warning);
    }
    ctx.line(id)?;
    Ok(0)
}

/// The shared flags of containers that are about a pod.
const POD_WIDE: &[Flag] = CONTAINER;
