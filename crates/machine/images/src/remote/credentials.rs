//! Who a person is at a registry: looked up by whoever has a file or a helper, handed in as a trait.

use super::error::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// What is shown to a registry.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing.
    #[default]
    Anonymous,
    /// A username and a password.
    Password {
        /// Who.
        username: String,
        /// The secret.
        password: String,
    },
    /// A token that gets other tokens (OAuth2's refresh token).
    Identity(String),
    /// A token for the registry itself.
    Registry(String),
}

impl fmt::Debug for Credentials {
    /// Never shows a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Password { username, .. } => {
                f.debug_struct("Password").field("username", username).finish_non_exhaustive()
            }
            Self::Identity(_) => f.write_str("Identity"),
            Self::Registry(_) => f.write_str("Registry"),
        }
    }
}

impl Credentials {
    /// As a helper or a file has them: the username `<token>` marks an identity token.
    pub fn of(username: &str, password: &str) -> Self {
        match username {
            "<token>" => Self::Identity(password.to_owned()),
            "" if password.is_empty() => Self::Anonymous,
            _ => Self::Password { username: username.to_owned(), password: password.to_owned() },
        }
    }

    /// `Authorization` for these, where the server takes a password.
    pub(super) fn basic(&self) -> Option<String> {
        match self {
            Self::Password { username, password } => {
                Some(format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
            }
            _ => None,
        }
    }
}

/// Where credentials come from.
pub trait CredentialSource: fmt::Debug + Send + Sync {
    /// What is known for a registry (`docker.io`, `localhost:5000`) and repository.
    fn find(&self, registry: &str, repository: &str) -> Result<Credentials>;
}

/// The same for every registry; `--creds`.
#[derive(Debug, Clone, Default)]
pub struct Fixed(pub Credentials);

impl CredentialSource for Fixed {
    fn find(&self, _: &str, _: &str) -> Result<Credentials> {
        Ok(self.0.clone())
    }
}
