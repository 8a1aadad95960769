//! A certificate that somebody asks for: PKCS#10 (RFC 2986), as `openssl req` and kubelets make it.
//!
//! Reading one checks that it is signed with the key that is in it, so that nobody can ask for a
//! certificate for somebody else's key. What cannot be read is refused whole: a name that is no text,
//! for example, would be another name for another reader.

use crate::der::{
    OBJECT_ID, OCTETS, SEQUENCE, SET, element, numbered, take, take_whole, whole_bits,
};
use crate::error::{Error, Result};
use crate::subject::Subject;
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject as _;

/// 1.2.840.113549.1.9.14: extensions that are asked for.
const EXTENSIONS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e];
/// 2.5.29.17: further names.
pub(crate) const NAMES: &[u8] = &[0x55, 0x1d, 0x11];
/// 1.2.840.10045.2.1 with the curves 1.2.840.10045.3.1.7 and 1.3.132.0.34.
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
/// 1.2.840.113549.1.1.1.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.3.101.112.
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// Signatures: 1.2.840.10045.4.3.2 and .3 (ECDSA), 1.2.840.113549.1.1.11 to .13 (RSA).
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const ECDSA_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
const RSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
const RSA_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c];
const RSA_SHA512: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d];

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningRequest {
    /// For whom.
    pub subject: Subject,
    /// Names of hosts.
    pub dns_names: Vec<String>,
    /// Addresses: four bytes, or sixteen.
    pub addresses: Vec<Vec<u8>>,
    /// Whether it asks for addresses of mail.
    pub has_emails: bool,
    /// Whether it asks for URIs.
    pub has_uris: bool,
    /// Whether it asks for names of yet other kinds.
    pub has_others: bool,
    pub(crate) subject_der: Vec<u8>,
    pub(crate) key_der: Vec<u8>,
    /// `GeneralNames`, as they were asked for.
    pub(crate) names_der: Option<Vec<u8>>,
}

impl SigningRequest {
    /// Reads a request from PEM text and checks its signature.
    pub fn from_pem(text: &str) -> Result<Self> {
        let broken =
            |source| Error::Pem { place: "the certificate signing request".to_owned(), source };
        let der = CertificateSigningRequestDer::from_pem_slice(text.as_bytes()).map_err(broken)?;
        Self::from_der(&der).ok_or(Error::Request)
    }

    fn from_der(mut bytes: &[u8]) -> Option<Self> {
        let mut outer = take(&mut bytes, SEQUENCE)?;
        let signed = take_whole(&mut outer, SEQUENCE)?;
        let mut algorithm = take(&mut outer, SEQUENCE)?;
        let algorithm = take(&mut algorithm, OBJECT_ID)?;
        let signature = whole_bits(take(&mut outer, crate::der::BITS)?)?;
        if !bytes.is_empty() || !outer.is_empty() {
            return None;
        }
        let mut body = signed;
        let mut body = take(&mut body, SEQUENCE)?;
        if take(&mut body, crate::der::INTEGER)? != [0] {
            return None;
        }
        let subject_der = take_whole(&mut body, SEQUENCE)?.to_vec();
        let key_der = take_whole(&mut body, SEQUENCE)?.to_vec();
        check_signature(&key_der, algorithm, signed, signature)?;
        let (subject, is_text) = Subject::of_name(take(&mut subject_der.as_slice(), SEQUENCE)?);
        if !is_text {
            return None;
        }
        let mut request = Self {
            subject,
            dns_names: Vec::new(),
            addresses: Vec::new(),
            has_emails: false,
            has_uris: false,
            has_others: false,
            subject_der,
            key_der,
            names_der: None,
        };
        if !body.is_empty() {
            request.take_attributes(take(&mut body, numbered(0))?)?;
        }
        body.is_empty().then_some(request)
    }

    fn take_attributes(&mut self, mut attributes: &[u8]) -> Option<()> {
        while !attributes.is_empty() {
            let mut attribute = take(&mut attributes, SEQUENCE)?;
            if take(&mut attribute, OBJECT_ID)? != EXTENSIONS {
                continue;
            }
            let mut values = take(&mut attribute, SET)?;
            let mut extensions = take(&mut values, SEQUENCE)?;
            while !extensions.is_empty() {
                let mut extension = take(&mut extensions, SEQUENCE)?;
                let kind = take(&mut extension, OBJECT_ID)?;
                if extension.first() == Some(&crate::der::BOOLEAN) {
                    element(&mut extension)?;
                }
                let value = take(&mut extension, OCTETS)?;
                if kind == NAMES {
                    // Twice would be once for one reader and the other for another.
                    if self.names_der.replace(value.to_vec()).is_some() {
                        return None;
                    }
                    self.take_names(value)?;
                }
            }
        }
        Some(())
    }

    fn take_names(&mut self, mut names: &[u8]) -> Option<()> {
        let mut list = take(&mut names, SEQUENCE)?;
        while !list.is_empty() {
            let name = element(&mut list)?;
            match name.tag {
                0x81 => self.has_emails = true,
                0x82 => {
                    let text = std::str::from_utf8(name.content).ok().filter(|it| it.is_ascii())?;
                    self.dns_names.push(text.to_owned());
                }
                0x86 => self.has_uris = true,
                0x87 if matches!(name.content.len(), 4 | 16) => {
                    self.addresses.push(name.content.to_vec());
                }
                _ => self.has_others = true,
            }
        }
        names.is_empty().then_some(())
    }
}

/// A kind of key, its curve, a kind of signature, and what checks it.
type Known<'a> = (&'a [u8], &'a [u8], &'a [u8], &'static dyn VerificationAlgorithm);

/// Whether the key that is asked for has signed.
fn check_signature(key: &[u8], algorithm: &[u8], signed: &[u8], signature: &[u8]) -> Option<()> {
    let mut key = key;
    let mut key = take(&mut key, SEQUENCE)?;
    let mut kind = take(&mut key, SEQUENCE)?;
    let point = whole_bits(take(&mut key, crate::der::BITS)?)?;
    let name = take(&mut kind, OBJECT_ID)?;
    let curve = if name == EC { take(&mut kind, OBJECT_ID)? } else { &[] };
    let known: [Known<'_>; 8] = [
        (EC, P256, ECDSA_SHA256, &signature::ECDSA_P256_SHA256_ASN1),
        (EC, P256, ECDSA_SHA384, &signature::ECDSA_P256_SHA384_ASN1),
        (EC, P384, ECDSA_SHA256, &signature::ECDSA_P384_SHA256_ASN1),
        (EC, P384, ECDSA_SHA384, &signature::ECDSA_P384_SHA384_ASN1),
        (RSA, &[], RSA_SHA256, &signature::RSA_PKCS1_2048_8192_SHA256),
        (RSA, &[], RSA_SHA384, &signature::RSA_PKCS1_2048_8192_SHA384),
        (RSA, &[], RSA_SHA512, &signature::RSA_PKCS1_2048_8192_SHA512),
        (ED25519, &[], ED25519, &signature::ED25519),
    ];
    let (.., checks) = known.iter().find(|it| (it.0, it.1, it.2) == (name, curve, algorithm))?;
    UnparsedPublicKey::new(*checks, point).verify(signed, signature).ok()
}

#[cfg(test)]
mod tests;
