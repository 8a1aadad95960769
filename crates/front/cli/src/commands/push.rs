//! `teu push`: an image to a registry.

use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::progress::layers::{Layers, Place, Way};
use crate::registry::{Choices, REGISTRY_FLAGS, client};
use teu_images::remote::Client;
use teu_images::transfer::{PushRequest, Recode, push as send};
use teu_oci::media::Compression;
use teu_oci::{Platform, Reference};

/// The command.
pub const PUSH: Command = Command {
    usage: "[OPTIONS] NAME[:TAG]",
    arity: Arity::Exactly(1),
    flags: &[
        &[
            Flag::switch("all-tags", "Push all tags of an image to the repository").short('a'),
            Flag::switch("disable-content-trust", "").hidden(),
            Flag::text("platform", "string", "Push one image of several"),
            Flag::switch("quiet", "Suppress verbose output").short('q'),
            Flag::text(
                "referrers",
                "bool",
                "Push attestations and signatures along (default true)",
            ),
        ],
        COMPRESSION_FLAGS,
        REGISTRY_FLAGS,
    ],
    operands: Completes::Images,
    examples: &[
        ("teu push localhost:5000/app:1", "layers that were built here go as gzip"),
        ("teu push --compression zstd localhost:5000/app:1", "smaller, and faster to unpack"),
    ],
    ..Command::new("push", "Upload an image to a registry", run)
};

/// How layers are packed.
pub const COMPRESSION_FLAGS: &[Flag] = &[
    Flag::text("compression", "string", "Compression of layers (gzip, estargz, zstd, none)"),
    Flag::text("compression-level", "int", "Level of it (gzip 0-9, zstd 1-22)"),
];

/// Reads [`COMPRESSION_FLAGS`].
pub fn recode(matches: &Matches) -> Result<Recode> {
    let compression = match matches.nonempty("compression") {
        None => None,
        Some("gzip") => Some(Compression::Gzip),
        Some("zstd") => Some(Compression::Zstd),
        Some("none" | "uncompressed") => Some(Compression::None),
        Some("estargz") => None,
        Some(other) => {
            return Err(Failure::new(format!("compression {other:?} is not known"))
                .hint("gzip, estargz, zstd or none"));
        }
    };
    let level = matches.nonempty("compression-level").map(str::parse).transpose()?;
    let estargz = matches.nonempty("compression") == Some("estargz");
    Ok(Recode { dialect: None, compression, level, estargz })
}

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let text = matches.operand(0);
    let name: Reference = text.parse()?;
    if name.digest.is_some() {
        return Err(Failure::new("cannot push a digest reference"));
    }
    let recode = recode(matches)?;
    let client = client(&Choices::of(matches, "")?)?;
    let platform = matches.nonempty("platform").map(str::parse).transpose()?;
    let quiet = matches.switch("quiet");
    let place = if quiet { Place::Quiet } else { Place::Out };
    let names = match matches.switch("all-tags") {
        false => vec![name.clone()],
        true if super::pull::has_tag(text) => {
            return Err(Failure::new("tag can't be used with --all-tags/-a"));
        }
        true => all_names(ctx, &name)?,
    };
    let layers = Layers::new(Way::Push, place);
    layers.say(&format!("The push refers to repository [{}]", name.name()));
    let referrers = crate::options::boolean(matches.nonempty("referrers").unwrap_or("true"));
    let referrers = referrers.ok_or_else(|| Failure::new("--referrers: true or false"))?;
    let how = PushHow { platform: platform.as_ref(), recode, referrers };
    for name in &names {
        push_one(ctx, &client, name, &how, &layers)?;
    }
    if quiet {
        ctx.line(&if names.len() == 1 { name.to_string() } else { name.name() })?;
    }
    Ok(0)
}

/// What is the same for all names.
struct PushHow<'a> {
    platform: Option<&'a Platform>,
    recode: Recode,
    referrers: bool,
}

fn push_one(
    ctx: &Context,
    client: &Client,
    name: &Reference,
    how: &PushHow<'_>,
    layers: &Layers,
) -> Result<()> {
    let PushHow { platform, recode, referrers } = *how;
    let request = PushRequest { name, platform, referrers, recode, progress: layers };
    let pushed = send(ctx.images()?, client, &request);
    layers.finish();
    let pushed = pushed.map_err(|error| match error {
        teu_images::Error::NoSuchImage { .. } => Failure::new(format!(
            "An image does not exist locally with the tag: {}",
            name.familiar_name()
        ))
        .hint("teu images lists what is here; teu tag IMAGE NAME gives it this name"),
        other => other.into(),
    })?;
    let tag = name.tag.as_deref().unwrap_or_default();
    layers.say(&format!("{tag}: digest: {} size: {}", pushed.digest, pushed.size));
    Ok(())
}

/// `build --push`: every tag that the build gave, told on standard error.
pub fn after_build(ctx: &Context, names: &[Reference]) -> Result<()> {
    if names.is_empty() {
        return Err(Failure::new("--push: the image has no name").hint("give it one with -t"));
    }
    let client = client(&Choices::default())?;
    let layers = Layers::new(Way::Push, Place::Err);
    for name in names {
        layers.say(&format!("The push refers to repository [{}]", name.name()));
        let how = PushHow { platform: None, recode: Recode::default(), referrers: true };
        push_one(ctx, &client, name, &how, &layers)?;
    }
    Ok(())
}

fn all_names(ctx: &Context, wanted: &Reference) -> Result<Vec<Reference>> {
    let images = ctx.images()?.list()?;
    let names = images.into_iter().flat_map(|image| image.names);
    let mut names: Vec<Reference> =
        names.filter(|name| name.name() == wanted.name() && name.tag.is_some()).collect();
    names.sort();
    match names.is_empty() {
        true => Err(Failure::new(format!(
            "An image does not exist locally with the tag: {}",
            wanted.familiar_name()
        ))),
        false => Ok(names),
    }
}
