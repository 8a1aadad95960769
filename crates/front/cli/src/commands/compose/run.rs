//! `teu compose run`: a command in a new container of a service, beside those that are there.

use super::images::{ImageOptions, provide};
use super::up::converge;
use super::{failed, project};
use crate::commands::run::keys;
use crate::context::{Context, warn};
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Flag, Matches, Order};
use crate::foreground::{Ended, Manner, hold_signals, stay};
use crate::options::{environment, mounts};
use crate::streams::{Wanted, for_container};
use crate::terminal;
use std::collections::BTreeMap;
use teu_compose::execute::write_content;
use teu_compose::labels;
use teu_compose::model::Service;
use teu_compose::observe;
use teu_compose::plan::{Making, UpOptions};
use teu_compose::project::Project;
use teu_compose::request::{Around, Names, content_files, request};
use teu_containers::create::{CreateRequest, PodChoice};
use teu_containers::lifecycle::{Attach, Remove};
use teu_containers::record::RestartPolicy;

/// The command.
pub const RUN: Command = Command {
    usage: "[OPTIONS] SERVICE [COMMAND] [ARG...]",
    arity: Arity::AtLeast(1),
    order: Order::FlagsFirst,
    flags: &[&[
        Flag::switch("build", "Build image before starting container"),
        Flag::list("cap-add", "Add Linux capabilities"),
        Flag::list("cap-drop", "Drop Linux capabilities"),
        Flag::switch("detach", "Run container in background and print container ID").short('d'),
        Flag::text("detach-keys", "string", "").hidden(),
        Flag::text("entrypoint", "string", "Override the entrypoint of the image"),
        Flag::list("env", "Set environment variables").short('e'),
        Flag::switch("interactive", "Keep STDIN open even if not attached").short('i').hidden(),
        Flag::list("label", "Add or override a label").short('l'),
        Flag::text("name", "string", "Assign a name to the container"),
        Flag::switch("no-TTY", "Disable pseudo-TTY allocation").short('T'),
        Flag::switch("no-deps", "Don't start linked services"),
        Flag::text("pull", "string", "Pull image before running (always|missing|never)"),
        Flag::list("publish", "Publish a container's port(s) to the host").short('p'),
        Flag::switch("quiet", "").short('q').hidden(),
        Flag::switch("quiet-build", "Suppress the build output"),
        Flag::switch("quiet-pull", "Pull without printing progress information"),
        Flag::switch(
            "remove-orphans",
            "Remove containers for services not defined in the Compose file",
        ),
        Flag::switch("rm", "Automatically remove the container when it exits"),
        Flag::switch(
            "service-ports",
            "Run command with all service's ports enabled and mapped to the host",
        )
        .short('P'),
        Flag::switch(
            "use-aliases",
            "Use the service's network useAliases in the network(s) the container connects to",
        ),
        Flag::text("user", "string", "Run as specified username or uid").short('u'),
        Flag::list("volume", "Bind mount a volume").short('v'),
        Flag::text("workdir", "string", "Working directory inside the container").short('w'),
    ]],
    examples: &[("teu compose run --rm web ./manage migrate", "a command beside the service")],
    ..Command::new("run", "Run a one-off command on a service", run)
};

#[derive(Debug)]
struct Present {
    names: BTreeMap<String, Vec<String>>,
}

impl Names for Present {
    fn of(&self, service: &str) -> Vec<String> {
        self.names.get(service).cloned().unwrap_or_default()
    }
}

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let name = matches.operand(0).to_owned();
    let named = std::slice::from_ref(&name);
    let mut whole = project(matches, named)?;
    whole.select(named, true).map_err(failed)?;
    let images = ImageOptions {
        build: matches.switch("build"),
        pull: matches.nonempty("pull").map(str::to_owned),
        quiet_pull: matches.switch("quiet-pull"),
        building: super::build::BuildOptions {
            quiet: matches.switch("quiet-build"),
            ..Default::default()
        },
        ..ImageOptions::default()
    };
    dependencies(ctx, matches, &whole, &name)?;
    let mut alone = whole.clone();
    alone.select(named, false).map_err(failed)?;
    provide(ctx, &alone, &images)?;
    let detached = matches.switch("detach");
    let mut request = oneoff(ctx, matches, &whole, &name)?;
    let tty = request.container.tty && !detached;
    request.container.tty &= !detached || whole.service(&name).map_err(failed)?.tty;
    request.container.stdin_once = !detached;
    let files = content_files(whole.service(&name).map_err(failed)?, &whole)?;
    let auto_remove = request.container.auto_remove;
    let containers = ctx.containers()?;
    let created = containers.create(request)?;
    created.warnings.iter().for_each(|warning| warn(warning));
    let gone = || {
        let _ = containers.remove(&created.id, Remove { force: true, volumes: true });
    };
    if let Err(error) = write_content(containers, &created.id, &files) {
        gone();
        return Err(error.into());
    }
    let wanted = match detached {
        true => Wanted::default(),
        false => Wanted { stdin: true, stdout: true, stderr: !tty },
    };
    let (theirs, ours) = for_container(wanted)?;
    let keys = (wanted.stdin && tty).then(|| keys(matches)).transpose()?;
    let manner = Manner { id: created.id.clone(), terminal: tty, keys, proxy: !tty };
    if !detached {
        hold_signals(&manner)?;
    }
    let theirs = if detached { Attach::default() } else { theirs };
    let session = containers.start(&created.id, theirs).map_err(|error| {
        if auto_remove {
            gone();
        }
        let code = u8::try_from(error.exit_code()).unwrap_or(125);
        Failure::from(error).code(code)
    })?;
    if detached {
        ctx.line(&created.id)?;
        return Ok(0);
    }
    match stay(containers, session, ours, &manner)? {
        Ended::Exited(code) => Ok(u8::try_from(code & 255).unwrap_or(255)),
        Ended::Detached => Ok(0),
    }
}

