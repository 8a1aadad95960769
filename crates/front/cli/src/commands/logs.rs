//! `teu logs`: what a container has written.

use crate::context::{Context, out_is_terminal};
use crate::failure::Result;
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::text::tame;
use crate::time;
use rustix::termios::isatty;
use std::io::{BufWriter, Write};
use teu_containers::logs::{LogOptions, LogStream};

/// Flags of everything that prints logs.
pub const LOG_FLAGS: &[Flag] = &[
    Flag::switch("details", "Show extra details provided to logs").hidden(),
    Flag::switch("follow", "Follow log output").short('f'),
    Flag::text(
        "since",
        "string",
        "Show logs since timestamp (2026-01-02T13:23:37Z) or relative (42m)",
    ),
    Flag::text(
        "tail",
        "string",
        "Number of lines to show from the end of the logs (default \"all\")",
    )
    .short('n'),
    Flag::switch("timestamps", "Show timestamps").short('t'),
    Flag::text("until", "string", "Show logs before a timestamp or relative time"),
];

/// The command.
pub const LOGS: Command = Command {
    usage: "[OPTIONS] CONTAINER",
    arity: Arity::Exactly(1),
    flags: &[LOG_FLAGS],
    operands: Completes::Containers,
    examples: &[("teu logs -f --tail 20 web", "the last lines, and what follows")],
    ..Command::new("logs", "Fetch the logs of a container", run)
};

/// What [`LOG_FLAGS`] say.
pub fn options(matches: &Matches) -> Result<LogOptions> {
    let now = time::now_ns();
    let instant =
        |flag: &str| matches.nonempty(flag).map(|text| time::instant(text, now)).transpose();
    Ok(LogOptions {
        follow: matches.switch("follow"),
        since_ns: instant("since")?,
        until_ns: instant("until")?,
        // Docker takes what is no number for all.
        tail: matches.nonempty("tail").and_then(|text| text.parse().ok()),
        stdout: true,
        stderr: true,
    })
}

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let options = options(matches)?;
    print(ctx, matches.operand(0), &options, matches.switch("timestamps"), "")?;
    Ok(0)
}

/// Prints lines, each stream to ours of the same name, each line behind `prefix`.
pub fn print(
    ctx: &Context,
    name: &str,
    options: &LogOptions,
    timestamps: bool,
    prefix: &str,
) -> Result<()> {
    let mut out = BufWriter::with_capacity(64 << 10, std::io::stdout().lock());
    let mut err = BufWriter::with_capacity(64 << 10, std::io::stderr().lock());
    let terminals = [out_is_terminal(), isatty(rustix::stdio::stderr())];
    // A line may come in parts; only its beginning has a time.
    let mut begins = [true; 2];
    let mut last = LogStream::Stdout;
    for line in ctx.containers()?.logs(name, options)? {
        let line = line?;
        if line.stream != last {
            out.flush()?;
            err.flush()?;
            last = line.stream;
        }
        let index = usize::from(line.stream == LogStream::Stderr);
        let sink: &mut dyn Write = if index == 0 { &mut out } else { &mut err };
        if begins[index] {
            sink.write_all(prefix.as_bytes())?;
            if timestamps {
                write!(sink, "{} ", time::rfc3339_nano(line.time_ns))?;
            }
        }
        match terminals[index] {
            true => sink.write_all(&tame(&line.bytes))?,
            false => sink.write_all(&line.bytes)?,
        }
        begins[index] = line.bytes.ends_with(b"\n");
        if options.follow {
            sink.flush()?;
        }
    }
    out.flush()?;
    err.flush()?;
    Ok(())
}
