//! The server's own door for its machine: a unix socket that only its owner may open, for what is no
//! matter of the API (snapshots, history, encryption).

use crate::api::Api;
use crate::config::Config;
use crate::history::{History, Question, QuestionError, Told};
use crate::sealing;
use crate::snapshots::{self, SnapshotError};
use http::{Method, StatusCode};
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use teu_web::{
    Error, Handler, Limits, Listener, Request, Response, Shutdown, UnixOptions, Workers, respond,
};

/// Bytes of a path or a question.
const MAX_QUESTION_BYTES: u64 = 4096;
/// Bytes of an answer; two whole objects may differ in all lines.
const MAX_ANSWER_BYTES: u64 = 16 << 20;
/// How often a server that says nothing is asked again, and after what pause.
const TRIES: usize = 50;
const PAUSE: Duration = Duration::from_millis(20);
/// An answer may take so long; a snapshot does.
const PATIENCE: Duration = Duration::from_secs(600);

/// Where it is.
pub fn socket(config: &Config) -> PathBuf {
    config.run.join("control.sock")
}

/// What the door leads to.
pub struct House {
    /// The server.
    pub api: Arc<Api>,
    /// What objects were.
    pub history: Arc<History>,
    /// See there.
    pub config: Config,
}

impl std::fmt::Debug for House {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("House").field("config", &self.config).finish_non_exhaustive()
    }
}

struct Door {
    house: House,
    workers: Workers,
}

impl Handler for Door {
    async fn handle(&self, request: Request) -> Response {
        let what = match (request.method(), request.uri().path()) {
            (&Method::POST, path @ ("/snapshot" | "/rewrite" | "/history" | "/diff" | "/undo")) => {
                path.to_owned()
            }
            _ => return respond::text(StatusCode::NOT_FOUND, "there is no such question"),
        };
        let body = match request.into_body().collect(MAX_QUESTION_BYTES).await {
            Ok(body) => body,
            Err(error) => return respond::text(error.status(), error.to_string()),
        };
        let failed = StatusCode::INTERNAL_SERVER_ERROR;
        if what == "/snapshot" {
            return match self.snapshot(&body).await {
                Ok(path) => respond::text(StatusCode::OK, path),
                Err(error) => respond::text(failed, error.to_string()),
            };
        }
        if what == "/rewrite" {
            return self.rewrite().await;
        }
        let question = match serde_json::from_slice(&body) {
            Ok(question) => question,
            Err(error) => {
                let text = format!("the question is not understood: {error}");
                return respond::text(StatusCode::BAD_REQUEST, text);
            }
        };
        match self.past(&what, &question).await {
            Ok(text) => respond::text(StatusCode::OK, text),
            Err(error @ QuestionError::Kind { .. }) => {
                respond::text(StatusCode::NOT_FOUND, error.to_string())
            }
            Err(error) => respond::text(failed, error.to_string()),
        }
    }
}

impl Door {
    async fn snapshot(&self, body: &[u8]) -> Result<String, SnapshotError> {
        let (store, config) = (Arc::clone(&self.house.api.store), self.house.config.clone());
        let file = PathBuf::from(String::from_utf8_lossy(body).into_owned());
        let saved = self.workers.run(move || {
            let file = Some(file).filter(|file| file.is_absolute());
            snapshots::save(&*store, &config, file.as_deref())
        });
        saved.await.map(|path| path.display().to_string())
    }

