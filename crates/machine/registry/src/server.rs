//! A request's way: path → who may → what is done → answer.
//!
//! Reading the record is memory's work and done where the request is; whatever touches the disk is
//! done by a bounded number of threads.

use crate::access::{Door, Gate, Right, Who};
use crate::audit::Audit;
use crate::depot::Depot;
use crate::hooks::Hooks;
use crate::link::Query;
use crate::local::Local;
use crate::metrics::Metrics;
use crate::name::Name;
use crate::options::Options;
use crate::problem::Problem;
use crate::records::{Records, Repository};
use crate::route::{Reference, Route, Unroutable};
use crate::sessions::Sessions;
use crate::upstreams::{Upstream, Upstreams};
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use teu_images::Store;
use teu_oci::Digest;
use teu_web::{Handler, Incoming, Peer, Request, Response, Workers, respond};
use tokio::sync::Notify;
use tokio::sync::mpsc::Sender;

mod blobs;
mod lists;
mod local;
mod manifests;
mod noted;
mod page;
mod sweep;
mod through;
mod uploads;
mod verify;

/// Requests that work on the disk at a time.
const DISK_WORKERS: usize = 32;
/// Bytes of manifests that are kept in memory.
const CACHE_BYTES: usize = 32 << 20;
/// Blobs that are known to be what they are called since this process runs.
const VERIFIED: usize = 1 << 16;

/// A registry; clones are one and the same.
#[derive(Debug, Clone)]
pub struct Registry(Arc<Inner>);

/// What a registry is made of, besides its store.
#[derive(Debug)]
pub struct Setup {
    /// How it behaves.
    pub options: Options,
    /// Who may come.
    pub gate: Gate,
    /// Where requests are written down.
    pub audit: Option<Audit>,
    /// Who is told.
    pub hooks: Option<Hooks>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Where goes what could not be done beside a request.
    pub troubles: Option<Sender<teu_images::Error>>,
    /// Whose content is kept here, too.
    pub upstreams: Upstreams,
}

impl Default for Setup {
    fn default() -> Self {
        let (options, gate, metrics) = (Options::default(), Gate::open(), Arc::default());
        let upstreams = Upstreams::default();
        Self { options, gate, audit: None, hooks: None, metrics, troubles: None, upstreams }
    }
}

#[derive(Debug)]
struct Inner {
    /// Where uploads arrive, and the machine's own images are.
    store: Store,
    /// Where content lies in the end.
    depot: Depot,
    records: Records,
    sessions: Sessions,
    local: Option<Local>,
    options: Options,
    gate: Gate,
    audit: Option<Audit>,
    hooks: Mutex<Option<Hooks>>,
    metrics: Arc<Metrics>,
    troubles: Option<Sender<teu_images::Error>>,
    workers: Workers,
    upstreams: Upstreams,
    fetchers: Workers,
    flights: through::flight::Flights,
    cache: Mutex<Cache>,
    verified: Mutex<HashSet<Digest>>,
    /// Content that was deleted and is still on disk.
    deleted: Mutex<Vec<Digest>>,
    /// What pushes of earlier processes have left was looked for.
    is_swept: AtomicBool,
    /// Something has become unneeded, or began to age.
    aged: Notify,
}

/// Manifests by digest.
#[derive(Debug, Default)]
struct Cache {
    bytes: usize,
    manifests: HashMap<Digest, Bytes>,
}

/// A request without its body.
struct Ask {
    method: Method,
    headers: HeaderMap,
    query: Query,
    path: String,
    peer: Arc<Peer>,
    who: Who,
    /// The repository as the client calls it.
    asked: String,
    /// It came to an address that is this upstream's mirror.
    mirror: Option<Arc<Upstream>>,
}

type Answer = Result<Response, Problem>;

impl Registry {
    /// Opens the registry over a store. Fails if another one has it open.
    pub fn open(store: &Store, depot: Depot, setup: Setup) -> teu_images::Result<Self> {
        let Setup { options, gate, audit, hooks, metrics, troubles, upstreams } = setup;
        Ok(Self(Arc::new(Inner {
            store: store.clone(),
            depot: depot.clone(),
            records: Records::open(depot)?,
            sessions: Sessions::open(store, options.uploads)?,
            local: options.serve_local.then(|| Local::new(store)),
            options,
            gate,
            audit,
            hooks: Mutex::new(hooks),
            metrics,
            troubles,
            workers: Workers::new(DISK_WORKERS),
            upstreams,
            fetchers: Workers::new(through::FETCH_WORKERS),
            flights: Mutex::default(),
            cache: Mutex::default(),
            verified: Mutex::default(),
            deleted: Mutex::default(),
            is_swept: AtomicBool::new(false),
            aged: Notify::new(),
        })))
    }

