//! Webhooks: Docker's notification envelopes, sent to whom the configuration names.
//!
//! Each receiver has a thread and a bounded queue of its own: one that is slow or gone holds up
//! neither requests nor other receivers. An envelope is tried again with growing pauses, and given up
//! (and counted) after an hour or so, or where the queue is full.

use crate::config::{Action, Webhook};
use crate::metrics::Metrics;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::time::Duration;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

/// Envelopes that wait for one receiver.
const QUEUE_ENVELOPES: usize = 1000;
/// Times that one is tried.
const ATTEMPTS: u32 = 12;
/// Before it is tried again; doubled each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// For one attempt.
const TIMEOUT: Duration = Duration::from_secs(10);
/// At the end, for what still waits.
const LAST_WAIT: Duration = Duration::from_secs(5);
/// Where the system keeps the authorities it believes.
const SYSTEM_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
const MEDIA_TYPE: &str = "application/vnd.docker.distribution.events.v1+json";

/// All receivers.
#[derive(Debug)]
pub struct Hooks {
    receivers: Vec<(Vec<Action>, SyncSender<Vec<u8>>)>,
    metrics: Arc<Metrics>,
    ended: Option<Receiver<()>>,
}

/// Something that happened to a manifest.
#[derive(Debug, Clone)]
pub struct Happened {
    /// What.
    pub action: Option<Action>,
    /// When, RFC 3339.
    pub timestamp: String,
    /// The manifest's media type, where it is known.
    pub media_type: Option<String>,
    /// Its bytes, where they are known.
    pub size: Option<u64>,
    /// Its digest.
    pub digest: Option<String>,
    /// The repository.
    pub repository: String,
    /// The tag, where one was named.
    pub tag: Option<String>,
    /// The user.
    pub user: Option<String>,
    /// Where the client is.
    pub peer: String,
    /// The registry, as the client called it.
    pub host: String,
    /// The method.
    pub method: String,
    /// What the client calls itself.
    pub agent: String,
}

/// Why a receiver cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("webhook {url}: {reason}")]
pub struct HookError {
    url: String,
    reason: String,
}

impl Hooks {
    /// Starts a thread for each.
    pub fn start(hooks: &[Webhook], metrics: Arc<Metrics>) -> Result<Self, HookError> {
        let (end, ended) = channel();
        let mut receivers = Vec::new();
        for hook in hooks {
            let agent = agent_for(hook)?;
            let (sender, queue) = sync_channel(QUEUE_ENVELOPES);
            let url = hook.url.clone();
            let (hook, metrics, end) = (hook.clone(), metrics.clone(), end.clone());
            receivers.push((hook.actions.clone(), sender));
            let deliver = move || {
                deliver_all(&queue, &hook, &agent, &metrics);
                // Nobody waits for it unless the registry ends.
                drop(end);
            };
            let spawned = std::thread::Builder::new().name("teu-webhook".into()).spawn(deliver);
            spawned.map_err(|e| HookError { url, reason: e.to_string() })?;
        }
        Ok(Self { receivers, metrics, ended: Some(ended) })
    }

    /// Says whether anybody wants to hear.
    pub fn is_empty(&self) -> bool {
        self.receivers.is_empty()
    }

    /// Tells all who want to know.
    pub fn tell(&self, happened: &Happened) {
        let Some(action) = happened.action else { return };
        let mut envelope = None;
        for (wanted, sender) in &self.receivers {
            if !wanted.is_empty() && !wanted.contains(&action) {
                continue;
            }
            let bytes = envelope.get_or_insert_with(|| envelope_of(happened, action)).clone();
            if sender.try_send(bytes).is_err() {
                self.metrics.hooks_lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Waits a little for what has not been sent.
    pub fn finish(mut self) {
        self.receivers.clear();
        let Some(ended) = self.ended.take() else { return };
        // It ends when the last thread has dropped its end.
        let _ = ended.recv_timeout(LAST_WAIT);
    }
}

fn envelope_of(happened: &Happened, action: Action) -> Vec<u8> {
    let action = match action {
        Action::Push => "push",
        Action::Pull => "pull",
        Action::Delete => "delete",
    };
    let reference = happened.digest.as_deref().or(happened.tag.as_deref()).unwrap_or_default();
    let url = format!("/v2/{}/manifests/{reference}", happened.repository);
    let event = json!({
        "id": crate::sessions::random_id(),
        "timestamp": happened.timestamp,
        "action": action,
        "target": {
            "mediaType": happened.media_type,
            "size": happened.size,
            "length": happened.size,
            "digest": happened.digest,
            "repository": happened.repository,
            "url": url,
            "tag": happened.tag,
        },
        "request": {
            "id": crate::sessions::random_id(),
            "addr": happened.peer,
            "host": happened.host,
            "method": happened.method,
            "useragent": happened.agent,
        },
        "actor": { "name": happened.user },
        "source": { "addr": happened.host, "instanceID": std::process::id().to_string() },
    });
    serde_json::to_vec(&json!({ "events": [event] })).unwrap_or_default()
}

fn agent_for(hook: &Webhook) -> Result<ureq::Agent, HookError> {
    let wrong = |reason: String| HookError { url: hook.url.clone(), reason };
    if !hook.url.starts_with("http://") && !hook.url.starts_with("https://") {
        return Err(wrong("expected a URL that begins with http:// or https://".to_owned()));
    }
    let mut roots = Vec::new();
    if hook.url.starts_with("https://") {
        let path = hook.authorities.clone().unwrap_or_else(|| SYSTEM_BUNDLE.into());
        let shown = path.display().to_string();
        let pem = std::fs::read(&path).map_err(|e| wrong(format!("cannot read {shown}: {e}")))?;
        for item in parse_pem(&pem) {
            if let PemItem::Certificate(found) = item.map_err(|e| wrong(format!("{shown}: {e}")))? {
                roots.push(Certificate::from_der(found.der()).to_owned());
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(provider)
        .build();
    Ok(ureq::Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(TIMEOUT))
        .max_redirects(0)
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .into())
}

fn deliver_all(queue: &Receiver<Vec<u8>>, hook: &Webhook, agent: &ureq::Agent, metrics: &Metrics) {
    // Ends when the registry does and the queue is empty.
    while let Ok(envelope) = queue.recv() {
        let mut pause = FIRST_PAUSE;
        let mut attempts = 0;
        while !deliver(&envelope, hook, agent) {
            attempts += 1;
            if attempts == ATTEMPTS {
                metrics.hooks_lost.fetch_add(1, Ordering::Relaxed);
                break;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Says whether the receiver took it.
fn deliver(envelope: &[u8], hook: &Webhook, agent: &ureq::Agent) -> bool {
    let mut request = agent.post(&hook.url).header("Content-Type", MEDIA_TYPE);
    for (name, value) in &hook.headers {
        request = request.header(name, value);
    }
    request.send(envelope).is_ok_and(|answer| answer.status().is_success())
}
