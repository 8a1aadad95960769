//! `teu compose logs`, and how lines of several containers are shown beside each other.

use super::{Scope, ansi, short_name};
use crate::context::{Context, out_is_terminal};
use crate::failure::Result;
use crate::flags::{Arity, Command, Flag, Matches};
use crate::text::tame;
use crate::time;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use teu_compose::observe::Observed;
use teu_containers::logs::{LogLine, LogLines, LogOptions};

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

/// Colours of names, one after the other.
const COLOURS: [&str; 11] = ["36", "33", "32", "35", "34", "96", "93", "92", "95", "94", "31"];

/// How lines are shown.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    width: usize,
    colour: bool,
    prefix: bool,
    timestamps: bool,
    terminal: bool,
}

impl Style {
    /// As the flags say; names take this many columns.
    pub fn of(matches: &Matches, width: usize) -> Self {
        let terminal = out_is_terminal();
        Self {
            width,
            colour: ansi(matches, terminal) && !matches.switch("no-color"),
            prefix: !matches.switch("no-log-prefix"),
            timestamps: matches.switch("timestamps"),
            terminal,
        }
    }
}

/// Standard output, shared by threads: a line at a time.
#[derive(Debug)]
pub struct Sink {
    style: Style,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    colours: BTreeMap<String, usize>,
    /// Parts of lines that have not ended yet, by container and stream.
    open: BTreeMap<(String, bool), Vec<u8>>,
}

/// Longest line that is kept together, in bytes.
const LINE_LIMIT_BYTES: usize = 1 << 20;

impl Sink {
    /// An empty one.
    pub fn new(style: Style) -> Self {
        Self { style, state: Mutex::default() }
    }

    /// A line of a container.
    pub fn line(&self, name: &str, line: &LogLine) -> std::io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let stderr = line.stream == teu_containers::logs::LogStream::Stderr;
        let key = (name.to_owned(), stderr);
        let mut bytes = state.open.remove(&key).unwrap_or_default();
        bytes.extend_from_slice(&line.bytes);
        if !bytes.ends_with(b"\n") && bytes.len() < LINE_LIMIT_BYTES {
            state.open.insert(key, bytes);
            return Ok(());
        }
        let mut out = self.prefix(&mut state, name);
        if self.style.timestamps {
            out.extend(format!("{} ", time::rfc3339_nano(line.time_ns)).bytes());
        }
        match self.style.terminal {
            true => out.extend_from_slice(&tame(&bytes)),
            false => out.extend_from_slice(&bytes),
        }
        if !out.ends_with(b"\n") {
            out.push(b'\n');
        }
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(&out)?;
        stdout.flush()
    }

    /// Something about a container that it did not write itself.
    pub fn note(&self, name: &str, text: &str) -> std::io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.open.retain(|(other, _), _| other != name);
        let line = format!("{name} {}\n", crate::text::plain(text));
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(line.as_bytes())?;
        stdout.flush()
    }

    fn prefix(&self, state: &mut State, name: &str) -> Vec<u8> {
        if !self.style.prefix {
            return Vec::new();
        }
        let next = state.colours.len();
        let index = *state.colours.entry(name.to_owned()).or_insert(next);
        let width = self.style.width;
        match self.style.colour {
            true => format!("\x1b[{}m{name:width$}  | \x1b[0m", COLOURS[index % COLOURS.len()]),
            false => format!("{name:width$}  | "),
        }
        .into_bytes()
    }

    /// Parts that never got their end.
    fn flush(&self) -> std::io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for ((name, _), bytes) in std::mem::take(&mut state.open) {
            let mut out = self.prefix(&mut state, &name);
            out.extend_from_slice(&bytes);
            out.push(b'\n');
            std::io::stdout().lock().write_all(&out)?;
        }
        std::io::stdout().flush()
    }
}

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
    let sink = Arc::new(Sink::new(Style::of(matches, width)));
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
    match options.follow {
        true => follow(streams, &sink)?,
        false => merge(streams, &sink, &options)?,
    }
    sink.flush()?;
    Ok(0)
}

/// Lines of all in the order of their times.
fn merge(mut streams: Vec<(String, LogLines)>, sink: &Sink, _: &LogOptions) -> Result<()> {
    let mut heads: Vec<Option<LogLine>> = Vec::with_capacity(streams.len());
    for (_, lines) in &mut streams {
        heads.push(lines.next().transpose()?);
    }
    loop {
        let first = heads
            .iter()
            .enumerate()
            .filter_map(|(index, line)| Some((line.as_ref()?.time_ns, index)))
            .min();
        let Some((_, index)) = first else { return Ok(()) };
        let next = streams[index].1.next().transpose()?;
        if let Some(line) = std::mem::replace(&mut heads[index], next) {
            sink.line(&streams[index].0, &line)?;
        }
    }
}

fn follow(streams: Vec<(String, LogLines)>, sink: &Arc<Sink>) -> Result<()> {
    let mut threads = Vec::new();
    for (name, lines) in streams {
        let sink = sink.clone();
        threads.push(std::thread::spawn(move || -> Result<()> {
            for line in lines {
                sink.line(&name, &line?)?;
            }
            Ok(())
        }));
    }
    for thread in threads {
        if let Ok(done) = thread.join() {
            done?;
        }
    }
    Ok(())
}
