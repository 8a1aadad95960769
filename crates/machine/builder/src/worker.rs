//! A build in a process of its own, for servers: what the two processes say to each other.
//!
//! A server has many threads and must outlive any build; a build may take memory, fill descriptors,
//! or have to be given up at once. So a server starts `teu build-worker` with a socket as standard
//! input, sends one [`BuildRequest`], and hears [`Word`]s: events as they happen, questions for
//! secrets and agents (answered by [`Answer`]s), and at last how it ended. When the server's end of
//! the socket goes, the build is given up and cleans up after itself.
//!
//! Messages are framed as those of [`crate::step`]: eight bytes of length, little endian, then JSON.

use crate::dockerfile::source::Lines;
use crate::error::{Cause, Error, Result};
use crate::outcome::Outcome;
use crate::progress::{Event, Progress};
use crate::request::{BuildRequest, Vault};
use crate::solve::cancel::Cancel;
use crate::solve::lock;
use crate::step::{receive, send};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use teu_oci::Digest;
use teu_oci::image::Descriptor;

/// Bytes of one message.
pub const MESSAGE_LIMIT_BYTES: u64 = crate::step::MESSAGE_LIMIT_BYTES;
/// Questions without an answer at the same time: one for each step that starts.
const QUESTION_LIMIT: usize = 1000;

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
pub enum Word {
    /// Something happened.
    Event(Event),
    /// A step needs something that the request did not bring.
    Ask {
        /// Names the question in its answer.
        number: u64,
        /// For what.
        question: Question,
    },
    /// The build is done; the last word.
    Done(Ended),
    /// The build failed; the last word.
    Failed(Failure),
}

/// What a step needs.
#[derive(Debug, Serialize, Deserialize)]
pub enum Question {
    /// The secret of this id.
    Secret(String),
    /// The agent of this id.
    Agent(String),
    /// Who the client is at this registry.
    Credentials(String),
    /// Content of one of the client's stores.
    Content {
        /// The client's name for the store.
        store: String,
        /// Which.
        digest: Digest,
    },
}

/// The answer to one question.
#[derive(Serialize, Deserialize)]
#[expect(missing_debug_implementations, reason = "a secret is never printed")]
pub struct Answer {
    /// Of which.
    pub number: u64,
    /// What there is.
    pub found: Found,
}

/// What a question found.
#[derive(Serialize, Deserialize)]
#[expect(missing_debug_implementations, reason = "a secret is never printed")]
pub enum Found {
    /// A secret's value.
    Secret(Vec<u8>),
    /// An agent's socket.
    Agent(PathBuf),
    /// A file, which is there as long as the build.
    File(PathBuf),
    /// A login: without a name, the secret is an identity token.
    Credentials {
        /// Who.
        username: String,
        /// The password or token.
        secret: String,
    },
    /// There is none of that id.
    Nothing,
    /// It could not be looked up.
    Error(String),
}

/// What a build leaves: [`Outcome`] as it travels.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Digest of the image's configuration.
    pub image_id: Option<Digest>,
    /// The manifest.
    pub descriptor: Option<Descriptor>,
    /// Steps in the Dockerfile that were needed.
    pub steps: u32,
    /// How many of them the cache answered.
    pub cached: u32,
}

/// Why a build failed: [`Error`] as it travels.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// One line, in BuildKit's words.
    pub message: String,
    /// Where in the Dockerfile, if it is about a place in it.
    pub place: Option<Place>,
    /// Last lines that a failed command wrote.
    pub tail: Vec<String>,
    /// Exit code of a command that failed.
    pub exit_code: Option<i32>,
    /// It was given up.
    pub canceled: bool,
}

/// A place in a Dockerfile.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// What the Dockerfile is called.
    pub file: String,
    /// All of it.
    pub text: String,
    /// Which lines.
    pub lines: Lines,
}

impl From<Outcome> for Ended {
    fn from(outcome: Outcome) -> Self {
        Self {
            image_id: outcome.image_id,
            descriptor: outcome.image.map(|image| image.descriptor),
            steps: outcome.steps,
            cached: outcome.cached,
        }
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let (message, exit_code) = match error {
            Error::Dockerfile(error) => {
                let (line, problem) = (error.lines.first, &error.problem);
                (format!("dockerfile parse error on line {line}: {problem}"), None)
            }
            Error::Step(step) => match &step.cause {
                Cause::Exit { code, .. } => (step.cause.to_string(), Some(*code)),
                cause => (cause.to_string(), None),
            },
            other => (other.to_string(), None),
        };
        let place = error.place().map(|(source, lines)| Place {
            file: source.name.clone(),
            text: source.text().to_owned(),
            lines,
        });
        let (tail, canceled) = (error.tail().to_vec(), error.is_canceled());
        Self { message, place, tail, exit_code, canceled }
    }
}

