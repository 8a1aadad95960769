//! Service accounts' tokens: asked for by `kubectl create token` and by nodes for pods, bound to what
//! they are for, and worth nothing once that is gone.
//!
//! A token is a signed statement ([`teu_pki::Signer`]); nothing is stored. Every use looks whether the
//! account (and the pod, secret or node it is bound to) is still the one it was made for.

use super::legacy::{self, LEGACY_ISSUER};
use super::user::AUTHENTICATED;
use super::{User, lookup};
use crate::api::Api;
use crate::id;
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use teu_api::{Cause, Status, object};
use teu_pki::Signer;

/// Who issues, and for whom where nobody else is said.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// How long, where nothing is said.
const SECONDS: i64 = 3600;
/// And at least and at most.
const SECONDS_RANGE: std::ops::RangeInclusive<i64> = 600..=(1 << 32);
/// After the time that an object's deletion names, tokens that it is in are good for so long.
const LEEWAY_SECONDS: i64 = 60;
/// Audiences of one token.
const MAX_AUDIENCES: usize = 64;
/// The claim that says what the token is bound to.
const PRIVATE: &str = "kubernetes.io";

/// Tokens whose signature is known to be good; beyond, all are forgotten and looked at anew.
const MAX_VERIFIED: usize = 1024;

/// Issues and checks them.
#[derive(Debug)]
pub struct Accounts {
    signer: Arc<Signer>,
    verified: Mutex<HashMap<[u8; SHA256_OUTPUT_LEN], Arc<Value>>>,
}

/// What a good token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Who.
    pub user: User,
    /// For whom it is.
    pub audiences: Vec<String>,
}

impl Accounts {
    /// By a key.
    pub fn new(signer: Arc<Signer>) -> Self {
        Self { signer, verified: Mutex::default() }
    }

    /// What a token says, if its signature is good. To find that out takes as long as the rest of a
    /// small request, so it is done once for each token; a wrong one is never remembered.
    fn verify(&self, token: &str) -> Option<Arc<Value>> {
        let lock = || self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let print = digest(&SHA256, token.as_bytes());
        let print: [u8; SHA256_OUTPUT_LEN] = print.as_ref().try_into().ok()?;
        if let Some(claims) = lock().get(&print) {
            return Some(Arc::clone(claims));
        }
        let claims = Arc::new(self.signer.verifier().verify(token)?);
        let mut verified = lock();
        if verified.len() >= MAX_VERIFIED {
            verified.clear();
        }
        verified.insert(print, Arc::clone(&claims));
        Some(claims)
    }

    /// Signs claims.
    pub(super) fn sign(&self, claims: &Value) -> Result<String, Status> {
        self.signer.sign(claims).map_err(Status::internal)
    }

    /// The set of public keys (RFC 7517).
    pub fn keys(&self) -> Value {
        json!({ "keys": [self.signer.verifier().to_jwk()] })
    }

    /// What others need to know to check tokens by themselves (OpenID Connect Discovery 1.0).
    pub fn discovery(&self) -> Value {
        json!({
            "issuer": ISSUER,
            "jwks_uri": format!("{ISSUER}/openid/v1/jwks"),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        })
    }

