//! `teu compose down`: everything of a project goes.

use super::progress::Printer;
use super::{DRY_RUN, Scope, is_dry, parallel};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use std::collections::BTreeSet;
use teu_compose::execute::{Execution, Watcher};
use teu_compose::observe;
use teu_compose::plan::{DownOptions, Plan, RemoveImages, down as plan};
use teu_containers::lifecycle::Stop;

/// The command.
pub const DOWN: Command = Command {
    usage: "[OPTIONS] [SERVICE...]",
    arity: Arity::AtLeast(0),
    flags: &[&[
        DRY_RUN,
        Flag::switch(
            "remove-orphans",
            "Remove containers for services not defined in the Compose file",
        ),
        Flag::text("rmi", "string", "Remove images used by services (local|all)")
            .completes(Completes::Words(&["local", "all"])),
        Flag::integer("timeout", "Specify a shutdown timeout in seconds").short('t'),
        Flag::switch("volumes", "Remove named and anonymous volumes").short('v'),
    ]],
    examples: &[("teu compose down -v --rmi local", "nothing is left")],
    ..Command::new("down", "Stop and remove containers, networks", run)
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let scope = Scope::of(ctx, matches)?;
    let images = match matches.nonempty("rmi") {
        None => RemoveImages::Keep,
        Some("local") => RemoveImages::Local,
        Some("all") => RemoveImages::All,
        Some(other) => {
            return Err(
                Failure::new(format!("invalid value for --rmi: {other:?}")).hint("local or all")
            );
        }
    };
    scope.services(&matches.operands)?;
    let seen = observe::observe(ctx.containers()?, &scope.name)?;
    let model = scope.project.as_ref().map(|project| &project.model);
    let options = DownOptions {
        volumes: matches.switch("volumes"),
        orphans: matches.switch("remove-orphans"),
        services: model.map(|model| model.services.keys().cloned().collect()),
        only: matches.operands.iter().cloned().collect(),
        images: image_names(&scope, images),
        external: model
            .into_iter()
            .flat_map(|model| model.volumes.values())
            .filter(|volume| volume.external)
            .map(|volume| volume.name.clone())
            .collect(),
    };
    let plan = plan(&scope.name, &seen, &options);
    if is_dry(matches) {
        ctx.print(&plan.to_string())?;
        return Ok(0);
    }
    if plan.steps.is_empty() {
        crate::context::warn(&format!("No resource found to remove for project {:?}.", scope.name));
    }
    let stop = Stop { signal: None, timeout_s: matches.integer("timeout") };
    carry_out(ctx, matches, &scope, &plan, stop)?;
    Ok(0)
}

/// Carries out a plan over what is there.
pub fn carry_out(
    ctx: &Context,
    matches: &Matches,
    scope: &Scope,
    plan: &Plan,
    stop: Stop,
) -> Result<()> {
    let watcher = Watcher::new(None)?;
    let execution = Execution {
        containers: ctx.containers()?,
        project: scope.project.as_ref(),
        watcher: &watcher,
        stop,
        parallel: parallel(matches),
    };
    let printer = Printer::of(matches)?;
    watcher.during(ctx.containers()?, || execution.run(plan, &printer))??;
    Ok(())
}

fn image_names(scope: &Scope, which: RemoveImages) -> Vec<String> {
    let mut names = BTreeSet::new();
    let services = scope.project.iter().flat_map(|project| &project.model.services);
    for (name, service) in services {
        let own = service.image.is_none();
        if which == RemoveImages::All || (which == RemoveImages::Local && own) {
            names.insert(service.image_name(&scope.name, name));
        }
    }
    names.into_iter().collect()
}
