//! What is to be done about a request for a certificate: pure, from the request and the time.
//!
//! What each signer permits is that of Kubernetes: clients of the API by any name (but see
//! `admission::signers` for the owners' group), nodes as clients only by `system:node:…` of the group
//! `system:nodes` and with no further names, nodes as servers by that and with names.

use crate::auth::User;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::BTreeMap;
use teu_api::{object, time};
use teu_pki::{Grant, SigningRequest, Validity};

/// Clients of the API.
pub const CLIENT: &str = "kubernetes.io/kube-apiserver-client";
/// Nodes, as clients of the API.
pub const NODE_CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";
/// Nodes, as servers.
pub const NODE_SERVER: &str = "kubernetes.io/kubelet-serving";

/// Seconds of an hour.
pub const HOUR: i64 = 3600;
/// What nobody decided on goes after a day.
const PENDING: i64 = 24 * HOUR;
/// Certificates are good for so long, unless less is asked for.
const LONGEST: i64 = 365 * 24 * HOUR;
/// And at least.
const SHORTEST: i64 = 600;
/// They begin a little earlier: clocks differ.
const SKEW: i64 = 300;

/// What is to be done.
#[derive(Debug)]
pub enum Step {
    /// Nothing, or not by us.
    Nothing,
    /// To be approved if the one who asks may have it in one of these ways.
    Ask(Vec<Way>),
    /// Its signer does not permit this.
    Fail(String),
    /// To be signed.
    Sign(Box<SigningRequest>, Grant),
}

/// In which way a node may have a certificate without anybody's approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// The subresource whose creation has to be allowed.
    pub subresource: &'static str,
    /// What the condition says.
    pub message: &'static str,
}

const OWN: Way = Way {
    subresource: "selfnodeclient",
    message: "Auto approving self kubelet client certificate after SubjectAccessReview.",
};
const ANY: Way = Way {
    subresource: "nodeclient",
    message: "Auto approving kubelet client certificate after SubjectAccessReview.",
};

/// What is to be done about a request.
pub fn step(request: &Value, now: i64) -> Step {
    let signer = text(request, &["spec", "signerName"]);
    let is_done = !text(request, &["status", "certificate"]).is_empty()
        || has(request, "Denied")
        || has(request, "Failed");
    if is_done || ![CLIENT, NODE_CLIENT, NODE_SERVER].contains(&signer) {
        return Step::Nothing;
    }
    let asked = parse(request);
    if !has(request, "Approved") {
        return match asked {
            Ok(asked) if signer == NODE_CLIENT && check(request, &asked).is_ok() => {
                let is_own = asked.subject.common_name.as_deref()
                    == Some(text(request, &["spec", "username"]));
                Step::Ask(if is_own { vec![OWN, ANY] } else { vec![ANY] })
            }
            _ => Step::Nothing,
        };
    }
    let asked = match asked.and_then(|asked| check(request, &asked).map(|()| asked)) {
        Ok(asked) => asked,
        Err(why) => return Step::Fail(why),
    };
    let wanted = object::at(request, &["spec", "expirationSeconds"]).and_then(Value::as_i64);
    let seconds = wanted.unwrap_or(LONGEST).clamp(SHORTEST, LONGEST);
    let usages = usages(request);
    let grant = Grant {
        validity: Validity { begins: now - SKEW, ends: now + seconds },
        enciphers_keys: usages.contains(&"key encipherment"),
        is_server: usages.contains(&"server auth"),
        is_client: usages.contains(&"client auth"),
    };
    Step::Sign(Box::new(asked), grant)
}

/// The request that is in it.
pub fn parse(request: &Value) -> Result<SigningRequest, String> {
    let name = object::name(request);
    let encoded = text(request, &["spec", "request"]);
    let pem = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let read = SigningRequest::from_pem(&pem.unwrap_or_default());
    read.map_err(|error| format!("unable to parse csr {name:?}: {error}"))
}