    /// Answers a `TokenRequest` for an account.
    pub async fn issue(
        &self,
        api: &Api,
        at: (&str, &str),
        mut request: Value,
    ) -> Result<Value, Status> {
        let (namespace, name) = at;
        let account = lookup(api, "serviceaccounts", at).await?;
        let account = account.ok_or_else(|| Status::not_found("", "serviceaccounts", name))?;
        let spec = object::child_mut(&mut request, "spec").clone();
        let audiences = texts(spec.get("audiences"));
        let wanted = spec.get("expirationSeconds").and_then(Value::as_i64).unwrap_or(SECONDS);
        let refuse = |cause| {
            Err(Status::invalid("authentication.k8s.io", "TokenRequest", name, vec![cause]))
        };
        if !SECONDS_RANGE.contains(&wanted) {
            let why = if wanted < *SECONDS_RANGE.start() {
                "may not specify a duration less than 10 minutes"
            } else {
                "may not specify a duration larger than 2^32 seconds"
            };
            return refuse(Cause::invalid("spec.expirationSeconds", &wanted.into(), why));
        }
        if audiences.len() > MAX_AUDIENCES {
            return refuse(Cause::too_many("spec.audiences", audiences.len(), MAX_AUDIENCES));
        }
        let audiences = if audiences.is_empty() { vec![ISSUER.to_owned()] } else { audiences };
        let mut bound = json!({
            "namespace": namespace,
            "serviceaccount": { "name": name, "uid": object::uid(&account) },
        });
        if let Some(to) = spec.get("boundObjectRef").filter(|to| !to.is_null()) {
            bind(api, at, to, &mut bound).await?;
        }
        let now = api.wall.seconds();
        let claims = json!({
            "iss": ISSUER, "sub": account_name(namespace, name), "aud": audiences,
            "iat": now, "nbf": now, "exp": now + wanted, "jti": id::uid(), PRIVATE: bound,
        });
        let token = self.sign(&claims)?;
        let spec = object::child_mut(&mut request, "spec");
        spec.insert("audiences".to_owned(), json!(audiences));
        spec.insert("expirationSeconds".to_owned(), wanted.into());
        spec.entry("boundObjectRef").or_insert(Value::Null);
        let ends = crate::time::rfc3339(now + wanted);
        request["status"] = json!({ "token": token, "expirationTimestamp": ends });
        request["kind"] = "TokenRequest".into();
        request["apiVersion"] = "authentication.k8s.io/v1".into();
        let metadata = object::metadata_mut(&mut request);
        metadata.insert("name".to_owned(), name.into());
        metadata.insert("namespace".to_owned(), namespace.into());
        metadata.insert("creationTimestamp".to_owned(), crate::time::rfc3339(now).into());
        Ok(request)
    }

    /// Whom a token names, if it is one of ours, still good, and for one of these audiences.
    pub async fn check(
        &self,
        api: &Api,
        token: &str,
        audiences: &[String],
    ) -> Result<Option<Known>, Status> {
        let Some(claims) = self.verify(token) else { return Ok(None) };
        if claims.get("iss") == Some(&LEGACY_ISSUER.into()) {
            return legacy::check(api, token, &claims, audiences).await;
        }
        let number = |field: &str| claims.get(field).and_then(Value::as_i64).unwrap_or(i64::MAX);
        let now = api.wall.seconds();
        // A second of grace: clocks of several servers differ.
        let is_current = now < number("exp") && number("nbf") <= now + 1;
        let meant: Vec<String> = texts(claims.get("aud"));
        let meant: Vec<String> = meant.into_iter().filter(|to| audiences.contains(to)).collect();
        if !is_current || meant.is_empty() || claims.get("iss") != Some(&ISSUER.into()) {
            return Ok(None);
        }
        let Some(bound) = claims.get(PRIVATE) else { return Ok(None) };
        let text = |path: &[&str]| object::text(bound, path).unwrap_or_default();
        let namespace = text(&["namespace"]);
        let (name, uid) = (text(&["serviceaccount", "name"]), text(&["serviceaccount", "uid"]));
        if !is_same(api, "serviceaccounts", (namespace, name), uid).await? {
            return Ok(None);
        }
        let mut extra = BTreeMap::new();
        let mut tell = |key: &str, text: &str| {
            extra.insert(format!("authentication.kubernetes.io/{key}"), vec![text.to_owned()]);
        };
        let jti = claims.get("jti").and_then(Value::as_str).unwrap_or_default();
        tell("credential-id", &format!("JTI={jti}"));
        for (kind, plural) in [("pod", "pods"), ("secret", "secrets"), ("node", "nodes")] {
            let (name, uid) = (text(&[kind, "name"]), text(&[kind, "uid"]));
            if name.is_empty() {
                continue;
            }
            let place = if kind == "node" { "" } else { namespace };
            // A pod's token names its node as well, which is told and not asked for.
            let is_told = kind == "node" && !text(&["pod", "name"]).is_empty();
            if !is_told && !is_same(api, plural, (place, name), uid).await? {
                return Ok(None);
            }
            if kind != "secret" {
                tell(&format!("{kind}-name"), name);
                tell(&format!("{kind}-uid"), uid);
            }
        }
        let mut known = Known::of_account((namespace, name), uid, meant);
        known.user.extra = extra;
        Ok(Some(known))
    }
}

