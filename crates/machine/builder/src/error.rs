//! Why a build failed: each says what, where, and what to do.

use crate::dockerfile::problem::{ParseError, Problem};
use crate::dockerfile::source::{Lines, Source};
use crate::ignore::IgnoreProblem;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a build failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The context is not a directory.
    #[error("unable to prepare context: {} is not a directory", .0.display())]
    NotDirectory(PathBuf),
    /// There is no Dockerfile.
    #[error("failed to read dockerfile: open {}: no such file or directory{}", path.display(), hint(.near))]
    NoDockerfile {
        /// Where it was looked for.
        path: PathBuf,
        /// A file of nearly that name.
        near: Option<String>,
    },
    /// The kernel refused something at a path.
    #[error("cannot {verb} {}: {source}", path.display())]
    Io {
        /// What was being done.
        verb: &'static str,
        /// To what.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The Dockerfile cannot be understood.
    #[error(transparent)]
    Dockerfile(#[from] ParseError),
    /// The `.dockerignore` cannot be understood.
    #[error("{}: {source}", path.display())]
    Ignore {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: IgnoreProblem,
    },
    /// A step failed.
    #[error(transparent)]
    Step(Box<StepError>),
    /// The store of images failed.
    #[error(transparent)]
    Images(#[from] teu_images::Error),
    /// `--target` names no stage.
    #[error("target stage {name:?} could not be found{}", hint(.near))]
    NoTarget {
        /// What was asked for.
        name: String,
        /// A stage of nearly that name.
        near: Option<String>,
    },
    /// A platform of another system.
    #[error("cannot build for platform {wanted}: only linux is known here")]
    Platform {
        /// What was asked for.
        wanted: String,
    },
    /// A choice of the request that there is no way to honour.
    #[error("{flag}: {problem}")]
    Request {
        /// Which.
        flag: &'static str,
        /// Why.
        problem: RequestProblem,
    },
    /// The image could not be pushed; it is in the store.
    #[error("failed to push {name}: {problem}")]
    Push {
        /// Which name.
        name: String,
        /// Why.
        #[source]
        problem: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A cache could not be written; the image is made.
    #[error("failed to export cache to {place}: {problem}")]
    Cache {
        /// Where to.
        place: String,
        /// Why.
        #[source]
        problem: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The result could not be written.
    #[error("cannot export: {0}")]
    Export(#[source] Box<Cause>),
    /// Something of ours is not what it was: a bug, or a hand in the state directory.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

/// Why a choice cannot be honoured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum RequestProblem {
    #[error("SOURCE_DATE_EPOCH is not a number of seconds: {0:?}")]
    Epoch(String),
    #[error("{0:?} cannot be annotated: write manifest:KEY=VALUE or index:KEY=VALUE")]
    AnnotationLevel(String),
    #[error("an image for one platform has no index to annotate: write manifest:KEY=VALUE")]
    NoIndex,
    #[error("two secrets have the id {0:?}")]
    SecretTwice(String),
    #[error("the secret {id:?} has more than 500 KiB")]
    SecretTooLarge { id: String },
    #[error("{} is not a socket; start ssh-agent and give its socket", .0.display())]
    NotASocket(PathBuf),
    #[error(
        "{0} holds the files of one platform: use type=image, type=oci or type=local for several"
    )]
    OnePlatform(&'static str),
    #[error("layers cannot be squashed; use --output type=tar, then teu import")]
    Squash,
    #[error("the context stream is neither a tar (plain, gzip, zstd) nor a Dockerfile")]
    Stream,
    #[error("{0:?} is not a limit: name=soft[:hard]")]
    Limit(String),
}

/// A step that failed, and where it stands.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {cause}")]
pub struct StepError {
    /// Which, as the progress shows it.
    pub name: String,
    /// Its lines.
    pub lines: Lines,
    /// The Dockerfile; none of internal steps.
    pub source_text: Option<Arc<Source>>,
    /// Why.
    #[source]
    pub cause: Cause,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The command ended with an error.
    #[error("process {command:?} did not complete successfully: {}", ending(*.code, *.oom))]
    Exit {
        /// What ran.
        command: String,
        /// Its exit code, 128+n after signal n.
        code: i32,
        /// The kernel killed it for lack of memory.
        oom: bool,
        /// Last lines of its output.
        tail: Vec<String>,
    },
    /// A program of another machine.
    #[error(
        "a program for {wanted} cannot run on this machine ({host}): cross-compile in a stage that is FROM --platform=$BUILDPLATFORM, or register an emulator (binfmt_misc: qemu-user-static)"
    )]
    Foreign {
        /// Whose programs.
        wanted: String,
        /// What runs here.
        host: String,
    },
    /// The command could not be started.
    #[error("process {command:?} could not be started: {reason}")]
    Start {
        /// What was to run.
        command: String,
        /// The runtime's words.
        reason: Box<str>,
    },
    /// A source does not exist.
    #[error("\"/{path}\": not found in {place}{}", missing(*.ignored, .near))]
    NotFound {
        /// Path beneath the root.
        path: String,
        /// `build context`, `stage build`…
        place: String,
        /// `.dockerignore` excludes it.
        ignored: bool,
        /// A name nearby.
        near: Option<String>,
    },
    /// A file of the context cannot be read.
    #[error("cannot {verb} {path:?} in {place}: {source}")]
    Source {
        /// What was being done.
        verb: &'static str,
        /// Path beneath the root.
        path: String,
        /// Which root.
        place: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// A socket, device or FIFO in the context.
    #[error("{path:?} in {place} is a {kind}, which cannot be copied: add it to .dockerignore")]
    Special {
        /// Path beneath the root.
        path: String,
        /// Which root.
        place: String,
        /// What it is.
        kind: &'static str,
    },
    /// Writing into the image failed.
    #[error("cannot {verb} {path:?} in the image: {source}")]
    Target {
        /// What was being done.
        verb: &'static str,
        /// Path in the image.
        path: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// A file where a directory is, or the reverse.
    #[error("cannot replace {theirs} {path:?} of the image by {ours}")]
    Kinds {
        /// Path in the image.
        path: String,
        /// What is there.
        theirs: &'static str,
        /// What was to come.
        ours: &'static str,
    },
    /// Several sources, and a destination that is no directory.
    #[error(
        "when using {0} with more than one source file, the destination must be a directory and end with a /"
    )]
    NotADirectory(&'static str),
    /// A user or group that the image does not have.
    #[error("{0}")]
    User(Box<str>),
    /// A value that makes no sense once expanded.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The base image is not in the store.
    #[error(
        "{name}: no such image in the store{}: teu pull, teu load or teu import it first",
        hint(.near)
    )]
    NoImage {
        /// What was asked for.
        name: String,
        /// A name of the store that is near.
        near: Option<String>,
    },
    /// A base image is not here and could not be fetched.
    #[error("{name}: failed to resolve source metadata: {problem}{}", hint(.near))]
    Pull {
        /// What was asked for.
        name: String,
        /// What the registry, or the way to it, said.
        problem: Box<dyn std::error::Error + Send + Sync>,
        /// A name of the store or of a stage that is near.
        near: Option<String>,
    },
    /// The store failed.
    #[error(transparent)]
    Images(#[from] teu_images::Error),
    /// A secret or agent was not given.
    #[error("{kind} {id}: not found: give it with --{kind} id={id},…")]
    NotGiven {
        /// `secret` or `ssh`.
        kind: &'static str,
        /// Which.
        id: String,
    },
    /// Whoever keeps secrets or agents failed.
    #[error("{kind} {id}: {source}")]
    Vault {
        /// `secret` or `ssh`.
        kind: &'static str,
        /// Which.
        id: String,
        /// The keeper's answer.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A privilege that nobody allowed.
    #[error("{what} is not allowed: give --allow {entitlement}")]
    Entitlement {
        /// What was asked for.
        what: &'static str,
        /// What would allow it.
        entitlement: &'static str,
    },
    /// A download failed.
    #[error("cannot fetch {url}: {problem}")]
    Fetch {
        /// From where.
        url: String,
        /// Why.
        problem: crate::fetch::FetchProblem,
    },
    /// A repository's files could not be had.
    #[error("cannot fetch {url}: {problem}")]
    Git {
        /// From where.
        url: String,
        /// Why.
        problem: crate::git::GitProblem,
    },
    /// Bytes are not those that were announced.
    #[error("digest mismatch of {url}: {found}, expected {expected}")]
    Checksum {
        /// From where.
        url: String,
        /// What they hash to.
        found: String,
        /// What was announced.
        expected: String,
    },
    /// The network of the build could not be made.
    #[error("cannot connect the build's network: {0}")]
    Network(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A path of ours.
    #[error("cannot {verb} {}: {source}", path.display())]
    Io {
        /// What was being done.
        verb: &'static str,
        /// To what.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// A limit of ours.
    #[error("more than {limit} {what}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: u64,
    },
    /// Another step failed first.
    #[error("canceled")]
    Canceled,
}

impl Error {
    /// The kernel's error with its verb and path.
    pub fn io(verb: &'static str, path: impl AsRef<Path>, source: impl Into<io::Error>) -> Self {
        Self::Io { verb, path: path.as_ref().to_path_buf(), source: source.into() }
    }

    /// Lines of the Dockerfile around the cause, as Docker shows them; empty if it is elsewhere.
    pub fn excerpt(&self) -> String {
        match self {
            Self::Dockerfile(error) => error.excerpt(),
            Self::Step(step) => {
                step.source_text.as_ref().map_or_else(String::new, |text| text.excerpt(step.lines))
            }
            _ => String::new(),
        }
    }

    /// The Dockerfile and those of its lines that the error is about, if it is about any.
    pub fn place(&self) -> Option<(&Source, Lines)> {
        let (source, lines) = match self {
            Self::Dockerfile(error) => (error.source_text(), error.lines),
            Self::Step(step) => (step.source_text.as_deref()?, step.lines),
            _ => return None,
        };
        (lines.first > 0).then_some((source, lines))
    }

    /// The build was given up, rather than having failed.
    pub fn is_canceled(&self) -> bool {
        matches!(self, Self::Step(step) if matches!(step.cause, Cause::Canceled))
    }

    /// The last lines that a failed command wrote; empty otherwise.
    pub fn tail(&self) -> &[String] {
        match self {
            Self::Step(step) => match &step.cause {
                Cause::Exit { tail, .. } => tail,
                _ => &[],
            },
            _ => &[],
        }
    }
}

impl Cause {
    /// The kernel's error with its verb and path.
    pub fn io(verb: &'static str, path: impl AsRef<Path>, source: impl Into<io::Error>) -> Self {
        Self::Io { verb, path: path.as_ref().to_path_buf(), source: source.into() }
    }
}

fn hint(near: &Option<String>) -> String {
    near.as_ref().map_or_else(String::new, |near| format!(" (did you mean {near}?)"))
}

fn missing(ignored: bool, near: &Option<String>) -> String {
    if ignored { " (excluded by .dockerignore)".to_owned() } else { hint(near) }
}

fn ending(code: i32, oom: bool) -> String {
    if oom {
        return format!("killed for lack of memory (exit code: {code})");
    }
    format!("exit code: {code}")
}
