//! `teu compose start`, `stop`, `restart`, `kill`, `pause`, `unpause`, `rm`, `wait`: what is there
//! goes on or ends, in the order of dependencies.

use super::down::carry_out;
use super::progress::{Printer, Stage};
use super::{DRY_RUN, Scope, is_dry};
use crate::commands::confirm;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Flag, Matches};
use crate::options::signals;
use teu_compose::observe::Observed;
use teu_compose::plan::{Action, Plan, in_order};
use teu_containers::lifecycle::{Stop, WaitFor};
use teu_containers::state::Status;

const TIMEOUT: Flag = Flag::integer("timeout", "Specify a shutdown timeout in seconds").short('t');

/// `start`.
pub const START: Command = Command {
    usage: "[SERVICE...]",
    arity: Arity::AtLeast(0),
    flags: &[&[DRY_RUN]],
    examples: &[("teu compose start web", "")],
    ..Command::new("start", "Start services", start)
};

/// `stop`.
pub const STOP: Command = Command {
    usage: "[OPTIONS] [SERVICE...]",
    arity: Arity::AtLeast(0),
    flags: &[&[DRY_RUN, TIMEOUT]],
    examples: &[("teu compose stop -t 3 web", "")],
    ..Command::new("stop", "Stop services", stop)
};

/// `restart`.
pub const RESTART: Command = Command {
    usage: "[OPTIONS] [SERVICE...]",
    arity: Arity::AtLeast(0),
    flags: &[&[DRY_RUN, Flag::switch("no-deps", "Don't restart dependent services"), TIMEOUT]],
    examples: &[("teu compose restart web", "with what it has: up takes changes")],
    ..Command::new("restart", "Restart service containers", restart)
};

/// `kill`.
pub const KILL: Command = Command {
    usage: "[OPTIONS] [SERVICE...]",
    arity: Arity::AtLeast(0),
    flags: &[&[
        Flag::switch(
            "remove-orphans",
            "Kill containers for services not defined in the Compose file too",
        ),
        Flag::text("signal", "string", "SIGNAL to send to the container (default SIGKILL)")
            .short('s'),
    ]],
    examples: &[("teu compose kill -s HUP proxy", "a signal")],
    ..Command::new("kill", "Force stop service containers", kill)
};

/// `pause`.
pub const PAUSE: Command = Command {
    usage: "[SERVICE...]",
    arity: Arity::AtLeast(0),
    examples: &[("teu compose pause worker", "until: teu compose unpause worker")],
    ..Command::new("pause", "Pause services", pause)
};

/// `unpause`.
pub const UNPAUSE: Command = Command {
    usage: "[SERVICE...]",
    arity: Arity::AtLeast(0),
    examples: &[("teu compose unpause worker", "")],
    ..Command::new("unpause", "Unpause services", unpause)
};

/// `rm`.
pub const RM: Command = Command {
    usage: "[OPTIONS] [SERVICE...]",
    arity: Arity::AtLeast(0),
    flags: &[&[
        DRY_RUN,
        Flag::switch("force", "Don't ask to confirm removal").short('f'),
        Flag::switch("stop", "Stop the containers, if required, before removing").short('s'),
        Flag::switch("volumes", "Remove any anonymous volumes attached to containers").short('v'),
    ]],
    examples: &[("teu compose rm -s -f worker", "stop it first, do not ask")],
    ..Command::new("rm", "Removes stopped service containers", rm)
};

/// `wait`.
pub const WAIT: Command = Command {
    usage: "SERVICE [SERVICE...]",
    arity: Arity::AtLeast(1),
    flags: &[&[Flag::switch("down-project", "Drops project when the first container stops")]],
    examples: &[("teu compose wait migrate", "ends with its exit code")],
    ..Command::new("wait", "Block until containers of all (or specified) services stop", wait)
};

fn carried(ctx: &Context, matches: &Matches, scope: &Scope, plan: &Plan, stop: Stop) -> Result<u8> {
    match is_dry(matches) {
        true => ctx.print(&plan.to_string())?,
        false => carry_out(ctx, matches, scope, plan, stop)?,
    }
    Ok(0)
}

fn start(ctx: &Context, matches: &Matches) -> Result<u8> {
    let scope = Scope::of(ctx, matches)?;
    let mut all = scope.services(&matches.operands)?;
    if all.is_empty() {
        return Err(Failure::new(format!("no container found for project {:?}", scope.name))
            .hint("make them first: teu compose up"));
    }
    all.retain(|container| container.status != Status::Running);
    let mut plan = Plan::default();
    in_order(&mut plan, &all, false, |plan, container, after| {
        plan.add(Action::Start(container.target()), after)
    });
    carried(ctx, matches, &scope, &plan, Stop::default())
}

fn stops(plan: &mut Plan, all: &[&Observed]) -> Vec<usize> {
    let steps = in_order(plan, all, true, |plan, container, after| {
        plan.add(Action::Stop(container.target()), after)
    });
    steps.into_values().flatten().collect()
}

fn stop(ctx: &Context, matches: &Matches) -> Result<u8> {
    let scope = Scope::of(ctx, matches)?;
    let mut all = scope.services(&matches.operands)?;
    all.retain(|container| container.runs());
    let mut plan = Plan::default();
    stops(&mut plan, &all);
    let stop = Stop { signal: None, timeout_s: matches.integer("timeout") };
    carried(ctx, matches, &scope, &plan, stop)
}

