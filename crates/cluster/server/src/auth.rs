//! Who somebody is, and what they may: the seam between the server and its rules.
//!
//! A request is authenticated once ([`Authenticator`]), its [`Attributes`] are taken from what was
//! parsed and will be executed (never from its text a second time), and [`Authorizer`] decides.

pub mod certificate;
pub mod masters;
mod user;

pub use certificate::ByCertificate;
pub use masters::Masters;
pub use user::User;

use http::HeaderMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use teu_api::Status;
use teu_web::Peer;

/// What is decided later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a request wants, as it was parsed.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a> {
    /// Who.
    pub user: &'a User,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; in lower
    /// case HTTP's method for what is no resource.
    pub verb: &'a str,
    /// The path of what is no resource; empty for resources.
    pub path: &'a str,
    /// API group.
    pub group: &'a str,
    /// Version.
    pub version: &'a str,
    /// Resource.
    pub resource: &'a str,
    /// Below it.
    pub subresource: &'a str,
    /// Namespace.
    pub namespace: &'a str,
    /// Object.
    pub name: &'a str,
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// They may.
    Allow,
    /// They may not; why, if there is more to say than that nothing allows it.
    Deny(String),
}

/// Tells who a request is from.
pub trait Authenticator: Send + Sync {
    /// By connection and headers. A wrong credential is an error, none at all is
    /// [`User::anonymous`].
    fn authenticate<'a>(
        &'a self,
        peer: &'a Peer,
        headers: &'a HeaderMap,
    ) -> Later<'a, Result<Arc<User>, Status>>;
}

/// Says who may do what.
pub trait Authorizer: Send + Sync {
    /// Decides.
    fn authorize<'a>(&'a self, attributes: &'a Attributes<'a>) -> Later<'a, Decision>;
}

impl Attributes<'_> {
    /// The refusal, in Kubernetes' words.
    pub fn refusal(&self, why: &str) -> Status {
        let user = &self.user.name;
        let mut text = if self.path.is_empty() {
            let resource = match self.subresource {
                "" => self.resource.to_owned(),
                below => format!("{}/{below}", self.resource),
            };
            let place = match self.namespace {
                "" => "at the cluster scope".to_owned(),
                namespace => format!("in the namespace \"{namespace}\""),
            };
            let verb = self.verb;
            let group = self.group;
            format!(
                "User \"{user}\" cannot {verb} resource \"{resource}\" in API group \"{group}\" {place}"
            )
        } else {
            format!("User \"{user}\" cannot {} path \"{}\"", self.verb, self.path)
        };
        if !why.is_empty() {
            text = format!("{text}: {why}");
        }
        if !self.path.is_empty() {
            return Status::new(403, "Forbidden", format!("forbidden: {text}"));
        }
        Status::forbidden(self.group, self.resource, self.name, &text)
    }
}
