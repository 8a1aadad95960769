//! Images of services: made sure of before containers are made, listed, pulled, pushed.

use super::build::{BuildOptions, build_all};
use super::{Scope, failed, project};
use crate::commands::pull::{When, ensure};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Flag, Matches};
use crate::output::{Listing, Row, Style};
use crate::text::short_id;
use crate::units::human_size;
use std::collections::{BTreeMap, BTreeSet};
use teu_compose::model::Service;
use teu_compose::project::Project;
use teu_oci::Platform;

/// `images`.
pub const IMAGES: Command = Command {
    usage: "[OPTIONS] [SERVICE...]",
    arity: Arity::AtLeast(0),
    flags: &[&[crate::commands::FORMAT, crate::commands::QUIET]],
    examples: &[("teu compose images", "which image runs where")],
    ..Command::new("images", "List images used by the created containers", list)
};

/// `pull`.
pub const PULL: Command = Command {
    usage: "[OPTIONS] [SERVICE...]",
    arity: Arity::AtLeast(0),
    flags: &[&[
        Flag::switch("ignore-buildable", "Ignore images that can be built"),
        Flag::switch(
            "ignore-pull-failures",
            "Pull what it can and ignores images with pull failures",
        ),
        Flag::switch("include-deps", "Also pull services declared as dependencies"),
        Flag::text("policy", "string", "Apply pull policy (missing|always)"),
        Flag::switch("quiet", "Pull without printing progress information").short('q'),
    ]],
    examples: &[("teu compose pull --ignore-buildable", "all that is not built here")],
    ..Command::new("pull", "Pull service images", pull)
};

/// `push`.
pub const PUSH: Command = Command {
    usage: "[OPTIONS] [SERVICE...]",
    arity: Arity::AtLeast(0),
    flags: &[&[
        Flag::switch(
            "ignore-push-failures",
            "Push what it can and ignores images with push failures",
        ),
        Flag::switch("include-deps", "Also push images of services declared as dependencies"),
        Flag::switch("quiet", "").short('q').hidden(),
    ]],
    examples: &[("teu compose push web", "")],
    ..Command::new("push", "Push service images", push)
};

/// What is done about images that are not here.
#[derive(Debug, Clone, Default)]
pub struct ImageOptions {
    /// `--build`: built in any case.
    pub build: bool,
    /// `--no-build`: never built.
    pub no_build: bool,
    /// `--pull`.
    pub pull: Option<String>,
    /// Pulls show nothing.
    pub quiet_pull: bool,
    /// How builds go.
    pub building: BuildOptions,
}

/// The images of a project's services.
#[derive(Debug, Clone, Default)]
pub struct Images {
    /// Their ids, by service.
    pub ids: BTreeMap<String, String>,
    /// Services whose image brings a probe along.
    pub probes: BTreeSet<String>,
}