impl Known {
    /// That it is an account.
    pub(super) fn of_account(
        (namespace, name): (&str, &str),
        uid: &str,
        audiences: Vec<String>,
    ) -> Self {
        let user = User {
            name: account_name(namespace, name),
            uid: uid.to_owned(),
            groups: account_groups(namespace),
            extra: BTreeMap::new(),
        };
        Self { user, audiences }
    }
}

/// `system:serviceaccount:<namespace>:<name>`.
pub fn account_name(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

/// Groups of a namespace's accounts.
pub fn account_groups(namespace: &str) -> Vec<String> {
    vec![
        "system:serviceaccounts".to_owned(),
        format!("system:serviceaccounts:{namespace}"),
        AUTHENTICATED.to_owned(),
    ]
}

/// Whether an object is there and is the one that is meant.
pub(super) async fn is_same(
    api: &Api,
    plural: &str,
    at: (&str, &str),
    uid: &str,
) -> Result<bool, Status> {
    let Some(found) = lookup(api, plural, at).await? else { return Ok(false) };
    let ends = object::text(&found, &["metadata", "deletionTimestamp"]);
    let is_over = ends.and_then(teu_api::time::parse).is_some_and(|ends| {
        // What a finalizer holds is gone for those who trust in it.
        ends.saturating_add(LEEWAY_SECONDS) < api.wall.seconds()
    });
    Ok(object::uid(&found) == uid && !uid.is_empty() && !is_over)
}

/// Binds a token to an object.
async fn bind(
    api: &Api,
    (namespace, account): (&str, &str),
    to: &Value,
    bound: &mut Value,
) -> Result<(), Status> {
    let text = |field: &str| to.get(field).and_then(Value::as_str).unwrap_or_default();
    let (kind, name, uid) = (text("kind"), text("name"), text("uid"));
    let (plural, place) = match kind {
        "Pod" => ("pods", namespace),
        "Secret" => ("secrets", namespace),
        "Node" => ("nodes", ""),
        _ => {
            let why = format!("cannot bind token for serviceaccount to object of type {kind}");
            return Err(Status::bad_request(why));
        }
    };
    let found = lookup(api, plural, (place, name)).await?;
    let found = found.ok_or_else(|| Status::not_found("", plural, name))?;
    if !uid.is_empty() && uid != object::uid(&found) {
        let why = format!(
            "the UID in the bound object reference ({uid}) does not match the UID in record. \
             The object might have been deleted and then recreated"
        );
        return Err(Status::conflict("", plural, name, &why));
    }
    bound[kind.to_lowercase()] =
        json!({ "name": object::name(&found), "uid": object::uid(&found) });
    if kind == "Pod" {
        let own = object::text(&found, &["spec", "serviceAccountName"]).unwrap_or("default");
        if own != account {
            let why = format!(
                "cannot bind token for serviceaccount \"{account}\" to pod running with different serviceaccount name."
            );
            return Err(Status::bad_request(why));
        }
        let node = object::text(&found, &["spec", "nodeName"]).unwrap_or_default();
        if !node.is_empty() {
            let found = lookup(api, "nodes", ("", node)).await?;
            let uid = found.as_ref().map(object::uid).unwrap_or_default();
            bound["node"] = json!({ "name": node, "uid": uid });
        }
    }
    Ok(())
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}
