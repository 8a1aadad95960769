//! A connection taken over from HTTP/1.1: the client's wish, our consent, the stream.

use crate::sniff::RAW;
use crate::stream::Stream;
use crate::{Body, Request, Response};
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, StatusCode};
use hyper_util::rt::TokioIo;
use std::fmt;

/// A request's wish to leave HTTP.
pub struct Upgrade {
    protocol: HeaderValue,
    taken: hyper::upgrade::OnUpgrade,
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade").field("protocol", &self.protocol()).finish_non_exhaustive()
    }
}

/// The stream, once the answer has gone out.
pub struct Upgraded(hyper::upgrade::OnUpgrade);

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upgraded")
    }
}

impl Upgrade {
    /// What the request wishes; `None`, if it does not wish to leave HTTP. The request's own body is
    /// to be read before the stream is waited for.
    pub fn of(request: &mut Request) -> Option<Self> {
        let protocol = request.headers().get(UPGRADE)?.clone();
        if request.version() != http::Version::HTTP_11 {
            return None;
        }
        Some(Self { protocol, taken: hyper::upgrade::on(request) })
    }

    /// The protocol the client named: `tcp`, `h2c`, `websocket`; empty for one that expects a raw
    /// stream after `200 OK` (see [`Handler::expects_raw_stream`](crate::Handler::expects_raw_stream)).
    pub fn protocol(&self) -> &str {
        match self.is_raw() {
            true => "",
            false => self.protocol.to_str().unwrap_or_default(),
        }
    }

    /// The client knows no upgrade and gets `200 OK` with the headers of the answer.
    pub fn is_raw(&self) -> bool {
        self.protocol == RAW
    }

    /// Agrees: the answer to give (headers may be added), and the stream that follows it.
    pub fn accept(self) -> (Response, Upgraded) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        if !self.is_raw() {
            let headers = response.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, self.protocol);
        }
        (response, Upgraded(self.taken))
    }
}

impl Upgraded {
    /// Waits for the answer to have gone out. Nothing limits the stream's time any more: that is up
    /// to the protocol it speaks. It still counts as one of the server's connections.
    pub async fn stream(self) -> Result<Stream, hyper::Error> {
        let upgraded = self.0.await?;
        match upgraded.downcast::<TokioIo<Stream>>() {
            Ok(parts) => {
                let mut stream = parts.io.into_inner();
                stream.unread(parts.read_buf);
                Ok(stream.without_deadline())
            }
            Err(other) => {
                let io = crate::stream::Transport::Other(Box::new(TokioIo::new(other)));
                Ok(Stream::new(io, None))
            }
        }
    }
}
