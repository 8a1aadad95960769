//! Conversion of custom objects by a webhook.
//!
//! It is asked from the middle of encoding and decoding, which do not wait; so the thread waits, and
//! the runtime gives its other work to another one meanwhile.

use crate::api::Api;
use crate::id;
use crate::table::Converter;
use crate::webhook::{Callee, ask};
use bytes::Bytes;
use serde_json::Value;
use std::sync::{Arc, Weak};
use std::time::Duration;
use teu_api::Status;
use teu_api::crd::convert::{Strategy, request, response, review_version, strategy};
use teu_api::object;

/// For one answer, as in the real server.
const TIME: Duration = Duration::from_secs(30);

/// What a definition's webhook is.
#[derive(Debug)]
struct Webhook {
    api: Weak<Api>,
    callee: Callee,
    review: &'static str,
    /// `customresourcedefinitions`' name, for messages.
    name: String,
}

/// A definition's converter, if it has one.
pub fn of(api: &Arc<Api>, definition: &Value) -> Option<Arc<dyn Converter>> {
    if strategy(definition) != Strategy::Webhook {
        return None;
    }
    let config = object::at(definition, &["spec", "conversion", "webhook", "clientConfig"])?;
    let webhook = Webhook {
        api: Arc::downgrade(api),
        callee: Callee::of(config),
        review: review_version(definition).unwrap_or("v1"),
        name: object::name(definition).to_owned(),
    };
    Some(Arc::new(webhook))
}

impl Converter for Webhook {
    fn convert(&self, objects: Vec<Value>, wanted: &str) -> Result<Vec<Value>, Status> {
        let Some(api) = self.api.upgrade() else {
            return Err(Status::new(503, "ServiceUnavailable", "the server is shutting down"));
        };
        let uid = id::uid();
        let question = request(self.review, &uid, wanted, objects.clone());
        let body = Bytes::from(question.to_string());
        let runtime = tokio::runtime::Handle::current();
        let answer =
            tokio::task::block_in_place(|| runtime.block_on(ask(&api, &self.callee, body, TIME)));
        let failed = |why: String| {
            Status::internal(format!(
                "conversion webhook for {wanted} of {} failed: {why}",
                self.name
            ))
        };
        let answer = answer.map_err(|error| failed(error.to_string()))?;
        response(&answer, &uid, wanted, &objects)
    }
}
