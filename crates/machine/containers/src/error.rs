//! What can go wrong, in the words people know from Docker.
//!
//! Every variant names what it is about; [`Error::exit_code`] is what a command ends with.

use std::path::{Path, PathBuf};

/// A failed operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing answers to the name or id.
    #[error("No such container: {0}")]
    NoSuchContainer(String),
    /// Likewise.
    #[error("No such pod: {0}")]
    NoSuchPod(String),
    /// A prefix fits several ids.
    #[error("Multiple IDs found with provided prefix: {0}")]
    Ambiguous(String),
    /// The name is taken.
    #[error(
        "Conflict. The container name \"/{name}\" is already in use by container \"{id}\". You have to remove (or rename) that container to be able to reuse that name."
    )]
    NameInUse {
        /// What was wanted.
        name: String,
        /// Who has it.
        id: String,
    },
    /// The name breaks the grammar.
    #[error("Invalid container name ({0}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")]
    InvalidName(String),
    /// A pod's name.
    #[error(
        "Invalid pod name ({0}): letters, digits, '_', '.' and '-', beginning with a letter or digit"
    )]
    InvalidPodName(String),
    /// An ordinary user's namespaces could not be entered.
    #[error(transparent)]
    Rootless(#[from] crate::rootless::Error),
    /// The request contradicts itself, or the machine cannot do it.
    #[error(transparent)]
    Invalid(#[from] crate::create::Invalid),
    /// The operation needs a running container.
    #[error("container {0} is not running")]
    NotRunning(String),
    /// `kill` of a container that does not run.
    #[error("cannot kill container: {name}: container {id} is not running")]
    CannotKill {
        /// As typed.
        name: String,
        /// Who.
        id: String,
    },
    /// `pause` twice.
    #[error("Container {0} is already paused")]
    AlreadyPaused(String),
    /// `unpause` of what is not paused.
    #[error("Container {0} is not paused")]
    NotPaused(String),
    /// Start, exec or the like of a paused container.
    #[error("Container {0} is paused, unpause the container before {1}")]
    Paused(String, &'static str),
    /// Exec in a container that waits to be started again.
    #[error("Container {0} is restarting, wait until the container is running")]
    Restarting(String),
    /// On the network already.
    #[error("container {container} is already connected to network {network}")]
    AlreadyConnected {
        /// Its name.
        container: String,
        /// The network's.
        network: String,
    },
    /// Not on the network.
    #[error("container {container} is not connected to network {network}")]
    NotConnected {
        /// Its name.
        container: String,
        /// The network's.
        network: String,
    },
    /// Refused, in Docker's words.
    #[error("{0}")]
    Refused(&'static str),
    /// `rm` of a running container.
    #[error(
        "cannot remove container \"/{name}\": container is {status}: stop the container before removing or force remove"
    )]
    StillRunning {
        /// Its name.
        name: String,
        /// `running`, `paused` or `restarting`.
        status: &'static str,
    },
    /// `rm` of a pod that has running containers.
    #[error("pod {0} has running containers: stop the pod before removing or force remove")]
    PodRunning(String),
    /// A container that other containers use for their namespaces.
    #[error("cannot join {what} of a non running container: {id}")]
    JoinNotRunning {
        /// Which namespace.
        what: &'static str,
        /// Whose.
        id: String,
    },
    /// An image.
    #[error(transparent)]
    Images(#[from] teu_images::Error),
    /// A network.
    #[error(transparent)]
    Network(#[from] teu_network::Error),
    /// A cgroup.
    #[error(transparent)]
    Cgroup(teu_runtime::cgroup::Error),
    /// A volume.
    #[error(transparent)]
    Volumes(#[from] teu_volumes::Error),
    /// The volume is mounted somewhere.
    #[error("remove {volume}: volume is in use - [{containers}]")]
    VolumeInUse {
        /// Which.
        volume: String,
        /// By whom.
        containers: String,
    },
    /// The shim (and through it the runtime) refused.
    #[error("{message}")]
    Shim {
        /// 125, 126 or 127.
        exit_code: i32,
        /// For a person.
        message: String,
    },
    /// The shim cannot be talked to.
    #[error(transparent)]
    Channel(#[from] crate::shim::Error),
    /// The shim went away in the middle of a question.
    #[error(
        "the shim of pod {0} went away; look at `teu inspect` for what became of the container"
    )]
    ShimLost(String),
    /// A filter that does not exist.
    #[error("invalid filter '{0}'")]
    InvalidFilter(String),
    /// A filter's value makes no sense.
    #[error("invalid value {value:?} for filter '{key}': {reason}")]
    FilterValue {
        /// Which filter.
        key: String,
        /// Its value.
        value: String,
        /// Why not.
        reason: &'static str,
    },
    /// A time that cannot be read.
    #[error(
        "invalid time {0:?}: expected RFC 3339, seconds since the epoch or a duration such as 10m"
    )]
    InvalidTime(String),
    /// Logs were not kept.
    #[error("configured logging driver does not support reading")]
    LogsNotKept,
    /// A path of a `cp`.
    #[error(transparent)]
    Copy(#[from] crate::copy::CopyError),
    /// A file of ours does not parse.
    #[error("{path} is damaged: {source}; `teu rm -f` removes what it belongs to")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The system refused.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// Verb.
        what: &'static str,
        /// Object.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Shorthand.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What a command ends with: 125, or the shim's 126 and 127.
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Shim { exit_code, .. } => *exit_code,
            _ => 125,
        }
    }

    pub(crate) fn io(
        what: &'static str,
        path: &Path,
    ) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }

    pub(crate) fn sys(
        what: &'static str,
        path: &Path,
    ) -> impl FnOnce(rustix::io::Errno) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source: source.into() }
    }
}
