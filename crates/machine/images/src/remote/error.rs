//! What can go wrong with a registry, told with its name and what to do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// The result of everything in this module.
pub type Result<T, E = RemoteError> = std::result::Result<T, E>;

/// Why talking to a registry failed.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// No connection, or it broke.
    #[error("cannot reach {host}: {source}{}", advice(.source))]
    Transport {
        /// The server.
        host: String,
        /// The cause.
        #[source]
        source: Box<ureq::Error>,
    },
    /// The answer broke off.
    #[error("the answer of {host} broke off: {source}")]
    Body {
        /// The server.
        host: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Something does not exist there.
    #[error("{what} not found{}", told(.detail))]
    NotFound {
        /// What was asked for, such as `manifest for localhost:5000/app:latest`.
        what: String,
        /// What the registry said.
        detail: String,
    },
    /// Nobody, or the wrong person, is logged in.
    #[error(
        "access to {name} denied, the repository does not exist or may require 'teu login {registry}'{}",
        told(.detail)
    )]
    Denied {
        /// The repository.
        name: String,
        /// Where to log in.
        registry: String,
        /// What the registry said.
        detail: String,
    },
    /// Username or password are wrong.
    #[error("login to {registry} failed: {detail}")]
    Login {
        /// Where.
        registry: String,
        /// What the registry said.
        detail: String,
    },
    /// Too many requests, for longer than one waits.
    #[error("{host} allows no more requests now (429); try again in {} s{}", .wait.as_secs(), told(.detail))]
    RateLimited {
        /// The server.
        host: String,
        /// How long it asks to wait.
        wait: Duration,
        /// What it said.
        detail: String,
    },
    /// Any other answer than the one the specification asks for.
    #[error("{host} answered {status} to {verb}{}", told(.detail))]
    Status {
        /// The server.
        host: String,
        /// HTTP status.
        status: u16,
        /// What was asked.
        verb: String,
        /// What it said.
        detail: String,
    },
    /// An answer that makes no sense.
    #[error("{host} gave a wrong answer to {verb}: {reason}")]
    Protocol {
        /// The server.
        host: String,
        /// What was asked.
        verb: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// An answer larger than a limit of ours.
    #[error("{what} of {host} exceeds the limit of {limit_bytes} bytes")]
    TooLarge {
        /// The server.
        host: String,
        /// Which document.
        what: &'static str,
        /// The limit.
        limit_bytes: u64,
    },
    /// A registry that the configuration forbids.
    #[error("registry {0} is blocked by the registries configuration")]
    Blocked(String),
    /// A redirect that is not followed.
    #[error("{host} redirects to {location:?}, which is not followed: {reason}")]
    Redirect {
        /// Who redirects.
        host: String,
        /// Where to.
        location: String,
        /// Why not.
        reason: &'static str,
    },
    /// A file with certificates or keys.
    #[error("{}: {reason}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of settings.
    #[error("{}: {reason}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A program that keeps passwords.
    #[error("credential helper {program}: {reason}")]
    Helper {
        /// Its name.
        program: String,
        /// What went wrong.
        reason: String,
    },
    /// A proxy's address.
    #[error("invalid proxy address {0:?}: expected http://host:port")]
    Proxy(String),
    /// A foreign layer that nobody asked to follow.
    #[error(
        "layer {0} is a foreign layer, kept by others than the registry; it is not fetched (--allow-foreign-layers fetches it)"
    )]
    Foreign(teu_oci::Digest),
    /// The policy wants a signature.
    #[error("{name} is refused by the policy: {reason}")]
    Policy {
        /// The image.
        name: String,
        /// What is missing.
        reason: String,
    },
}

impl RemoteError {
    /// Says whether asking again may help.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Body { .. } => true,
            Self::Transport { source, .. } => match &**source {
                ureq::Error::Io(error) => !matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionRefused
                        | io::ErrorKind::HostUnreachable
                        | io::ErrorKind::NetworkUnreachable
                        | io::ErrorKind::InvalidData
                        | io::ErrorKind::PermissionDenied
                ),
                ureq::Error::Timeout(_) | ureq::Error::Protocol(_) => true,
                _ => false,
            },
            Self::Status { status, .. } => is_passing_status(*status),
            _ => false,
        }
    }

    /// Says whether the thing asked for is simply not there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}

/// Answers that a server gives when it is busy or broken for a moment.
pub(super) fn is_passing_status(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

impl From<RemoteError> for io::Error {
    /// For errors that must travel through a reader.
    fn from(error: RemoteError) -> Self {
        Self::other(crate::Error::from(error))
    }
}

fn told(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

const CERTIFICATE: &str =
    " (its CA goes to /etc/docker/certs.d/HOST:PORT/ca.crt; --tls-verify=false trusts anybody)";

fn advice(source: &ureq::Error) -> &'static str {
    match source {
        ureq::Error::HostNotFound => {
            " (no such host, or no network: check the name, or set a mirror in registries.conf)"
        }
        ureq::Error::Rustls(_) => CERTIFICATE,
        ureq::Error::Io(error)
            if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) =>
        {
            CERTIFICATE
        }
        _ => "",
    }
}
