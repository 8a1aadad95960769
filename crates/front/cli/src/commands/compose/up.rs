//! `teu compose up`, `create`, `scale`: from what is there to what the file wants.

use super::attached::{self, Ends};
use super::build::BuildOptions;
use super::images::{ImageOptions, look, provide, to_build};
use super::progress::{Printer, mode_of};
use super::{DRY_RUN, failed, is_dry, parallel, project};
use crate::context::{Context, complain, warn};
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Flag, Matches};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use teu_compose::execute::{Execution, Watcher};
use teu_compose::observe;
use teu_compose::plan::{Plan, Recreate, UpOptions, UpRequest, up as plan};
use teu_compose::project::Project;
use teu_containers::lifecycle::Stop;

const MAKING: &[Flag] = &[
    Flag::switch(
        "always-recreate-deps",
        "Recreate dependent containers. Incompatible with --no-recreate",
    ),
    Flag::switch("build", "Build images before starting containers"),
    DRY_RUN,
    Flag::switch(
        "force-recreate",
        "Recreate containers even if their configuration and image haven't changed",
    ),
    Flag::switch("no-build", "Don't build an image, even if it's policy"),
    Flag::switch("no-recreate", "If containers already exist, don't recreate them"),
    Flag::text("pull", "string", "Pull image before running (always|missing|never|build)"),
    Flag::switch("quiet-build", "Suppress the build output"),
    Flag::switch("quiet-pull", "Pull without printing progress information"),
    Flag::switch(
        "remove-orphans",
        "Remove containers for services not defined in the Compose file",
    ),
    Flag::list("scale", "Scale SERVICE to NUM instances. Overrides the scale setting if present"),
    Flag::switch("yes", "").short('y').hidden(),
];

/// `up`.
pub const UP: Command = Command {
    usage: "[OPTIONS] [SERVICE...]",
    arity: Arity::AtLeast(0),
    flags: &[
        MAKING,
        &[
            Flag::switch("abort-on-container-exit", "Stops all containers if any container was stopped"),
            Flag::switch("abort-on-container-failure", "Stops all containers if any container exited with failure"),
            Flag::list("attach", "Restrict attaching to the specified services"),
            Flag::switch("attach-dependencies", "Attach to log output of dependent services, too"),
            Flag::switch("detach", "Detached mode: run containers in the background").short('d'),
            Flag::text("exit-code-from", "string", "Return the exit code of the selected service container"),
            Flag::switch("menu", "").hidden(),
            Flag::list("no-attach", "Do not attach (stream logs) to the specified services"),
            Flag::switch("no-color", "Produce monochrome output"),
            Flag::switch("no-deps", "Don't start linked services"),
            Flag::switch("no-log-prefix", "Don't print prefix in logs"),
            Flag::switch("no-start", "Don't start the services after creating them"),
            Flag::switch("renew-anon-volumes", "Recreate anonymous volumes instead of retrieving data from the previous containers").short('V'),
            Flag::integer("timeout", "Use this timeout in seconds for container shutdown").short('t'),
            Flag::switch("timestamps", "Show timestamps"),
            Flag::switch("wait", "Wait for services to be running|healthy. Implies detached mode"),
            Flag::integer("wait-timeout", "Maximum duration in seconds to wait for the project to be running|healthy"),
            Flag::switch("watch", "Watch source code and rebuild/refresh containers when files are updated").short('w'),
        ],
    ],
    examples: &[
        ("teu compose up", "everything, with its output, until Ctrl-C"),
        ("teu compose up -d --build --remove-orphans", "after a change"),
        ("teu compose up --exit-code-from tests", "as a test runner does"),
    ],
    ..Command::new("up", "Create and start containers", up)
};

/// `create`.
pub const CREATE: Command = Command {
    usage: "[OPTIONS] [SERVICE...]",
    arity: Arity::AtLeast(0),
    flags: &[MAKING],
    examples: &[("teu compose create", "then: teu compose start")],
    ..Command::new("create", "Creates containers for a service", create)
};

/// `scale`.
pub const SCALE: Command = Command {
    usage: "[SERVICE=REPLICAS...]",
    arity: Arity::AtLeast(1),
    flags: &[&[DRY_RUN, Flag::switch("no-deps", "Don't start linked services")]],
    examples: &[("teu compose scale web=3 worker=2", "three of one, two of the other")],
    ..Command::new("scale", "Scale services", scale)
};

