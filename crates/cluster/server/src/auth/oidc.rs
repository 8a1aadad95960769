//! Logins by somebody else's tokens: OpenID Connect issuers that the configuration names.
//!
//! A token's `iss` only chooses which issuer is asked; who it is for and until when is looked at before
//! anything is fetched, and a key that is not known is asked for at most every [`PAUSE_SECONDS`], so that
//! forged tokens cost nobody anything. Names and groups of `system:` are the cluster's own: an issuer
//! that says them is not believed.

pub mod config;

pub use config::{Issuer, Issuers, OidcError};

use super::User;
use super::user::AUTHENTICATED;
use crate::api::Api;
use crate::outgoing::{CallError, Outgoing, Target, parse_url};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use teu_pki::{Claimed, Jwk};
use tokio::sync::Mutex;

/// For one document.
const FETCH: Duration = Duration::from_secs(10);
/// Between two fetches of an issuer's keys.
const PAUSE_SECONDS: i64 = 10;
/// Keys are asked for anew after so long, so that one that was taken back is not believed for ever.
const AGE_SECONDS: i64 = 3600;
/// Clocks differ.
const SKEW_SECONDS: i64 = 10;
/// Groups of one user.
const MAX_GROUPS: usize = 1000;
/// What only the cluster says.
const OWN: &str = "system:";

/// Why an issuer's keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Another answer than 200.
    #[error("{url} answered with status {code}")]
    Code {
        /// What was asked for.
        url: String,
        /// The answer.
        code: u16,
    },
    /// An answer that is not what it should be.
    #[error("{url} answered what is not expected: {why}")]
    Document {
        /// What was asked for.
        url: String,
        /// Why not.
        why: &'static str,
    },
}

/// An issuer's keys.
#[derive(Debug, Default)]
pub struct Keys {
    /// As they were last: whoever asks with one of them waits for nobody.
    known: RwLock<Known>,
    /// When it was last tried to fetch them; held while they are.
    tried: Mutex<i64>,
}

/// Keys, and when they were fetched; 0 for never.
#[derive(Debug, Default, Clone)]
struct Known {
    keys: Arc<[Jwk]>,
    fetched: i64,
}

impl Keys {
    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Issuers {
    /// Whom a token names, if one of the issuers has made it and it is good and for us.
    pub async fn check(&self, api: &Api, token: &str) -> Option<User> {
        if self.all.is_empty() {
            return None;
        }
        let claimed = Claimed::parse(token)?;
        let issuer = claimed.claims.get("iss").and_then(Value::as_str)?;
        let issuer = self.all.iter().find(|known| known.url == issuer)?;
        let now = api.wall.seconds();
        if !issuer.is_for_us(&claimed.claims, now) {
            return None;
        }
        if !issuer.has_signed(api.outgoing, &claimed, now).await {
            return None;
        }
        issuer.user(&claimed.claims)
    }
}

impl Issuer {
    /// Whether a token is good now and meant for this cluster, if it is genuine.
    fn is_for_us(&self, claims: &Value, now: i64) -> bool {
        let number = |field: &str| claims.get(field).and_then(Value::as_f64).map(|it| it as i64);
        let is_current = number("exp").is_some_and(|ends| now < ends)
            && number("nbf").is_none_or(|begins| begins <= now + SKEW_SECONDS);
        let audiences = texts(claims.get("aud"));
        let is_meant = audiences.iter().any(|audience| self.audiences.contains(audience));
        let fits = |(claim, wanted): &(String, String)| {
            claims.get(claim).and_then(Value::as_str) == Some(wanted)
        };
        is_current && is_meant && self.required.iter().all(fits)
    }

    /// Whether one of the issuer's keys has signed it.
    async fn has_signed(&self, outgoing: Outgoing, token: &Claimed, now: i64) -> bool {
        let known = self.keys.known();
        let is_named = known.keys.iter().any(|key| names(key, token));
        if is_named && now - known.fetched < AGE_SECONDS {
            return is_by(&known, token);
        }
        // One fetch at a time. Whoever has a key that was good waits for none, the others do.
        let tried = match is_named {
            true => self.keys.tried.try_lock().ok(),
            false => Some(self.keys.tried.lock().await),
        };
        if let Some(mut tried) = tried
            && now - *tried >= PAUSE_SECONDS
        {
            *tried = now;
            // Those that are known stay good while the issuer cannot be reached.
            if let Ok(keys) = self.fetch(outgoing).await {
                let new = Known { keys: keys.into(), fetched: now };
                *self.keys.known.write().unwrap_or_else(PoisonError::into_inner) = new;
            }
        }
        is_by(&self.keys.known(), token)
    }

    async fn fetch(&self, outgoing: Outgoing) -> Result<Vec<Jwk>, FetchError> {
        let discovery = self.document(outgoing, &self.discovery).await?;
        let wrong = |why| FetchError::Document { url: self.discovery.clone(), why };
        if discovery.get("issuer").and_then(Value::as_str) != Some(&self.url) {
            return Err(wrong("its issuer is another one"));
        }
        let place = discovery.get("jwks_uri").and_then(Value::as_str);
        let set = self.document(outgoing, place.ok_or_else(|| wrong("no jwks_uri"))?).await?;
        Ok(Jwk::set(&set))
    }

    async fn document(&self, outgoing: Outgoing, url: &str) -> Result<Value, FetchError> {
        let (host, port, path) = parse_url(url)?;
        let authorities = self.authorities.clone();
        let target = Target { host, port, authorities, ..Target::default() };
        let (code, body) = outgoing.get(&target, &path, FETCH).await?;
        if code != 200 {
            return Err(FetchError::Code { url: url.to_owned(), code });
        }
        let why = "it is not JSON";
        serde_json::from_slice(&body).map_err(|_| FetchError::Document { url: url.to_owned(), why })
    }

    /// Whom the claims of a genuine token name.
    fn user(&self, claims: &Value) -> Option<User> {
        let name = claims.get(&self.username.claim).and_then(Value::as_str)?;
        // An address that was never looked at is anybody's.
        let is_unverified = self.username.claim == "email"
            && claims.get("email_verified").is_some_and(|it| it != true);
        let name = format!("{}{name}", self.username.prefix);
        if is_unverified || name.is_empty() || name.starts_with(OWN) {
            return None;
        }
        let mut groups = Vec::new();
        if let Some(mapped) = &self.groups {
            let named = texts(claims.get(&mapped.claim));
            if named.len() > MAX_GROUPS {
                return None;
            }
            groups.extend(named.into_iter().map(|group| format!("{}{group}", mapped.prefix)));
            groups.retain(|group| !group.starts_with(OWN));
        }
        groups.push(AUTHENTICATED.to_owned());
        let uid = self.uid.as_ref().and_then(|claim| claims.get(claim)).and_then(Value::as_str);
        let mut extra = BTreeMap::new();
        if let Some(id) = claims.get("jti").and_then(Value::as_str) {
            let key = "authentication.kubernetes.io/credential-id".to_owned();
            extra.insert(key, vec![format!("JTI={id}")]);
        }
        Some(User { name, uid: uid.unwrap_or_default().to_owned(), groups, extra })
    }
}

fn is_by(known: &Known, token: &Claimed) -> bool {
    known.keys.iter().any(|key| names(key, token) && key.verify(token))
}

/// Whether a key is the one that a token names.
fn names(key: &Jwk, token: &Claimed) -> bool {
    token.key_id.is_none() || key.id == token.key_id
}

/// A claim that is a text, or a list of them.
fn texts(claim: Option<&Value>) -> Vec<String> {
    match claim {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => {
            many.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
