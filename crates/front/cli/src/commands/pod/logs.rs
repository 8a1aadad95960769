//! `teu pod logs`: the output of all containers of a pod, beside each other.

use super::{LATEST, chosen, members, podmans, verb};
use crate::beside::{self, Style};
use crate::commands::logs::options;
use crate::context::{Context, out_is_terminal, warn};
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::text::short_id;
use teu_containers::Found;

/// The command. `-n` is podman's, not that of `teu logs`.
pub const LOGS: Command = Command {
    usage: "[OPTIONS] POD",
    arity: Arity::AtMost(1),
    flags: &[&[
        Flag::switch("color", "Show each container in a colour of its own"),
        Flag::text("container", "string", "Only the logs of this container of the pod")
            .short('c')
            .completes(Completes::Containers),
        Flag::switch("follow", "Follow log output").short('f'),
        LATEST,
        Flag::switch("names", "Show names of containers, not IDs").short('n'),
        Flag::text(
            "since",
            "string",
            "Show logs since timestamp (2026-01-02T13:23:37Z) or relative (42m)",
        ),
        Flag::text("tail", "string", "Number of lines to show from the end of each log"),
        Flag::switch("timestamps", "Show timestamps").short('t'),
        Flag::text("until", "string", "Show logs before a timestamp or relative time"),
    ]],
    examples: &[
        ("teu pod logs -f -n shop", "what all its containers write, behind their names"),
        ("teu pod logs -c web --tail 20 shop", "one of them"),
    ],
    ..verb("logs", "Fetch the logs of all containers of a pod", |ctx, matches| {
        podmans(logs(ctx, matches))
    })
};

fn logs(ctx: &Context, matches: &Matches) -> Result<u8> {
    let options = options(matches)?;
    let pods = chosen(ctx, matches, |_| true)?;
    let (_, mut all) = members(ctx, &pods[0])?;
    if let Some(wanted) = matches.nonempty("container") {
        let fits =
            |found: &Found| found.record.name == wanted || found.record.id.starts_with(wanted);
        all.retain(fits);
        if all.is_empty() {
            return Err(Failure::new(format!("the pod {} has no container {wanted}", pods[0]))
                .hint(format!("teu pod ps --ctr-names --filter name={}", pods[0]))
                .code(125));
        }
    }
    let one = matches.given("container");
    let mut streams = Vec::with_capacity(all.len());
    for found in &all {
        let record = &found.record;
        let shown = if matches.switch("names") { &record.name } else { short_id(&record.id) };
        match ctx.containers()?.logs(&record.id, &options) {
            Ok(lines) => streams.push((shown.to_owned(), lines)),
            Err(teu_containers::Error::LogsNotKept) => {
                warn(&format!("{}: its output is not kept (logging: none)", record.name));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let style = Style {
        width: streams.iter().map(|(name, _)| name.len()).max().unwrap_or(0),
        colour: matches.switch("color"),
        mark: (!one).then_some(" "),
        timestamps: matches.switch("timestamps"),
        terminal: out_is_terminal(),
        apart: true,
    };
    beside::show(streams, style, options.follow)?;
    Ok(0)
}
