//! BuildKit's protocol, so that `docker buildx build` and `docker build` of today's clients work.
//!
//! ```text
//! client ──POST /grpc (h2c)───▶ control   Solve, Status, DiskUsage, Prune, ListWorkers, …
//!                               bridge    the client's own frontend: Solve, Return
//!        ◀──POST /session (h2c, client serves)── sessions: files, secrets, agents, output
//!                               │
//!              frontend (options → request) · transfer (contexts in, results out)
//!                               ▼
//!              worker: `teu build-worker`, a process a build  ──▶ builder
//! ```
//! The engine hands over connections that it has upgraded ([`BuildKit::serve`],
//! [`BuildKit::serve_session`]); nothing here knows of HTTP/1 or sockets. A crate of its own for the
//! sake of its dependencies, and because it can be tested without an engine.
//!
//! Refused, in words: LLB of the client's own making (so: remote contexts), caches other than those of
//! registries, directories and images. Start reading at `control`, then `build`.

#![forbid(unsafe_code)]

use http::HeaderMap;
use prost::Message as _;
use std::collections::HashMap;
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use teu_images::Store;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

/// A `context` that the client sends by itself ([`BuildKit::upload`]).
pub const POSTED: &str = "upload-request";

mod bridge;
mod build;
mod content;
mod control;
mod export;
mod frontend;
mod history;
mod jobs;
mod outbox;
mod rpc;
mod sessions;
mod status;
pub mod sync;
mod transfer;
mod tunnel;
mod upload;
pub mod wire;
pub mod worker;

pub use rpc::Status;
pub use transfer::UPLOAD_LIMIT_BYTES;
pub use upload::Upload;

/// What it works with.
#[derive(Debug)]
pub struct Config {
    /// The builder's state: `<data>/build`.
    pub state: PathBuf,
    /// The image store.
    pub images: Store,
    /// How a build's process is started: program and arguments, such as
    /// `["/proc/self/exe", "--root", …, "build-worker"]`.
    pub worker: Vec<OsString>,
    /// This product's version.
    pub version: String,
    /// What `--add-host name:host-gateway` means: the host's address on the default network.
    pub host_gateway: Option<IpAddr>,
}

/// The service; clones share it.
#[derive(Debug, Clone)]
pub struct BuildKit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    sessions: sessions::Sessions,
    jobs: jobs::Jobs,
    contexts: sync::Contexts,
    history: history::History,
}

impl BuildKit {
    /// A service over this state; sweeps what one that died has left.
    pub fn new(config: Config) -> Self {
        let contexts = sync::Contexts::new(config.state.join("sync"));
        outbox::sweep(&config.state);
        Self(Arc::new(Inner {
            config,
            contexts,
            sessions: sessions::Sessions::default(),
            jobs: jobs::Jobs::default(),
            history: history::History::default(),
        }))
    }

    /// Serves an upgraded `POST /grpc`, or a connection that spoke HTTP/2 from the start, until it
    /// ends.
    pub async fn serve<I>(&self, io: I) -> Result<(), Status>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Ok(rpc::server::serve(io, Arc::clone(&self.0)).await?)
    }

    /// One build for a client that has a session and speaks no more of the protocol. `told` hears
    /// what happens, as encoded [`wire::StatusResponse`]s; dropping the future gives the build up.
    pub async fn build(
        &self,
        request: wire::SolveRequest,
        told: mpsc::Sender<Vec<u8>>,
    ) -> Result<HashMap<String, String>, Status> {
        // One without a session has no job, which nobody would end.
        self.0.sessions.wait(&request.session).await?;
        let job = self.0.jobs.named(&request.reference)?;
        let tell = async {
            let mut next = 0;
            while let Some((entries, after)) = job.log.read(next).await {
                for entry in &entries {
                    // The build goes on for whoever waits for its end.
                    let _ = told.send(entry.encode_to_vec()).await;
                }
                next = after;
            }
            drop(told);
        };
        let solve = async {
            let solved = tokio::select! {
                solved = control::solve(&self.0, request) => solved,
                () = job.canceled() => Err(Status::new(rpc::Code::Canceled, "context canceled")),
            };
            job.log.close();
            solved
        };
        let (solved, ()) = tokio::join!(solve, tell);
        solved.map(|response| response.exporter_response)
    }

    /// Gives up the build of this name, if there is one.
    pub fn cancel(&self, reference: &str) {
        self.0.jobs.cancel(reference);
    }

    /// Takes the context of a build that waits for it ([`POSTED`]).
    pub async fn upload(&self, reference: &str) -> Result<Upload, Status> {
        let (job, _) = self.0.jobs.begun(reference).await?;
        Upload::new(job, outbox::Outbox::new(&self.0.config.state).map_err(upload::failed)?)
    }

    /// Serves an upgraded `POST /session`, on which the client answers calls, until it ends.
    /// `headers` are those of the request.
    pub async fn serve_session<I>(&self, io: I, headers: &HeaderMap) -> Result<(), Status>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.0.sessions.serve(io, headers).await
    }
}
