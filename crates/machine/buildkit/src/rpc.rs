//! gRPC over HTTP/2, as much of it as BuildKit's protocol needs, on one connection that somebody
//! else has opened: [`server`] answers calls, [`client`] makes them.
//!
//! Written on `h2` directly: both ends of a build talk over hijacked connections (on one of them the
//! client is the server), and a framework would bring its routers and transports along. Refused:
//! compressed messages (nobody sends them unasked) and messages beyond [`MESSAGE_LIMIT_BYTES`].
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::{RecvStream, SendStream};
use prost::Message;
use std::future::poll_fn;

pub mod client;
pub mod server;
pub mod status;

pub use status::{Code, Status};

/// Bytes of one message, as BuildKit's own clients and servers have it.
pub const MESSAGE_LIMIT_BYTES: usize = 16 << 20;
/// Bytes that the other side may send on one stream before we have read them.
pub const WINDOW_BYTES: u32 = 1 << 20;
/// The same for all streams of a connection.
pub const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
/// Calls at the same time on one connection.
pub const CALL_LIMIT: u32 = 1000;
/// Bytes of a call's headers.
pub const HEADER_LIMIT_BYTES: u32 = 1 << 20;
const PREFIX_BYTES: usize = 5;

/// A message with its prefix.
pub fn frame(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(PREFIX_BYTES + length);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    message.encode(&mut frame).expect("a BytesMut grows as needed");
    frame.freeze()
}

/// Takes messages out of a stream of bytes.
#[derive(Debug)]
pub struct Frames {
    body: RecvStream,
    unread: BytesMut,
}

impl Frames {
    /// Of a request's or response's body.
    pub fn new(body: RecvStream) -> Self {
        Self { body, unread: BytesMut::new() }
    }

    /// The next message; `None` once the other side has said its last.
    pub async fn next<M: Message + Default>(&mut self) -> Result<Option<M>, Status> {
        loop {
            if let Some(message) = self.take()? {
                return M::decode(message)
                    .map(Some)
                    .map_err(|error| Status::new(Code::Internal, format!("bad message: {error}")));
            }
            let Some(chunk) = self.body.data().await else {
                if self.unread.is_empty() {
                    return Ok(None);
                }
                return Err(Status::new(Code::Internal, "a message ends in the middle"));
            };
            let chunk = chunk?;
            self.body.flow_control().release_capacity(chunk.len())?;
            self.unread.extend_from_slice(&chunk);
        }
    }

    fn take(&mut self) -> Result<Option<Bytes>, Status> {
        let Some(prefix) = self.unread.get(..PREFIX_BYTES) else { return Ok(None) };
        let (compressed, mut length) = (prefix[0] != 0, &prefix[1..]);
        let length = length.get_u32() as usize;
        if compressed {
            return Err(Status::new(Code::Unimplemented, "compressed messages are not read"));
        }
        if length > MESSAGE_LIMIT_BYTES {
            let text = format!("message of {length} bytes is too large: 16 MiB is the limit");
            return Err(Status::new(Code::ResourceExhausted, text));
        }
        if self.unread.len() < PREFIX_BYTES + length {
            return Ok(None);
        }
        self.unread.advance(PREFIX_BYTES);
        Ok(Some(self.unread.split_to(length).freeze()))
    }

    /// What follows the body.
    async fn trailers(&mut self) -> Result<Option<http::HeaderMap>, Status> {
        Ok(self.body.trailers().await?)
    }
}

/// Sends bytes as fast as the other side takes them.
async fn send_bytes(stream: &mut SendStream<Bytes>, mut bytes: Bytes) -> Result<(), Status> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        let granted = poll_fn(|context| stream.poll_capacity(context)).await;
        let granted = granted.unwrap_or(Err(h2::Reason::CANCEL.into()))?;
        let part = bytes.split_to(granted.min(bytes.len()));
        stream.send_data(part, false)?;
    }
    Ok(())
}
