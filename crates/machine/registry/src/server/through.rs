//! Through to an upstream: what is asked of a repository that is another registry's is answered with
//! what is here while that is good, and else with what the upstream gives, which is kept.
//!
//! A tag is good for a while after the upstream was asked; content that a digest names always is.
//! Where the upstream cannot be reached, what is here is given with a `Warning` that says so; where
//! it refuses, nothing is. Nothing is kept or given whole that is not what its digest says.

use super::{Answer, Ask, Registry, now, set};
use crate::name::Name;
use crate::problem::Problem;
use crate::records::Note;
use crate::route::Route;
use crate::upstreams::collect::Inventory;
use crate::upstreams::{Failure, Foreign, Upstream};
use http::Method;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use teu_oci::Digest;
use teu_web::{Handler, Incoming, Request, Response};

mod blob;
pub(super) mod flight;
mod lists;
mod manifest;

/// Questions to upstreams, and blobs that are fetched, at a time.
pub(super) const FETCH_WORKERS: usize = 48;
/// A use is recorded if the last one was so long ago: seconds.
const USE_SECONDS: u64 = 3600;

/// An address that is a mirror of one upstream, and nothing else.
#[derive(Debug, Clone)]
pub struct Mirror {
    registry: Registry,
    upstream: std::sync::Arc<Upstream>,
}

impl Handler for Mirror {
    async fn handle(&self, request: Request) -> Response {
        self.registry.handle_as(request, Some(self.upstream.clone())).await
    }
}

impl Registry {
    /// Whose content is kept here, too, in the order of the settings.
    pub fn upstreams(&self) -> &[std::sync::Arc<Upstream>] {
        self.0.upstreams.all()
    }

    /// The mirror of an upstream.
    pub fn mirror(&self, upstream: &std::sync::Arc<Upstream>) -> Mirror {
        Mirror { registry: self.clone(), upstream: upstream.clone() }
    }

    /// The route to the repository that the client means, if it is not the one it names.
    pub(super) fn resolved(&self, ask: &Ask, route: Route) -> Result<Route, Problem> {
        let Some(asked) = route.repository() else { return Ok(route) };
        let (ns, mirror) = (ask.query.get("ns"), ask.mirror.as_deref());
        match self.0.upstreams.resolve(asked, ns, mirror) {
            Some(name) if name == *asked => Ok(route),
            Some(name) => Ok(route.of(name)),
            None => Err(crate::route::Unroutable::Name(asked.to_string()).into()),
        }
    }

    /// The repository that a client means by a name in a token's scope: its own word for it, or ours
    /// from a challenge.
    pub(super) fn meant(&self, ask: &Ask, name: Name) -> Option<Name> {
        let mirror = ask.mirror.as_deref().filter(|upstream| !upstream.owns(&name));
        self.0.upstreams.resolve(&name, None, mirror)
    }

    /// Says whether a list may name a repository.
    pub(super) fn is_shown(&self, ask: &Ask, name: &Name) -> bool {
        ask.mirror.as_ref().is_none_or(|upstream| upstream.owns(name))
            && self.0.gate.may_see(&ask.who, name)
    }

    /// A request about a repository of an upstream.
    pub(super) async fn through(
        &self,
        ask: &Ask,
        foreign: Foreign,
        (route, body): (Route, Incoming),
    ) -> Answer {
        let is_read = ask.method == Method::GET || ask.method == Method::HEAD;
        // What is kept can be thrown away, by its own name only.
        let is_drop = ask.method == Method::DELETE && ask.mirror.is_none();
        match route {
            Route::Manifest(name, reference) if is_read => {
                self.through_manifest(ask, &foreign, (&name, reference)).await
            }
            Route::Blob(name, digest) if is_read => {
                self.through_blob(ask, &foreign, (&name, digest)).await
            }
            Route::Tags(name) if is_read => self.through_tags(ask, &foreign, &name).await,
            Route::Referrers(name, digest) if is_read => {
                self.through_referrers(ask, &foreign, (&name, &digest)).await
            }
            Route::Manifest(..) | Route::Blob(..) if is_drop => {
                self.dispatch(ask, route, body).await
            }
            _ => Err(Problem::read_only(foreign.upstream.registry())),
        }
    }

    /// Asks the upstream, unless it was gone a moment ago.
    async fn ask_upstream<T: Send + 'static>(
        &self,
        foreign: &Foreign,
        ask: impl FnOnce(&Registry, &Foreign) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        if let Some(problem) = foreign.upstream.gone() {
            return Err(Failure::Gone(problem));
        }
        count(&self.0.metrics.cache_misses);
        let (registry, foreign) = (self.clone(), foreign.clone());
        let asking = move || {
            let answer = ask(&registry, &foreign);
            if answer.is_ok() {
                foreign.upstream.is_back();
            }
            answer
        };
        self.0.fetchers.run(asking).await
    }

    /// What is here was asked for, and will do for the upstream's answer.
    fn stale(&self, foreign: &Foreign, gone: &Problem, mut response: Response) -> Response {
        count(&self.0.metrics.cache_stale);
        let registry = foreign.upstream.registry();
        // Printable ASCII without quotes, as the header wants it.
        let why: String = gone
            .message()
            .chars()
            .filter(|c| (c.is_ascii_graphic() || *c == ' ') && !matches!(c, '"' | '\\'))
            .take(200)
            .collect();
        let warning = format!("299 - \"stale: what was last seen of {registry}: {why}\"");
        set(&mut response, "warning", &warning);
        response
    }

    /// Records that something was used, once in a while.
    async fn used(&self, name: &Name, digest: &Digest) {
        let Some(repository) = self.0.records.get(name) else { return };
        let now = now();
        let note = {
            let state = repository.read();
            let is_old = |at: u64| at.saturating_add(USE_SECONDS) < now;
            match (state.manifests.get(digest), state.blobs.get(digest)) {
                (Some(record), _) if is_old(record.at) => {
                    let record = crate::records::ManifestRecord { at: now, ..record.clone() };
                    Note::Manifest { digest: digest.clone(), record, tag: None }
                }
                (None, Some((size, at))) if is_old(*at) => {
                    Note::Blob { digest: digest.clone(), size: *size, at: now }
                }
                _ => return,
            }
        };
        // Not recorded, it goes a little earlier.
        let _ = self.0.workers.run(move || repository.change(note)).await;
    }

    fn inventory(&self, upstream: &Upstream) -> Inventory {
        let mut inventory = Inventory::default();
        for repository in self.0.records.all() {
            if upstream.owns(repository.name()) {
                inventory.add(&repository.read());
            }
        }
        inventory
    }

    /// When something that is kept of upstreams must go, seconds since 1970.
    pub(super) fn cached_due(&self) -> Option<u64> {
        let all = self.0.upstreams.all().iter();
        all.filter_map(|upstream| self.inventory(upstream).due(upstream.rules())).min()
    }

    /// Drops what is too old or too much of what is kept of upstreams; gives it. Blocks.
    pub(super) fn sweep_cached(&self, now: u64) -> teu_images::Result<HashSet<Digest>> {
        let mut dropped = HashSet::new();
        for upstream in self.0.upstreams.all() {
            let going = self.inventory(upstream).superfluous(upstream.rules(), now);
            if going.is_empty() {
                continue;
            }
            for repository in self.0.records.all() {
                if upstream.owns(repository.name()) {
                    repository.drop_all(&going)?;
                }
            }
            dropped.extend(going);
        }
        Ok(dropped)
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