fn replicas(text: &str) -> Result<(String, u32)> {
    let wrong = || {
        Failure::new(format!("invalid scale specifier: {text}")).hint("write it as SERVICE=NUMBER")
    };
    let (name, count) = text.split_once('=').ok_or_else(wrong)?;
    Ok((name.to_owned(), count.parse().map_err(|_| wrong())?))
}

fn image_options(matches: &Matches) -> ImageOptions {
    ImageOptions {
        build: matches.switch("build"),
        no_build: matches.switch("no-build"),
        pull: matches.nonempty("pull").map(str::to_owned),
        quiet_pull: matches.switch("quiet-pull"),
        building: BuildOptions {
            progress: mode_of(matches).map(str::to_owned),
            quiet: matches.switch("quiet-build"),
            ..BuildOptions::default()
        },
    }
}

fn up_options(matches: &Matches) -> Result<UpOptions> {
    let (always, never) = (matches.switch("force-recreate"), matches.switch("no-recreate"));
    if always && never {
        return Err(Failure::new("--force-recreate and --no-recreate are incompatible"));
    }
    if never && matches.switch("always-recreate-deps") {
        return Err(Failure::new("--always-recreate-deps and --no-recreate are incompatible"));
    }
    let variable =
        |name: &str| std::env::var(name).is_ok_and(|v| matches!(v.as_str(), "1" | "true"));
    Ok(UpOptions {
        named: matches.operands.iter().cloned().collect(),
        recreate: match (always, never) {
            (true, _) => Recreate::Always,
            (_, true) => Recreate::Never,
            _ => Recreate::Changed,
        },
        recreate_dependencies: matches.switch("always-recreate-deps"),
        remove_orphans: matches.switch("remove-orphans") || variable("COMPOSE_REMOVE_ORPHANS"),
        ignore_orphans: variable("COMPOSE_IGNORE_ORPHANS"),
        compatibility: matches.outer_text("compatibility") == Some("true")
            || variable("COMPOSE_COMPATIBILITY"),
        ..UpOptions::default()
    })
}

fn scaled(matches: &Matches, project: &mut Project) -> Result<()> {
    for text in matches.list("scale") {
        let (name, count) = replicas(text)?;
        project.scale(&name, count).map_err(failed)?;
    }
    Ok(())
}

/// Plans and carries out; with `--dry-run` only says what would be done.
pub fn converge(
    ctx: &Context,
    matches: &Matches,
    project: &Project,
    images: &ImageOptions,
    options: &UpOptions,
) -> Result<()> {
    let Some(plan) = planned(ctx, matches, project, images, options)? else { return Ok(()) };
    let limit = limit(matches);
    let watcher = Watcher::new(limit)?;
    let printer = Printer::of(matches)?;
    let execution = Execution {
        containers: ctx.containers()?,
        project: Some(project),
        watcher: &watcher,
        stop: stop(matches),
        parallel: parallel(matches),
    };
    watcher.during(ctx.containers()?, || execution.run(&plan, &printer))??;
    Ok(())
}

/// `--wait-timeout`.
fn limit(matches: &Matches) -> Option<Duration> {
    let has = matches.command.all_flags().any(|flag| flag.long == "wait-timeout");
    let seconds = has.then(|| matches.integer("wait-timeout")).flatten();
    seconds.and_then(|s| u64::try_from(s).ok()).filter(|&s| s > 0).map(Duration::from_secs)
}

fn stop(matches: &Matches) -> Stop {
    let has = matches.command.all_flags().any(|flag| flag.long == "timeout");
    Stop { signal: None, timeout_s: has.then(|| matches.integer("timeout")).flatten() }
}

/// The plan, after images are there; `None` when it was only shown.
fn planned(
    ctx: &Context,
    matches: &Matches,
    project: &Project,
    images: &ImageOptions,
    options: &UpOptions,
) -> Result<Option<Plan>> {
    let dry = is_dry(matches);
    if dry {
        for name in to_build(ctx, project, images)? {
            ctx.line(&format!(
                "DRY-RUN MODE -  Image {}  Building",
                project.model.services[&name].image_name(project.name(), &name)
            ))?;
        }
    } else {
        provide(ctx, project, images)?;
    }
    let known = look(ctx, project)?;
    let seen = observe::observe(ctx.containers()?, project.name())?;
    external(project, &seen)?;
    let request =
        UpRequest { project, seen: &seen, images: &known.ids, probes: &known.probes, options };
    let plan = plan(&request);
    plan.warnings.iter().for_each(|warning| warn(warning));
    match dry {
        true => {
            ctx.print(&plan.to_string())?;
            Ok(None)
        }
        false => Ok(Some(plan)),
    }
}

