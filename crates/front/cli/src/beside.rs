//! Lines of several containers beside each other: of a compose project, of a pod.
//!
//! A name before each line says whose it is. What is there already comes in the order of its times,
//! what follows as it is written, and a line is never mixed with another.

use crate::failure::Result;
use crate::text::tame;
use crate::time;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use teu_containers::logs::{LogLine, LogLines};

/// Colours of names, one after the other.
const COLOURS: [&str; 11] = ["36", "33", "32", "35", "34", "96", "93", "92", "95", "94", "31"];

/// How lines are shown.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Columns that names take.
    pub width: usize,
    /// Names have colours.
    pub colour: bool,
    /// Lines begin with a name, and this behind it.
    pub mark: Option<&'static str>,
    /// Lines have the time they were written at.
    pub timestamps: bool,
    /// Lines go to a terminal: nothing in them may steer it.
    pub terminal: bool,
    /// What was written to standard error goes there.
    pub apart: bool,
}

/// How often something was written where others rewrite their lines; held while writing.
pub type Written = Arc<Mutex<u64>>;

/// Standard output, shared by threads: a line at a time.
#[derive(Debug)]
pub struct Sink {
    style: Style,
    state: Mutex<State>,
    written: Written,
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
        Self::beside(style, Written::default())
    }

    /// One that shares its terminal with lines that are rewritten.
    pub fn beside(style: Style, written: Written) -> Self {
        Self { style, state: Mutex::default(), written }
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
        self.write(stderr, &out)
    }

    fn write(&self, stderr: bool, bytes: &[u8]) -> std::io::Result<()> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        *written += 1;
        if stderr && self.style.apart {
            return std::io::stderr().lock().write_all(bytes);
        }
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()
    }

    /// Something about a container that it did not write itself.
    pub fn note(&self, name: &str, text: &str) -> std::io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.open.retain(|(other, _), _| other != name);
        let line = format!("{name} {}\n", crate::text::plain(text));
        self.write(false, line.as_bytes())
    }

    fn prefix(&self, state: &mut State, name: &str) -> Vec<u8> {
        let Some(mark) = self.style.mark else { return Vec::new() };
        let next = state.colours.len();
        let index = *state.colours.entry(name.to_owned()).or_insert(next);
        let width = self.style.width;
        match self.style.colour {
            true => format!("\x1b[{}m{name:width$}{mark}\x1b[0m", COLOURS[index % COLOURS.len()]),
            false => format!("{name:width$}{mark}"),
        }
        .into_bytes()
    }

    /// Parts that never got their end.
    fn flush(&self) -> std::io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for ((name, stderr), bytes) in std::mem::take(&mut state.open) {
            let mut out = self.prefix(&mut state, &name);
            out.extend_from_slice(&bytes);
            out.push(b'\n');
            self.write(stderr, &out)?;
        }
        Ok(())
    }
}

/// Shows the lines of all, to their end or for as long as they go on.
pub fn show(streams: Vec<(String, LogLines)>, style: Style, follows: bool) -> Result<()> {
    let sink = Arc::new(Sink::new(style));
    match follows {
        true => follow(streams, &sink)?,
        false => merge(streams, &sink)?,
    }
    sink.flush()?;
    Ok(())
}

/// Lines of all in the order of their times.
fn merge(mut streams: Vec<(String, LogLines)>, sink: &Sink) -> Result<()> {
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
    let (sender, ended) = std::sync::mpsc::channel();
    for (name, lines) in streams {
        let (sink, sender) = (sink.clone(), sender.clone());
        let tell = move || -> Result<()> {
            for line in lines {
                sink.line(&name, &line?)?;
            }
            Ok(())
        };
        std::thread::spawn(move || sender.send(tell()));
    }
    drop(sender);
    // The first failure is everybody's: of a reader that has gone, those who are silent never hear.
    ended.into_iter().collect()
}
