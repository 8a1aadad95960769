//! What a build says of itself, as BuildKit's clients show it: vertexes, their parts, their output.
//!
//! Every client that asks for a build's status hears all of it from the beginning, or from as far
//! back as [`KEPT_LIMIT_BYTES`] reach.

use crate::wire::{
    Position, Range, SourceInfo, StatusResponse, Timestamp, Vertex, VertexLog, VertexStatus,
    VertexWarning,
};
use prost::Message;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};
use teu_builder::{Event, Step, StepId, Stream};
use teu_oci::Digest;
use tokio::sync::Notify;

/// Bytes of one build's status that are kept for those who come late or read slowly.
const KEPT_LIMIT_BYTES: usize = 64 << 20;
/// How clients are told that a step was given up rather than having failed.
const CANCELED: &str = "context canceled";
/// Where a check is explained.
const CHECK_URL: &str = "https://docs.docker.com/go/dockerfile/rule/";

/// One build's status.
#[derive(Debug)]
pub struct StatusLog {
    /// Makes digests differ from those of other builds.
    build: String,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<StatusResponse>,
    /// Entries that were there before the first that is kept.
    dropped: usize,
    kept_bytes: usize,
    closed: bool,
    /// Begun and not ended.
    open: HashMap<String, Vertex>,
    steps: HashMap<StepId, String>,
    cached: u32,
    ended: u32,
}

/// Steps of a build that have ended.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// By the cache.
    pub cached: u32,
    /// In whatever way.
    pub ended: u32,
}

impl StatusLog {
    /// Nothing has happened.
    pub fn new(build: &str) -> Self {
        Self { build: build.to_owned(), state: Mutex::default(), changed: Notify::new() }
    }

    /// A step of our own begins; gives its digest.
    pub fn begin(&self, name: &str) -> String {
        let digest = Digest::sha256(format!("{} {name}", self.build).as_bytes()).to_string();
        let vertex = Vertex {
            digest: digest.clone(),
            name: name.to_owned(),
            started: Some(now()),
            ..Vertex::default()
        };
        let mut state = self.lock();
        state.open.insert(digest.clone(), vertex.clone());
        self.push(&mut state, StatusResponse { vertexes: vec![vertex], ..Default::default() });
        digest
    }

    /// A step ends: well, or with an error.
    pub fn end(&self, digest: &str, ending: Ending<'_>) {
        let mut state = self.lock();
        let Some(mut vertex) = state.open.remove(digest) else { return };
        vertex.completed = Some(now());
        state.ended += 1;
        match ending {
            Ending::Done => {}
            Ending::Cached => {
                vertex.cached = true;
                state.cached += 1;
            }
            Ending::Failed(error) => error.clone_into(&mut vertex.error),
            Ending::Canceled => CANCELED.clone_into(&mut vertex.error),
        }
        self.push(&mut state, StatusResponse { vertexes: vec![vertex], ..Default::default() });
    }

    /// A part of a step moves on; it is over when `done`.
    pub fn part(&self, digest: &str, part: &Part<'_>) {
        let now = Some(now());
        let status = VertexStatus {
            id: part.name.to_owned(),
            vertex: digest.to_owned(),
            name: part.name.to_owned(),
            current: i64::try_from(part.bytes).unwrap_or(i64::MAX),
            total: 0,
            timestamp: now,
            started: Some(part.started),
            completed: now.filter(|_| part.done),
        };
        let mut state = self.lock();
        self.push(&mut state, StatusResponse { statuses: vec![status], ..Default::default() });
    }

    /// What the builder says.
    pub fn event(&self, event: &Event, dockerfile: Option<&Dockerfile>) {
        match event {
            Event::Planned { .. } => {}
            Event::Started(step) => self.started(step),
            Event::Cached(step) => self.with(*step, |digest| self.end(digest, Ending::Cached)),
            Event::Done { step, .. } => self.with(*step, |digest| self.end(digest, Ending::Done)),
            Event::Failed { step, error } => {
                self.with(*step, |digest| self.end(digest, Ending::Failed(error)));
            }
            Event::Canceled(step) => self.with(*step, |digest| self.end(digest, Ending::Canceled)),
            Event::Note { step, text } => self.with(*step, |digest| {
                let part = Part { name: text, bytes: 0, started: now(), done: true };
                self.part(digest, &part);
            }),
            Event::Log { step, stream, bytes } => self.with(*step, |digest| {
                let log = VertexLog {
                    vertex: digest.to_owned(),
                    timestamp: Some(now()),
                    stream: if *stream == Stream::Stdout { 1 } else { 2 },
                    msg: bytes.clone(),
                };
                let mut state = self.lock();
                self.push(&mut state, StatusResponse { logs: vec![log], ..Default::default() });
            }),
            Event::Warning { rule, message, line } => {
                self.warning(rule, message, *line, dockerfile);
            }
        }
    }

