//! `teu stats`: what running containers use, once or every second.

use super::{FORMAT, NO_TRUNC};
use crate::context::{Context, out_is_terminal, terminal_width};
use crate::failure::Result;
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::output::{Listing, Row, Style};
use crate::text::short_id;
use crate::units::{binary_size, human_size};
use std::time::Duration;
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

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    show(ctx, matches, &matches.operands)
}

/// Prints samples of these containers, of all that run when none is named.
pub fn show(ctx: &Context, matches: &Matches, names: &[String]) -> Result<u8> {
    let containers = ctx.containers()?;
    let whole = matches.switch("no-trunc");
    let style = Style { format: matches.nonempty("format"), whole, ..Style::default() };
    loop {
        let listing = Listing {
            heads: HEADS,
            shown: SHOWN,
            quiet: "ID",
            rows: containers.stats(names)?.iter().map(|stats| row(stats, whole)).collect(),
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

fn row(stats: &Stats, whole: bool) -> Row {
    let id = if whole { stats.id.as_str() } else { short_id(&stats.id) };
    Row::new()
        .field(
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
            format!(
                "{} / {}",
                binary_size(stats.memory_bytes),
                binary_size(stats.memory_limit_bytes)
            ),
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
