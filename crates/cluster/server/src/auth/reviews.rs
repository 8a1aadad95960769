//! Questions that are asked by creating an object, and are never stored: who am I, whom does this
//! token name, may they, what may I.

use super::accounts::ISSUER;
use super::{Attributes, Decision, User, bearer};
use crate::api::{Api, Call};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use teu_api::{Cause, Status, object};

/// Values of one list that is read from a review.
const MAX_ITEMS: usize = 1024;

/// Answers a question; `None` if this is no question.
pub async fn answer(api: &Api, call: &Call, sent: &Value) -> Option<Result<Value, Status>> {
    let (group, kind) = (call.entry.group(), call.entry.kind());
    match (group, kind, &*call.subresource) {
        ("", "ServiceAccount", "token") => {
            let accounts = api.accounts.as_ref()?;
            let mut sent = sent.clone();
            if let Err(status) = api.admit_part(call, &mut sent, false).await {
                return Some(Err(status));
            }
            let at = (&*call.namespace, &*call.name);
            Some(accounts.issue(api, at, sent).await)
        }
        ("authentication.k8s.io", "SelfSubjectReview", "") => {
            let status = json!({ "userInfo": user_value(&call.user) });
            Some(Ok(answered(call, sent, status)))
        }
        ("authentication.k8s.io", "TokenReview", "") => Some(token(api, call, sent).await),
        ("authorization.k8s.io", "SelfSubjectRulesReview", "") => {
            Some(rules(api, call, sent).await)
        }
        ("authorization.k8s.io", _, "") => Some(access(api, call, sent).await),
        _ => None,
    }
}

/// The review with its answer.
fn answered(call: &Call, sent: &Value, status: Value) -> Value {
    let spec = sent.get("spec").cloned().unwrap_or_else(|| json!({}));
    let mut metadata = json!({ "creationTimestamp": null });
    if !call.namespace.is_empty() {
        metadata["namespace"] = call.namespace.as_str().into();
    }
    let mut review = json!({
        "kind": call.entry.kind(), "apiVersion": call.entry.api_version, "metadata": metadata,
    });
    if call.entry.kind() != "SelfSubjectReview" {
        review["spec"] = spec;
    }
    review["status"] = status;
    review
}

/// Somebody, as reviews and webhooks see them.
pub fn user_value(user: &User) -> Value {
    let mut value = json!({ "username": user.name, "groups": user.groups });
    if !user.uid.is_empty() {
        value["uid"] = user.uid.as_str().into();
    }
    if !user.extra.is_empty() {
        value["extra"] = json!(user.extra);
    }
    value
}

async fn token(api: &Api, call: &Call, sent: &Value) -> Result<Value, Status> {
    let token = object::text(sent, &["spec", "token"]).unwrap_or_default();
    if token.is_empty() {
        return Err(Status::bad_request("token is required for TokenReview in authentication"));
    }
    let mut audiences = texts(object::at(sent, &["spec", "audiences"]));
    if audiences.is_empty() {
        audiences.push(ISSUER.to_owned());
    }
    let known = match &api.accounts {
        Some(accounts) => accounts.check(api, token, &audiences).await?,
        None => None,
    };
    let status = match known {
        Some(known) => json!({
            "authenticated": true, "user": user_value(&known.user), "audiences": known.audiences,
        }),
        None => match other(api, token).await? {
            Some(user) if audiences.iter().any(|audience| audience == ISSUER) => json!({
                "authenticated": true, "user": user_value(&user), "audiences": [ISSUER],
            }),
            _ => json!({ "user": {}, "error": "[invalid bearer token, unknown]" }),
        },
    };
    let mut review = answered(call, sent, status);
    // Nobody is told a token again.
    object::child_mut(&mut review, "spec").insert("token".to_owned(), token.into());
    Ok(review)
}

/// Whom a token names that is no account's.
async fn other(api: &Api, token: &str) -> Result<Option<User>, Status> {
    match api.issuers.get().check(api, token).await {
        Some(user) => Ok(Some(user)),
        None => bearer::bootstrap(api, token).await,
    }
}

