//! `teu compose build`: images of services.

use super::progress::mode_of;
use super::{failed, project};
use crate::commands::build::{build_image, printer_of, ssh_agent};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Flag, Matches};
use crate::progress::BuildPrinter;
use std::collections::BTreeSet;
use std::path::PathBuf;
use teu_builder::{
    BuildRequest, ContextSource, DockerfileSource, Entitlement, NamedContext, NetworkMode, Secret,
    SecretSource,
};
use teu_compose::load::paths::is_remote;
use teu_compose::model::{Build, Service};
use teu_compose::project::Project;
use teu_containers::options::{environment, lists};
use teu_oci::Platform;
use teu_oci::platform::ParsePlatformError;

/// The command.
pub const BUILD: Command = Command {
    usage: "[OPTIONS] [SERVICE...]",
    arity: Arity::AtLeast(0),
    flags: &[&[
        Flag::list("build-arg", "Set build-time variables for services"),
        Flag::text("memory", "bytes", "").short('m').hidden(),
        Flag::switch("no-cache", "Do not use cache when building the image"),
        Flag::text("progress", "string", "").hidden(),
        Flag::switch("pull", "Always attempt to pull a newer version of the image").hidden(),
        Flag::switch("push", "Push service images"),
        Flag::switch("quiet", "Suppress the build output").short('q'),
        Flag::text("ssh", "string", "Set SSH authentications used when building service images"),
        Flag::switch("with-dependencies", "Also build dependencies (transitively)"),
    ]],
    examples: &[("teu compose build --build-arg V=2 web", "one service's image")],
    ..Command::new("build", "Build or rebuild services", run)
};

/// How images are built.
#[derive(Debug, Clone, Default)]
pub struct BuildOptions {
    /// `--build-arg`.
    pub args: Vec<(String, String)>,
    /// No step is taken from the cache.
    pub no_cache: bool,
    /// `--ssh`.
    pub ssh: Option<String>,
    /// `--progress`.
    pub progress: Option<String>,
    /// Nothing is shown.
    pub quiet: bool,
    /// `build.platforms` counts: the images are not only for this machine.
    pub all_platforms: bool,
}

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let mut project = project(matches, &matches.operands)?;
    project.select(&matches.operands, matches.switch("with-dependencies")).map_err(failed)?;
    let argument = |text: &str| match text.split_once('=') {
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None => std::env::var(text).ok().map(|value| (text.to_owned(), value)),
    };
    let options = BuildOptions {
        args: matches.list("build-arg").into_iter().filter_map(argument).collect(),
        no_cache: matches.switch("no-cache"),
        ssh: matches.nonempty("ssh").map(str::to_owned),
        progress: mode_of(matches).map(str::to_owned),
        quiet: matches.switch("quiet"),
        all_platforms: true,
    };
    let names: BTreeSet<String> = project.model.services.keys().cloned().collect();
    let built = build_all(ctx, &project, &names, &options)?;
    if built.is_empty() {
        crate::context::warn("No services to build");
    }
    if matches.switch("push") {
        for image in built {
            crate::commands::push::after_build(ctx, &[image.parse()?])?;
        }
    }
    Ok(0)
}

/// Builds what of these services has a build section; those whose image another build starts from
/// come first. Gives the images' names.
pub fn build_all(
    ctx: &Context,
    project: &Project,
    names: &BTreeSet<String>,
    options: &BuildOptions,
) -> Result<Vec<String>> {
    let mut built = Vec::new();
    let mut way = Vec::new();
    let mut done = BTreeSet::new();
    for name in names {
        one(ctx, project, name, options, (&mut way, &mut done, &mut built))?;
    }
    Ok(built)
}

type Progress<'a> = (&'a mut Vec<String>, &'a mut BTreeSet<String>, &'a mut Vec<String>);

fn one(
    ctx: &Context,
    project: &Project,
    name: &str,
    options: &BuildOptions,
    (way, done, built): Progress<'_>,
) -> Result<()> {
    let Some(service) = project.model.services.get(name) else { return Ok(()) };
    let Some(build) = &service.build else { return Ok(()) };
    if done.contains(name) {
        return Ok(());
    }
    if way.iter().any(|other| other == name) {
        return Err(Failure::new(format!("build of {name:?} needs its own image")));
    }
    way.push(name.to_owned());
    for context in build.additional_contexts.values() {
        if let Some(other) = context.strip_prefix("service:") {
            one(ctx, project, other, options, (way, done, built))?;
        }
    }
    way.pop();
    let request = request(project, name, service, build, options)?;
    let image = service.image_name(project.name(), name);
    let mut printer = match options.quiet {
        true => BuildPrinter::Quiet,
        false => printer_of(options.progress.as_deref().unwrap_or("auto"))?,
    };
    build_image(ctx, request, &mut printer)?;
    done.insert(name.to_owned());
    built.push(image);
    Ok(())
}

fn add_hosts(build: &Build) -> Result<Vec<(String, String)>> {
    let mut hosts = Vec::new();
    for text in &build.extra_hosts {
        let host = environment::host(text)?;
        hosts.extend(host.split_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())));
    }
    Ok(hosts)
}

