//! A build as lines, in BuildKit's plain format:
//!
//! ```text
//! #5 [build 2/4] RUN make
//! #5 0.312 cc -o app app.c
//! #5 DONE 0.4s
//! ```
//! Steps run in parallel; a block of another step is set off by an empty line and its header again.

use crate::text::{plain_lines, tame};
use rustix::termios::isatty;
use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};
use teu_builder::{Event, StepId};

/// Longest unfinished line that is kept, in bytes.
const LINE_LIMIT_BYTES: usize = 64 << 10;

/// A step that runs.
#[derive(Debug)]
struct Running {
    name: String,
    since: Instant,
    /// Output without a newline yet.
    open: Vec<u8>,
}

/// The printer.
#[derive(Debug, Default)]
pub struct Plain {
    steps: BTreeMap<StepId, Running>,
    /// Whose block is being printed.
    current: Option<StepId>,
    /// Something stands above.
    begun: bool,
}

impl Plain {
    /// Prints one event.
    pub fn event(&mut self, event: &Event) {
        let text = self.render(event, |running| running.since.elapsed());
        let mut err = std::io::stderr().lock();
        let _ = match isatty(rustix::stdio::stderr()) {
            true => err.write_all(&tame(&text)),
            false => err.write_all(&text),
        };
    }

    /// The text of one event; `elapsed` is the clock.
    fn render(&mut self, event: &Event, elapsed: impl Fn(&Running) -> Duration) -> Vec<u8> {
        let mut out = Vec::new();
        match event {
            Event::Planned { .. } => {}
            Event::Started(step) => {
                let name = step.name.clone();
                let running = Running { name, since: Instant::now(), open: Vec::new() };
                self.steps.insert(step.id, running);
                self.head(step.id, &mut out);
            }
            Event::Cached(id) => self.end(*id, "CACHED", &mut out),
            Event::Done { step, elapsed } => {
                self.flush(*step, &mut out);
                self.end(*step, &format!("DONE {:.1}s", elapsed.as_secs_f64()), &mut out);
            }
            Event::Failed { step, error } => {
                self.flush(*step, &mut out);
                self.end(*step, &format!("ERROR: {}", plain_lines(error)), &mut out);
            }
            Event::Canceled(id) => self.end(*id, "CANCELED", &mut out),
            Event::Note { step, text } => {
                self.head(*step, &mut out);
                let _ = writeln!(out, "#{step} {}", plain_lines(text));
            }
            Event::Log { step, bytes, .. } => {
                let Some(running) = self.steps.get_mut(step) else { return out };
                let seconds = elapsed(running).as_secs_f64();
                running.open.extend_from_slice(bytes);
                let long = running.open.len() > LINE_LIMIT_BYTES;
                let end = match running.open.iter().rposition(|&byte| byte == b'\n') {
                    Some(last) => last + 1,
                    None if long => running.open.len(),
                    None => return out,
                };
                let whole: Vec<u8> = running.open.drain(..end).collect();
                self.head(*step, &mut out);
                lines(*step, seconds, &whole, &mut out);
            }
            Event::Warning { rule, message, line } => {
                let place = if *line > 0 { format!(" (line {line})") } else { String::new() };
                let _ = writeln!(out, "WARNING: {rule}: {}{place}", plain_lines(message));
                self.current = None;
            }
        }
        out
    }

    /// The step's header, unless its block is the one being printed.
    fn head(&mut self, id: StepId, out: &mut Vec<u8>) {
        if self.current == Some(id) {
            return;
        }
        if self.begun {
            out.push(b'\n');
        }
        self.begun = true;
        self.current = Some(id);
        if let Some(running) = self.steps.get(&id) {
            let _ = writeln!(out, "#{id} {}", plain_lines(&running.name));
        }
    }

    fn end(&mut self, id: StepId, word: &str, out: &mut Vec<u8>) {
        self.head(id, out);
        let _ = writeln!(out, "#{id} {word}");
        self.steps.remove(&id);
        self.current = None;
    }

    fn flush(&mut self, id: StepId, out: &mut Vec<u8>) {
        let Some(running) = self.steps.get_mut(&id) else { return };
        let rest = std::mem::take(&mut running.open);
        if !rest.is_empty() {
            let seconds = running.since.elapsed().as_secs_f64();
            self.head(id, out);
            lines(id, seconds, &rest, out);
        }
    }
}

fn lines(id: StepId, seconds: f64, bytes: &[u8], out: &mut Vec<u8>) {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    for line in bytes.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // What a progress bar overwrote is not of interest.
        let line = line.rsplit(|&byte| byte == b'\r').next().unwrap_or(line);
        let _ = write!(out, "#{id} {seconds:.3} ");
        out.extend_from_slice(line);
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests;
