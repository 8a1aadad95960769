//! HTTP served: listeners, TLS, HTTP/1.1 and HTTP/2, upgrades to raw streams, limits, draining.
//!
//! Why: the registry, the Docker engine and the API server need the same careful edge: nobody may
//! hold a connection, memory or a file by being slow, and a stop loses no request. This crate knows
//! no routes and nothing of containers. It refuses to read the environment, to log, and to choose
//! the process's runtime for it (but [`runtime`] builds a bounded one for whoever wants it).
//!
//! Invariants: every wait for a peer has a limit in [`Limits`]; a body is never held whole unless
//! its taker names how many bytes it may have; what the page cache holds is sent without a thread
//! switch.
//!
//! - Bodies in: [`Incoming`] (limits, deadlines; async, whole, or as `std::io::Read` for blocking code).
//! - Bodies out: [`Body`] (empty, bytes, a channel that is flushed frame by frame, a range of a file).
//! - Upgrades: [`Upgrade::of`] a request; its [`Stream`] is `AsyncRead + AsyncWrite`, gives up its
//!   socket to whoever can use a descriptor, and can itself be served as HTTP ([`serve_stream`]).
//! - Old clients that expect a raw stream after `200 OK`: [`Handler::expects_raw_stream`].
//! - Blocking libraries are called through [`Workers`], a bounded way to `spawn_blocking`.
//!
//! ```
//! use teu_web::{Handler, Limits, Listener, Request, Response, Shutdown, respond, serve};
//!
//! struct Echo;
//!
//! impl Handler for Echo {
//!     async fn handle(&self, request: Request) -> Response {
//!         match request.into_body().collect(1 << 20).await {
//!             Ok(bytes) => Response::new(bytes.into()),
//!             Err(error) => respond::text(error.status(), error.to_string()),
//!         }
//!     }
//! }
//!
//! let runtime = teu_web::runtime(teu_web::RuntimeOptions::default()).expect("threads");
//! let drained = runtime.block_on(async {
//!     let listener = Listener::tcp("127.0.0.1:0").await.expect("a free port");
//!     assert!(listener.address().starts_with("127.0.0.1:"));
//!     let shutdown = Shutdown::new();
//!     let server = tokio::spawn(serve(listener, Limits::default(), Echo, shutdown.clone()));
//!     // Later, at SIGTERM: requests under way are answered, nothing new is heard.
//!     shutdown.begin();
//!     server.await.expect("no panic").expect("served")
//! });
//! assert_eq!(drained.cut, 0);
//! ```

#![forbid(unsafe_code)]

mod body;
mod connection;
mod error;
mod gather;
mod incoming;
mod limits;
mod listener;
mod peer;
pub mod respond;
mod runtime;
mod serve;
mod shutdown;
mod sniff;
mod stream;
mod tls;
mod upgrade;

pub use body::{Body, Sender, SenderWriter};
pub use error::{Error, Result};
pub use incoming::{BodyError, BodyReader, Incoming};
pub use limits::Limits;
pub use listener::{Listener, UnixOptions};
pub use peer::{ClientCertificate, Peer, PeerAddress, peer};
pub use runtime::{RuntimeOptions, Workers, runtime};
pub use serve::{Drained, Handler, serve, serve_stream};
pub use shutdown::{Begun, Shutdown};
pub use stream::Stream;
pub use tls::{ClientCertificates, Tls};
pub use upgrade::{Upgrade, Upgraded};

/// A request with its body still on the way.
pub type Request = http::Request<Incoming>;
/// An answer.
pub type Response = http::Response<Body>;

#[cfg(test)]
mod tests;
