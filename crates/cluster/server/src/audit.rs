//! The audit log: who did what when, as JSON lines of `audit.k8s.io/v1` events, chosen by a policy.
//!
//! A request is judged once, when it is known who asks for what ([`policy`]). Its events go through a
//! queue of bounded length to one thread that writes ([`log`]): when the disk is slow, requests wait for a
//! place, so that nobody hides by making much noise; what cannot be written after that is counted. Bodies
//! are kept only where the policy wants them, so that at level `Metadata` no secret can be in the log.

mod event;
pub mod log;
pub mod policy;

pub use log::{AuditError, Log, LogConfig};
pub use policy::{Policy, PolicyError};

use crate::auth::User;
use crate::current::Current;
use crate::request::{Place, Query};
use crate::time::Wall;
use bytes::Bytes;
use event::Facts;
use http_body_util::BodyExt as _;
use policy::{Level, Plan, Stage};
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use teu_web::{Body, Peer, Request, Response};

/// Bytes of one body that are kept for an event.
const MAX_BODY_BYTES: usize = 4 << 20;

/// The code of a request whose client did not wait for the answer.
const CLIENT_GONE: u16 = 499;

/// The policy and where its events go.
pub struct Audit {
    policy: Current<Policy>,
    log: Log,
    wall: Arc<dyn Wall>,
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audit").field("log", &self.log).finish_non_exhaustive()
    }
}

/// What the way of a request notes for its events.
#[derive(Debug, Default)]
pub struct Notes {
    noted: Mutex<Noted>,
    keeps_body: bool,
}

#[derive(Debug, Default)]
struct Noted {
    body: Option<(String, Bytes)>,
    decision: Option<(&'static str, String)>,
}

impl Notes {
    /// The request's body, if it is wanted.
    pub fn body(&self, media_type: &str, bytes: &Bytes) {
        if self.keeps_body && !bytes.is_empty() {
            self.noted().body = Some((media_type.to_owned(), bytes.clone()));
        }
    }

    /// What was decided on the right to it, and by what.
    pub fn decision(&self, word: &'static str, why: &str) {
        self.noted().decision = Some((word, why.to_owned()));
    }

    fn noted(&self) -> std::sync::MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under audit.
#[derive(Debug)]
pub struct Trail {
    audit: Arc<Audit>,
    facts: Facts,
    plan: Plan,
    notes: Arc<Notes>,
    /// Its last event has been made.
    is_over: bool,
}

/// Who asks for what.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// As whom it is made; nobody, if the credential was wrong.
    pub user: Option<&'a User>,
    /// Who makes it, if that is another.
    pub real: Option<&'a User>,
    /// As it is authorised.
    pub verb: &'a str,
    /// What for; none for what is no resource.
    pub place: Option<&'a Place>,
    /// From where.
    pub peer: &'a Peer,
}

impl Audit {
    /// By a policy into a log.
    pub fn new(policy: Policy, log: Log, wall: Arc<dyn Wall>) -> Self {
        Self { policy: Current::new(policy), log, wall }
    }

    /// Judges by another policy from now on.
    pub fn judge_by(&self, policy: Policy) {
        self.policy.set(policy);
    }

    /// Events that were lost because they could not be written.
    pub fn lost(&self) -> u64 {
        self.log.lost()
    }

    /// Begins a request's trail, if its events are wanted.
    pub fn begin(self: &Arc<Self>, request: &mut Request, asked: Asked<'_>) -> Option<Trail> {
        let plan = self.policy.get().plan(asked, request.uri().path());
        if plan.level == Level::None {
            return None;
        }
        let now = self.wall.since_epoch();
        let notes =
            Arc::new(Notes { keeps_body: plan.level >= Level::Request, ..Notes::default() });
        request.extensions_mut().insert(Arc::clone(&notes));
        let facts = Facts::new(request, asked, plan.level, now);
        Some(Trail { audit: Arc::clone(self), facts, plan, notes, is_over: false })
    }
}

impl Trail {
    /// The request has come.
    pub async fn received(&self) {
        if self.plan.wants(Stage::RequestReceived) {
            let now = self.audit.wall.since_epoch();
            let event = self.facts.event(Stage::RequestReceived, now);
            self.audit.log.put(event).await;
        }
    }

