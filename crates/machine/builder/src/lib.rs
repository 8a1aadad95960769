//! From a Dockerfile to an image: parse, plan, solve, commit.
//!
//! ```text
//! dockerfile ──parse──▶ instructions ──plan──▶ stages of steps ──solve──▶ chain of layers + config
//!  (pure)                                (pure)                    │  key(step) in the records? take it
//!                                                                  └─ otherwise run it, commit, record
//! ```
//! A step's key covers every input of its layer: the instruction after expansion, the chain of
//! layers below, the content and metadata of the files it takes, the environment it runs in. An
//! image's configuration is never cached: it is derived anew from the base and the Dockerfile, so
//! there is nothing for a foreign cache entry to poison (CVE-2024-24557).
//!
//! What this crate refuses: to follow a link out of a root, to keep a secret beyond the step that
//! asked for it, to print, to read the environment, and to pull (a missing base is an error).
//!
//! Start reading at [`request`], then [`dockerfile`], then `solve`.

#![forbid(unsafe_code)]

pub mod archive;
mod attest;
pub mod beneath;
mod build;
pub mod cache;
pub mod context;
pub mod copy;
pub mod dockerfile;
pub mod error;
mod export;
pub mod fetch;
pub mod git;
pub mod glob;
pub mod ignore;
pub mod key;
pub mod mounts;
pub mod needs;
pub mod outcome;
pub mod overlay;
pub mod plan;
pub mod progress;
pub mod record;
pub mod request;
pub mod session;
pub mod solve;
pub mod stage;
pub mod step;
mod time;
pub mod tree;
pub mod worker;

pub use error::{Error, Result};
pub use outcome::{Outcome, PruneReport, PruneRequest, RecordUsage};
pub use progress::{Event, Progress, Step, StepId, Stream};
pub use request::{
    Attached, Attest, AttestDetail, BuildRequest, CachePlace, CacheSource, CacheTarget,
    ContextSource, Destination, DockerfileSource, Entitlement, Environment, NamedContext,
    NetworkAttach, NetworkMode, Output, Outside, Secret, SecretSource, SshAgent, Vault, WebFile,
};
pub use solve::cancel::Cancel;

/// Builds what is asked for, telling `progress` what happens (always from the calling thread).
///
/// Blocks until the image is written or a step has failed. Interrupting the process at any instant
/// leaves nothing visible: half-done work lies in `<state>/tmp` and is swept by the next build.
pub fn build(
    request: BuildRequest,
    environment: &Environment<'_>,
    progress: &mut dyn Progress,
) -> Result<Outcome> {
    build::build(request, environment, progress)
}

/// What the cache holds, most recently used first (`teu builder du`, `teu system df`).
pub fn usage(state: &std::path::Path, images: &teu_images::Store) -> Result<Vec<RecordUsage>> {
    record::Records::open(state, images)?.usage()
}

/// Forgets what the cache holds (`teu builder prune`): all of it, or what has not been used for a
/// while, or the oldest until `keep_bytes` remain. Running builds keep what they use.
pub fn prune(
    state: &std::path::Path,
    images: &teu_images::Store,
    what: PruneRequest,
) -> Result<PruneReport> {
    record::Records::open(state, images)?.prune(what)
}

/// The other half of a `RUN` step: what the hidden command `teu build-step` calls, as the first
/// thing in a fresh single-threaded process. Talks to the build on standard input (a socket);
/// standard output and error are the step's. Returns the process's exit code.
pub fn build_step() -> u8 {
    step::main()
}
