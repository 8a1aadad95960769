//! Registries without a local image: `list-tags`, `delete`, `manifest inspect`, and `inspect` of what
//! is elsewhere.

use super::copy::place::Place;
use super::inspect::pretty;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Flag, Matches};
use crate::output::parse;
use crate::registry::{Choices, REGISTRY_FLAGS, client};
use crate::template::Mode;
use serde_json::{Value, json};
use teu_images::remote::{Document, Purpose};
use teu_images::transfer::copy::choose;
use teu_images::transfer::image::{index, manifest, small_blob};
use teu_images::transfer::{RegistrySource, Source};
use teu_oci::image::ImageConfig;
use teu_oci::{Platform, Reference, media};

/// `list-tags`
pub const LIST_TAGS: Command = Command {
    usage: "[OPTIONS] docker://REPOSITORY",
    arity: Arity::Exactly(1),
    flags: &[REGISTRY_FLAGS],
    examples: &[("teu list-tags docker://localhost:5000/app", "as JSON")],
    ..Command::new("list-tags", "List the tags of a repository", list_tags)
};

/// `delete`
pub const DELETE: Command = Command {
    usage: "[OPTIONS] docker://NAME[:TAG|@DIGEST]",
    arity: Arity::Exactly(1),
    flags: &[REGISTRY_FLAGS],
    examples: &[(
        "teu delete docker://localhost:5000/app:1",
        "the manifest, and so every tag that leads to it",
    )],
    ..Command::new("delete", "Delete an image from a registry", delete)
};

/// `manifest`
pub const MANIFEST: Command = Command::group(
    "manifest",
    "Look at manifests in registries",
    &[&Command {
        usage: "[OPTIONS] NAME",
        arity: Arity::Exactly(1),
        flags: &[
            &[
                Flag::switch("verbose", "With the descriptor").short('v'),
                Flag::switch("insecure", "Allow an insecure registry"),
            ],
            REGISTRY_FLAGS,
        ],
        examples: &[("teu manifest inspect localhost:5000/app:1", "")],
        ..Command::new("inspect", "Display the manifest or index of an image", manifest_inspect)
    }],
);

/// Flags of `inspect` for places other than this store.
pub const PLACE_FLAGS: &[Flag] = &[
    Flag::switch("raw", "Of docker://… and other places: the manifest as it is"),
    Flag::switch("config", "Of docker://… and other places: the configuration"),
    Flag::switch("no-tags", "Of docker://…: do not list the tags of the repository").short('n'),
];

/// The repository of `docker://…`; a bare name will do.
fn repository(text: &str) -> Result<Reference> {
    match text.split_once(':') {
        Some(("docker", _)) => match Place::parse(text)? {
            Place::Registry(name) => Ok(name),
            _ => Err(Failure::new(format!("{text:?} is no registry"))),
        },
        _ => Ok(text.parse()?),
    }
}

fn list_tags(ctx: &Context, matches: &Matches) -> Result<u8> {
    let name = repository(matches.operand(0))?;
    let client = client(&Choices::of(matches, "")?)?;
    let tags = client.repository(&name, Purpose::Read)?.tags()?;
    let value = json!({ "Repository": name.name(), "Tags": tags });
    ctx.print(&pretty(&value)?)?;
    Ok(0)
}

fn delete(_: &Context, matches: &Matches) -> Result<u8> {
    let name = repository(matches.operand(0))?;
    let client = client(&Choices::of(matches, "")?)?;
    let repository = client.repository(&name, Purpose::Write)?;
    let digest = match &name.digest {
        Some(digest) => digest.clone(),
        None => {
            let found = repository.head_manifest(&repository.target())?;
            let missing = || Failure::new(format!("manifest for {name} not found"));
            found.ok_or_else(missing)?.digest
        }
    };
    repository.delete_manifest(digest.as_str())?;
    Ok(0)
}

