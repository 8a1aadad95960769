//! `teu pod …`: sandboxes whose containers share network, IPC and host name. Podman's words.

use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use teu_containers::list::PodSummary;
use teu_containers::{Error, Found};

mod clone;
mod create;
mod life;
mod list;
mod logs;
mod remove;
mod usage;

pub use list::look_up;

/// The group.
pub const POD: Command = Command::group(
    "pod",
    "Manage pods: containers that share network, IPC and host name",
    &[
        &clone::CLONE,
        &create::CREATE,
        &super::exists::POD,
        &list::INSPECT,
        &life::KILL,
        &logs::LOGS,
        &life::PAUSE,
        &remove::PRUNE,
        &list::PS,
        &life::RESTART,
        &remove::RM,
        &life::START,
        &usage::STATS,
        &life::STOP,
        &usage::TOP,
        &life::UNPAUSE,
    ],
);

const LATEST: Flag = Flag::switch("latest", "Act on the pod that was made last").short('l');
const IGNORE: Flag = Flag::switch("ignore", "Ignore pods that are missing").short('i');
const ID_FILE: Flag =
    Flag::list("pod-id-file", "Read the pod ID from the file").completes(Completes::Files);

const fn all(help: &'static str) -> Flag {
    Flag::switch("all", help).short('a')
}

const fn verb(
    name: &'static str,
    about: &'static str,
    run: fn(&Context, &Matches) -> Result<u8>,
) -> Command {
    Command {
        usage: "[OPTIONS] POD [POD...]",
        arity: Arity::AtLeast(0),
        operands: Completes::Pods,
        ..Command::new(name, about, run)
    }
}

/// Podman's exit code for whatever went wrong.
fn podmans(done: Result<u8>) -> Result<u8> {
    done.map_err(|failure| match failure.code {
        1 if !failure.broken_pipe => failure.code(125),
        _ => failure,
    })
}

/// Longest file with an id, in bytes.
const ID_FILE_LIMIT_BYTES: u64 = 4096;

/// The pods that the operands and `--all`, `--latest`, `--pod-id-file` name; `fits` says which of
/// all are meant.
fn chosen(
    ctx: &Context,
    matches: &Matches,
    fits: impl Fn(&PodSummary) -> bool,
) -> Result<Vec<String>> {
    let has = |long: &str| matches.command.all_flags().any(|flag| flag.long == long);
    let switched = |long: &str| has(long) && matches.switch(long);
    let files = if has("pod-id-file") { matches.list("pod-id-file") } else { Vec::new() };
    let (all, latest) = (switched("all"), switched("latest"));
    let named = !matches.operands.is_empty() || !files.is_empty();
    if usize::from(all) + usize::from(latest) + usize::from(named) > 1 {
        return Err(usage("pods, --all and --latest exclude each other"));
    }
    if all {
        let pods = ctx.containers()?.list_pods(&[])?;
        return Ok(pods.into_iter().filter(|pod| fits(pod)).map(|pod| pod.id).collect());
    }
    if latest {
        return Ok(vec![newest(ctx)?]);
    }
    let mut names = matches.operands.clone();
    for path in files {
        names.push(id_in(path)?);
    }
    match names.is_empty() {
        true => Err(usage("no pod was named").hint(match has("all") {
            true => "name pods, or give --all or --latest",
            false => "name a pod, or give --latest; teu pod ps shows what there is",
        })),
        false => Ok(names),
    }
}

fn usage(text: &str) -> Failure {
    Failure::new(text).code(125)
}

fn newest(ctx: &Context) -> Result<String> {
    let pods = ctx.containers()?.list_pods(&[])?;
    let newest = pods.into_iter().max_by_key(|pod| pod.created_ns);
    newest.map(|pod| pod.id).ok_or_else(|| usage("there are no pods"))
}

fn id_in(path: &str) -> Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(ID_FILE_LIMIT_BYTES).read_to_string(&mut text));
    read.map_err(|error| usage(&format!("cannot read the pod ID file {path}: {error}")))?;
    Ok(text.trim().to_owned())
}

/// A pod that a person made, with its containers as they were made.
fn members(ctx: &Context, name: &str) -> Result<(String, Vec<Found>)> {
    let containers = ctx.containers()?;
    let (pod, ids) = containers.find_pod(name)?;
    if pod.implicit {
        return Err(Error::NoSuchPod(name.to_owned()).into());
    }
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        match containers.find(&id) {
            Ok(member) => found.push(member),
            // Removed meanwhile.
            Err(Error::NoSuchContainer(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    found.sort_by_key(|member| member.record.created_ns);
    Ok((pod.id, found))
}

fn runs(pod: &PodSummary) -> bool {
    matches!(pod.status.as_str(), "Running" | "Degraded")
}