    fn repository(&self, name: &Name) -> Result<Arc<Repository>, Problem> {
        self.0.records.get(name).ok_or_else(|| Problem::name_unknown(name.as_str()))
    }

    async fn dispatch(&self, ask: &Ask, route: Route, body: Incoming) -> Answer {
        let is_read = ask.method == Method::GET || ask.method == Method::HEAD;
        match route {
            Route::Base if is_read => {
                Ok(respond::json(http::StatusCode::OK, &serde_json::json!({})))
            }
            Route::Catalog if is_read => self.catalog(ask).await,
            Route::Tags(name) if is_read => self.tags(ask, &name).await,
            Route::Referrers(name, digest) if is_read => self.referrers(ask, &name, digest).await,
            Route::Base | Route::Catalog | Route::Tags(_) | Route::Referrers(..) => {
                Err(Problem::not_allowed("GET, HEAD"))
            }
            Route::Blob(name, digest) => match ask.method {
                Method::GET | Method::HEAD => self.get_blob(ask, &name, digest).await,
                Method::DELETE => self.delete_blob(&name, digest).await,
                _ => Err(Problem::not_allowed("GET, HEAD, DELETE")),
            },
            Route::Manifest(name, reference) => match ask.method {
                Method::GET | Method::HEAD => self.get_manifest(ask, &name, reference).await,
                Method::PUT => self.put_manifest(ask, &name, reference, body).await,
                Method::DELETE => self.delete_manifest(&name, reference).await,
                _ => Err(Problem::not_allowed("GET, HEAD, PUT, DELETE")),
            },
            Route::Uploads(name) => match ask.method {
                Method::POST => self.start_upload(ask, &name, body).await,
                _ => Err(Problem::not_allowed("POST")),
            },
            Route::Upload(name, id) => match ask.method {
                Method::GET | Method::HEAD => self.upload_status(&name, &id).await,
                Method::PATCH => self.patch_upload(ask, (&name, &id), body).await,
                Method::PUT => self.put_upload(ask, (&name, &id), body).await,
                Method::DELETE => self.cancel_upload(&name, &id).await,
                _ => Err(Problem::not_allowed("GET, PATCH, PUT, DELETE")),
            },
        }
    }

    /// Finds out who asks, whether they may, and does it.
    async fn answer(
        &self,
        ask: &mut Ask,
        route: &Result<Route, Unroutable>,
        body: Incoming,
    ) -> Answer {
        let gate = &self.0.gate;
        if ask.path == "/token" && ask.method == Method::GET {
            let meant = |name| self.meant(ask, name);
            let asked: (&Query, &(dyn Fn(Name) -> Option<Name> + Sync)) = (&ask.query, &meant);
            if let Some(answer) = gate.token(&ask.door(), asked, now()).await {
                return answer;
            }
        }
        if ask.path == "/" {
            return match ask.method {
                Method::GET | Method::HEAD => self.page(ask).await,
                _ => Err(Problem::not_allowed("GET, HEAD")),
            };
        }
        ask.who = gate.identify(&ask.door(), now()).await?;
        let route = match route {
            // What can be no tag is the tag of nothing, unless one wants to give it.
            Err(Unroutable::Reference(text)) if ask.method != Method::PUT => {
                gate.demand_any(&ask.who, &ask.door())?;
                return Err(Problem::manifest_unknown(text));
            }
            Err(wrong) => return Err(wrong.clone().into()),
            Ok(route) => self.resolved(ask, route.clone())?,
        };
        match route.repository() {
            Some(name) => {
                let right = right_for(&ask.method, &route);
                gate.demand(&ask.who, &ask.door(), (name, right))?;
            }
            None => gate.demand_any(&ask.who, &ask.door())?,
        }
        let name = route.repository();
        match name.and_then(|name| self.0.upstreams.owner(name)) {
            Some(foreign) => self.through(ask, foreign, (route, body)).await,
            None => self.dispatch(ask, route, body).await,
        }
    }