fn manifest_inspect(ctx: &Context, matches: &Matches) -> Result<u8> {
    let name = repository(matches.operand(0))?;
    let mut choices = Choices::of(matches, "")?;
    if matches.switch("insecure") {
        choices.verify = Some(false);
    }
    let root = RegistrySource::new(&client(&choices)?, &name, false).to_look_at().root()?;
    let value: Value = serde_json::from_slice(&root.bytes)?;
    let value = match matches.switch("verbose") {
        false => value,
        true => json!({
            "Ref": name.to_string(),
            "Descriptor": serde_json::to_value(&root.descriptor)?,
            "Raw": value,
        }),
    };
    ctx.print(&pretty(&value)?)?;
    Ok(0)
}

/// Whether an operand of `inspect` is a place other than this store.
pub fn is_place(text: &str) -> bool {
    let transports =
        ["docker://", "oci:", "oci-archive:", "docker-archive:", "dir:", "docker-daemon:"];
    transports.iter().any(|transport| text.starts_with(transport))
}

/// `inspect` of one.
pub fn inspect(ctx: &Context, matches: &Matches) -> Result<u8> {
    let place = Place::parse(matches.operand(0))?;
    let choices = Choices::of(matches, "")?;
    let source: Box<dyn Source + '_> = match &place {
        Place::Registry(name) => {
            Box::new(RegistrySource::new(&client(&choices)?, name, false).to_look_at())
        }
        other => other.source(ctx, &choices, None)?,
    };
    let root = source.root()?;
    if matches.switch("raw") && !matches.switch("config") {
        // The bytes, so that their hash can be taken.
        ctx.print(&String::from_utf8(root.bytes)?)?;
        return Ok(0);
    }
    let document = one(&*source, &root, &place.name())?;
    let manifest = manifest(&document)?;
    let config = small_blob(&*source, &manifest.config, "a configuration")?;
    if matches.switch("config") {
        match matches.switch("raw") {
            true => ctx.print(&String::from_utf8(config)?)?,
            false => ctx.print(&pretty(&serde_json::from_slice(&config)?)?)?,
        }
        return Ok(0);
    }
    let parsed: ImageConfig = serde_json::from_slice(&config).map_err(|e| {
        Failure::new(format!("{} is no image: {e}", place.name())).hint("--raw shows it")
    })?;
    let mut value = json!({
        "Digest": root.descriptor.digest,
        "RepoTags": [],
        "Created": parsed.created,
        "DockerVersion": "",
        "Labels": (!parsed.config.labels.is_empty()).then_some(&parsed.config.labels),
        "Architecture": parsed.architecture,
        "Os": parsed.os,
        "Layers": manifest.layers.iter().map(|layer| layer.digest.to_string()).collect::<Vec<_>>(),
        "LayersData": manifest.layers.iter().map(|layer| json!({
            "MIMEType": layer.media_type, "Digest": layer.digest, "Size": layer.size,
            "Annotations": layer.annotations,
        })).collect::<Vec<_>>(),
        "Env": parsed.config.env,
    });
    if let Place::Registry(name) = &place {
        value["Name"] = name.name().into();
        if !matches.switch("no-tags") {
            let tags = client(&choices)?.repository(name, Purpose::Read)?.tags()?;
            value["RepoTags"] = json!(tags);
        }
    }
    match matches.nonempty("format") {
        None | Some("json") => ctx.print(&pretty(&value)?)?,
        Some(format) => {
            let text = parse(format)?
                .render(&value, None, Mode::Data)
                .map_err(|error| Failure::new(format!("template parsing error: {error}")))?;
            ctx.line(&text)?;
        }
    }
    Ok(0)
}

/// The image for this machine.
fn one(source: &dyn Source, root: &Document, name: &str) -> Result<Document> {
    match media::is_index(&root.descriptor.media_type) {
        false => Ok(root.clone()),
        true => {
            let host = Platform::host();
            let chosen = choose(root, &host, name);
            // Something is better than nothing to look at.
            let chosen =
                chosen.or_else(|error| index(root)?.manifests.first().cloned().ok_or(error));
            Ok(source.document(&chosen?)?)
        }
    }
}