/// Who asked, as the server noted it.
pub fn asker(request: &Value) -> User {
    let texts = |list: Option<&Value>| -> Vec<String> {
        let items = list.and_then(Value::as_array).into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let extra = object::at(request, &["spec", "extra"]).and_then(Value::as_object);
    let extra = extra.into_iter().flatten();
    let extra: BTreeMap<String, Vec<String>> =
        extra.map(|(key, values)| (key.clone(), texts(Some(values)))).collect();
    User {
        name: text(request, &["spec", "username"]).to_owned(),
        uid: text(request, &["spec", "uid"]).to_owned(),
        groups: texts(object::at(request, &["spec", "groups"])),
        extra,
    }
}

/// Whether a signer permits this.
fn check(request: &Value, asked: &SigningRequest) -> Result<(), String> {
    let usages = usages(request);
    if text(request, &["spec", "signerName"]) == CLIENT {
        let allowed = ["client auth", "digital signature", "key encipherment"];
        if let Some(other) = usages.iter().find(|usage| !allowed.contains(usage)) {
            return Err(format!("invalid usage for client certificate: {other}"));
        }
        return match usages.contains(&"client auth") {
            true => Ok(()),
            false => Err("missing required usage for client certificate: client auth".to_owned()),
        };
    }
    let is_server = text(request, &["spec", "signerName"]) == NODE_SERVER;
    let has_names = !asked.dns_names.is_empty() || !asked.addresses.is_empty();
    let own = if is_server { "server auth" } else { "client auth" };
    let required = ["digital signature", own];
    let is_known = |usage: &&str| required.contains(usage) || *usage == "key encipherment";
    let fits = usages.iter().all(is_known) && required.iter().all(|usage| usages.contains(usage));
    let faults = [
        (
            asked.subject.organizations != ["system:nodes"],
            "subject organization is not system:nodes",
        ),
        (is_server && !has_names, "DNS or IP subjectAltName is required"),
        (!is_server && !asked.dns_names.is_empty(), "DNS subjectAltNames are not allowed"),
        (!is_server && !asked.addresses.is_empty(), "IP subjectAltNames are not allowed"),
        (asked.has_emails, "Email subjectAltNames are not allowed"),
        (asked.has_uris, "URI subjectAltNames are not allowed"),
        (asked.has_others, "subjectAltNames of this kind are not allowed"),
        (
            !asked.subject.common_name.as_deref().is_some_and(|it| it.starts_with("system:node:")),
            "subject common name does not begin with system:node: ",
        ),
    ];
    if let Some((_, why)) = faults.iter().find(|(is_faulty, _)| *is_faulty) {
        return Err((*why).to_owned());
    }
    match fits {
        true => Ok(()),
        false => Err(format!("usages did not match [{}]", required.join(" "))),
    }
}

/// When a request is to go.
pub fn due(request: &Value) -> i64 {
    let made = time::parse(text(request, &["metadata", "creationTimestamp"])).unwrap_or(0);
    let certificate = text(request, &["status", "certificate"]);
    let mut ends = i64::MAX;
    let conditions = object::at(request, &["status", "conditions"]).and_then(Value::as_array);
    let mut is_pending = true;
    for condition in conditions.into_iter().flatten() {
        is_pending = false;
        let since = time::parse(text(condition, &["lastUpdateTime"])).unwrap_or(made);
        match text(condition, &["type"]) {
            "Approved" if certificate.is_empty() => {}
            "Approved" | "Denied" | "Failed" => ends = ends.min(since + HOUR),
            _ => {}
        }
    }
    if is_pending {
        ends = ends.min(made + PENDING);
    }
    let pem = STANDARD.decode(certificate).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let issued = teu_pki::certificates_from_pem(&pem.unwrap_or_default(), "it");
    let validity = issued.ok().and_then(|issued| Validity::of(issued.first()?));
    validity.map_or(ends, |validity| ends.min(validity.ends))
}

fn usages(request: &Value) -> Vec<&str> {
    let usages = object::at(request, &["spec", "usages"]).and_then(Value::as_array);
    usages.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn has(request: &Value, kind: &str) -> bool {
    let conditions = object::at(request, &["status", "conditions"]).and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| text(condition, &["type"]) == kind)
}

fn text<'a>(object: &'a Value, path: &[&str]) -> &'a str {
    object::text(object, path).unwrap_or_default()
}

#[cfg(test)]
mod tests;