    /// The request was answered; a stream has only begun, and says itself when it ends.
    pub async fn answered(mut self, response: Response) -> Response {
        self.take_notes();
        let code = response.status().as_u16();
        let is_stream = http_body::Body::size_hint(response.body()).exact().is_none();
        if is_stream {
            self.facts.set_status(code, None);
            if self.plan.wants(Stage::ResponseStarted) {
                let now = self.audit.wall.since_epoch();
                let event = self.facts.event(Stage::ResponseStarted, now);
                self.audit.log.put(event).await;
            }
            let (parts, body) = response.into_parts();
            let body = Ending { body, _trail: self };
            return Response::from_parts(parts, Body::boxed(body));
        }
        let (response, document) = self.read(response, code).await;
        self.facts.set_status(code, document.as_ref());
        if self.plan.level == Level::RequestResponse {
            self.facts.response = document.map(|document| self.plan.trimmed(document));
        }
        self.is_over = true;
        if self.plan.wants(Stage::ResponseComplete) {
            let event = self.facts.event(Stage::ResponseComplete, self.audit.wall.since_epoch());
            self.audit.log.put(event).await;
        }
        response
    }

    fn take_notes(&mut self) {
        let noted = std::mem::take(&mut *self.notes.noted());
        if let Some((media_type, bytes)) = noted.body {
            let document = event::document(&media_type, &bytes);
            self.facts.request = document.map(|document| self.plan.trimmed(document));
        }
        self.facts.decision = noted.decision;
    }

    /// The answer's document, where it is wanted: the whole one, or a refusal's.
    async fn read(&self, response: Response, code: u16) -> (Response, Option<Value>) {
        let is_wanted = code >= 400 || self.plan.level == Level::RequestResponse;
        let size = http_body::Body::size_hint(response.body()).exact().unwrap_or(u64::MAX);
        if !is_wanted || size > MAX_BODY_BYTES as u64 {
            return (response, None);
        }
        let (parts, body) = response.into_parts();
        // Its length is known, so it is there already.
        let bytes = match body.collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(_) => Bytes::new(),
        };
        let of = |name: http::HeaderName| {
            parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
        };
        let plain = match of(http::header::CONTENT_ENCODING) {
            "gzip" => event::unpacked(&bytes, MAX_BODY_BYTES),
            _ => bytes.to_vec(),
        };
        let document = event::document(of(http::header::CONTENT_TYPE), &plain);
        (Response::from_parts(parts, bytes.into()), document)
    }
}

/// What ends otherwise: a stream, or a request whose client went before it was answered. Whether
/// that one was executed is not known, so it is written down.
impl Drop for Trail {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        if !self.facts.has_status() {
            self.take_notes();
            self.facts.set_status(CLIENT_GONE, None);
        }
        if self.plan.wants(Stage::ResponseComplete) {
            // Nobody can wait here.
            let now = self.audit.wall.since_epoch();
            self.audit.log.offer(self.facts.event(Stage::ResponseComplete, now));
        }
    }
}

/// A stream whose end is an event: that of its trail.
struct Ending {
    body: Body,
    _trail: Trail,
}

impl http_body::Body for Ending {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<std::io::Result<http_body::Frame<Bytes>>>> {
        std::pin::Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// The verb of a request, as it would be authorised; that of HTTP for what is no resource.
pub fn verb(request: &Request, place: Option<&Place>, query: &Query) -> String {
    let own = || request.method().as_str().to_lowercase();
    let Some(place) = place else { return own() };
    crate::handler::resource_verb(request.method(), place, query)
        .map_or_else(|_| own(), str::to_owned)
}

#[cfg(test)]
mod tests;
