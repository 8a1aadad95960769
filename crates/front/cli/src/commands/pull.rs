//! `teu pull`, and what `run`, `create` and `build` do about an image that is not here.

use super::lazy;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::progress::layers::{Layers, Place, Way};
use crate::registry::{Choices, REGISTRY_FLAGS, client};
use teu_images::remote::{Client, Purpose};
use teu_images::transfer::{PullRequest, Pulled, Selection, pull as fetch};
use teu_images::{Image, Readiness};
use teu_oci::{Platform, Reference};

/// The command.
pub const PULL: Command = Command {
    usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
    arity: Arity::Exactly(1),
    flags: &[
        &[
            Flag::switch("all-tags", "Download all tagged images in the repository").short('a'),
            Flag::switch("all-platforms", "Download the image for every platform it exists for"),
            Flag::switch("allow-foreign-layers", "Fetch layers from the URLs an image names"),
            Flag::switch("disable-content-trust", "").hidden(),
            Flag::switch("lazy", "Return when the image can be used, and fetch the rest behind it"),
            Flag::text("platform", "string", "Set platform if the image has several"),
            Flag::switch("quiet", "Suppress verbose output").short('q'),
        ],
        REGISTRY_FLAGS,
    ],
    operands: Completes::Images,
    examples: &[
        ("teu pull localhost:5000/app:1", "from a registry of this machine"),
        ("teu pull --platform linux/arm64 debian", "for another machine"),
        ("teu pull --lazy localhost:5000/app:1", "usable at once, if its layers are eStargz"),
    ],
    ..Command::new("pull", "Download an image from a registry", run)
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let choices = Choices::of(matches, "")?;
    let client = client(&choices)?;
    let text = matches.operand(0);
    let mut name: Reference = text.parse()?;
    let quiet = matches.switch("quiet");
    let selection = match (matches.switch("all-platforms"), matches.nonempty("platform")) {
        (true, _) => Selection::All,
        (false, Some(platform)) => Selection::One(platform.parse()?),
        (false, None) => Selection::One(Platform::host()),
    };
    let foreign = matches.switch("allow-foreign-layers");
    let place = if quiet { Place::Quiet } else { Place::Out };
    if !matches.switch("all-tags") {
        if !quiet && !text.contains('@') && name.digest.is_none() && !has_tag(text) {
            ctx.line(&format!("Using default tag: {}", teu_oci::reference::DEFAULT_TAG))?;
        }
        let lazily =
            if matches.given("lazy") { matches.switch("lazy") } else { client.is_lazy(&name) };
        let pulled = match &selection {
            Selection::One(platform) if lazily => {
                pull_lazily(ctx, &name, (platform, &choices), place)?
            }
            _ => false,
        };
        if !pulled {
            pull_one(ctx, &client, &name, &selection, (foreign, place))?;
        }
        ctx.line(&if quiet { name.familiar() } else { name.to_string() })?;
        return Ok(0);
    }
    if has_tag(text) || name.digest.is_some() {
        return Err(Failure::new("tag can't be used with --all-tags/-a"));
    }
    for tag in client.repository(&name, Purpose::Read)?.tags()? {
        if !Reference::is_tag(&tag) {
            return Err(Failure::new(format!("the registry lists {tag:?}, which is no tag")));
        }
        name = name.with_tag(&tag);
        pull_one(ctx, &client, &name, &selection, (foreign, place))?;
    }
    ctx.line(&if quiet { name.familiar_name() } else { name.name() })?;
    Ok(0)
}

/// Whether a person gave a tag.
pub fn has_tag(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(_, tag)| !tag.contains('/'))
}

fn pull_one(
    ctx: &Context,
    client: &Client,
    name: &Reference,
    selection: &Selection,
    (allows_foreign, place): (bool, Place),
) -> Result<Pulled> {
    let layers = Layers::new(Way::Pull, place);
    let shown = match (&name.tag, &name.digest) {
        (_, Some(digest)) => digest.to_string(),
        (tag, None) => tag.clone().unwrap_or_default(),
    };
    layers.announce(format!("{shown}: Pulling from {}", name.repository));
    let request =
        PullRequest { name, selection: selection.clone(), allows_foreign, progress: &layers };
    let pulled = fetch(ctx.images()?, client, &request);
    layers.finish();
    let pulled = pulled?;
    layers.say(&format!("Digest: {}", pulled.descriptor.digest));
    layers.say(&match pulled.was_there {
        true => format!("Status: Image is up to date for {}", name.familiar()),
        false => format!("Status: Downloaded newer image for {}", name.familiar()),
    });
    Ok(pulled)
}

/// Fetches what a name leads to, for this machine, without a word.
pub fn fetch_quietly(ctx: &Context, client: &Client, name: &Reference) -> Result<()> {
    let selection = Selection::One(Platform::host());
    pull_one(ctx, client, name, &selection, (false, Place::Quiet)).map(drop)
}

/// Makes an image usable before it is here; `false` where that cannot be, which is said.
fn pull_lazily(
    ctx: &Context,
    name: &Reference,
    (platform, choices): (&Platform, &Choices),
    place: Place,
) -> Result<bool> {
    let layers = Layers::new(Way::Pull, place);
    match lazy::start(ctx, name, platform, choices)? {
        lazy::Started::Ready(digest) => {
            layers.say(&format!("Digest: {digest}"));
            layers.say(&format!("Status: {} can be used, the rest of it comes", name.familiar()));
            Ok(true)
        }
        lazy::Started::Not(reason) => {
            layers.say(&format!("Not lazily: {reason}"));
            Ok(false)
        }
    }
}

