//! By client certificate: its common name is the user, its organizations are the groups.

use super::user::AUTHENTICATED;
use super::{Authenticator, Later, User};
use crate::api::Api;
use http::HeaderMap;
use std::sync::Arc;
use teu_api::Status;
use teu_web::Peer;

/// Believes certificates of the cluster's authority (TLS has verified them).
#[derive(Debug, Clone, Copy)]
pub struct ByCertificate;

impl Authenticator for ByCertificate {
    fn authenticate<'a>(
        &'a self,
        _: &'a Api,
        peer: &'a Peer,
        headers: &'a HeaderMap,
    ) -> Later<'a, Result<Arc<User>, Status>> {
        let user = of(peer);
        let has_token = headers.contains_key(http::header::AUTHORIZATION);
        Box::pin(async move {
            match user {
                Some(user) => Ok(Arc::new(user)),
                // Nobody here issues tokens, so every token is a wrong one.
                None if has_token => Err(Status::unauthorized()),
                None => Ok(Arc::new(User::anonymous())),
            }
        })
    }
}

/// Whom a connection's certificate names.
pub fn of(peer: &Peer) -> Option<User> {
    let subject = &peer.certificate.as_ref()?.subject;
    let name = subject.common_name.clone().filter(|name| !name.is_empty())?;
    let mut groups = subject.organizations.clone();
    groups.push(AUTHENTICATED.to_owned());
    Some(User { name, groups, ..User::default() })
}
