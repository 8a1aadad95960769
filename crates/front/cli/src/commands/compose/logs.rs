//! `teu compose logs`.

use super::{Scope, ansi, short_name};
use crate::beside::{self, Style};
use crate::context::{Context, out_is_terminal};
use crate::failure::Result;
use crate::flags::{Arity, Command, Flag, Matches};
use teu_compose::observe::Observed;
use teu_containers::logs::LogLines;

/// The command.
pub const LOGS: Command = Command {
    usage: "[OPTIONS] [SERVICE...]",
    arity: Arity::AtLeast(0),
    flags: &[
        crate::commands::logs::LOG_FLAGS,
        &[
            Flag::integer("index", "Index of the container if service has multiple replicas"),
            Flag::switch("no-color", "Produce monochrome output"),
            Flag::switch("no-log-prefix", "Don't print prefix in logs"),
        ],
    ],
    examples: &[("teu compose logs -f --tail 20 web worker", "two services, and what follows")],
    ..Command::new("logs", "View output from containers", run)
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let scope = Scope::of(ctx, matches)?;
    let options = crate::commands::logs::options(matches)?;
    let index = matches.integer("index").filter(|&index| index > 0);
    let wanted =
        |container: &&Observed| index.is_none_or(|index| i64::from(container.number) == index);
    let all: Vec<&Observed> =
        scope.services(&matches.operands)?.into_iter().filter(wanted).collect();
    let names: Vec<&str> = all.iter().map(|c| short_name(&scope.name, &c.name)).collect();
    let width = names.iter().map(|name| name.len()).max().unwrap_or(0);
    let mut streams: Vec<(String, LogLines)> = Vec::new();
    for (container, name) in all.iter().zip(names) {
        match ctx.containers()?.logs(&container.id, &options) {
            Ok(lines) => streams.push((name.to_owned(), lines)),
            Err(teu_containers::Error::LogsNotKept) => {
                crate::context::warn(&format!("{name}: its output is not kept (logging: none)"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    beside::show(streams, style(matches, width), options.follow)?;
    Ok(0)
}

/// As the flags say; names take this many columns.
pub fn style(matches: &Matches, width: usize) -> Style {
    let terminal = out_is_terminal();
    Style {
        width,
        colour: ansi(matches, terminal) && !matches.switch("no-color"),
        mark: (!matches.switch("no-log-prefix")).then_some("  | "),
        timestamps: matches.switch("timestamps"),
        terminal,
        apart: false,
    }
}
