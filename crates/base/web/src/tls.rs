//! TLS for a listener: one identity, which may be renewed, and what is asked of clients. Only ring
//! computes.

use crate::error::{Error, Result};
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use std::sync::{Arc, PoisonError, RwLock};
use teu_pki::{CertificateDer, Identity};
use tokio_rustls::TlsAcceptor;

/// What is asked of clients.
#[derive(Debug, Clone)]
pub enum ClientCertificates {
    /// Nothing.
    Ignored,
    /// A certificate by one of these authorities, if the client has one.
    Welcome(Vec<CertificateDer<'static>>),
    /// A certificate by one of these authorities, or no connection.
    Required(Vec<CertificateDer<'static>>),
}

/// TLS as a listener speaks it: 1.2 and 1.3, HTTP/2 where the client can.
#[derive(Clone)]
pub struct Tls(pub(crate) TlsAcceptor, Arc<Shown>);

/// The identity that is shown to whoever connects next.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn certified(identity: &Identity) -> Result<Arc<CertifiedKey>> {
    let chain = identity.chain().to_vec();
    let key = CertifiedKey::from_der(chain, identity.key(), &ring::default_provider());
    Ok(Arc::new(key.map_err(|source| Error::Certificate { source })?))
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// For an identity and what is asked of clients.
    pub fn new(identity: &Identity, clients: ClientCertificates) -> Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|source| Error::Certificate { source })?;
        let verifier = |authorities: Vec<CertificateDer<'static>>| {
            let mut roots = RootCertStore::empty();
            for authority in authorities {
                roots.add(authority).map_err(|e| Error::Authorities(e.into()))?;
            }
            Ok(WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()))
        };
        let build = |e: rustls::server::VerifierBuilderError| Error::Authorities(e.into());
        let builder = match clients {
            ClientCertificates::Ignored => builder.with_no_client_auth(),
            ClientCertificates::Welcome(authorities) => {
                let verifier = verifier(authorities)?.allow_unauthenticated();
                builder.with_client_cert_verifier(verifier.build().map_err(build)?)
            }
            ClientCertificates::Required(authorities) => {
                builder.with_client_cert_verifier(verifier(authorities)?.build().map_err(build)?)
            }
        };
        let shown = Arc::new(Shown(RwLock::new(certified(identity)?)));
        let mut config = builder.with_cert_resolver(Arc::<Shown>::clone(&shown));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config)), shown))
    }

    /// Shows another identity from the next connection on; those that are there stay.
    pub fn renew(&self, identity: &Identity) -> Result<()> {
        let new = certified(identity)?;
        *self.1.0.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }
}