    /// Writes anew what another key has written.
    async fn rewrite(&self) -> Response {
        let Some((inner, sealings)) = &self.house.api.beneath else {
            let why = "the server runs without an encryption configuration (`encryption-config`)";
            return respond::text(StatusCode::CONFLICT, why);
        };
        let rewritten: Result<_, teu_store::Error> = async {
            let done = sealing::rewrite(&**inner, &*self.house.api.store, sealings).await?;
            let newest = inner.status().await?.revision;
            // What objects were is taken down from what is forgotten now.
            self.house.history.has_seen(newest).await;
            sealing::forget(&**inner, newest).await.map(|()| done)
        }
        .await;
        match rewritten {
            Ok(done) => respond::text(StatusCode::OK, done.to_string()),
            Err(error) => respond::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }

    async fn past(&self, what: &str, question: &Question) -> Result<String, QuestionError> {
        let House { api, history, .. } = &self.house;
        match what {
            "/diff" => history.diff(api, question).await,
            "/undo" => history.undo(api, question).await,
            _ => {
                let told = history.versions(api, question).await?;
                Ok(serde_json::to_string(&told).unwrap_or_default())
            }
        }
    }
}

/// Opens the door; it is served until the shutdown begins.
pub async fn open(house: House, shutdown: &Shutdown) -> Result<(), Error> {
    let listener = Listener::unix(&socket(&house.config), UnixOptions::default()).await?;
    let door = Door { house, workers: Workers::new(1) };
    let limits = Limits { connections: 16, ..Limits::default() };
    tokio::spawn(teu_web::serve(listener, limits, door, shutdown.clone()));
    Ok(())
}

/// Has the server that runs save a snapshot; `None` if none runs.
pub fn save_snapshot(
    config: &Config,
    file: Option<&Path>,
) -> Result<Option<PathBuf>, SnapshotError> {
    let body = file.map(|file| file.display().to_string()).unwrap_or_default();
    match ask(config, "/snapshot", &body) {
        Ok(answer) => Ok(answer.map(PathBuf::from)),
        Err(AskError::Io { path, source }) => {
            Err(SnapshotError::Io { action: "ask", path, source })
        }
        Err(AskError::Refused { answer } | AskError::NoKind { answer }) => {
            Err(SnapshotError::Server { answer })
        }
    }
}

/// Has the server that runs encrypt everything anew; `None` if none runs. Says what was done.
pub fn rewrite_sealed(config: &Config) -> Result<Option<String>, AskError> {
    ask(config, "/rewrite", "")
}

/// Why the server that runs did not answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The socket.
    #[error("cannot ask the server at {}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What is asked about is of no kind that it has.
    #[error("{answer}")]
    NoKind {
        /// What it said.
        answer: String,
    },
    /// It said why.
    #[error("{answer}")]
    Refused {
        /// What it said.
        answer: String,
    },
}

/// What an object was; `None` if no server runs.
pub fn history(config: &Config, question: &Question) -> Result<Option<Told>, AskError> {
    let told = ask_past(config, "/history", question)?;
    let refused = |error: serde_json::Error| AskError::Refused { answer: error.to_string() };
    told.map(|told| serde_json::from_str(&told).map_err(refused)).transpose()
}

/// How an object differs from what it was; `None` if no server runs.
pub fn diff(config: &Config, question: &Question) -> Result<Option<String>, AskError> {
    ask_past(config, "/diff", question)
}

/// Makes an object what it was; `None` if no server runs.
pub fn undo(config: &Config, question: &Question) -> Result<Option<String>, AskError> {
    ask_past(config, "/undo", question)
}

fn ask_past(config: &Config, what: &str, question: &Question) -> Result<Option<String>, AskError> {
    ask(config, what, &serde_json::to_string(question).unwrap_or_default())
}

fn ask(config: &Config, what: &str, body: &str) -> Result<Option<String>, AskError> {
    let path = socket(config);
    for _ in 0..TRIES {
        let Ok(stream) = UnixStream::connect(&path) else { return Ok(None) };
        match exchange(stream, what, body) {
            Ok(answer) if !answer.is_empty() => return read_answer(&answer).map(Some),
            // A server that is dying takes a connection and says nothing; soon it takes none.
            Ok(_) => {}
            Err(error) if is_gone(&error) => {}
            Err(source) => return Err(AskError::Io { path, source }),
        }
        std::thread::sleep(PAUSE);
    }
    Ok(None)
}

/// Whether the other side has gone.
fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// Asks, and reads all that is answered.
fn exchange(mut stream: UnixStream, what: &str, body: &str) -> io::Result<String> {
    let length = body.len();
    let head = format!(
        "POST {what} HTTP/1.1\r\nHost: teu\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(head.as_bytes())?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER_BYTES).read_to_string(&mut answer)?;
    Ok(answer)
}

fn read_answer(answer: &str) -> Result<String, AskError> {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let answer = body.to_owned();
    match head.split(' ').nth(1) {
        Some("200") => Ok(answer),
        Some("404") => Err(AskError::NoKind { answer }),
        _ => Err(AskError::Refused { answer }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_server_that_is_dying_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = Config::new(folder.path().join("data"), folder.path().to_path_buf());
        assert!(matches!(rewrite_sealed(&config), Ok(None)), "no socket at all");
        let listener = UnixListener::bind(socket(&config)).expect("a socket");
        let asked = config.clone();
        let asking = std::thread::spawn(move || rewrite_sealed(&asked));
        // Taken and let go without a word, and then the socket is nobody's.
        let (stream, _) = listener.accept().expect("a question");
        drop((stream, listener));
        let answer = asking.join().expect("an end");
        assert!(matches!(answer, Ok(None)), "{answer:?}");
    }
}
