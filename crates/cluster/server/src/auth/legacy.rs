//! Accounts' tokens that stand in secrets: they never expire, and are good only while their secret has
//! them and the account is the one they were made for. Their issuer and claims are those of the real
//! server, so that whoever reads one finds what they look for.

use super::accounts::{Accounts, ISSUER, Known, account_name, is_same};
use super::lookup;
use crate::api::Api;
use crate::time::rfc3339;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use teu_api::{Status, object};
use teu_controllers::account_tokens::{Bearer, Issuer};
use teu_store::Txn;

/// Who says that they issue them.
pub const LEGACY_ISSUER: &str = "kubernetes/serviceaccount";
/// What begins each claim but `iss` and `sub`.
const CLAIM: &str = "kubernetes.io/serviceaccount/";
const TYPE: &str = "kubernetes.io/service-account-token";
/// The label with the day a token was last shown, and the one by which its use is ended.
const LAST_USED: &str = "kubernetes.io/legacy-token-last-used";
const INVALID_SINCE: &str = "kubernetes.io/legacy-token-invalid-since";

impl Issuer for Accounts {
    fn issue(&self, bearer: &Bearer<'_>) -> Result<String, Status> {
        let claim = |name: &str| format!("{CLAIM}{name}");
        let claims = json!({
            "iss": LEGACY_ISSUER, "sub": account_name(bearer.namespace, bearer.account),
            claim("namespace"): bearer.namespace,
            claim("secret.name"): bearer.secret,
            claim("service-account.name"): bearer.account,
            claim("service-account.uid"): bearer.uid,
        });
        self.sign(&claims)
    }
}

/// Whom a token of a secret names, if its signature was found good and it is of this issuer.
pub async fn check(
    api: &Api,
    token: &str,
    claims: &Value,
    audiences: &[String],
) -> Result<Option<Known>, Status> {
    let text = |name: &str| {
        claims.get(format!("{CLAIM}{name}")).and_then(Value::as_str).unwrap_or_default()
    };
    let (namespace, secret) = (text("namespace"), text("secret.name"));
    let (name, uid) = (text("service-account.name"), text("service-account.uid"));
    // It was made for this server and nobody else.
    let is_meant = audiences.iter().any(|audience| audience == ISSUER);
    let is_named = [namespace, secret, name, uid].iter().all(|text| !text.is_empty());
    let subject = claims.get("sub").and_then(Value::as_str);
    if !is_meant || !is_named || subject != Some(&account_name(namespace, name)) {
        return Ok(None);
    }
    let Some(secret) = lookup(api, "secrets", (namespace, secret)).await? else {
        return Ok(None);
    };
    let kept = object::text(&secret, &["data", "token"]).unwrap_or_default();
    let is_kept = STANDARD.decode(kept).is_ok_and(|kept| kept == token.as_bytes());
    let is_of_type = object::text(&secret, &["type"]) == Some(TYPE);
    let is_ended = object::label(&secret, INVALID_SINCE).is_some_and(|since| !since.is_empty());
    if !is_kept || !is_of_type || is_ended || object::is_terminating(&secret) {
        return Ok(None);
    }
    if !is_same(api, "serviceaccounts", (namespace, name), uid).await? {
        return Ok(None);
    }
    note_use(api, secret).await;
    Ok(Some(Known::of_account((namespace, name), uid, vec![ISSUER.to_owned()])))
}

/// Writes on a secret that its token was shown today, once a day. Not an update like others: it would ask
/// webhooks, which may show the token themselves. What comes between says it the next time.
async fn note_use(api: &Api, mut secret: Value) {
    let now = rfc3339(api.wall.seconds());
    let today = now.split('T').next().unwrap_or_default();
    if object::label(&secret, LAST_USED) == Some(today) {
        return;
    }
    let version = object::text(&secret, &["metadata", "resourceVersion"]);
    let revision = version.and_then(|version| version.parse().ok()).unwrap_or(0);
    let rows = api.table.rows();
    let Some(entry) = rows.find("", "v1", "secrets") else { return };
    let key = entry.shelf.key(object::namespace(&secret), object::name(&secret));
    let metadata = object::metadata_mut(&mut secret);
    metadata.entry("labels").or_insert_with(|| json!({}))[LAST_USED] = today.into();
    let Ok(stored) = entry.seal(&secret) else { return };
    let _ = api.store.commit(Txn::update(key, revision, stored.json().clone())).await;
}
