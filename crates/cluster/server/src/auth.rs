//! Who somebody is, and what they may: the seam between the server and its rules.
//!
//! A request is authenticated once ([`Authenticator`]), its [`Attributes`] are taken from what was
//! parsed and will be executed (never from its text a second time), and [`Authorizer`] decides.

pub mod accounts;
pub mod bearer;
pub mod certificate;
pub mod defaults;
pub mod escalation;
pub mod impersonate;
pub mod legacy;
pub mod masters;
pub mod node;
pub mod oidc;
mod parameters;
pub mod rbac;
pub mod reviews;
mod user;

pub use accounts::Accounts;
pub use bearer::ByCredential;
pub use certificate::ByCertificate;
pub use masters::Masters;
pub use node::NodesAndRoles;
pub use rbac::Rbac;
pub use user::User;

use crate::api::Api;
use http::HeaderMap;
use serde_json::Value;
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
    /// Object; for a list or watch the one that a field selector leaves.
    pub name: &'a str,
    /// The field selector of a list or watch, as it was sent.
    pub fields: &'a str,
}

/// How a server finds out who asks, and whether they may.
pub struct Access {
    /// Who a request is from.
    pub authenticator: Box<dyn Authenticator>,
    /// What they may.
    pub authorizer: Box<dyn Authorizer>,
    /// Who issues tokens for service accounts; none where nobody does.
    pub accounts: Option<Arc<Accounts>>,
}

impl Access {
    /// By certificates and tokens, and by roles.
    pub fn of_cluster(signer: Arc<teu_pki::Signer>) -> Self {
        let accounts = Arc::new(Accounts::new(signer));
        Self {
            authenticator: Box::new(ByCredential::new(Arc::clone(&accounts))),
            authorizer: Box::new(NodesAndRoles::default()),
            accounts: Some(accounts),
        }
    }
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("accounts", &self.accounts).finish_non_exhaustive()
    }
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// They may; by what, if there is something to say.
    Allow(String),
    /// They may not; why, if there is more to say than that nothing allows it.
    Deny(String),
}

/// Tells who a request is from.
pub trait Authenticator: Send + Sync {
    /// By connection and headers. A wrong credential is an error, none at all is
    /// [`User::anonymous`].
    fn authenticate<'a>(
        &'a self,
        api: &'a Api,
        peer: &'a Peer,
        headers: &'a HeaderMap,
    ) -> Later<'a, Result<Arc<User>, Status>>;
}

/// Says who may do what.
pub trait Authorizer: Send + Sync {
    /// Decides.
    fn authorize<'a>(&'a self, api: &'a Api, attributes: &'a Attributes<'a>)
    -> Later<'a, Decision>;

    /// Roles, where they decide: whoever writes one must have what it allows.
    fn as_rbac(&self) -> Option<&Rbac> {
        None
    }
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

/// An object that says who somebody is, if it is there.
pub(crate) async fn lookup(
    api: &Api,
    plural: &str,
    (namespace, name): (&str, &str),
) -> Result<Option<Value>, Status> {
    api.one(&api.table.rows(), ("", plural), namespace, name).await
}
