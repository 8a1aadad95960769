//! Events as `audit.k8s.io/v1` has them.

use super::Asked;
use super::policy::{Level, Stage};
use crate::auth::reviews::user_value;
use crate::{id, time};
use serde_json::{Value, json};
use std::io::Read as _;
use std::time::Duration;
use teu_api::{decode, object};
use teu_kubernetes::protobuf;
use teu_web::{PeerAddress, Request};

/// Characters of a client's name that are kept.
const MAX_AGENT: usize = 1024;

/// What is known of a request.
#[derive(Debug)]
pub struct Facts {
    /// What all its events say.
    common: Value,
    received: Duration,
    status: Value,
    /// What was decided on the right to it.
    pub decision: Option<(&'static str, String)>,
    /// What was sent.
    pub request: Option<Value>,
    /// What was answered.
    pub response: Option<Value>,
}

impl Facts {
    /// Of a request that came.
    pub fn new(request: &Request, asked: Asked<'_>, level: Level, now: Duration) -> Self {
        let agent = request.headers().get(http::header::USER_AGENT);
        let agent = agent.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let agent: String = agent.chars().take(MAX_AGENT).collect();
        let source = match &asked.peer.address {
            PeerAddress::Tcp(address) => address.ip().to_string(),
            other => other.to_string(),
        };
        let mut common = json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": level.word(),
            "auditID": id::uid(), "stage": "",
            "requestURI": request.uri().path_and_query().map_or("/", |path| path.as_str()),
            "verb": asked.verb, "user": {}, "sourceIPs": [source], "userAgent": agent,
        });
        match (asked.real, asked.user) {
            (Some(real), Some(user)) => {
                common["user"] = user_value(real);
                common["impersonatedUser"] = user_value(user);
            }
            (None, Some(user)) => common["user"] = user_value(user),
            _ => {}
        }
        if let Some(place) = asked.place {
            let mut about = json!({ "resource": place.plural });
            for (field, value) in [
                ("namespace", &place.namespace),
                ("name", &place.name),
                ("apiGroup", &place.group),
                ("apiVersion", &place.version),
                ("subresource", &place.subresource),
            ] {
                if !value.is_empty() {
                    about[field] = value.as_str().into();
                }
            }
            common["objectRef"] = about;
        }
        Self {
            common,
            received: now,
            status: Value::Null,
            decision: None,
            request: None,
            response: None,
        }
    }

    /// Whether it was answered.
    pub fn has_status(&self) -> bool {
        !self.status.is_null()
    }

    /// How it was answered.
    pub fn set_status(&mut self, code: u16, document: Option<&Value>) {
        let mut status = json!({ "metadata": {}, "code": code });
        if let Some(document) = document.filter(|it| it.get("kind") == Some(&"Status".into())) {
            for field in ["status", "message", "reason", "details"] {
                if let Some(value) = document.get(field) {
                    status[field] = value.clone();
                }
            }
        }
        self.status = status;
    }

    /// The event of a stage.
    pub fn event(&self, stage: Stage, now: Duration) -> Value {
        let mut event = self.common.clone();
        event["stage"] = stage.word().into();
        if stage != Stage::RequestReceived {
            event["responseStatus"] = self.status.clone();
            if let Some(request) = &self.request {
                self.name(&mut event, request);
                event["requestObject"] = request.clone();
            }
            if let Some(response) = &self.response {
                event["responseObject"] = response.clone();
            }
            if let Some((word, why)) = &self.decision {
                event["annotations"] = json!({
                    "authorization.k8s.io/decision": word, "authorization.k8s.io/reason": why,
                });
            }
        }
        event["requestReceivedTimestamp"] = micro(self.received).into();
        event["stageTimestamp"] = micro(now).into();
        event
    }

    /// What is made is named by its body.
    fn name(&self, event: &mut Value, request: &Value) {
        let is_unnamed = event.get("objectRef").is_some_and(|about| about.get("name").is_none());
        if is_unnamed && event["verb"] == "create" && !object::name(request).is_empty() {
            event["objectRef"]["name"] = object::name(request).into();
        }
    }
}

/// A point in time, to the microsecond.
fn micro(at: Duration) -> String {
    let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    let text = time::rfc3339(seconds);
    format!("{}.{:06}Z", text.trim_end_matches('Z'), at.subsec_micros())
}

/// A body as a document; none if it is none.
pub fn document(media_type: &str, bytes: &[u8]) -> Option<Value> {
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if media_type == protobuf::CONTENT_TYPE {
        return protobuf::decode(bytes, None).ok();
    }
    match media_type.contains("yaml") {
        true => decode::yaml(bytes).ok().map(|decoded| decoded.value),
        false => serde_json::from_slice(bytes).ok(),
    }
}

/// A body without its packing; what is longer than the limit is cut.
pub fn unpacked(bytes: &[u8], limit: usize) -> Vec<u8> {
    let mut plain = Vec::new();
    let decoder = flate2::read::GzDecoder::new(bytes);
    let read = decoder.take(limit as u64).read_to_end(&mut plain);
    read.map(|_| plain).unwrap_or_default()
}