/// All that the build section lists, or what the service runs on: its own platform, or this
/// machine's.
fn platforms(
    service: &Service,
    build: &Build,
    options: &BuildOptions,
) -> std::result::Result<Vec<Platform>, ParsePlatformError> {
    match &service.platform {
        _ if options.all_platforms && !build.platforms.is_empty() => {
            build.platforms.iter().map(|name| name.parse()).collect()
        }
        own => own.iter().map(|name| name.parse()).collect(),
    }
}

/// A service's build section as the builder is asked for it.
fn request(
    project: &Project,
    name: &str,
    service: &Service,
    build: &Build,
    options: &BuildOptions,
) -> Result<BuildRequest> {
    let wrong = |reason: String| Failure::new(format!("service {name:?}: build: {reason}"));
    if is_remote(&build.context) {
        let reason = format!("{:?} is remote, and only local directories are read", build.context);
        return Err(wrong(reason).hint("clone it, and name the directory"));
    }
    let context = PathBuf::from(&build.context);
    if !context.is_dir() {
        return Err(wrong(format!(
            "unable to prepare context: path {:?} not found",
            build.context
        )));
    }
    let dockerfile = match (&build.dockerfile_inline, &build.dockerfile) {
        (Some(text), _) => DockerfileSource::Bytes(text.clone().into_bytes()),
        (None, Some(file)) => DockerfileSource::Path(context.join(file)),
        (None, None) => DockerfileSource::Default,
    };
    let mut tags = vec![service.image_name(project.name(), name).parse()?];
    for tag in &build.tags {
        tags.push(tag.parse()?);
    }
    let mut build_args: Vec<(String, String)> = build
        .args
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
        .collect();
    build_args.extend(options.args.iter().cloned());
    let mut rlimits = Vec::new();
    for (name, limit) in &build.ulimits {
        let soft = limit.soft.or(limit.single).unwrap_or(0);
        let hard = limit.hard.or(limit.single).unwrap_or(soft);
        rlimits.push(lists::ulimit(&format!("{name}={soft}:{hard}"))?);
    }
    let ssh = build.ssh.iter().map(String::as_str).chain(options.ssh.as_deref());
    Ok(BuildRequest {
        context: ContextSource::Directory(context),
        dockerfile,
        target: build.target.clone(),
        build_args,
        secrets: secrets(project, build).map_err(wrong)?,
        ssh: ssh.map(ssh_agent).collect::<Result<_>>()?,
        labels: build.labels.clone(),
        tags,
        platforms: platforms(service, build, options).map_err(|error| wrong(error.to_string()))?,
        build_contexts: contexts(project, build).map_err(wrong)?,
        no_cache: build.no_cache || options.no_cache,
        network: match build.network.as_deref() {
            None | Some("" | "default" | "bridge") => NetworkMode::Default,
            Some("none") => NetworkMode::None,
            Some("host") => NetworkMode::Host,
            Some(other) => return Err(wrong(format!("network {other:?} is not supported"))),
        },
        add_hosts: add_hosts(build)?,
        shm_size_bytes: build.shm_size.as_deref().and_then(|s| s.parse().ok()).unwrap_or(0),
        rlimits,
        entitlements: entitlements(build).map_err(wrong)?,
        ..BuildRequest::default()
    })
}

fn entitlements(build: &Build) -> std::result::Result<Vec<Entitlement>, String> {
    let mut out = Vec::new();
    for text in &build.entitlements {
        out.push(match text.as_str() {
            "network.host" => Entitlement::NetworkHost,
            "security.insecure" => Entitlement::SecurityInsecure,
            other => return Err(format!("unknown entitlement {other:?}")),
        });
    }
    if build.privileged {
        out.push(Entitlement::SecurityInsecure);
    }
    Ok(out)
}

fn secrets(project: &Project, build: &Build) -> std::result::Result<Vec<Secret>, String> {
    let mut out = Vec::new();
    for grant in &build.secrets {
        let Some(object) = project.model.secrets.get(&grant.source) else { continue };
        let source = match (&object.file, &object.environment, &object.content) {
            (Some(file), ..) => SecretSource::File(PathBuf::from(file)),
            (_, Some(variable), _) => {
                let value = project.located.environment.get(variable);
                let value = value.ok_or_else(|| format!("variable {variable} is not set"))?;
                SecretSource::Value(value.clone().into_bytes())
            }
            (.., Some(content)) => SecretSource::Value(content.clone().into_bytes()),
            _ => return Err(format!("secret {:?} has no source here", grant.source)),
        };
        // A build knows a secret by its name, not by a path.
        let named = grant.target.as_deref().filter(|target| !target.starts_with('/'));
        let id = named.unwrap_or(&grant.source).to_owned();
        out.push(Secret { id, source });
    }
    Ok(out)
}

fn contexts(
    project: &Project,
    build: &Build,
) -> std::result::Result<Vec<(String, NamedContext)>, String> {
    let mut out = Vec::new();
    for (name, value) in &build.additional_contexts {
        let context = if let Some(image) = value.strip_prefix("docker-image://") {
            NamedContext::Image(image.to_owned())
        } else if let Some(other) = value.strip_prefix("service:") {
            let service = project.model.services.get(other);
            let service = service.ok_or_else(|| format!("no such service: {other}"))?;
            NamedContext::Image(service.image_name(project.name(), other))
        } else if is_remote(value) {
            return Err(format!("context {name}: {value:?} is remote"));
        } else {
            NamedContext::Directory(PathBuf::from(value))
        };
        out.push((name.clone(), context));
    }
    Ok(out)
}
