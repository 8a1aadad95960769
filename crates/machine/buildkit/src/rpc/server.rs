//! Answering calls: one task a call, which ends when the caller gives it up.

use super::{
    CALL_LIMIT, CONNECTION_WINDOW_BYTES, Code, Frames, HEADER_LIMIT_BYTES, Status, WINDOW_BYTES,
    frame, send_bytes,
};
use bytes::Bytes;
use h2::SendStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Response};
use prost::Message;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

/// Messages of one call that wait to be sent.
const UNSENT_LIMIT: usize = 16;
/// Bytes that h2 may keep of one connection before they are on the wire.
const SEND_BUFFER_BYTES: usize = 1 << 20;

/// Who answers calls.
pub trait Service: Send + Sync + 'static {
    /// Answers one call. Dropped when the caller gives it up.
    fn call(self: Arc<Self>, call: Call) -> impl Future<Output = Result<(), Status>> + Send;
}

/// A call to be answered.
#[derive(Debug)]
pub struct Call {
    /// `/package.Service/Method`
    pub path: String,
    /// The caller's headers.
    pub metadata: HeaderMap,
    /// What the caller says.
    pub requests: Frames,
    /// What is answered.
    pub responses: Responses,
}

/// Where a call's answers go.
#[derive(Debug, Clone)]
pub struct Responses(mpsc::Sender<Bytes>);

impl Responses {
    /// Sends one; fails when the caller is gone.
    pub async fn send(&self, message: &impl Message) -> Result<(), Status> {
        let gone = |_| Status::new(Code::Canceled, "the caller is gone");
        self.0.send(frame(message)).await.map_err(gone)
    }
}

impl Call {
    /// The one message of a call that has only one.
    pub async fn request<M: Message + Default>(&mut self) -> Result<M, Status> {
        let missing = || Status::new(Code::Internal, "the request has no message");
        self.requests.next().await?.ok_or_else(missing)
    }

    /// One of the caller's headers.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.metadata.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Serves a connection until it ends.
pub async fn serve<S: Service>(
    io: impl AsyncRead + AsyncWrite + Unpin,
    service: Arc<S>,
) -> Result<(), h2::Error> {
    let mut connection = h2::server::Builder::new()
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(CALL_LIMIT)
        .max_header_list_size(HEADER_LIMIT_BYTES)
        .max_send_buffer_size(SEND_BUFFER_BYTES)
        .handshake::<_, Bytes>(io)
        .await?;
    while let Some(accepted) = connection.accept().await {
        let (request, respond) = accepted?;
        let (sender, unsent) = mpsc::channel(UNSENT_LIMIT);
        let (parts, body) = request.into_parts();
        let call = Call {
            path: parts.uri.path().to_owned(),
            metadata: parts.headers,
            requests: Frames::new(body),
            responses: Responses(sender),
        };
        let answer = Arc::clone(&service).call(call);
        tokio::spawn(async move {
            let mut outgoing = Outgoing { respond, stream: None };
            // What fails here fails because the caller is gone.
            let _ = outgoing.drive(answer, unsent).await;
        });
    }
    Ok(())
}

struct Outgoing {
    respond: SendResponse<Bytes>,
    stream: Option<SendStream<Bytes>>,
}

impl Outgoing {
    /// Runs the answer, passing on what it says, unless the caller gives the call up.
    async fn drive(
        &mut self,
        answer: impl Future<Output = Result<(), Status>>,
        mut unsent: mpsc::Receiver<Bytes>,
    ) -> Result<(), Status> {
        let mut answer = pin!(answer);
        let ended = loop {
            tokio::select! {
                biased;
                reset = poll_fn(|context| match &mut self.stream {
                    Some(stream) => stream.poll_reset(context),
                    None => self.respond.poll_reset(context),
                }) => return reset.map(drop).map_err(Status::from),
                Some(message) = unsent.recv() => self.message(message).await?,
                ended = &mut answer => break ended,
            }
        };
        while let Ok(message) = unsent.try_recv() {
            self.message(message).await?;
        }
        self.end(ended)
    }

    async fn message(&mut self, message: Bytes) -> Result<(), Status> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => self.stream.insert(self.respond.send_response(headers(), false)?),
        };
        send_bytes(stream, message).await
    }

    fn end(&mut self, ended: Result<(), Status>) -> Result<(), Status> {
        let mut trailers = HeaderMap::new();
        match ended {
            Ok(()) => drop(trailers.insert("grpc-status", HeaderValue::from(0))),
            Err(status) => status.write(&mut trailers),
        }
        match &mut self.stream {
            Some(stream) => stream.send_trailers(trailers)?,
            None => {
                let mut response = headers();
                response.headers_mut().extend(trailers);
                self.respond.send_response(response, true)?;
            }
        }
        Ok(())
    }
}

fn headers() -> Response<()> {
    let mut response = Response::new(());
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}
