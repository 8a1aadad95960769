//! `teu stats`: what running containers use, once or every second.

use super::{FORMAT, NO_TRUNC};
use crate::context::{Context, out_is_terminal, terminal_width};
use crate::failure::Result;
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::output::{Listing, Row, Style};
use crate::text::short_id;
use crate::units::{binary_size, human_size};
use std::collections::BTreeMap;
use std::time::Duration;
use teu_containers::Containers;
use teu_containers::list::ListOptions;
use teu_containers::stats::Stats;

/// Between two samples.
const INTERVAL: Duration = Duration::from_secs(1);

/// The command.
pub const STATS: Command = Command {
    usage: "[OPTIONS] [CONTAINER...]",
    arity: Arity::AtLeast(0),
    flags: &[STATS_FLAGS],
    operands: Completes::Running,
    examples: &[("teu stats --no-stream --format json", "one sample, for a program")],
    ..Command::new("stats", "Display a live stream of container(s) resource usage statistics", run)
};

/// Its flags.
pub const STATS_FLAGS: &[Flag] = &[
    Flag::switch("all", "Show all containers (default shows just running)").short('a'),
    FORMAT,
    Flag::switch("no-stream", "Disable streaming stats and only pull the first result"),
    NO_TRUNC,
];

const HEADS: &[(&str, &str)] = &[
    ("Pod", "POD"),
    ("CID", "CID"),
    ("ID", "CONTAINER ID"),
    ("Container", "CONTAINER"),
    ("Name", "NAME"),
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("NetIO", "NET I/O"),
    ("BlockIO", "BLOCK I/O"),
    ("PIDs", "PIDS"),
];
const SHOWN: &[&str] =
    &["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"];
const SHOWN_OF_PODS: &[&str] =
    &["Pod", "CID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"];

/// Whose usage is shown.
#[derive(Debug)]
pub enum Scope {
    /// These containers; of all that run when none is named.
    Containers(Vec<String>),
    /// All there are (`-a`); one that does not run uses nothing.
    All,
    /// Those that run of these containers, each with its pod.
    Pods(BTreeMap<String, String>),
}

impl Scope {
    fn sample(&self, containers: &Containers) -> Result<Vec<Stats>> {
        match self {
            Self::Containers(names) => Ok(containers.stats(names)?),
            Self::All => {
                let all = ListOptions { all: true, ..ListOptions::default() };
                let names = containers.list(&all)?.into_iter().map(|one| one.id);
                match names.collect::<Vec<_>>() {
                    none if none.is_empty() => Ok(Vec::new()),
                    names => Ok(containers.stats(&names)?),
                }
            }
            Self::Pods(owners) => {
                let all = containers.stats(&[])?;
                Ok(all.into_iter().filter(|stats| owners.contains_key(&stats.id)).collect())
            }
        }
    }

    fn pod(&self, id: &str) -> Option<&str> {
        match self {
            Self::Containers(_) | Self::All => None,
            Self::Pods(owners) => owners.get(id).map(String::as_str),
        }
    }

    fn shown(&self) -> &'static [&'static str] {
        match self {
            Self::Containers(_) | Self::All => SHOWN,
            Self::Pods(_) => SHOWN_OF_PODS,
        }
    }
}

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let scope = match matches.operands.is_empty() && matches.switch("all") {
        true => Scope::All,
        false => Scope::Containers(matches.operands.clone()),
    };
    show(ctx, matches, &scope)
}

/// Prints samples.
pub fn show(ctx: &Context, matches: &Matches, scope: &Scope) -> Result<u8> {
    let containers = ctx.containers()?;
    let whole = matches.switch("no-trunc");
    let style = Style { format: matches.nonempty("format"), whole, ..Style::default() };
    loop {
        let listing = Listing {
            heads: HEADS,
            shown: scope.shown(),
            quiet: "ID",
            rows: scope
                .sample(containers)?
                .iter()
                .map(|s| row(s, scope.pod(&s.id), whole))
                .collect(),
        };
        if matches.switch("no-stream") {
            ctx.list(&listing, style)?;
            return Ok(0);
        }
        let text = listing.render(Style { width: terminal_width(), ..style })?;
        match out_is_terminal() && style.format.is_none() {
            // Home, each line cleared to its end, the rest of the screen cleared.
            true => ctx.print(&format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n")))?,
            false => ctx.print(&text)?,
        }
        std::thread::sleep(INTERVAL);
    }
}

fn row(stats: &Stats, pod: Option<&str>, whole: bool) -> Row {
    let short = |id| if whole { id } else { short_id(id) };
    let id = short(stats.id.as_str());
    let row = match pod {
        Some(pod) => Row::new().field("Pod", short(pod)).field("CID", id),
        None => Row::new(),
    };
    row.field(
        "BlockIO",
        format!(
            "{} / {}",
            human_size(stats.block_read_bytes, 3),
            human_size(stats.block_written_bytes, 3)
        ),
    )
    .field("CPUPerc", format!("{:.2}%", stats.cpu_percent))
    .field("Container", id)
    .field("ID", id)
    .field("MemPerc", format!("{:.2}%", stats.memory_percent))
    .field(
        "MemUsage",
        format!("{} / {}", binary_size(stats.memory_bytes), binary_size(stats.memory_limit_bytes)),
    )
    .field("Name", stats.name.as_str())
    .field(
        "NetIO",
        format!(
            "{} / {}",
            human_size(stats.network_received_bytes, 3),
            human_size(stats.network_sent_bytes, 3)
        ),
    )
    .field("PIDs", stats.pids.to_string())
}