async fn access(api: &Api, call: &Call, sent: &Value) -> Result<Value, Status> {
    let spec = sent.get("spec").cloned().unwrap_or_default();
    let is_own = call.entry.kind() == "SelfSubjectAccessReview";
    let resource = spec.get("resourceAttributes").filter(|value| !value.is_null());
    let path = spec.get("nonResourceAttributes").filter(|value| !value.is_null());
    let mut causes = Vec::new();
    match (resource, path) {
        (Some(_), Some(_)) => causes.push(Cause::invalid(
            "spec.nonResourceAttributes",
            &Value::Null,
            "cannot be specified in combination with resourceAttributes",
        )),
        (None, None) => causes.push(Cause::invalid(
            "spec.resourceAttributes",
            &Value::Null,
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        )),
        _ => {}
    }
    let user = if is_own { (*call.user).clone() } else { subject(&spec) };
    if !is_own && user.name.is_empty() && user.groups.is_empty() {
        let why = "at least one of user or group must be specified";
        causes.push(Cause::invalid("spec.user", &"".into(), why));
    }
    let text = |of: Option<&Value>, field: &str| {
        of.and_then(|of| of.get(field)).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let namespace = text(resource, "namespace");
    if call.entry.kind() == "LocalSubjectAccessReview" && namespace != call.namespace {
        let why = "must match metadata.namespace";
        causes.push(Cause::invalid("spec.resourceAttributes.namespace", &namespace.into(), why));
        return Err(call.invalid(causes));
    }
    if !causes.is_empty() {
        return Err(call.invalid(causes));
    }
    let one = |field| text(resource, field);
    let (group, version, plural) = (one("group"), one("version"), one("resource"));
    let (below, name, path_text) = (one("subresource"), one("name"), text(path, "path"));
    let verb = text(resource.or(path), "verb");
    let fields = fields(resource);
    let attributes = Attributes {
        user: &user,
        verb: &verb,
        path: &path_text,
        group: &group,
        version: &version,
        resource: &plural,
        subresource: &below,
        namespace: &namespace,
        name: &name,
        fields: &fields,
    };
    let status = match api.authorizer.authorize(api, &attributes).await {
        Decision::Allow(why) if why.is_empty() => json!({ "allowed": true }),
        Decision::Allow(why) => json!({ "allowed": true, "reason": why }),
        Decision::Deny(why) if why.is_empty() => json!({ "allowed": false }),
        Decision::Deny(why) => json!({ "allowed": false, "reason": why }),
    };
    Ok(answered(call, sent, status))
}

/// The field selector that a review asks about, as its text.
fn fields(resource: Option<&Value>) -> String {
    let Some(selector) = resource.and_then(|it| it.get("fieldSelector")) else {
        return String::new();
    };
    if let Some(raw) = selector.get("rawSelector").and_then(Value::as_str) {
        return raw.to_owned();
    }
    let terms = selector.get("requirements").and_then(Value::as_array).into_iter().flatten();
    let equal = terms.take(MAX_ITEMS).filter_map(|term| {
        let (key, values) = (term.get("key")?.as_str()?, texts(term.get("values")));
        match (term.get("operator")?.as_str()?, values.as_slice()) {
            // What is left out only makes the question wider.
            ("In", [one]) if !one.contains(['\\', ',', '=']) => Some(format!("{key}={one}")),
            _ => None,
        }
    });
    equal.collect::<Vec<_>>().join(",")
}

/// Whom a review is about.
fn subject(spec: &Value) -> User {
    let text = |field: &str| spec.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let extra = spec.get("extra").and_then(Value::as_object).into_iter().flatten();
    let extra: BTreeMap<String, Vec<String>> =
        extra.take(MAX_ITEMS).map(|(key, values)| (key.clone(), texts(Some(values)))).collect();
    User { name: text("user"), uid: text("uid"), groups: texts(spec.get("groups")), extra }
}

async fn rules(api: &Api, call: &Call, sent: &Value) -> Result<Value, Status> {
    let namespace = object::text(sent, &["spec", "namespace"]).unwrap_or_default();
    if namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request"));
    }
    let Some(rbac) = api.authorizer.as_rbac() else {
        let status = json!({ "resourceRules": [], "nonResourceRules": [], "incomplete": true });
        return Ok(answered(call, sent, status));
    };
    let found = rbac.rules_of(api, &call.user, namespace).await?;
    let (paths, resources): (Vec<_>, Vec<_>) =
        found.iter().partition(|rule| !rule.paths.is_empty());
    let values = |rules: &[&teu_api::rbac::Rule]| {
        rules.iter().map(|rule| rule.to_value()).collect::<Vec<_>>()
    };
    let status = json!({
        "resourceRules": values(&resources), "nonResourceRules": values(&paths),
        "incomplete": false,
    });
    Ok(answered(call, sent, status))
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items.take(MAX_ITEMS).filter_map(Value::as_str).map(str::to_owned).collect()
}
