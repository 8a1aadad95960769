//! A request handed on to another server: whole, under the user's name, and with nothing of what
//! only concerns the hop before.
//!
//! A connection to the other side carries one request. If that asked to leave HTTP and the other side
//! does not agree, its answer is handed back and the connection is closed: nothing a client sends
//! later can reach it (CVE-2018-1002105). Redirects are handed back, never followed.

use crate::api::Api;
use crate::auth::User;
use crate::outgoing::{CallError, Target};
use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body::Frame;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use teu_api::Status;
use teu_web::{Body, Request, Response, Upgrade};

const USER: HeaderName = HeaderName::from_static("x-remote-user");
const GROUP: HeaderName = HeaderName::from_static("x-remote-group");
const UID: HeaderName = HeaderName::from_static("x-remote-uid");
/// The prefix of all that says who somebody is.
const REMOTE: &str = "x-remote-";
/// What impersonates somebody; it was looked at before.
const IMPERSONATE: &str = "impersonate-";

/// Hands a request on. `path` is what the other side is asked for, with its query.
pub async fn forward(
    api: &Api,
    mut request: Request,
    user: &User,
    target: &Target,
    path: &str,
) -> Result<Response, Status> {
    let upgrade = Upgrade::of(&mut request);
    let headers = onward(request.headers(), user, upgrade.as_ref());
    let method = request.method().clone();
    let body = match upgrade {
        Some(_) => Bytes::new(),
        None => crate::handler::read_body(request).await?,
    };
    let connection = api.outgoing.connect(target).await.map_err(|error| unavailable(&error))?;
    let mut answer =
        connection.send(method, path, headers, body).await.map_err(|error| unavailable(&error))?;
    match upgrade {
        Some(upgrade) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
            let other = hyper::upgrade::on(&mut answer);
            let (mut response, ours) = upgrade.accept();
            for (name, value) in answer.headers() {
                if name.as_str().starts_with("sec-websocket-")
                    || name == "x-stream-protocol-version"
                {
                    response.headers_mut().append(name.clone(), value.clone());
                }
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
        // One that answers 101 unasked is not believed.
        None if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
            Err(Status::new(502, "InternalError", "the other server switched protocols unasked"))
        }
        _ => Ok(back(answer)),
    }
}

fn unavailable(error: &CallError) -> Status {
    Status::new(503, "ServiceUnavailable", format!("error trying to reach service: {error}"))
}

/// Headers for the other side: without what is ours or the hop's, with who asks.
fn onward(headers: &HeaderMap, user: &User, upgrade: Option<&Upgrade>) -> HeaderMap {
    let mut onward = without_hop(headers);
    onward.remove(AUTHORIZATION);
    onward.remove(HOST);
    onward.remove(CONTENT_LENGTH);
    let ours: Vec<HeaderName> = onward
        .keys()
        .filter(|name| name.as_str().starts_with(REMOTE) || name.as_str().starts_with(IMPERSONATE))
        .cloned()
        .collect();
    for name in ours {
        onward.remove(name);
    }
    // What cannot be a header names nobody, and nobody may do little.
    let value = |text: &str| HeaderValue::from_str(text);
    if let Ok(name) = value(&user.name) {
        onward.insert(USER, name);
    }
    if let (false, Ok(uid)) = (user.uid.is_empty(), value(&user.uid)) {
        onward.insert(UID, uid);
    }
    for group in user.groups.iter().filter_map(|group| value(group).ok()) {
        onward.append(GROUP, group);
    }
    for (key, values) in &user.extra {
        let key: String = key.bytes().map(escaped).collect();
        let Ok(name) = HeaderName::try_from(format!("x-remote-extra-{key}")) else { continue };
        for text in values.iter().filter_map(|text| value(text).ok()) {
            onward.append(name.clone(), text);
        }
    }
    if let Some(protocol) = upgrade.and_then(|upgrade| value(upgrade.protocol()).ok()) {
        onward.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        onward.insert(UPGRADE, protocol);
    }
    onward
}

/// What may not stand in a header's name, as `%xx`.
fn escaped(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        b'A'..=b'Z' => char::from(byte.to_ascii_lowercase()).to_string(),
        other => format!("%{other:02x}"),
    }
}

fn without_hop(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    // What `Connection` names is the hop's too.
    let named: Vec<String> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    for name in named {
        kept.remove(name);
    }
    for name in [
        CONNECTION,
        UPGRADE,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
    ] {
        kept.remove(name);
    }
    kept.remove("keep-alive");
    kept
}

/// The other side's answer, its body as it comes.
fn back(answer: http::Response<Incoming>) -> Response {
    let (parts, body) = answer.into_parts();
    let mut response = Response::new(Body::boxed(Stream(body)));
    *response.status_mut() = parts.status;
    *response.headers_mut() = without_hop(&parts.headers);
    response
}

struct Stream(Incoming);

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.0)
            .poll_frame(context)
            .map(|frame| frame.map(|frame| frame.map_err(io::Error::other)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_says_who_he_is_but_us() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-remote-user", "root"),
            ("x-remote-group", "system:masters"),
            ("x-remote-extra-a", "b"),
            ("authorization", "Bearer x"),
            ("connection", "keep-alive, x-secret"),
            ("x-secret", "1"),
            ("accept", "application/json"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let mut user = User {
            name: "jane".to_owned(),
            groups: vec!["a".to_owned(), "b".to_owned()],
            ..User::default()
        };
        user.extra.insert("Key/x".to_owned(), vec!["v".to_owned()]);
        let onward = onward(&headers, &user, None);
        let all = |name: &str| {
            onward.get_all(name).iter().map(|v| v.to_str().expect("text")).collect::<Vec<_>>()
        };
        assert_eq!(all("x-remote-user"), ["jane"]);
        assert_eq!(all("x-remote-group"), ["a", "b"]);
        assert_eq!(all("x-remote-extra-key%2fx"), ["v"]);
        assert_eq!(all("accept"), ["application/json"]);
        for gone in ["authorization", "x-secret", "connection", "x-remote-extra-a"] {
            assert!(!onward.contains_key(gone), "{gone}");
        }
    }
}
