//! Talking to registries: OCI distribution 1.1 and Docker's dialect of it, blocking, over threads.
//!
//! Start reading at [`client`] (settings, and how a host is spoken to), then [`repository`] (what can
//! be asked), [`session`] (tokens, repetition, redirects), [`blob`] and [`upload`] (streams that
//! survive cut connections). [`http`] is the only file that knows the HTTP library. [`challenge`],
//! [`link`] and the ranges are pure parsers of foreign bytes.
//!
//! Refused: plain connections to hosts that are not this machine or named insecure, secrets behind
//! redirects, documents that do not have the digest they were asked for by, anything without a bound.

pub mod blob;
pub mod challenge;
pub mod client;
pub mod credentials;
pub mod docker_config;
pub mod error;
mod helper;
pub mod http;
pub mod link;
pub mod policy;
pub mod referrers;
pub mod registries;
pub mod repository;
pub mod retry;
mod session;
pub mod signature;
pub mod tls;
pub mod upload;
pub mod web;

pub use blob::BlobStream;
pub use client::{Candidate, Client, RemoteConfig};
pub use credentials::{CredentialSource, Credentials, Fixed};
pub use docker_config::DockerConfig;
pub use error::RemoteError;
pub use http::{Proxies, Timeouts};
pub use policy::Policy;
pub use referrers::fallback_tag;
pub use registries::{Purpose, Registries};
pub use repository::{Document, Repository};
pub use retry::RetryPolicy;
pub use tls::Trust;
pub use web::WebFile;
