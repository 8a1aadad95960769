//! What is noted of an answered request: numbers, a line for the record, word to those who wait for it.

use super::{Ask, Registry};
use crate::audit::Line;
use crate::config::Action;
use crate::hooks::Happened;
use crate::metrics::Gauges;
use crate::route::{Reference, Route};
use http::{Method, header};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use teu_web::Response;

impl Registry {
    pub(super) fn note(
        &self,
        ask: &Ask,
        route: Option<&Route>,
        response: &Response,
        begun: Instant,
    ) {
        let metrics = &self.0.metrics;
        let status = response.status().as_u16();
        let kind = route.map_or("other", Route::kind);
        metrics.count(ask.method.as_str(), kind, status, begun.elapsed());
        let length = text(response.headers(), header::CONTENT_LENGTH).and_then(|n| n.parse().ok());
        if ask.method != Method::HEAD {
            metrics.sent_bytes.fetch_add(length.unwrap_or(0), Ordering::Relaxed);
        }
        if let Some(audit) = &self.0.audit
            && let Some(error) = audit.record(&line(ask, route, response))
        {
            // More than can be told need not be.
            let _ = self.0.troubles.as_ref().map(|troubles| troubles.try_send(error));
        }
        if let Some(Route::Manifest(name, reference)) = route
            && response.status().is_success()
        {
            self.tell(ask, (name.as_str(), reference), response);
        }
    }

    fn tell(&self, ask: &Ask, (repository, reference): (&str, &Reference), response: &Response) {
        let hooks = self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(hooks) = hooks.as_ref().filter(|hooks| !hooks.is_empty()) else { return };
        let action = match ask.method {
            Method::PUT => Some(Action::Push),
            Method::GET => Some(Action::Pull),
            Method::DELETE => Some(Action::Delete),
            _ => None,
        };
        // Of what comes, the request says what it is; of what goes out, the answer.
        let described = if ask.method == Method::PUT { &ask.headers } else { response.headers() };
        let size = text(described, header::CONTENT_LENGTH).and_then(|size| size.parse().ok());
        let of_answer = text(response.headers(), DIGEST).map(str::to_owned);
        let (digest, tag) = match reference {
            Reference::Tag(tag) => (of_answer, Some(tag.clone())),
            Reference::Digest(digest) => (Some(digest.to_string()), None),
        };
        let owned = |name| ask.header(name).unwrap_or_default().to_owned();
        hooks.tell(&Happened {
            action,
            timestamp: rfc3339(SystemTime::now()),
            media_type: text(described, header::CONTENT_TYPE).map(str::to_owned),
            size,
            digest,
            repository: repository.to_owned(),
            tag,
            user: ask.who.user.clone(),
            peer: ask.peer.address.to_string(),
            host: owned(header::HOST),
            method: ask.method.to_string(),
            agent: owned(header::USER_AGENT),
        });
    }

    /// The page of metrics.
    pub fn metrics_page(&self) -> String {
        let mut gauges = Gauges { uploads: self.0.sessions.count(), ..Gauges::default() };
        for repository in self.0.records.all() {
            let state = repository.read();
            gauges.repositories += 1;
            gauges.manifests += state.manifests.len();
            gauges.tags += state.tags.len();
            gauges.bytes += state.bytes;
        }
        self.0.metrics.render(gauges)
    }

    /// Ends what goes on beside requests. Blocks for a little while.
    pub fn finish(&self) {
        let hooks = self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(hooks) = hooks {
            hooks.finish();
        }
    }
}

const DIGEST: header::HeaderName = header::HeaderName::from_static("docker-content-digest");

fn text(headers: &http::HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn line<'a>(ask: &'a Ask, route: Option<&'a Route>, response: &'a Response) -> Line<'a> {
    Line {
        time: rfc3339(SystemTime::now()),
        peer: ask.peer.address.to_string(),
        user: ask.who.user.as_deref(),
        method: ask.method.as_str(),
        path: &ask.path,
        status: response.status().as_u16(),
        repository: route.and_then(Route::repository).map(crate::name::Name::as_str),
        digest: text(response.headers(), DIGEST),
        agent: ask.header(header::USER_AGENT),
    }
}

fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    teu_images::time::format_rfc3339(seconds, since.subsec_nanos())
}
