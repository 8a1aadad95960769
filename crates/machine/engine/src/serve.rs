//! From HTTP to handlers and back.
//!
//! Routing and reading bodies is async and limited in bytes and time. Handlers block, so they run on
//! threads: those that end by themselves on a few shared ones, those that last as long as somebody
//! wants them on one each, up to [`LONG_LIMIT`]. A client that goes away is noticed by both.

use crate::build::session;
use crate::call::{Answer, Call, Input, Messenger, Outlet, Taker};
use crate::containers::websocket::Accepted;
use crate::engine::Engine;
use crate::error::Error;
use crate::query::{Query, decode};
use crate::route::{Asked, BodyKind, BuildRoute, Pace, Route, route};
use crate::version::NEWEST;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use teu_buildkit::BuildKit;
use teu_docker::message::Message;
use teu_web::{Body, Handler, Limits, Request, Response, Upgrade, Workers, respond};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

mod connection;

/// Bytes of a request's document.
pub const DOCUMENT_LIMIT_BYTES: u64 = 4 << 20;
/// Bytes of a request's stream (a tar): more than any disk here has.
pub const STREAM_LIMIT_BYTES: u64 = 1 << 44;
/// Without a byte of a stream.
pub const STREAM_IDLE: Duration = Duration::from_secs(600);
/// Threads of short handlers.
pub const SHORT_LIMIT: usize = 32;
/// Threads of handlers that last: logs, events, attachments, waits, builds.
pub const LONG_LIMIT: usize = 4096;
/// Stack of such a thread; only what is touched becomes memory.
const STACK_BYTES: usize = 1 << 20;
/// Frames of an answer ahead of the client.
const FRAMES_AHEAD: usize = 4;
/// Bytes of such a frame.
const FRAME_BYTES: usize = 64 << 10;

/// The engine as a handler of HTTP.
#[derive(Debug, Clone)]
pub struct Service {
    engine: Arc<Engine>,
    buildkit: BuildKit,
    short: Workers,
}

/// The limits of its listeners.
pub fn limits() -> Limits {
    Limits { send_idle: None, body_bytes: STREAM_LIMIT_BYTES, ..Limits::default() }
}

/// Handlers that last, at this moment.
static LONG: AtomicUsize = AtomicUsize::new(0);

struct LongPermit;

impl LongPermit {
    fn take() -> Option<Self> {
        let before = LONG.fetch_add(1, Ordering::Relaxed);
        // Dropping it gives it back.
        let permit = Self;
        (before < LONG_LIMIT).then_some(permit)
    }
}