    fn started(&self, step: &Step) {
        // Two stages may have steps of one name: the number tells them apart.
        let seed = format!("{} {} {}", self.build, step.id, step.name);
        let digest = Digest::sha256(seed.as_bytes()).to_string();
        let vertex = Vertex {
            digest: digest.clone(),
            name: step.name.clone(),
            started: Some(now()),
            ..Vertex::default()
        };
        let mut state = self.lock();
        state.steps.insert(step.id, digest.clone());
        state.open.insert(digest, vertex.clone());
        self.push(&mut state, StatusResponse { vertexes: vec![vertex], ..Default::default() });
    }

    fn warning(&self, rule: &str, message: &str, line: u32, dockerfile: Option<&Dockerfile>) {
        let place = if line > 0 { format!(" (line {line})") } else { String::new() };
        let warning = VertexWarning {
            vertex: dockerfile.map(|file| file.vertex.clone()).unwrap_or_default(),
            level: 1,
            short: format!("{rule}: {message}{place}").into_bytes(),
            url: format!("{CHECK_URL}{}/", slug(rule)),
            info: dockerfile.map(|file| source_info(&file.name, &file.text)),
            ranges: if line > 0 { vec![lines(line, line)] } else { Vec::new() },
            ..VertexWarning::default()
        };
        let mut state = self.lock();
        self.push(&mut state, StatusResponse { warnings: vec![warning], ..Default::default() });
    }

    /// Nothing more happens: what is open was given up.
    pub fn close(&self) {
        let open: Vec<String> = self.lock().open.keys().cloned().collect();
        for digest in open {
            self.end(&digest, Ending::Canceled);
        }
        self.lock().closed = true;
        self.changed.notify_waiters();
    }

    /// What happened from entry `from` on, and the number to go on with; `None` when there is no
    /// more and never will be.
    pub async fn read(&self, from: usize) -> Option<(Vec<StatusResponse>, usize)> {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            {
                let state = self.lock();
                let skip = from.saturating_sub(state.dropped);
                let new: Vec<_> = state.entries.iter().skip(skip).cloned().collect();
                if !new.is_empty() {
                    return Some((new, state.dropped + state.entries.len()));
                }
                if state.closed {
                    return None;
                }
            }
            changed.await;
        }
    }

    /// Steps that have ended.
    pub fn counts(&self) -> Counts {
        let state = self.lock();
        Counts { cached: state.cached, ended: state.ended }
    }

    fn with(&self, step: StepId, body: impl FnOnce(&str)) {
        let digest = self.lock().steps.get(&step).cloned();
        if let Some(digest) = digest {
            body(&digest);
        }
    }

    fn push(&self, state: &mut State, entry: StatusResponse) {
        state.kept_bytes += entry.encoded_len();
        state.entries.push_back(entry);
        while state.kept_bytes > KEPT_LIMIT_BYTES {
            let Some(oldest) = state.entries.pop_front() else { break };
            state.kept_bytes -= oldest.encoded_len();
            state.dropped += 1;
        }
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|error| error.into_inner())
    }
}

/// How a step ends.
#[derive(Debug, Clone, Copy)]
pub enum Ending<'a> {
    /// Well.
    Done,
    /// Nothing had to be done.
    Cached,
    /// With this error.
    Failed(&'a str),
    /// Given up.
    Canceled,
}

/// A part of a step, such as a transfer.
#[derive(Debug)]
pub struct Part<'a> {
    /// What it is called.
    pub name: &'a str,
    /// How far it is; 0 where that means nothing.
    pub bytes: u64,
    /// When it began.
    pub started: Timestamp,
    /// It is over.
    pub done: bool,
}

/// The Dockerfile of a build, for warnings.
#[derive(Debug, Clone)]
pub struct Dockerfile {
    /// What it is called.
    pub name: String,
    /// All of it.
    pub text: String,
    /// The step that loaded it.
    pub vertex: String,
}

/// A Dockerfile as clients print excerpts of it.
pub fn source_info(name: &str, text: &str) -> SourceInfo {
    SourceInfo {
        filename: name.to_owned(),
        data: text.as_bytes().to_vec(),
        language: "Dockerfile".to_owned(),
    }
}

/// Lines, from 1, both included.
pub fn lines(first: u32, last: u32) -> Range {
    let at = |line: u32| Position { line: i32::try_from(line).unwrap_or(i32::MAX), character: 0 };
    Range { start: Some(at(first)), end: Some(at(last)) }
}

/// The time as protobuf has it.
pub fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp {
        seconds: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(now.subsec_nanos()).unwrap_or(0),
    }
}

/// `JSONArgsRecommended` is explained at `json-args-recommended`.
fn slug(rule: &str) -> String {
    let letters: Vec<char> = rule.chars().collect();
    let mut slug = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let lower = |at: Option<&char>| at.is_some_and(char::is_ascii_lowercase);
        let before = index.checked_sub(1).and_then(|at| letters.get(at));
        let begins = letter.is_ascii_uppercase()
            && (lower(before) || (before.is_some() && lower(letters.get(index + 1))));
        if begins {
            slug.push('-');
        }
        slug.push(letter.to_ascii_lowercase());
    }
    slug
}

#[cfg(test)]
mod tests;