    /// The sweeper shall take it from the disk, if nothing else keeps it.
    fn collect_later(&self, digest: Digest) {
        self.0.deleted.lock().unwrap_or_else(PoisonError::into_inner).push(digest);
        self.0.aged.notify_one();
    }

    /// A manifest's bytes, verified when they are read from the disk.
    async fn manifest_bytes(&self, digest: &Digest) -> Result<Bytes, Problem> {
        let cached = {
            let cache = self.0.cache.lock().unwrap_or_else(PoisonError::into_inner);
            cache.manifests.get(digest).cloned()
        };
        if let Some(bytes) = cached {
            return Ok(bytes);
        }
        let (depot, wanted) = (self.0.depot.clone(), digest.clone());
        let read = move || depot.read_blob(&wanted, crate::manifest::MANIFEST_BYTES);
        let bytes = Bytes::from(self.0.workers.run(read).await?);
        self.remember_manifest(digest, bytes.clone());
        Ok(bytes)
    }

    fn remember_manifest(&self, digest: &Digest, bytes: Bytes) {
        let mut cache = self.0.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.bytes + bytes.len() > CACHE_BYTES {
            // Beginning anew is simple, and what is asked for comes back at once.
            *cache = Cache::default();
        }
        cache.bytes += bytes.len();
        if let Some(before) = cache.manifests.insert(digest.clone(), bytes) {
            cache.bytes -= before.len();
        }
    }
}

impl Handler for Registry {
    async fn handle(&self, request: Request) -> Response {
        self.handle_as(request, None).await
    }
}

impl Registry {
    /// Answers as itself, or as the mirror of an upstream.
    async fn handle_as(&self, request: Request, mirror: Option<Arc<Upstream>>) -> Response {
        let begun = Instant::now();
        let peer = teu_web::peer(&request);
        let (parts, body) = request.into_parts();
        let route = Route::parse(parts.uri.path());
        let asked = route.as_ref().ok().and_then(Route::repository);
        let mut ask = Ask {
            method: parts.method,
            headers: parts.headers,
            query: Query::parse(parts.uri.query().unwrap_or_default()),
            path: parts.uri.path().to_owned(),
            peer,
            who: Who::default(),
            asked: asked.map(ToString::to_string).unwrap_or_default(),
            mirror,
        };
        let answer = self.answer(&mut ask, &route, body).await;
        let mut response = answer.unwrap_or_else(Problem::into_response);
        let version = HeaderName::from_static("docker-distribution-api-version");
        response.headers_mut().insert(version, HeaderValue::from_static("registry/2.0"));
        self.note(&ask, route.ok().as_ref(), &response, begun);
        response
    }
}

/// What one must be allowed for a request.
fn right_for(method: &Method, route: &Route) -> Right {
    match (route, method) {
        (_, &Method::GET | &Method::HEAD) if !matches!(route, Route::Upload(..)) => Right::Pull,
        (Route::Blob(..) | Route::Manifest(..), &Method::DELETE) => Right::Delete,
        _ => Right::Push,
    }
}

impl Ask {
    /// How the request came in.
    fn door(&self) -> Door<'_> {
        Door {
            authorization: self.header(http::header::AUTHORIZATION),
            host: self.header(http::header::HOST),
            is_tls: self.peer.is_tls,
        }
    }

    fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A link to the next page is about the same registry's repository.
    fn with_ns(&self, link: String) -> String {
        match self.query.get("ns") {
            Some(ns) => link.replacen('?', &format!("?ns={}&", crate::link::encode(ns)), 1),
            None => link,
        }
    }

    /// The client has this already.
    fn has(&self, digest: &Digest) -> bool {
        let wanted = self.header(http::header::IF_NONE_MATCH).unwrap_or_default();
        wanted.split(',').any(|tag| {
            let tag = tag.trim().trim_start_matches("W/").trim_matches('"');
            tag == digest.as_str()
        })
    }
}

/// A tag or digest as text.
fn reference_text(reference: &Reference) -> &str {
    match reference {
        Reference::Tag(tag) => tag,
        Reference::Digest(digest) => digest.as_str(),
    }
}

fn set(response: &mut Response, name: &'static str, value: &str) {
    // What comes here was checked: names, digests, numbers.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
}

/// Headers of content that its digest names.
fn set_digest(response: &mut Response, digest: &Digest) {
    set(response, "docker-content-digest", digest.as_str());
    set(response, "etag", &format!("\"{digest}\""));
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