impl Drop for LongPermit {
    fn drop(&mut self) {
        LONG.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs what lasts on a thread of its own; false when there are too many.
pub(crate) fn in_background(work: impl FnOnce() + Send + 'static) -> bool {
    let Some(permit) = LongPermit::take() else { return false };
    let thread = std::thread::Builder::new().name("teu-engine".to_owned()).stack_size(STACK_BYTES);
    let work = move || {
        let _permit = permit;
        work();
    };
    thread.spawn(work).is_ok()
}

impl Service {
    /// Over an engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        let containers = engine.containers();
        let network = containers.networks().inspect(teu_network::DEFAULT_NETWORK).ok();
        let gateway = network.as_ref().and_then(|network| network.ipv4()).map(|pool| pool.gateway);
        let buildkit = BuildKit::new(teu_buildkit::Config {
            state: engine.build_state(),
            images: containers.images().clone(),
            worker: engine.config.worker_command.iter().map(Into::into).collect(),
            version: engine.config.version.to_owned(),
            host_gateway: gateway,
        });
        Self { engine, buildkit, short: Workers::new(SHORT_LIMIT) }
    }

    async fn answer(&self, mut request: Request) -> Result<Response, Error> {
        let path = decode(request.uri().path(), false)?;
        let method = request.method().as_str().to_owned();
        let Asked { version, route } = route(&method, &path).map_err(Error::bad)?;
        let Some(route) = route else { return Err(Error::missing("page not found")) };
        let query = Query::parse(request.uri().query().unwrap_or_default())?;
        let upgrade = Upgrade::of(&mut request);
        if matches!(route, Route::Grpc | Route::Session) {
            return self.take_over(route, request, upgrade);
        }
        if route == Route::Build(BuildRoute::Build) && session::is_asked_for(&query) {
            return self.build_in_session(&query, request).await;
        }
        if route == Route::Build(BuildRoute::Cancel) {
            self.buildkit.cancel(query.text("id"));
        }
        let (parts, mut body) = request.into_parts();
        let input = match route.body() {
            BodyKind::Document => {
                let bytes = body.collect(DOCUMENT_LIMIT_BYTES).await.map_err(refused)?;
                Input::Document(bytes)
            }
            BodyKind::Stream => {
                body.set_limit(STREAM_LIMIT_BYTES);
                body.set_idle(Some(STREAM_IDLE));
                Input::Stream(body.into_reader())
            }
        };
        let header = |name: &str| {
            parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let web_socket = match route.is_web_socket() {
            true => Some(Accepted::of(&parts.headers)?),
            false => None,
        };
        let call = Call {
            version,
            query,
            registry_auth: header("x-registry-auth"),
            registry_config: header("x-registry-config"),
            web_socket,
            input,
            route,
        };
        let answer = self.run(call).await?;
        let alone = || Error::bad("this path needs a connection of its own (HTTP/1.1)");
        match answer {
            Begun::Answer(response) => Ok(response),
            Begun::WebSocket { accepted, take } => {
                let header = (HeaderName::from_static("sec-websocket-accept"), accepted.0);
                Ok(connection::hijack(upgrade.ok_or_else(alone)?, header, take))
            }
            Begun::Hijack { multiplexed, take } => {
                let kind = match multiplexed && version.0 >= 42 {
                    true => "application/vnd.docker.multiplexed-stream",
                    false => "application/vnd.docker.raw-stream",
                };
                let header = (CONTENT_TYPE, kind.to_owned());
                Ok(connection::hijack(upgrade.ok_or_else(alone)?, header, take))
            }
        }
    }

    /// A build through BuildKit, or the context for one.
    async fn build_in_session(&self, query: &Query, request: Request) -> Result<Response, Error> {
        let Some(id) = session::uploads_for(query) else {
            return session::build(&self.buildkit, query);
        };
        let mut body = request.into_body();
        body.set_limit(teu_buildkit::UPLOAD_LIMIT_BYTES);
        body.set_idle(Some(STREAM_IDLE));
        session::upload(&self.buildkit, id, &mut body).await
    }

    /// Runs a handler where it may block; the head of its answer comes first.
    async fn run(&self, call: Call) -> Result<Begun, Error> {
        let engine = self.engine.clone();
        let runtime = Handle::current();
        let (tell, begun) = oneshot::channel();
        match call.route.pace() {
            Pace::Short => self.short.run(move || work(&engine, call, tell, &runtime)).await,
            Pace::Long => {
                if !in_background(move || work(&engine, call, tell, &runtime)) {
                    let message = "too many requests that last are under way: try again later";
                    return Err(Error::status_of(503, message));
                }
            }
        }
        match begun.await {
            Ok(begun) => begun,
            Err(_) => Err(Error::status_of(500, "the handler has failed")),
        }
    }

    fn take_over(
        &self,
        route: Route,
        request: Request,
        upgrade: Option<Upgrade>,
    ) -> Result<Response, Error> {
        let buildkit = self.buildkit.clone();
        let Some(upgrade) = upgrade else {
            return Err(Error::bad("this path is for connections that are upgraded to h2c"));
        };
        let headers = request.headers().clone();
        let (response, upgraded) = upgrade.accept();
        tokio::spawn(async move {
            let Ok(stream) = upgraded.stream().await else { return };
            // How it ended is the client's to know; it has heard it over the stream.
            let _ = match route {
                Route::Session => buildkit.serve_session(stream, &headers).await,
                _ => buildkit.serve(stream).await,
            };
        });
        Ok(response)
    }
}

/// What a handler began.
enum Begun {
    Answer(Response),
    Hijack { multiplexed: bool, take: Taker },
    WebSocket { accepted: Accepted, take: Taker },
}

/// Runs a handler to its end, streams included.
fn work(
    engine: &Arc<Engine>,
    call: Call,
    tell: oneshot::Sender<Result<Begun, Error>>,
    runtime: &Handle,
) {
    let answer = match engine.answer(call) {
        Ok(answer) => answer,
        Err(error) => return drop(tell.send(Err(error))),
    };
    let status = |code: u16| StatusCode::from_u16(code).unwrap_or(StatusCode::OK);
    let response = match answer {
        Answer::Empty(code) => respond::empty(status(code)),
        Answer::Headers(headers) => with_headers(respond::empty(StatusCode::OK), headers),
        Answer::Document(code, bytes) => {
            let mut bytes = bytes;
            bytes.push(b'\n');
            respond::with(status(code), Some("application/json"), bytes.into())
        }
        Answer::Text(text) => respond::text(StatusCode::OK, text),
        Answer::Messages(write) => return messages(write, tell, runtime),
        Answer::Hijack { multiplexed, take } => {
            return drop(tell.send(Ok(Begun::Hijack { multiplexed, take })));
        }
        Answer::WebSocket { accepted, take } => {
            return drop(tell.send(Ok(Begun::WebSocket { accepted, take })));
        }
        Answer::Stream { content_type, headers, write } => {
            let (sender, body) = Body::channel(FRAMES_AHEAD);
            let response = respond::with(StatusCode::OK, Some(content_type), body);
            let begun = Begun::Answer(with_headers(response, headers));
            let hangup = connection::hangup(&sender, runtime);
            if tell.send(Ok(begun)).is_err() {
                return;
            }
            let Ok((hangup, watch)) = hangup else { return };
            let mut out = Outlet { writer: sender.into_writer(FRAME_BYTES), hangup, head: None };
            // What cannot be finished breaks off, so that nobody takes it for whole.
            if write(&mut out).is_ok() {
                let _ = out.writer.finish();
            }
            return drop(watch);
        }
    };
    drop(tell.send(Ok(Begun::Answer(response))));
}

/// The head goes with the first line; an error before it has a status, one after it is a line.
fn messages(write: Messenger, tell: oneshot::Sender<Result<Begun, Error>>, runtime: &Handle) {
    let (sender, body) = Body::channel(FRAMES_AHEAD);
    let Ok((hangup, watch)) = connection::hangup(&sender, runtime) else { return };
    let tell = Arc::new(Mutex::new(Some(tell)));
    let first = tell.clone();
    let say = move |tell: &Mutex<Option<_>>, head| {
        let taken: Option<oneshot::Sender<_>> = tell.lock().ok().and_then(|mut tell| tell.take());
        if let Some(tell) = taken {
            drop(tell.send(head));
        }
    };
    let head = move || {
        let response = respond::with(StatusCode::OK, Some("application/json"), body);
        say(&first, Ok(Begun::Answer(response)));
    };
    let writer = sender.into_writer(FRAME_BYTES);
    let mut out = Outlet { writer, hangup, head: Some(Box::new(head)) };
    let done = write(&mut out);
    match (done, out.head.is_some()) {
        (Err(error), true) => say(&tell, Err(error)),
        (Err(error), false) => {
            let _ = out.message(&Message::failed(error.message(), None));
        }
        (Ok(()), _) => {}
    }
    let _ = out.flush();
    let _ = out.writer.finish();
    drop(watch);
}

fn with_headers(mut response: Response, headers: Vec<(&'static str, String)>) -> Response {
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn refused(error: teu_web::BodyError) -> Error {
    Error::status_of(error.status().as_u16(), error.to_string())
}

/// `{"message": …}`, as every client of Docker's reads it.
fn refusal(error: &Error) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut bytes = serde_json::json!({ "message": error.message() }).to_string().into_bytes();
    bytes.push(b'\n');
    respond::with(status, Some("application/json"), bytes.into())
}

impl Handler for Service {
    async fn handle(&self, request: Request) -> Response {
        let ping = request.uri().path().ends_with("/_ping");
        let is_head = request.method() == Method::HEAD;
        let mut response = match self.answer(request).await {
            Ok(response) => response,
            Err(error) => refusal(&error),
        };
        let headers = response.headers_mut();
        let mut set = |name: &'static str, value: HeaderValue| {
            headers.insert(HeaderName::from_static(name), value);
        };
        if let Ok(version) = HeaderValue::from_str(&NEWEST.to_string()) {
            set("api-version", version);
        }
        set("docker-experimental", HeaderValue::from_static("false"));
        set("ostype", HeaderValue::from_static("linux"));
        let server = format!("Docker/{} (linux)", self.engine.config.version);
        if let Ok(server) = HeaderValue::from_str(&server) {
            set("server", server);
        }
        if ping {
            set("builder-version", HeaderValue::from_static("2"));
            set("swarm", HeaderValue::from_static("inactive"));
            set("cache-control", HeaderValue::from_static("no-cache, no-store, must-revalidate"));
            set("pragma", HeaderValue::from_static("no-cache"));
        }
        if is_head && !headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        response
    }

    fn expects_raw_stream(&self, method: &str, path: &str) -> bool {
        let path = path.split('?').next().unwrap_or_default();
        let asked = decode(path, false).ok().and_then(|path| route(method, &path).ok());
        asked.and_then(|asked| asked.route).is_some_and(|route| route.is_hijacked())
    }
}
