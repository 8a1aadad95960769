//! By whatever credential there is: a certificate, an account's token, an issuer's, or a bootstrap token.
//!
//! A wrong token is refused even beside a good certificate's absence: nobody who shows something
//! wrong is treated as anonymous.

use super::accounts::ISSUER;
use super::user::AUTHENTICATED;
use super::{Accounts, Authenticator, Later, User, certificate, lookup};
use crate::api::Api;
use crate::websocket;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde_json::Value;
use std::sync::Arc;
use teu_api::{Status, object};
use teu_web::Peer;

/// The type of secrets that let machines join.
const BOOTSTRAP_TYPE: &str = "bootstrap.kubernetes.io/token";
const BOOTSTRAP_GROUP: &str = "system:bootstrappers";

/// Certificates, then tokens.
#[derive(Debug)]
pub struct ByCredential {
    accounts: Arc<Accounts>,
}

impl ByCredential {
    /// With the accounts' key.
    pub fn new(accounts: Arc<Accounts>) -> Self {
        Self { accounts }
    }
}

impl Authenticator for ByCredential {
    fn authenticate<'a>(
        &'a self,
        api: &'a Api,
        peer: &'a Peer,
        headers: &'a HeaderMap,
    ) -> Later<'a, Result<Arc<User>, Status>> {
        Box::pin(async move {
            if let Some(user) = certificate::of(peer) {
                return Ok(Arc::new(user));
            }
            let shown = headers.get(http::header::AUTHORIZATION);
            let token = match shown {
                Some(shown) => {
                    let token = shown.to_str().ok().and_then(bearer);
                    token.ok_or_else(Status::unauthorized)?.to_owned()
                }
                // A page cannot set headers of a WebSocket.
                None => match websocket::token(headers) {
                    Some(token) => token,
                    None => return Ok(Arc::new(User::anonymous())),
                },
            };
            let token = &*token;
            let audiences = [ISSUER.to_owned()];
            if let Some(known) = self.accounts.check(api, token, &audiences).await? {
                return Ok(Arc::new(known.user));
            }
            if let Some(user) = api.issuers.get().check(api, token).await {
                return Ok(Arc::new(user));
            }
            let user = bootstrap(api, token).await?;
            user.map(Arc::new).ok_or_else(Status::unauthorized)
        })
    }
}

/// The token of `Bearer TOKEN`.
fn bearer(shown: &str) -> Option<&str> {
    let (scheme, token) = shown.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Whom a bootstrap token (`abcdef.0123456789abcdef`) names.
pub async fn bootstrap(api: &Api, token: &str) -> Result<Option<User>, Status> {
    let Some((id, secret)) = token.split_once('.') else { return Ok(None) };
    let is_plain = |text: &str, length: usize| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        text.len() == length && text.bytes().all(plain)
    };
    if !is_plain(id, 6) || !is_plain(secret, 16) {
        return Ok(None);
    }
    let name = format!("bootstrap-token-{id}");
    let Some(found) = lookup(api, "secrets", ("kube-system", &name)).await? else {
        return Ok(None);
    };
    let data = |key: &str| {
        let encoded = object::text(&found, &["data", key]).unwrap_or_default();
        STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok())
    };
    let is_meant = found.get("type") == Some(&Value::from(BOOTSTRAP_TYPE))
        && !object::is_terminating(&found)
        && data("token-id").as_deref() == Some(id)
        && data("usage-bootstrap-authentication").as_deref() == Some("true")
        && data("token-secret").is_some_and(|known| is_equal(&known, secret));
    let ends = data("expiration").map(|text| teu_api::time::parse(&text));
    let is_over = match ends {
        None => false,
        Some(Some(ends)) => ends <= api.wall.seconds(),
        // One whose end cannot be read has none that could be trusted.
        Some(None) => true,
    };
    if !is_meant || is_over {
        return Ok(None);
    }
    let mut groups = vec![BOOTSTRAP_GROUP.to_owned()];
    let more = data("auth-extra-groups").unwrap_or_default();
    let more = more.split(',').filter(|group| group.starts_with("system:bootstrappers:"));
    groups.extend(more.map(str::to_owned));
    groups.push(AUTHENTICATED.to_owned());
    Ok(Some(User { name: format!("system:bootstrap:{id}"), groups, ..User::default() }))
}

/// Compared by their hashes: how long it takes says nothing of the secret.
fn is_equal(one: &str, other: &str) -> bool {
    let hash = |text: &str| ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    hash(one).as_ref() == hash(other).as_ref()
}

#[cfg(test)]
mod tests {
    use super::bearer;

    #[test]
    fn headers() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("Bearer "), None);
        assert_eq!(bearer("abc"), None);
    }
}
