//! `teu compose exec`: a further process in a service's container.

use super::Scope;
use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Action, Arity, Command, Flag, Matches, Order};
use crate::terminal;

/// The command.
pub const EXEC: Command = Command {
    usage: "[OPTIONS] SERVICE COMMAND [ARG...]",
    arity: Arity::AtLeast(2),
    order: Order::FlagsFirst,
    flags: &[&[
        Flag::switch("detach", "Detached mode: run command in the background").short('d'),
        Flag::list("env", "Set environment variables").short('e'),
        Flag::integer("index", "Index of the container if service has multiple replicas"),
        Flag::switch("interactive", "").short('i').hidden(),
        Flag::switch("no-tty", "Disable pseudo-TTY allocation").short('T'),
        Flag::switch("privileged", "Give extended privileges to the process"),
        Flag::switch("tty", "").short('t').hidden(),
        Flag::text("user", "string", "Run the command as this user").short('u'),
        Flag::text("workdir", "string", "Path to workdir directory for this command").short('w'),
    ]],
    examples: &[("teu compose exec db psql -U postgres", "a client inside")],
    ..Command::new("exec", "Execute a command in a running container", run)
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let scope = Scope::of(ctx, matches)?;
    let container = scope.one(matches.operand(0), matches.integer("index"))?;
    let mut operands = vec![container.id.clone()];
    operands.extend(matches.operands[1..].iter().cloned());
    let exec = &crate::commands::exec::EXEC;
    let known = |name: &str| exec.all_flags().find(|flag| flag.long == name);
    let mine = ["env", "privileged", "user", "workdir", "detach"];
    let mut values: Vec<_> = matches
        .values
        .iter()
        .filter(|(flag, _)| mine.contains(&flag.long))
        .filter_map(|(flag, value)| Some((known(flag.long)?, value.clone())))
        .collect();
    // A terminal and input are the rule; without a terminal of one's own there is none.
    let mut on = |name: &str| values.extend(known(name).map(|flag| (flag, "true".to_owned())));
    let refused = |name: &str| matches.text(name) == Some("false");
    if !matches.switch("detach") && !refused("interactive") {
        on("interactive");
    }
    let no_terminal = matches.switch("no-tty") || refused("tty") || matches.switch("detach");
    if !no_terminal && terminal::in_is_terminal() {
        on("tty");
    }
    let inner =
        Matches { command: exec, path: matches.path.clone(), values, operands, outer: Vec::new() };
    match exec.action {
        Action::Run(run) => run(ctx, &inner),
        Action::Group(_) => Ok(0),
    }
}