fn restart(ctx: &Context, matches: &Matches) -> Result<u8> {
    let scope = Scope::of(ctx, matches)?;
    let mut wanted = matches.operands.clone();
    scope.services(&wanted)?;
    if !matches.switch("no-deps") && !wanted.is_empty() {
        // Whoever asked to be restarted with them.
        for container in &scope.containers {
            let with =
                container.depends_on.iter().any(|(name, with)| *with && wanted.contains(name));
            if with && !wanted.contains(&container.service) {
                wanted.push(container.service.clone());
            }
        }
    }
    let all = scope.services(&wanted)?;
    let mut plan = Plan::default();
    let running: Vec<&Observed> = all.iter().copied().filter(|c| c.runs()).collect();
    let stopped = stops(&mut plan, &running);
    in_order(&mut plan, &all, false, |plan, container, mut after| {
        after.extend(&stopped);
        plan.add(Action::Start(container.target()), after)
    });
    let stop = Stop { signal: None, timeout_s: matches.integer("timeout") };
    carried(ctx, matches, &scope, &plan, stop)
}

/// Something done to each, with a word before and after.
fn each(
    matches: &Matches,
    all: &[&Observed],
    words: (&str, &str),
    mut act: impl FnMut(&str) -> std::result::Result<(), teu_containers::Error>,
) -> Result<u8> {
    let printer = Printer::of(matches)?;
    for container in all {
        let subject = format!("Container {}", container.name);
        printer.say(&subject, words.0, Stage::Working);
        if let Err(error) = act(&container.id) {
            printer.say(&subject, "Error", Stage::Failed);
            return Err(error.into());
        }
        printer.say(&subject, words.1, Stage::Done);
    }
    Ok(0)
}

fn kill(ctx: &Context, matches: &Matches) -> Result<u8> {
    let scope = Scope::of(ctx, matches)?;
    let signal = signals::parse(matches.nonempty("signal").unwrap_or("KILL"))?;
    let mut all = scope.services(&matches.operands)?;
    all.retain(|container| container.runs());
    let containers = ctx.containers()?;
    each(matches, &all, ("Killing", "Killed"), |id| containers.kill(id, signal))
}

fn pause(ctx: &Context, matches: &Matches) -> Result<u8> {
    let scope = Scope::of(ctx, matches)?;
    let mut all = scope.services(&matches.operands)?;
    all.retain(|container| container.status == Status::Running);
    let containers = ctx.containers()?;
    each(matches, &all, ("Pausing", "Paused"), |id| containers.pause(id))
}

fn unpause(ctx: &Context, matches: &Matches) -> Result<u8> {
    let scope = Scope::of(ctx, matches)?;
    let mut all = scope.services(&matches.operands)?;
    all.retain(|container| container.status == Status::Paused);
    let containers = ctx.containers()?;
    each(matches, &all, ("Unpausing", "Unpaused"), |id| containers.unpause(id))
}

fn rm(ctx: &Context, matches: &Matches) -> Result<u8> {
    let scope = Scope::of(ctx, matches)?;
    let stops_first = matches.switch("stop");
    let mut all = scope.services(&matches.operands)?;
    all.retain(|container| stops_first || !container.runs());
    if all.is_empty() {
        crate::context::warn("No stopped containers");
        return Ok(0);
    }
    let names: Vec<&str> = all.iter().map(|container| container.name.as_str()).collect();
    let question = format!("Going to remove {}", names.join(", "));
    if !matches.switch("force") && !is_dry(matches) && !confirm(&question)? {
        return Ok(0);
    }
    let mut plan = Plan::default();
    let running: Vec<&Observed> = all.iter().copied().filter(|c| c.runs()).collect();
    let stopped = stops(&mut plan, &running);
    for container in &all {
        let remove = Action::Remove(container.target(), matches.switch("volumes"));
        plan.add(remove, stopped.clone());
    }
    carried(ctx, matches, &scope, &plan, Stop::default())
}

fn wait(ctx: &Context, matches: &Matches) -> Result<u8> {
    let scope = Scope::of(ctx, matches)?;
    let all = scope.services(&matches.operands)?;
    if all.is_empty() {
        return Err(Failure::new(format!("no containers for project {:?}", scope.name)));
    }
    let (sender, ended) = std::sync::mpsc::channel();
    for container in &all {
        let (containers, sender) = (ctx.containers()?.clone(), sender.clone());
        let (id, name) = (container.id.clone(), container.name.clone());
        std::thread::spawn(move || {
            let code = containers.wait(&id, WaitFor::NotRunning);
            let _ = sender.send((name, code));
        });
    }
    drop(sender);
    let down = matches.switch("down-project");
    let mut last = 0;
    while let Ok((name, code)) = ended.recv() {
        last = code?;
        ctx.line(&format!("container {name:?} exited with status code {last}"))?;
        if down {
            let seen = teu_compose::observe::observe(ctx.containers()?, &scope.name)?;
            let plan = teu_compose::plan::down(&scope.name, &seen, &Default::default());
            carry_out(ctx, matches, &scope, &plan, Stop::default())?;
            break;
        }
    }
    Ok(u8::try_from(last & 255).unwrap_or(1))
}