/// What is external must be there already.
fn external(project: &Project, seen: &observe::Seen) -> Result<()> {
    let networks = project.model.networks.values().filter(|network| network.external);
    for network in networks {
        if !seen.networks.contains_key(&network.name) && network.name != "bridge" {
            return Err(Failure::new(format!(
                "network {} declared as external, but could not be found",
                network.name
            ))
            .hint(format!("make it: teu network create {}", network.name)));
        }
    }
    let volumes = project.model.volumes.values().filter(|volume| volume.external);
    for volume in volumes {
        if !seen.volumes.contains_key(&volume.name) {
            return Err(Failure::new(format!("external volume {:?} not found", volume.name))
                .hint(format!("make it: teu volume create {}", volume.name)));
        }
    }
    Ok(())
}

fn up(ctx: &Context, matches: &Matches) -> Result<u8> {
    let exit_code_from = matches.nonempty("exit-code-from").map(str::to_owned);
    let detached = matches.switch("detach") || matches.switch("wait");
    let aborts = matches.switch("abort-on-container-exit") || exit_code_from.is_some();
    if detached && (aborts || matches.switch("abort-on-container-failure")) {
        return Err(Failure::new(
            "--detach, --wait and --abort-on-container-exit, --abort-on-container-failure or --exit-code-from are incompatible",
        ));
    }
    let mut project = project(matches, &matches.operands)?;
    project.select(&matches.operands, !matches.switch("no-deps")).map_err(failed)?;
    scaled(matches, &mut project)?;
    if let Some(name) = &exit_code_from {
        project.service(name).map_err(failed)?;
    }
    let watches = matches.switch("watch");
    if watches {
        if detached {
            return Err(Failure::new("--watch cannot be combined with --detach or --wait"));
        }
        super::watch::check(&project)?;
    }
    let options = UpOptions {
        renew_volumes: matches.switch("renew-anon-volumes"),
        create_only: matches.switch("no-start"),
        wait: matches.switch("wait"),
        ..up_options(matches)?
    };
    let images = image_options(matches);
    if detached || options.create_only || is_dry(matches) {
        converge(ctx, matches, &project, &images, &options)?;
        return Ok(0);
    }
    let Some(plan) = planned(ctx, matches, &project, &images, &options)? else { return Ok(0) };
    let ends = Ends {
        on_exit: aborts,
        on_failure: matches.switch("abort-on-container-failure"),
        code_from: exit_code_from,
        never_idle: watches,
    };
    let view = attached::View::of(matches, &project);
    let afterwards = watches.then(|| watching(ctx, matches, &project));
    let job = attached::Job {
        containers: ctx.containers()?.clone(),
        project: Arc::new(project),
        plan: Arc::new(plan),
        stop: stop(matches),
        parallel: parallel(matches),
        afterwards: Mutex::new(afterwards),
    };
    attached::stay(job, Printer::of(matches)?, &ends, &view)
}

/// `--watch`: what `compose watch` does, beside what is shown.
fn watching(ctx: &Context, matches: &Matches, project: &Project) -> attached::Afterwards {
    let (ctx, matches, project) = (ctx.another(), matches.clone(), project.clone());
    Box::new(move || {
        if let Err(failure) = super::watch::follow(&ctx, &matches, &project) {
            complain(&failure.message);
        }
    })
}

fn create(ctx: &Context, matches: &Matches) -> Result<u8> {
    let mut project = project(matches, &matches.operands)?;
    project.select(&matches.operands, true).map_err(failed)?;
    scaled(matches, &mut project)?;
    let options = UpOptions { create_only: true, ..up_options(matches)? };
    converge(ctx, matches, &project, &image_options(matches), &options)?;
    Ok(0)
}

fn scale(ctx: &Context, matches: &Matches) -> Result<u8> {
    let wanted: Vec<(String, u32)> =
        matches.operands.iter().map(|text| replicas(text)).collect::<Result<_>>()?;
    let names: Vec<String> = wanted.iter().map(|(name, _)| name.clone()).collect();
    let mut project = project(matches, &names)?;
    project.select(&names, !matches.switch("no-deps")).map_err(failed)?;
    for (name, count) in &wanted {
        project.scale(name, *count).map_err(failed)?;
    }
    let named: BTreeSet<String> = names.into_iter().collect();
    let options = UpOptions { named, ignore_orphans: true, ..UpOptions::default() };
    converge(ctx, matches, &project, &ImageOptions::default(), &options)?;
    Ok(0)
}
