//! Making calls over a connection whose other end serves: a client's session.

use super::{
    CONNECTION_WINDOW_BYTES, Code, Frames, HEADER_LIMIT_BYTES, Status, WINDOW_BYTES, frame,
    send_bytes,
};
use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderName, HeaderValue, Request};
use prost::Message;
use std::future::Future;
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection to make calls on; clones share it.
#[derive(Debug, Clone)]
pub struct Channel(SendRequest<Bytes>);

/// Headers of a call.
pub type Metadata = Vec<(HeaderName, HeaderValue)>;

/// What we say on a call.
#[derive(Debug)]
pub struct Requests(SendStream<Bytes>);

/// What is answered.
#[derive(Debug)]
pub enum Responses {
    /// Not yet begun.
    Waiting(ResponseFuture),
    /// Messages come.
    Open(Frames),
    /// The end has been seen.
    Ended,
}

/// Begins to use a connection; the future drives it until it ends.
pub async fn connect<I>(io: I) -> Result<(Channel, impl Future<Output = ()> + Send), h2::Error>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (channel, connection) = h2::client::Builder::new()
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(HEADER_LIMIT_BYTES)
        .enable_push(false)
        .handshake(io)
        .await?;
    let driven = async move {
        let _ = connection.await;
    };
    Ok((Channel(channel), driven))
}

impl Channel {
    /// Begins a call on which both sides may say any number of messages.
    pub async fn open(
        &self,
        path: &str,
        metadata: Metadata,
    ) -> Result<(Requests, Responses), Status> {
        let mut request = Request::post(format!("http://localhost{path}"))
            .header(http::header::CONTENT_TYPE, "application/grpc")
            .header(http::header::TE, "trailers");
        for (name, value) in metadata {
            request = request.header(name, value);
        }
        let wrong = |error: http::Error| Status::new(Code::Internal, error.to_string());
        let request = request.body(()).map_err(wrong)?;
        let mut channel = self.0.clone().ready().await?;
        let (response, stream) = channel.send_request(request, false)?;
        Ok((Requests(stream), Responses::Waiting(response)))
    }

    /// One question, one answer.
    pub async fn unary<M: Message + Default>(
        &self,
        path: &str,
        request: &impl Message,
    ) -> Result<M, Status> {
        let (mut requests, mut responses) = self.open(path, Vec::new()).await?;
        requests.send(request).await?;
        requests.finish()?;
        let answer = responses.next().await?;
        while responses.next::<M>().await?.is_some() {}
        answer.ok_or_else(|| Status::new(Code::Internal, "the answer has no message"))
    }
}

impl Requests {
    /// Says something.
    pub async fn send(&mut self, message: &impl Message) -> Result<(), Status> {
        send_bytes(&mut self.0, frame(message)).await
    }

    /// Says that nothing more is said.
    pub fn finish(&mut self) -> Result<(), Status> {
        Ok(self.0.send_data(Bytes::new(), true)?)
    }
}

impl Responses {
    /// The next message; `None` at a good end.
    pub async fn next<M: Message + Default>(&mut self) -> Result<Option<M>, Status> {
        loop {
            match self {
                Self::Waiting(response) => {
                    let (head, body) = response.await?.into_parts();
                    if head.headers.contains_key("grpc-status") {
                        *self = Self::Ended;
                        return Status::read(&head.headers).map_or(Ok(None), Err);
                    }
                    if head.status != http::StatusCode::OK {
                        let text = format!("HTTP status {}", head.status);
                        return Err(Status::new(Code::Unavailable, text));
                    }
                    *self = Self::Open(Frames::new(body));
                }
                Self::Open(frames) => {
                    if let Some(message) = frames.next().await? {
                        return Ok(Some(message));
                    }
                    let trailers = frames.trailers().await?;
                    *self = Self::Ended;
                    let cut = || Status::new(Code::Unavailable, "the answer was cut off");
                    let trailers = trailers.ok_or_else(cut)?;
                    return Status::read(&trailers).map_or(Ok(None), Err);
                }
                Self::Ended => return Ok(None),
            }
        }
    }
}
