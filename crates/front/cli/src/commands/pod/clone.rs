//! `teu pod clone`: another pod, with containers made as those of one that is there were.
//!
//! What the containers have written stays where it is; volumes are shared, as with podman. Of an
//! address or a MAC that was asked for by number there is only one: the new pod gets its own.

use super::{members, podmans};
use crate::context::{Context, warn};
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use teu_containers::Found;
use teu_containers::create::{CreateRequest, PodChoice, again};
use teu_containers::record::PodRecord;

/// The command.
pub const CLONE: Command = Command {
    usage: "[OPTIONS] POD [NAME]",
    arity: Arity::Between(1, 2),
    flags: &[&[
        Flag::switch("destroy", "Remove the pod that was cloned"),
        Flag::text("name", "string", "Name of the new pod (default POD-clone)").short('n'),
        Flag::switch("start", "Start the new pod's containers"),
    ]],
    operands: Completes::Pods,
    examples: &[("teu pod clone --start shop trial", "a second one beside it")],
    ..Command::new("clone", "Make a pod like another, with the same containers", |ctx, matches| {
        podmans(clone(ctx, matches))
    })
};

fn clone(ctx: &Context, matches: &Matches) -> Result<u8> {
    let containers = ctx.containers()?;
    let (id, found) = members(ctx, matches.operand(0))?;
    let (old, _) = containers.find_pod(&id)?;
    let typed = matches.operands.get(1).map(String::as_str).or_else(|| matches.nonempty("name"));
    let name = match (typed, &old.name) {
        (Some(name), _) => name.to_owned(),
        (None, Some(name)) => format!("{name}-clone"),
        (None, None) => return Err(Failure::new("the new pod needs a name").code(125)),
    };
    let made = containers.create_pod(like(&old, name))?;
    for warning in &made.warnings {
        warn(warning);
    }
    let filled = found.iter().try_for_each(|member| {
        let request = request(ctx, member, &made.pod)?;
        containers.create(request).map(drop).map_err(Failure::from)
    });
    if let Err(failure) = filled {
        containers.remove_pod(&made.pod, true)?;
        return Err(failure);
    }
    if matches.switch("destroy") {
        containers.remove_pod(&id, true)?;
    }
    if matches.switch("start") {
        containers.start_pod(&made.pod)?;
    }
    ctx.line(&made.pod)?;
    Ok(0)
}

fn like(old: &PodRecord, name: String) -> PodRecord {
    let mut pod = PodRecord { id: String::new(), name: Some(name), created_ns: 0, ..old.clone() };
    pod.network.forget_addresses();
    pod
}

fn request(ctx: &Context, member: &Found, pod: &str) -> Result<CreateRequest> {
    let record = &member.record;
    let images = ctx.images()?;
    let id = record.image_id.as_ref().map(ToString::to_string);
    // The image it was made of, whatever has its name now.
    let named = images.resolve(&record.image);
    let image = match id {
        Some(id) if !named.as_ref().is_ok_and(|image| image.id.to_string() == id) => id,
        _ => record.image.clone(),
    };
    let config = images.resolve(&image)?.config.config;
    let mut request = again(record, &member.pod, &config, &image);
    request.name = Some(format!("{}-clone", record.name));
    request.pod = PodChoice::Existing(pod.to_owned());
    Ok(request)
}
