//! `teu image …`: images under their management name, `inspect` and `prune`.

use super::container::{PRUNE_FLAGS, report};
use super::inspect::{INSPECT_FLAGS, show};
use super::{confirm, filters};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::time;
use serde_json::{Value, json};
use teu_images::{Artifact, Image, PruneFilter};

/// The group.
pub const IMAGE: Command = Command::group(
    "image",
    "Manage images",
    &[
        &super::build::BUILD,
        &super::exists::IMAGE,
        &super::history::HISTORY,
        &super::import::IMPORT,
        &INSPECT,
        &super::load::LOAD,
        &super::images::LS,
        &PRUNE,
        &super::pull::PULL,
        &super::push::PUSH,
        &super::referrers::REFERRERS,
        &super::rmi::RM,
        &super::save::SAVE,
        &super::tag::TAG,
    ],
);

const INSPECT: Command = Command {
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    arity: Arity::AtLeast(1),
    flags: &[
        INSPECT_FLAGS,
        &[Flag::text("platform", "string", "Inspect a specific platform of the image")],
    ],
    operands: Completes::Images,
    examples: &[("teu image inspect -f '{{.Config.Cmd}}' nginx", "one field")],
    ..Command::new("inspect", "Display detailed information on one or more images", inspect)
};

const PRUNE: Command = Command {
    usage: "[OPTIONS]",
    flags: &[
        PRUNE_FLAGS,
        &[Flag::switch("all", "Remove all unused images, not just dangling ones").short('a')],
    ],
    examples: &[("teu image prune -a -f", "all that no container has")],
    ..Command::new("prune", "Remove unused images", prune)
};

fn inspect(ctx: &Context, matches: &Matches) -> Result<u8> {
    if let Some(platform) = matches.nonempty("platform") {
        let platform = platform.parse()?;
        for name in &matches.operands {
            // An image that is not for it is an error, not another image.
            ctx.images()?.resolve_platform(name, Some(&platform))?;
        }
    }
    show(ctx, matches, &[("image", look_up)], false)
}

/// An image as Docker's `inspect` shows it.
pub fn look_up(ctx: &Context, name: &str, _size: bool) -> Result<Option<Value>> {
    if let Ok(Some(artifact)) = ctx.images()?.artifact(name) {
        return Ok(Some(of_artifact(&artifact)?));
    }
    match ctx.images()?.resolve(name) {
        Ok(image) => Ok(Some(document(ctx, &image)?)),
        Err(
            teu_images::Error::NoSuchImage { .. }
            | teu_images::Error::Reference(_)
            | teu_images::Error::Digest(_),
        ) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What is no image has a manifest and nothing else to show.
fn of_artifact(artifact: &Artifact) -> Result<Value> {
    let tags: Vec<String> = artifact.names.iter().map(teu_oci::Reference::familiar).collect();
    Ok(json!({
        "Id": artifact.descriptor.digest,
        "RepoTags": tags,
        "ArtifactType": artifact.kind(),
        "Size": artifact.size_bytes(),
        "Descriptor": serde_json::to_value(&artifact.descriptor)?,
        "Manifest": serde_json::to_value(&artifact.manifest)?,
    }))
}

fn document(ctx: &Context, image: &Image) -> Result<Value> {
    let config = &image.config;
    let tags: Vec<String> =
        image.names.iter().filter(|n| n.tag.is_some()).map(teu_oci::Reference::familiar).collect();
    let digests = ctx.images()?.published()?.repo_digests(image);
    let chain = ctx.images()?.chain_now(image).map(|chain| chain.lower).unwrap_or_default();
    let layers: Vec<String> = chain.iter().map(|path| path.display().to_string()).collect();
    Ok(json!({
        "Id": image.id,
        "RepoTags": tags,
        "RepoDigests": digests,
        "Parent": "",
        "Comment": config.history.last().and_then(|h| h.comment.clone()).unwrap_or_default(),
        "Created": config.created,
        "DockerVersion": "",
        "Author": config.author.clone().unwrap_or_default(),
        "Config": serde_json::to_value(&config.config)?,
        "Architecture": config.architecture,
        "Variant": config.variant.clone().unwrap_or_default(),
        "Os": config.os,
        "Size": image.size_bytes,
        "GraphDriver": {
            "Data": { "LowerDir": layers.join(":") },
            "Name": "overlay2",
        },
        "RootFS": { "Type": "layers", "Layers": config.rootfs.diff_ids },
        "Metadata": { "LastTagTime": "0001-01-01T00:00:00Z" },
        "Descriptor": serde_json::to_value(&image.descriptor)?,
        "Referrers": serde_json::to_value(ctx.images()?.attached(&image.manifest_digest)?)?,
    }))
}

/// `--filter` of `image prune` and `system prune`.
pub fn prune_filter(filters: &[(String, String)], all: bool) -> Result<PruneFilter> {
    let mut filter = PruneFilter { all, ..PruneFilter::default() };
    let label = |text: &str| match text.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (text.to_owned(), None),
    };
    for (key, value) in filters {
        match key.as_str() {
            "until" => {
                let ns = time::instant(value, time::now_ns())?;
                filter.until = Some(ns.div_euclid(1_000_000_000));
            }
            "label" => filter.labels.push(label(value)),
            "label!" => filter.without_labels.push(label(value)),
            "dangling" => filter.all = crate::options::boolean(value) == Some(false),
            other => {
                return Err(Failure::new(format!("invalid filter '{other}'"))
                    .hint("until, label, label! and dangling are known"));
            }
        }
    }
    Ok(filter)
}

fn prune(ctx: &Context, matches: &Matches) -> Result<u8> {
    let filter = prune_filter(&filters(matches)?, matches.switch("all"))?;
    let question = match filter.all {
        true => "This will remove all images without at least one container associated to them.",
        false => "This will remove all dangling images.",
    };
    if !matches.switch("force") && !confirm(question)? {
        return Ok(0);
    }
    let in_use = ctx.containers()?.images_in_use()?;
    let pruned = ctx.images()?.prune(&filter, &in_use)?;
    let lines: Vec<String> =
        super::rmi::lines(&pruned.removed).iter().map(|line| line.to_lowercase()).collect();
    ctx.print(&report("Deleted Images", &lines, pruned.freed_bytes))?;
    Ok(0)
}
