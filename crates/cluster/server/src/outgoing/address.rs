//! Which addresses the server never connects to for others.

use rustls::DigitallySignedStruct;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// An address that is no place to call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server does not call {address}: {why}")]
pub struct Refused {
    address: SocketAddr,
    why: &'static str,
}

/// Refuses link-local, multicast and unspecified addresses, and loopback unless it is allowed.
pub fn check(address: SocketAddr, allows_loopback: bool) -> Result<(), Refused> {
    // What is mapped into IPv6 is what it is.
    let ip = address.ip().to_canonical();
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.segments()[0] & 0xffc0 == 0xfe80,
    };
    let why = if link_local {
        "it is link-local"
    } else if ip.is_unspecified() || ip.is_multicast() {
        "it is nobody's address"
    } else if ip.is_loopback() && !allows_loopback {
        "it is this machine (allow-loopback = true in the configuration allows it)"
    } else {
        return Ok(());
    };
    Err(Refused { address, why })
}

/// Believes whatever certificate is shown, where a configuration asks for just that.
#[derive(Debug)]
pub struct Anybody(pub Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn places_that_are_not_called() {
        let ok = |text: &str, loopback| check(text.parse().expect("an address"), loopback).is_ok();
        assert!(ok("10.0.0.1:443", false) && ok("[fd00::1]:443", false));
        assert!(!ok("127.0.0.1:443", false) && ok("127.0.0.1:443", true));
        assert!(!ok("[::1]:443", false) && !ok("[::ffff:127.0.0.1]:443", false));
        for never in [
            "169.254.169.254:80",
            "[fe80::1]:1",
            "0.0.0.0:1",
            "224.0.0.1:1",
            "[::ffff:169.254.1.1]:1",
        ] {
            assert!(!ok(never, true), "{never}");
        }
    }
}