/// When an image is pulled that something needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Every time.
    Always,
    /// If it is not here.
    Missing,
    /// If it is not here, and it is used before all of it has come.
    Lazy,
    /// An image that is not here is an error.
    Never,
}

impl When {
    /// `--pull` of `run` and `create`.
    pub fn parse(text: Option<&str>) -> Result<Self> {
        match text {
            None | Some("missing") => Ok(Self::Missing),
            Some("lazy") => Ok(Self::Lazy),
            Some("always") => Ok(Self::Always),
            Some("never") => Ok(Self::Never),
            Some(other) => Err(Failure::new(format!(
                "invalid pull option: '{other}': must be one of \"always\", \"missing\", \"lazy\" or \"never\""
            ))
            .code(125)),
        }
    }
}

/// Makes sure that an image is here, for a platform; says on standard error what it does, and in
/// its answer whether it did anything.
pub fn ensure(
    ctx: &Context,
    name: &str,
    platform: Option<&Platform>,
    (when, quiet): (When, bool),
) -> Result<bool> {
    let found = ctx.images()?.resolve_platform(name, platform);
    let other = match (when, found) {
        (When::Always, _) => None,
        // One whose lazy pull has ended badly is pulled as if it were not here.
        (When::Missing | When::Lazy, Ok(image)) if is_broken(ctx, &image)? => None,
        (_, Ok(_)) => return Ok(false),
        (When::Missing | When::Lazy, Err(error)) if is_absent(&error) => Some(error),
        (_, Err(error)) => return Err(not_here(name, error)),
    };
    // An id names nothing elsewhere.
    let Ok(reference) = name.parse::<Reference>() else {
        return match ctx.images()?.resolve_platform(name, platform) {
            Ok(_) => Ok(false),
            Err(error) => Err(not_here(name, error)),
        };
    };
    let place = if quiet { Place::Quiet } else { Place::Err };
    let layers = Layers::new(Way::Pull, place);
    let is_other = matches!(other, Some(teu_images::Error::NoPlatform { .. }));
    if other.is_some() && !is_other {
        layers.say(&format!("Unable to find image '{}' locally", reference.familiar()));
    }
    let host = Platform::host();
    let platform = platform.unwrap_or(&host);
    let selection = Selection::One(platform.clone());
    let choices = Choices::default();
    let client = client(&choices)?;
    // What has failed once is done the other way.
    let lazily = (when == When::Lazy || client.is_lazy(&reference)) && !has_failed(ctx, name);
    let pulled = match lazily {
        true => pull_lazily(ctx, &reference, (platform, &choices), place),
        false => Ok(false),
    };
    let pulled = match pulled {
        Ok(false) => pull_one(ctx, &client, &reference, &selection, (false, place)).map(drop),
        other => other.map(drop),
    };
    pulled.map_err(|failure| match other.filter(|_| is_other) {
        Some(error) => Failure { message: format!("{error}; {failure}"), ..failure }.code(125),
        None => near(ctx, name, failure).code(125),
    })?;
    Ok(true)
}

/// Whether the last lazy pull of an image left a word of why it failed.
fn has_failed(ctx: &Context, name: &str) -> bool {
    let failure = ctx.images().ok().and_then(|images| {
        let image = images.resolve(name).ok()?;
        images.lazy_failure(&image)
    });
    failure.is_some()
}

/// Layers are missing, and nobody fetches them.
fn is_broken(ctx: &Context, image: &Image) -> Result<bool> {
    if ctx.images()?.readiness(image) != Readiness::Broken {
        return Ok(false);
    }
    if let Some(reason) = ctx.images()?.lazy_failure(image) {
        crate::context::warn(&format!("the lazy pull of {} failed: {reason}", image.label()));
    }
    Ok(true)
}

fn is_absent(error: &teu_images::Error) -> bool {
    use teu_images::Error;
    matches!(error, Error::NoSuchImage { .. } | Error::NoPlatform { .. } | Error::Missing { .. })
}

fn not_here(name: &str, error: teu_images::Error) -> Failure {
    match error {
        teu_images::Error::NoSuchImage { near, .. } => missing(name, near.as_deref()),
        other => Failure::from(other).code(125),
    }
}

/// A name that is nearly that of an image that is here was perhaps a slip.
fn near(ctx: &Context, name: &str, failure: Failure) -> Failure {
    let found = ctx.images().map(|images| images.resolve(name));
    match found {
        Ok(Err(teu_images::Error::NoSuchImage { near: Some(near), .. })) => {
            failure.hint(format!("did you mean {near}? teu images lists what is here"))
        }
        _ => failure,
    }
}

/// The image is not here, and nobody asked to fetch it.
pub fn missing(name: &str, near: Option<&str>) -> Failure {
    let shown = match name.parse::<Reference>() {
        Ok(reference) => reference.familiar(),
        Err(_) => name.to_owned(),
    };
    let near = near.map(|near| format!("did you mean {near}? ")).unwrap_or_default();
    Failure::new(format!("Unable to find image '{shown}' locally"))
        .hint(format!("{near}teu pull {shown} fetches it; teu images lists what is here"))
        .code(125)
}
