//! `teu pod rm`, `teu pod prune`.

use super::{ID_FILE, IGNORE, LATEST, all, chosen, podmans, verb};
use crate::commands::{confirm, each};
use crate::context::{Context, complain};
use crate::failure::Result;
use crate::flags::{Command, Flag, Matches};
use teu_containers::Error;
use teu_containers::lifecycle::Stop;

/// `pod rm`.
pub const RM: Command = Command {
    aliases: &["remove"],
    flags: &[&[
        all("Remove all pods"),
        Flag::switch("force", "Stop running containers first").short('f'),
        IGNORE,
        LATEST,
        ID_FILE,
        Flag::integer("time", "Seconds that --force gives containers to end (default 0)")
            .short('t'),
    ]],
    examples: &[("teu pod rm -f -t 5 shop", "stop it within five seconds, then remove it")],
    ..verb("rm", "Remove one or more pods with their containers", rm)
};
/// `pod prune`.
pub const PRUNE: Command = Command {
    usage: "[OPTIONS]",
    flags: &[&[Flag::switch("force", "Do not prompt for confirmation").short('f')]],
    examples: &[("teu pod prune -f", "without asking")],
    ..Command::new("prune", "Remove pods whose containers have all ended", prune)
};

fn rm(ctx: &Context, matches: &Matches) -> Result<u8> {
    let containers = ctx.containers()?;
    let (force, ignore) = (matches.switch("force"), matches.switch("ignore"));
    let patience_s = matches.integer("time").filter(|&seconds| seconds != 0);
    let pods = chosen(ctx, matches, |_| true).map_err(|failure| failure.code(125))?;
    // A pod that is not there is 1 for podman, everything else 125.
    let mut missing = false;
    let done = each(ctx, &pods, |name| {
        let id = containers.find_pod(name).map(|(pod, _)| pod.id);
        if let (true, Some(_)) = (force && id.is_ok(), patience_s) {
            containers.stop_pod(name, Stop { signal: None, timeout_s: patience_s })?;
        }
        match containers.remove_pod(name, force) {
            Ok(()) => Ok(Some(id?)),
            Err(Error::NoSuchPod(_)) if ignore => Ok(None),
            Err(error @ Error::NoSuchPod(_)) if force => {
                complain(&error.to_string());
                Ok(None)
            }
            Err(error) => {
                missing |= matches!(error, Error::NoSuchPod(_));
                Err(error.into())
            }
        }
    });
    if missing { done } else { podmans(done) }
}

fn prune(ctx: &Context, matches: &Matches) -> Result<u8> {
    let question = "This will remove all pods whose containers have all ended.";
    if !matches.switch("force") && !confirm(question)? {
        return Ok(0);
    }
    let containers = ctx.containers()?;
    let pods: Vec<String> = containers
        .list_pods(&[])?
        .into_iter()
        .filter(|pod| pod.status == "Exited")
        .map(|pod| pod.id)
        .collect();
    each(ctx, &pods, |id| {
        containers.remove_pod(id, false)?;
        Ok(Some(id.to_owned()))
    })
}