fn is_here(ctx: &Context, image: &str) -> Result<bool> {
    match ctx.images()?.resolve(image) {
        Ok(_) => Ok(true),
        Err(teu_images::Error::NoSuchImage { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Services that are built now.
pub fn to_build(
    ctx: &Context,
    project: &Project,
    options: &ImageOptions,
) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for (name, service) in &project.model.services {
        if service.build.is_none() || options.no_build {
            continue;
        }
        let policy = service.pull_policy.as_deref() == Some("build");
        if options.build || policy || !is_here(ctx, &service.image_name(project.name(), name))? {
            names.insert(name.clone());
        }
    }
    Ok(names)
}

/// Builds and pulls what is wanted and not here.
pub fn provide(ctx: &Context, project: &Project, options: &ImageOptions) -> Result<()> {
    let build = to_build(ctx, project, options)?;
    let mut pulled = BTreeSet::new();
    for (name, service) in &project.model.services {
        if build.contains(name) || service.provider.is_some() {
            continue;
        }
        let image = service.image_name(project.name(), name);
        if pulled.insert(image.clone()) {
            provide_one(ctx, service, &image, options)
                .map_err(|failure| Failure { code: 1, ..failure })?;
        }
    }
    build_all(ctx, project, &build, &options.building)?;
    Ok(())
}

fn provide_one(
    ctx: &Context,
    service: &Service,
    image: &str,
    options: &ImageOptions,
) -> Result<()> {
    let policy = options.pull.as_deref().filter(|policy| *policy != "policy");
    let policy = policy.or(service.pull_policy.as_deref()).unwrap_or("missing");
    let when = match policy {
        "always" if service.build.is_none() => When::Always,
        "never" | "build" => When::Never,
        "always" | "missing" | "if_not_present" => When::Missing,
        // An image of this age is not known: nothing says when it was pulled last.
        text if ["daily", "weekly", "refresh"].contains(&text) || text.starts_with("every_") => {
            When::Always
        }
        other => {
            return Err(Failure::new(format!("invalid pull policy {other:?}"))
                .hint("always, missing, never, build, daily, weekly or every_DURATION"));
        }
    };
    if when != When::Always && is_here(ctx, image)? {
        return Ok(());
    }
    let platform = service.platform.as_deref().map(str::parse::<Platform>).transpose()?;
    ensure(ctx, image, platform.as_ref(), (when, options.quiet_pull))?;
    Ok(())
}

/// Ids and probes of the images that are here.
pub fn look(ctx: &Context, project: &Project) -> Result<Images> {
    let mut images = Images::default();
    for (name, service) in &project.model.services {
        match ctx.images()?.resolve(&service.image_name(project.name(), name)) {
            Ok(image) => {
                images.ids.insert(name.clone(), image.id.to_string());
                let probe = image.config.config.healthcheck.as_ref();
                if probe.is_some_and(|p| p.test.first().is_some_and(|word| word != "NONE")) {
                    images.probes.insert(name.clone());
                }
            }
            Err(teu_images::Error::NoSuchImage { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(images)
}

fn selected(matches: &Matches) -> Result<Project> {
    let mut project = project(matches, &matches.operands)?;
    project.select(&matches.operands, matches.switch("include-deps")).map_err(failed)?;
    Ok(project)
}

fn pull(ctx: &Context, matches: &Matches) -> Result<u8> {
    let project = selected(matches)?;
    let missing_only = matches.nonempty("policy") == Some("missing");
    let mut done = BTreeSet::new();
    for (name, service) in &project.model.services {
        let Some(image) = &service.image else { continue };
        let skip = service.build.is_some() && matches.switch("ignore-buildable")
            || service.pull_policy.as_deref() == Some("never");
        if skip || !done.insert(image.clone()) || (missing_only && is_here(ctx, image)?) {
            continue;
        }
        let platform = service.platform.as_deref().map(str::parse::<Platform>).transpose()?;
        let quiet = matches.switch("quiet");
        if let Err(failure) = ensure(ctx, image, platform.as_ref(), (When::Always, quiet)) {
            // What can be built need not be in a registry.
            if service.build.is_none() && !matches.switch("ignore-pull-failures") {
                return Err(Failure { code: 1, ..failure });
            }
            crate::context::warn(&format!("{name}: {}", failure.message));
        }
    }
    Ok(0)
}

fn push(ctx: &Context, matches: &Matches) -> Result<u8> {
    let project = selected(matches)?;
    let mut done = BTreeSet::new();
    for (name, service) in &project.model.services {
        let Some(image) = service.image.as_ref().filter(|_| service.build.is_some()) else {
            continue;
        };
        if !done.insert(image.clone()) {
            continue;
        }
        if let Err(failure) = crate::commands::push::after_build(ctx, &[image.parse()?]) {
            if !matches.switch("ignore-push-failures") {
                return Err(failure);
            }
            crate::context::warn(&format!("{name}: {}", failure.message));
        }
    }
    Ok(0)
}

const HEADS: &[(&str, &str)] = &[
    ("ContainerName", "CONTAINER"),
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("ID", "IMAGE ID"),
    ("Size", "SIZE"),
];
const SHOWN: &[&str] = &["ContainerName", "Repository", "Tag", "ID", "Size"];

fn list(ctx: &Context, matches: &Matches) -> Result<u8> {
    let scope = Scope::of(ctx, matches)?;
    let mut rows = Vec::new();
    for container in scope.services(&matches.operands)? {
        let id = container.image_id.clone().unwrap_or_default();
        let image = ctx.images()?.resolve(&id).ok();
        let named: Option<teu_oci::Reference> = container.image.parse().ok();
        let (repository, tag) = match &named {
            Some(name) => (name.familiar_name(), name.tag.clone().unwrap_or_default()),
            None => (container.image.clone(), String::new()),
        };
        let size = image.map_or(0, |image| image.size_bytes);
        rows.push(
            Row::new()
                .field("ContainerName", container.name.as_str())
                .field("Repository", repository)
                .field("Tag", tag)
                .field("ID", short_id(id.trim_start_matches("sha256:")))
                .field("Size", human_size(size, 4)),
        );
    }
    let listing = Listing { heads: HEADS, shown: SHOWN, quiet: "ID", rows };
    let (format, quiet) = (matches.nonempty("format"), matches.switch("quiet"));
    ctx.list(&listing, Style { format, quiet, ..Style::default() })?;
    Ok(0)
}
