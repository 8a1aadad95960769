//! A build on a terminal: finished steps scroll up, running ones stand below with the end of their
//! output, rewritten in place.

use crate::text::{ellipsis, plain};
use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::time::{Duration, Instant};
use teu_builder::{Event, StepId};

/// Lines of output below a running step.
const TAIL_LINES: usize = 6;
/// Between two drawings.
const INTERVAL: Duration = Duration::from_millis(80);

#[derive(Debug)]
struct Running {
    name: String,
    since: Instant,
    tail: VecDeque<String>,
    open: String,
}

/// The printer.
#[derive(Debug)]
pub struct Live {
    began: Instant,
    drawn: Instant,
    /// Lines on the screen that will be rewritten.
    height: usize,
    planned: u32,
    finished: u32,
    steps: BTreeMap<StepId, Running>,
    /// Lines that stay.
    settled: Vec<String>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            drawn: Instant::now(),
            height: 0,
            planned: 0,
            finished: 0,
            steps: BTreeMap::new(),
            settled: Vec::new(),
        }
    }
}

impl Running {
    fn is_silent(&self) -> bool {
        self.tail.is_empty() && self.open.is_empty()
    }
}

impl Live {
    /// Takes one event, and draws unless it has just drawn.
    pub fn event(&mut self, event: &Event) {
        let mut now = true;
        match event {
            Event::Planned { steps } => self.planned = *steps,
            Event::Started(step) => {
                let running = Running {
                    name: plain(&step.name).into_owned(),
                    since: Instant::now(),
                    tail: VecDeque::new(),
                    open: String::new(),
                };
                self.steps.insert(step.id, running);
            }
            Event::Cached(id) => self.settle(*id, "CACHED", " "),
            Event::Done { step, elapsed } => {
                self.settle(*step, " ", &format!("{:.1}s", elapsed.as_secs_f64()));
            }
            Event::Failed { step, .. } => self.fail(*step),
            Event::Canceled(id) => self.settle(*id, "CANCELED", " "),
            Event::Note { step, text } => self.add(*step, &format!("{text}\n")),
            Event::Log { step, bytes, .. } => {
                // The first words of a step are shown at once: perhaps nothing follows for long.
                let is_first = self.steps.get(step).is_some_and(Running::is_silent);
                self.add(*step, &String::from_utf8_lossy(bytes));
                now = is_first || self.drawn.elapsed() >= INTERVAL;
            }
            Event::Warning { rule, message, line } => {
                self.settled
                    .push(plain(&format!("WARNING: {rule}: {message} (line {line})")).into_owned());
            }
        }
        if now {
            self.draw();
        }
    }

    /// Draws for the last time.
    pub fn finish(&mut self) {
        self.steps.clear();
        self.draw();
    }

    fn add(&mut self, id: StepId, text: &str) {
        let Some(running) = self.steps.get_mut(&id) else { return };
        for piece in text.split_inclusive('\n') {
            match piece.strip_suffix('\n') {
                Some(line) => {
                    running.open.push_str(line);
                    let line = std::mem::take(&mut running.open);
                    let line = line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default();
                    running.tail.push_back(plain(line).into_owned());
                    if running.tail.len() > TAIL_LINES {
                        running.tail.pop_front();
                    }
                }
                None if running.open.len() < 4096 => running.open.push_str(piece),
                None => {}
            }
        }
    }

    fn settle(&mut self, id: StepId, word: &str, time: &str) {
        let Some(running) = self.steps.remove(&id) else { return };
        self.finished += 1;
        let word = if word.trim().is_empty() { String::new() } else { format!("{word} ") };
        self.settled.push(format!(" => {word}{}\t{time}", running.name));
    }

    fn fail(&mut self, id: StepId) {
        let Some(running) = self.steps.remove(&id) else { return };
        let time = running.since.elapsed().as_secs_f64();
        self.settled.push(format!(" => ERROR {}\t{time:.1}s", running.name));
    }

    fn draw(&mut self) {
        self.drawn = Instant::now();
        let (rows, columns) = crate::terminal::size_of(rustix::stdio::stderr());
        let (rows, columns) = (rows.max(6), columns.max(20));
        let mut out = String::new();
        if self.height > 0 {
            out.push_str(&format!("\x1b[{}A", self.height));
        }
        out.push_str("\r\x1b[J");
        for line in self.settled.drain(..) {
            out.push_str(&fitted(&line, columns));
            out.push('\n');
        }
        let mut below = Vec::new();
        if !self.steps.is_empty() {
            let (seconds, planned) = (self.began.elapsed().as_secs_f64(), self.planned);
            below.push(format!("[+] Building {seconds:.1}s ({}/{planned})", self.finished));
        }
        for running in self.steps.values() {
            let seconds = running.since.elapsed().as_secs_f64();
            below.push(format!(" => {}\t{seconds:.1}s", running.name));
            below.extend(running.tail.iter().map(|line| format!(" => => {line}")));
        }
        below.truncate(rows.saturating_sub(2));
        self.height = below.len();
        for line in below {
            out.push_str(&fitted(&line, columns));
            out.push('\n');
        }
        let mut err = std::io::stderr().lock();
        let _ = err.write_all(out.as_bytes());
        let _ = err.flush();
    }
}

/// A line of the terminal's width; what stands behind a tab goes to the right edge.
fn fitted(line: &str, columns: usize) -> String {
    let (left, right) = line.split_once('\t').unwrap_or((line, ""));
    let right = right.trim();
    let room = columns.saturating_sub(right.len() + 2);
    let left = ellipsis(left, room);
    if right.is_empty() {
        return left;
    }
    let gap = columns.saturating_sub(1 + crate::text::columns(&left) + right.len());
    format!("{left}{}{right}", " ".repeat(gap))
}