/// The worker's end of the socket.
#[derive(Debug)]
pub struct Worker {
    socket: Mutex<File>,
    questions: Mutex<Questions>,
}

#[derive(Debug, Default)]
struct Questions {
    next: u64,
    /// False once nobody answers any more.
    closed: bool,
    open: HashMap<u64, SyncSender<Found>>,
}

/// Serves one request: reads it from `socket`, has `build` build it, and says how it ended. `build`
/// is given what belongs into the [`Environment`](crate::Environment).
pub fn serve(
    mut socket: File,
    build: impl FnOnce(BuildRequest, &Arc<Worker>, Arc<Cancel>, &mut dyn Progress) -> Result<Outcome>,
) -> std::io::Result<()> {
    let request = receive::<BuildRequest>(&mut socket)?;
    let mut answers = socket.try_clone()?;
    let worker = Arc::new(Worker { socket: Mutex::new(socket), questions: Mutex::default() });
    let cancel = Arc::new(Cancel::new()?);
    // Ends with the process: it waits for a server that may never say anything again.
    let (reader, raised) = (Arc::clone(&worker), Arc::clone(&cancel));
    std::thread::spawn(move || {
        while let Ok(answer) = receive::<Answer>(&mut answers) {
            reader.answered(answer);
        }
        raised.raise();
        reader.close();
    });
    let mut speaker = Speaker(&worker);
    let word = match build(request, &worker, cancel, &mut speaker) {
        Ok(outcome) => Word::Done(outcome.into()),
        Err(error) => Word::Failed(Failure::from(&error)),
    };
    worker.say(&word)
}

struct Speaker<'a>(&'a Worker);

impl Progress for Speaker<'_> {
    fn event(&mut self, event: Event) {
        // Nobody listens any more when the build is being given up.
        let _ = self.0.say(&Word::Event(event));
    }
}

impl Worker {
    fn say(&self, word: &Word) -> std::io::Result<()> {
        send(&mut *lock(&self.socket), word)
    }

    fn answered(&self, answer: Answer) {
        if let Some(waiting) = lock(&self.questions).open.remove(&answer.number) {
            let _ = waiting.send(answer.found);
        }
    }

    fn close(&self) {
        let mut questions = lock(&self.questions);
        questions.closed = true;
        questions.open.clear();
    }

    /// The client's name and password (or no name and a token) for a registry, if it has any.
    pub fn credentials(&self, registry: &str) -> std::io::Result<Option<(String, String)>> {
        match self.ask(Question::Credentials(registry.to_owned()))? {
            Found::Credentials { username, secret } => Ok(Some((username, secret))),
            Found::Error(reason) => Err(std::io::Error::other(reason)),
            _ => Ok(None),
        }
    }

    fn ask(&self, question: Question) -> std::io::Result<Found> {
        let gone = || std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        let (sender, answer) = sync_channel(1);
        let number = {
            let mut questions = lock(&self.questions);
            if questions.closed || questions.open.len() >= QUESTION_LIMIT {
                return Err(gone());
            }
            questions.next += 1;
            let number = questions.next;
            questions.open.insert(number, sender);
            number
        };
        self.say(&Word::Ask { number, question })?;
        answer.recv().map_err(|_| gone())
    }
}

impl Vault for Worker {
    fn secret(
        &self,
        id: &str,
    ) -> Result<Option<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>> {
        match self.ask(Question::Secret(id.to_owned()))? {
            Found::Secret(value) => Ok(Some(value)),
            Found::Error(reason) => Err(reason.into()),
            _ => Ok(None),
        }
    }

    fn agent(&self, id: &str) -> Result<Option<PathBuf>, Box<dyn std::error::Error + Send + Sync>> {
        match self.ask(Question::Agent(id.to_owned()))? {
            Found::Agent(socket) => Ok(Some(socket)),
            Found::Error(reason) => Err(reason.into()),
            _ => Ok(None),
        }
    }

    fn content(
        &self,
        store: &str,
        digest: &Digest,
    ) -> Result<Option<PathBuf>, Box<dyn std::error::Error + Send + Sync>> {
        let (store, digest) = (store.to_owned(), digest.clone());
        match self.ask(Question::Content { store, digest })? {
            Found::File(path) => Ok(Some(path)),
            Found::Error(reason) => Err(reason.into()),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