/// Networks, volumes and everything the service depends on.
fn dependencies(ctx: &Context, matches: &Matches, whole: &Project, name: &str) -> Result<()> {
    let mut others = whole.clone();
    if matches.switch("no-deps") {
        others.select(&[name.to_owned()], false).map_err(failed)?;
    }
    let options = UpOptions {
        recreate: teu_compose::plan::Recreate::Never,
        ignore_orphans: !matches.switch("remove-orphans"),
        remove_orphans: matches.switch("remove-orphans"),
        dormant: Some(name.to_owned()),
        ..UpOptions::default()
    };
    let images = ImageOptions { no_build: false, ..ImageOptions::default() };
    converge(ctx, matches, &others, &images, &options)
}

fn oneoff(ctx: &Context, matches: &Matches, whole: &Project, name: &str) -> Result<CreateRequest> {
    let mut service = whole.service(name).map_err(failed)?.clone();
    let slug = slug()?;
    if !matches.switch("service-ports") {
        service.ports.clear();
    }
    for capability in matches.list("cap-add") {
        service.cap_add.push(capability.to_owned());
    }
    for capability in matches.list("cap-drop") {
        service.cap_drop.push(capability.to_owned());
    }
    // Its own health is nobody's condition.
    service.container_name = None;
    let seen = observe::list(ctx.containers()?, whole.name())?;
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut namespaces = BTreeMap::new();
    for container in seen.iter().filter(|container| !container.oneoff) {
        names.entry(container.service.clone()).or_default().push(container.name.clone());
        namespaces.entry(container.service.clone()).or_insert_with(|| container.id.clone());
    }
    let own = format!("{}-{name}-run-{slug}", whole.name());
    let making = Making {
        service: name.to_owned(),
        number: 1,
        name: matches.nonempty("name").map_or(own, str::to_owned),
        replaces: None,
        renew_volumes: false,
        namespaces: Vec::new(),
    };
    let present = Present { names };
    let around = Around { project: whole, namespaces: &namespaces, containers: &present };
    let mut request = request(&making, &service, around)?;
    request.container.labels.insert(labels::SLUG.to_owned(), slug);
    adjust(matches, &service, &mut request)?;
    let here = std::env::current_dir()?;
    for text in matches.list("volume") {
        let option = mounts::volume(text, &here)?;
        request.container.mounts.retain(|m| m.destination != option.record.destination);
        request.container.mounts.push(option.record);
        request.create_sources.extend(option.create_source);
        request.volumes.extend(option.volume);
    }
    if let PodChoice::Own(pod) = &mut request.pod {
        pod.network.ports.extend(crate::request::published(&matches.list("publish"))?);
        if !matches.switch("use-aliases")
            && let teu_containers::record::NetworkChoice::Networks(endpoints) =
                &mut pod.network.choice
        {
            // The service's names are its own containers'.
            endpoints.iter_mut().for_each(|endpoint| endpoint.aliases.clear());
        }
    }
    Ok(request)
}

/// What the line says instead of the file.
fn adjust(matches: &Matches, service: &Service, request: &mut CreateRequest) -> Result<()> {
    let container = &mut request.container;
    container.labels.insert(labels::ONEOFF.to_owned(), "True".to_owned());
    container.restart = RestartPolicy::No;
    container.auto_remove = matches.switch("rm");
    container.labels.extend(environment::labels(matches.list("label"))?);
    if matches.operands.len() > 1 {
        container.command = matches.operands[1..].to_vec();
    }
    let lookup = |name: &str| std::env::var(name).ok();
    for text in matches.list("env") {
        let variable = environment::variable(text, &lookup)?;
        let same = variable.split('=').next().unwrap_or_default().to_owned() + "=";
        container.env.retain(|other| !other.starts_with(&same));
        container.env.push(variable);
    }
    if let Some(user) = matches.nonempty("user") {
        user.clone_into(&mut container.user);
    }
    if let Some(directory) = matches.nonempty("workdir") {
        directory.clone_into(&mut container.working_dir);
    }
    container.stdin_open = true;
    container.tty = service.tty || terminal::in_is_terminal();
    if matches.switch("no-TTY") || !terminal::in_is_terminal() {
        container.tty = false;
    }
    if let Some(entrypoint) = matches.text("entrypoint") {
        let words = teu_compose::normal::words::split(entrypoint).map_err(Failure::new)?;
        request.entrypoint = Some(words);
        if matches.operands.len() < 2 {
            request.container.command.clear();
        }
    }
    Ok(())
}

/// Twelve hex digits.
fn slug() -> Result<String> {
    let mut bytes = [0u8; 6];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(teu_compose::print::hex(&bytes))
}
