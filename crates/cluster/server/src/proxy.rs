//! A request handed on to another server: whole, and with nothing of what only concerns the hop before.
//!
//! A connection to the other side carries one request. If that asked to leave HTTP and the other side
//! does not agree, its answer is handed back and both connections are closed: nothing a client sends
//! later can reach it (CVE-2018-1002105). Redirects are handed back, never followed; one in the place
//! of an upgrade is refused (GHSA-33c5-9fx5-fvjm).

mod headers;
mod links;

pub use links::Links;

use crate::api::Api;
use crate::auth::User;
use crate::outgoing::{CallError, Sent, Target, whole};
use bytes::Bytes;
pub(crate) use headers::name;
use headers::{onward, without_hop};
use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use links::Page;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use teu_api::Status;
use teu_web::{Body, Request, Response, Upgrade, peer};

/// As whom a request goes on.
#[derive(Debug)]
pub enum Manner<'a> {
    /// To a server that believes us who asks.
    Aggregated(&'a User),
    /// To a node, under our own name.
    Node,
    /// To whom this server only is the way to: nobody's name goes on, and links in the answer lead
    /// back through it.
    Through(Links),
}

/// Hands a request on. `path` is what the other side is asked for, with its query.
pub async fn forward(
    api: &Api,
    mut request: Request,
    target: &Target,
    path: &str,
    manner: Manner<'_>,
) -> Result<Response, Status> {
    let upgrade = Upgrade::of(&mut request);
    let headers = onward(request.headers(), &manner, upgrade.as_ref(), (&peer(&request), path));
    let method = request.method().clone();
    let body = match (&upgrade, &manner) {
        (Some(_), _) => whole(Bytes::new()),
        (None, Manner::Through(_)) => stream(request),
        (None, _) => whole(crate::handler::read_body(request).await?),
    };
    let connection = api.outgoing.connect(target).await.map_err(|error| unavailable(&error))?;
    let answer =
        connection.send(method, path, headers, body).await.map_err(|error| unavailable(&error))?;
    match upgrade {
        Some(upgrade) => switch(answer, upgrade),
        // One that answers 101 unasked is not believed.
        None if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
            Err(Status::new(502, "InternalError", "the other server switched protocols unasked"))
        }
        None => Ok(match manner {
            Manner::Through(links) => back_through(answer, links),
            _ => back(answer),
        }),
    }
}

/// A body of any length, as it comes.
fn stream(request: Request) -> Sent {
    let mut body = request.into_body();
    body.set_limit(u64::MAX);
    body.boxed_unsync()
}

fn unavailable(error: &CallError) -> Status {
    Status::new(503, "ServiceUnavailable", format!("error trying to reach service: {error}"))
}

/// Both sides leave HTTP, or neither.
fn switch(mut answer: http::Response<Incoming>, upgrade: Upgrade) -> Result<Response, Status> {
    let code = answer.status();
    if code != StatusCode::SWITCHING_PROTOCOLS {
        if code.as_u16() < 400 {
            let text = format!("invalid upgrade response: status code {}", code.as_u16());
            return Err(Status::new(502, "InternalError", text));
        }
        let mut response = back(answer);
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        return Ok(response);
    }
    let other = hyper::upgrade::on(&mut answer);
    let (mut response, ours) = upgrade.accept();
    let is_kept =
        |name: &str| name.starts_with("sec-websocket-") || name == "x-stream-protocol-version";
    for (name, value) in answer.headers().iter().filter(|(name, _)| is_kept(name.as_str())) {
        response.headers_mut().append(name.clone(), value.clone());
    }
    tokio::spawn(async move {
        // Either side going ends both.
        if let (Ok(mut ours), Ok(other)) = (ours.stream().await, other.await) {
            let mut other = TokioIo::new(other);
            let _ = tokio::io::copy_bidirectional(&mut ours, &mut other).await;
        }
    });
    Ok(response)
}

/// The other side's answer, its body as it comes.
fn back(answer: http::Response<Incoming>) -> Response {
    let (parts, body) = answer.into_parts();
    let headers = without_hop(&parts.headers);
    response(parts.status, headers, Passing { body, page: None })
}

/// The same, with links that lead back.
fn back_through(answer: http::Response<Incoming>, links: Links) -> Response {
    let (parts, body) = answer.into_parts();
    let mut headers = without_hop(&parts.headers);
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let location = text(LOCATION).and_then(|link| links.rewrite(link));
    let media_type = text(CONTENT_TYPE).unwrap_or_default().split(';').next().unwrap_or_default();
    let is_page = media_type.trim().eq_ignore_ascii_case("text/html")
        && !headers.contains_key(CONTENT_ENCODING)
        && !headers.contains_key(LOCATION);
    if let Some(Ok(location)) = location.map(|link| HeaderValue::from_str(&link)) {
        headers.insert(LOCATION, location);
    }
    if is_page {
        headers.remove(CONTENT_LENGTH);
    }
    response(parts.status, headers, Passing { body, page: is_page.then(|| Page::new(links)) })
}

fn response(status: StatusCode, headers: HeaderMap, body: Passing) -> Response {
    let mut response = Response::new(Body::boxed(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// An answer's body on its way, perhaps a page whose links are changed.
struct Passing {
    body: Incoming,
    page: Option<Page>,
}

impl http_body::Body for Passing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        loop {
            let frame = match Pin::new(&mut this.body).poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(frame) => frame.transpose().map_err(io::Error::other)?,
            };
            let Some(page) = &mut this.page else { return Poll::Ready(frame.map(Ok)) };
            let changed = match frame.map(Frame::into_data) {
                Some(Ok(bytes)) => page.push(&bytes),
                // Trailers say nothing of a page.
                Some(Err(_)) => continue,
                None => {
                    let last = page.finish();
                    this.page = None;
                    last
                }
            };
            if !changed.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(changed.into()))));
            }
        }
    }
}
