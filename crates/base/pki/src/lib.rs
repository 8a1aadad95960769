//! Keys, certificates and tokens: load them, make them, say whom one names.
//!
//! Why: every server of Teu that speaks TLS needs a certificate from a file, and one of its own where
//! nobody gave it any; servers that ask their clients for certificates need to know who a client is.
//! This crate refuses to open connections, to verify chains (rustls does, in `teu-web`), and to keep
//! keys anywhere but where its caller puts them.
//!
//! Invariants: only ring computes; a private key is never part of an error or of `Debug`.
//!
//! ```
//! let authority = teu_pki::Authority::create("my servers").expect("a new authority");
//! let server = authority.issue(&teu_pki::Request::server(["localhost", "127.0.0.1"]))
//!     .expect("a certificate");
//! assert_eq!(teu_pki::Subject::of(&server.chain()[0]).common_name.as_deref(), Some("localhost"));
//! ```

#![forbid(unsafe_code)]

mod authority;
mod der;
mod error;
mod identity;
mod jwk;
mod request;
mod sign;
mod subject;
mod token;
mod validity;

pub use authority::{Authority, Request, SKEW_SECONDS};
pub use error::{Error, Result};
pub use identity::{Identity, certificates_from_pem, load_certificates};
pub use jwk::{Claimed, Jwk};
pub use request::SigningRequest;
pub use rustls_pki_types::{CertificateDer, PrivateKeyDer};
pub use sign::Grant;
pub use subject::Subject;
pub use token::{Signer, Verifier};
pub use validity::Validity;
