//! The server's own door for its machine: a unix socket that only its owner may open, for what is no
//! matter of the API (snapshots).

use crate::config::Config;
use crate::snapshots::{self, SnapshotError};
use http::{Method, StatusCode};
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use teu_store::Store;
use teu_web::{
    Error, Handler, Limits, Listener, Request, Response, Shutdown, UnixOptions, Workers, respond,
};

/// Longest path that may be asked for.
const MAX_PATH_BYTES: u64 = 4096;
/// Bytes of an answer.
const MAX_ANSWER_BYTES: u64 = 64 << 10;
/// A snapshot may take so long.
const PATIENCE: Duration = Duration::from_secs(600);

/// Where it is.
pub fn socket(config: &Config) -> PathBuf {
    config.run.join("control.sock")
}

struct Door {
    store: Arc<dyn Store>,
    config: Config,
    workers: Workers,
}

impl Handler for Door {
    async fn handle(&self, request: Request) -> Response {
        if (request.method(), request.uri().path()) != (&Method::POST, "/snapshot") {
            return respond::text(StatusCode::NOT_FOUND, "only POST /snapshot is here");
        }
        let body = match request.into_body().collect(MAX_PATH_BYTES).await {
            Ok(body) => body,
            Err(error) => return respond::text(error.status(), error.to_string()),
        };
        let (store, config) = (Arc::clone(&self.store), self.config.clone());
        let saved = self.workers.run(move || {
            let file = String::from_utf8_lossy(&body).into_owned();
            let file = Some(PathBuf::from(file)).filter(|file| file.is_absolute());
            snapshots::save(&*store, &config, file.as_deref())
        });
        match saved.await {
            Ok(path) => respond::text(StatusCode::OK, path.display().to_string()),
            Err(error) => respond::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }
}

/// Opens the door; it is served until the shutdown begins.
pub async fn open(
    config: &Config,
    store: Arc<dyn Store>,
    shutdown: &Shutdown,
) -> Result<(), Error> {
    let listener = Listener::unix(&socket(config), UnixOptions::default()).await?;
    let door = Door { store, config: config.clone(), workers: Workers::new(1) };
    let limits = Limits { connections: 16, ..Limits::default() };
    tokio::spawn(teu_web::serve(listener, limits, door, shutdown.clone()));
    Ok(())
}

/// Has the server that runs save a snapshot; `None` if none runs.
pub fn save_snapshot(
    config: &Config,
    file: Option<&Path>,
) -> Result<Option<PathBuf>, SnapshotError> {
    let path = socket(config);
    let Ok(mut stream) = UnixStream::connect(&path) else { return Ok(None) };
    let failed =
        |source: io::Error| SnapshotError::Io { action: "ask", path: path.clone(), source };
    let body = file.map(|file| file.display().to_string()).unwrap_or_default();
    let length = body.len();
    let head = format!(
        "POST /snapshot HTTP/1.1\r\nHost: teu\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    stream.write_all(head.as_bytes()).map_err(failed)?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER_BYTES).read_to_string(&mut answer).map_err(failed)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.starts_with("HTTP/1.1 200 ") {
        true => Ok(Some(PathBuf::from(body))),
        false => Err(SnapshotError::Server { answer: body.to_owned() }),
    }
}
