//! Why a request failed, as it is told to the command that asked.

use super::protocol::Reply;
use std::error::Error as _;
use std::path::{Path, PathBuf};

/// A request that failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("No such container: {id}")]
    NoContainer { id: String },
    #[error("container {id} is not running")]
    NotRunning { id: String },
    #[error("container {id} is already running")]
    AlreadyRunning { id: String },
    #[error("Container {id} is paused, unpause the container before {what}")]
    Paused { id: String, what: &'static str },
    #[error("Container {id} is already paused")]
    AlreadyPaused { id: String },
    #[error("Container {id} is not paused")]
    NotPaused { id: String },
    #[error("container {id} has no terminal")]
    NoTerminal { id: String },
    #[error("{what}")]
    Refused { what: &'static str },
    #[error("cannot join the {what} namespace of container {id}: it is not running")]
    JoinNotRunning { what: &'static str, id: String },
    #[error(
        "sysctl {name:?} cannot be set: only net.* (not with the host's network), kernel.msg*, kernel.sem, kernel.shm* and fs.mqueue.* (not with the host's IPC) belong to a container"
    )]
    Sysctl { name: String },
    #[error(
        "invalid mount config for type \"bind\": bind source path does not exist: {}",
        path.display()
    )]
    NoSource { path: PathBuf },
    #[error("cannot {what} {}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} is damaged: `teu rm -f` removes what it belongs to", path.display())]
    Damaged {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("cannot {what}")]
    System {
        what: &'static str,
        #[source]
        source: rustix::io::Errno,
    },
    #[error(transparent)]
    Runtime(#[from] teu_runtime::Error),
    #[error(transparent)]
    Cgroup(#[from] teu_runtime::cgroup::Error),
    #[error(transparent)]
    Users(#[from] teu_runtime::users::Error),
    #[error(transparent)]
    Rootless(#[from] crate::rootless::Error),
    #[error(transparent)]
    Network(#[from] teu_network::Error),
    #[error(transparent)]
    Volumes(#[from] teu_volumes::Error),
    #[error(transparent)]
    Images(#[from] teu_images::Error),
    #[error(transparent)]
    Root(Box<crate::Error>),
    #[error(transparent)]
    Plan(#[from] crate::plan::Error),
}

impl Failure {
    /// 125, or 126 and 127 where the container's own program is at fault.
    pub(super) fn exit_code(&self) -> i32 {
        match self {
            Self::Runtime(error) => error.exit_code(),
            _ => teu_runtime::error::EXIT_OURS,
        }
    }

    /// The message with all its causes.
    pub(super) fn report(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let next = error.to_string();
            // Errors whose text ends with their cause's say it once.
            if !text.ends_with(&next) {
                text = format!("{text}: {next}");
            }
            cause = error.source();
        }
        text
    }

    pub(super) fn reply(&self) -> Reply {
        Reply::Failed { exit_code: self.exit_code(), message: self.report() }
    }

    pub(super) fn io(
        what: &'static str,
        path: &Path,
    ) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }

    pub(super) fn errno(
        what: &'static str,
        path: &Path,
    ) -> impl FnOnce(rustix::io::Errno) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source: source.into() }
    }

    pub(super) fn system(what: &'static str) -> impl FnOnce(rustix::io::Errno) -> Self {
        move |source| Self::System { what, source }
    }
}
