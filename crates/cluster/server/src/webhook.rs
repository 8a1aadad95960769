//! Webhooks: whom a configuration names, asked over HTTPS, bounded in time and bytes.

use crate::api::Api;
use crate::outgoing::service::Reference;
use crate::outgoing::{CallError, Target, parse_url};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;
use std::time::Duration;
use teu_api::object;

/// Whom a `clientConfig` names.
#[derive(Debug, Clone)]
pub struct Callee {
    place: Place,
    authorities: Vec<u8>,
}

#[derive(Debug, Clone)]
enum Place {
    Url(String),
    Service { namespace: String, name: String, port: u16, path: String },
}

/// Why a webhook gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No call.
    #[error("Post \"{url}\": {source}")]
    Call {
        /// Who was to be asked, and how.
        url: String,
        /// Why that failed.
        source: CallError,
    },
    /// Another status than 200.
    #[error("the webhook answered with status {0}")]
    Code(u16),
    /// No JSON.
    #[error("the webhook's answer is not JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Callee {
    /// Of a `clientConfig`.
    pub fn of(config: &Value) -> Self {
        let text = |path: &[&str]| object::text(config, path).unwrap_or_default().to_owned();
        let place = match config.get("service").filter(|service| service.is_object()) {
            None => Place::Url(text(&["url"])),
            Some(service) => {
                let port = service.get("port").and_then(Value::as_u64).unwrap_or(443);
                let path = text(&["service", "path"]);
                Place::Service {
                    namespace: text(&["service", "namespace"]),
                    name: text(&["service", "name"]),
                    port: u16::try_from(port).unwrap_or(443),
                    path: if path.is_empty() { "/".to_owned() } else { path },
                }
            }
        };
        Self { place, authorities: STANDARD.decode(text(&["caBundle"])).unwrap_or_default() }
    }

    /// The URL that is asked, which tells how long an answer is waited for.
    fn url(&self, time: Duration) -> String {
        let url = match &self.place {
            Place::Url(url) => url.clone(),
            Place::Service { namespace, name, port, path } => {
                format!("https://{name}.{namespace}.svc:{port}{path}")
            }
        };
        let joint = if url.contains('?') { '&' } else { '?' };
        format!("{url}{joint}timeout={}s", time.as_secs())
    }

    async fn target(&self, api: &Api, url: &str) -> Result<(Target, String), CallError> {
        let authorities = self.authorities.clone();
        let (host, port, path) = parse_url(url)?;
        let target = match &self.place {
            Place::Url(_) => Target { host, port, authorities, ..Target::default() },
            Place::Service { namespace, name, port, .. } => {
                let rows = api.table.rows();
                let reference = Reference { namespace, name, port: *port };
                api.behind(&rows, reference, authorities).await?
            }
        };
        Ok((target, path))
    }
}

/// Asks one.
pub async fn ask(
    api: &Api,
    callee: &Callee,
    question: Bytes,
    time: Duration,
) -> Result<Value, AskError> {
    let url = callee.url(time);
    let called = async {
        let (target, path) = callee.target(api, &url).await?;
        api.outgoing.post(&target, &path, question, time).await
    };
    let (code, body) = called.await.map_err(|source| AskError::Call { url, source })?;
    if code != 200 {
        return Err(AskError::Code(code));
    }
    Ok(serde_json::from_slice(&body)?)
}
