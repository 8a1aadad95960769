//! Secrets of the type `kubernetes.io/service-account-token`, by which somebody outside the cluster is one of
//! its accounts for as long as the secret is there. Such a secret names an account; it is given a token of
//! it, the cluster's authority and its namespace, and goes with the account.
//!
//! What somebody put there is left, but for another authority. A secret of an account that is not there, or
//! is another by its UID, goes at once, as it does with the real controller.

use crate::Context;
use crate::desk::{Controller, Desk};
use crate::mirror::{Key, Mirror, key_of};
use crate::resources::{ACCOUNTS, SECRETS};
use crate::worker::{AT_ONCE, Look};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::sync::Arc;
use teu_api::{Status, object};
use teu_client::Deletion;

/// As a field selector.
const TYPE: &str = "type=kubernetes.io/service-account-token";
/// The annotations that name the account.
const NAME: &str = "kubernetes.io/service-account.name";
const UID: &str = "kubernetes.io/service-account.uid";

/// Whose a token is, and where it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bearer<'a> {
    /// Namespace of both.
    pub namespace: &'a str,
    /// The account's name.
    pub account: &'a str,
    /// The account's UID.
    pub uid: &'a str,
    /// The secret's name.
    pub secret: &'a str,
}

/// Who makes tokens.
pub trait Issuer: Send + Sync + 'static {
    /// A token of an account that is good while a secret has it.
    fn issue(&self, bearer: &Bearer<'_>) -> Result<String, Status>;
}

struct Tokens {
    context: Context,
    authority_pem: String,
    issuer: Arc<dyn Issuer>,
    secrets: Arc<Mirror>,
}

/// Runs until the future is dropped.
pub async fn run(context: Context, authority_pem: String, issuer: Arc<dyn Issuer>) {
    let mut desk = Desk::new(&context);
    let secrets = desk.reads_some(SECRETS, TYPE);
    desk.on(&secrets, |change, queue| {
        if let Some(secret) = &change.after {
            queue.add(key_of(secret));
        }
    });
    let (accounts, known) = (desk.reads(ACCOUNTS), Arc::clone(&secrets));
    desk.on(&accounts, move |change, queue| {
        // One that goes takes its secrets with it; one of its name that comes is another.
        let Some(before) = &change.before else { return };
        if change.after.as_ref().is_some_and(|after| object::uid(after) == object::uid(before)) {
            return;
        }
        let all = known.in_namespace(object::namespace(before)).into_iter();
        all.filter(|secret| note(secret, NAME) == object::name(before))
            .for_each(|secret| queue.add(key_of(&secret)));
    });
    desk.work(AT_ONCE, Tokens { context, authority_pem, issuer, secrets }).await;
}

fn note<'a>(secret: &'a Value, name: &str) -> &'a str {
    object::text(secret, &["metadata", "annotations", name]).unwrap_or_default()
}

impl Controller for Tokens {
    async fn look(&self, key: &Key) -> Look {
        let is_there = |secret: &Arc<Value>| !object::is_terminating(secret);
        let Some(secret) = self.secrets.at(key).filter(is_there) else { return Ok(None) };
        let Some(account) = self.account(&secret).await? else {
            // It may have been given to another account meanwhile.
            let version = object::text(&secret, &["metadata", "resourceVersion"]);
            let resource_version = version.map(str::to_owned);
            let how = Deletion { resource_version, ..Deletion::default() };
            return self.context.delete(SECRETS, &secret, how).await.map(|()| None);
        };
        let Some(mut new) = filled(&secret, &account, &self.authority_pem) else {
            return Ok(None);
        };
        if new["data"]["token"].is_null() {
            let bearer = Bearer {
                namespace: object::namespace(&secret),
                account: object::name(&account),
                uid: object::uid(&account),
                secret: object::name(&secret),
            };
            new["data"]["token"] = STANDARD.encode(self.issuer.issue(&bearer)?).into();
        }
        match self.context.update(SECRETS, "", new).await {
            // Gone, or immutable: nothing is to be done.
            Err(status) if !matches!(status.code, 404 | 422) => Err(status),
            _ => Ok(None),
        }
    }
}

impl Tokens {
    /// The account that a secret names, as it is now.
    async fn account(&self, secret: &Value) -> Result<Option<Value>, Status> {
        let (name, uid) = (note(secret, NAME), note(secret, UID));
        if name.is_empty() {
            return Ok(None);
        }
        match self.context.client.get(ACCOUNTS, object::namespace(secret), name).await {
            Ok(found) => Ok(Some(found).filter(|it| uid.is_empty() || object::uid(it) == uid)),
            Err(status) if status.code == 404 => Ok(None),
            Err(status) => Err(status),
        }
    }
}

/// A secret with what it lacks but for the token, which is null where it has none; nothing if it lacks
/// nothing.
fn filled(secret: &Value, account: &Value, authority_pem: &str) -> Option<Value> {
    let text = |name: &str| object::text(secret, &["data", name]).unwrap_or_default();
    let (has_token, has_namespace) = (!text("token").is_empty(), !text("namespace").is_empty());
    let authority = STANDARD.encode(authority_pem);
    let has_authority = authority_pem.is_empty() || text("ca.crt") == authority;
    if has_token && has_namespace && has_authority && note(secret, UID) == object::uid(account) {
        return None;
    }
    let mut new = secret.clone();
    new["metadata"]["annotations"][UID] = object::uid(account).into();
    let data = object::child_mut(&mut new, "data");
    if !has_token {
        data.insert("token".to_owned(), Value::Null);
    }
    if !has_namespace {
        data.insert("namespace".to_owned(), json!(STANDARD.encode(object::namespace(secret))));
    }
    if !has_authority {
        data.insert("ca.crt".to_owned(), authority.into());
    }
    Some(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_stays_and_what_is_missing_comes() {
        let account = json!({ "metadata": { "name": "a", "namespace": "n", "uid": "u" } });
        let secret = json!({
            "metadata": { "name": "s", "namespace": "n", "annotations": { NAME: "a" } },
        });
        let mut new = filled(&secret, &account, "PEM").expect("a change");
        assert_eq!(note(&new, UID), "u");
        assert!(new["data"]["token"].is_null());
        let of = |text: &str| json!(STANDARD.encode(text));
        assert_eq!((&new["data"]["namespace"], &new["data"]["ca.crt"]), (&of("n"), &of("PEM")));
        new["data"]["token"] = of("mine");
        assert_eq!(filled(&new, &account, "PEM"), None);
        let next = filled(&new, &account, "NEXT").expect("a change");
        assert_eq!((&next["data"]["ca.crt"], &next["data"]["token"]), (&of("NEXT"), &of("mine")));
    }
}
