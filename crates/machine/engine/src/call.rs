//! One request as handlers see it, and the kinds of answers there are.
//!
//! Handlers are plain functions over blocking libraries; each runs on a thread that may block. What
//! goes on after the answer has begun (a log that is followed, an attached terminal) is a closure
//! that the same thread goes on with.

use crate::containers::websocket::Accepted;
use crate::error::{Error, Result};
use crate::query::Query;
use crate::route::Route;
use crate::version::Version;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use teu_containers::Hangup;
use teu_docker::message::Message;
use teu_web::{BodyReader, SenderWriter};

/// A request.
#[derive(Debug)]
pub struct Call {
    /// What is asked for.
    pub route: Route,
    /// In which version of the API.
    pub version: Version,
    /// What stands behind the `?`.
    pub query: Query,
    /// `X-Registry-Auth`, as it came.
    pub registry_auth: Option<String>,
    /// `X-Registry-Config`, as it came.
    pub registry_config: Option<String>,
    /// A WebSocket's handshake, where the route wants one.
    pub web_socket: Option<Accepted>,
    /// The body.
    pub input: Input,
}

/// A body.
#[derive(Debug)]
pub enum Input {
    /// Whole.
    Document(bytes::Bytes),
    /// To be read.
    Stream(BodyReader),
}

impl Call {
    /// The body as a document.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T> {
        match &self.input {
            Input::Document(bytes) => Ok(teu_docker::parse(bytes)?),
            Input::Stream(_) => Err(Error::bad("the body is not a document")),
        }
    }

    /// The body as a stream.
    pub fn stream(self) -> Result<BodyReader> {
        match self.input {
            Input::Stream(reader) => Ok(reader),
            Input::Document(_) => Err(Error::bad("the body is not a stream")),
        }
    }
}

/// Writes the rest of an answer.
pub type Writer = Box<dyn FnOnce(&mut Outlet) -> io::Result<()> + Send>;
/// Writes lines of progress.
pub type Messenger = Box<dyn FnOnce(&mut Outlet) -> Result<()> + Send>;
/// Takes the connection over.
pub type Taker = Box<dyn FnOnce(OwnedFd) + Send>;

/// An answer.
#[expect(missing_debug_implementations, reason = "closures have none")]
pub enum Answer {
    /// A status, and no body.
    Empty(u16),
    /// Headers, and no body.
    Headers(Vec<(&'static str, String)>),
    /// A document.
    Document(u16, Vec<u8>),
    /// Text.
    Text(&'static str),
    /// What is written while it is made.
    Stream {
        /// Its type.
        content_type: &'static str,
        /// Further headers.
        headers: Vec<(&'static str, String)>,
        /// Makes it.
        write: Writer,
    },
    /// Lines of progress. The answer begins with the first of them: what fails before is an error
    /// with a status.
    Messages(Messenger),
    /// A connection that belongs to whoever takes it: bytes both ways.
    Hijack {
        /// With frames of `multiplexed-stream`, or raw.
        multiplexed: bool,
        /// Takes it.
        take: Taker,
    },
    /// The same, in the frames of WebSocket.
    WebSocket {
        /// What the handshake is answered with.
        accepted: Accepted,
        /// Takes it.
        take: Taker,
    },
}

impl Answer {
    /// A document.
    pub fn json<T: Serialize + ?Sized>(status: u16, value: &T) -> Result<Self> {
        let bytes = serde_json::to_vec(value)
            .map_err(|error| Error::io("write the answer")(error.into()))?;
        Ok(Self::Document(status, bytes))
    }

    /// A document that is what was asked for.
    pub fn ok<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        Self::json(200, value)
    }

    /// Done, and nothing to say.
    pub fn done() -> Result<Self> {
        Ok(Self::Empty(204))
    }

    /// A stream.
    pub fn stream(
        content_type: &'static str,
        write: impl FnOnce(&mut Outlet) -> io::Result<()> + Send + 'static,
    ) -> Self {
        Self::Stream { content_type, headers: Vec::new(), write: Box::new(write) }
    }

    /// Lines of progress; an error after the first becomes the last of them.
    pub fn messages(write: impl FnOnce(&mut Outlet) -> Result<()> + Send + 'static) -> Self {
        Self::Messages(Box::new(write))
    }
}

/// Where the rest of an answer goes.
pub struct Outlet {
    pub(crate) writer: SenderWriter,
    /// Hangs up when the client has gone.
    pub hangup: Hangup,
    /// Sends the head, before the first byte.
    pub(crate) head: Option<Box<dyn FnOnce() + Send>>,
}

impl std::fmt::Debug for Outlet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outlet").field("hangup", &self.hangup).finish_non_exhaustive()
    }
}

impl Outlet {
    fn begin(&mut self) {
        if let Some(head) = self.head.take() {
            head();
        }
    }

    /// One line of progress, at once.
    pub fn message(&mut self, message: &Message) -> io::Result<()> {
        self.begin();
        self.writer.write_all(&message.line())?;
        self.writer.flush()
    }

    /// One document as a line, at once.
    pub fn line<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.begin();
        self.writer.write_all(&line)?;
        self.writer.flush()
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begin();
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.begin();
        self.writer.flush()
    }
}
