//! A certificate for a key that somebody else has: the subject and the key as they were asked for,
//! everything else as the authority says. RFC 5280, 4.1.

use crate::authority::Authority;
use crate::der::{
    BITS, BOOLEAN, INTEGER, OBJECT_ID, OCTETS, SEQUENCE, bits, element, numbered, take,
};
use crate::der::{take_whole, wrap};
use crate::error::{Error, Result};
use crate::request::{NAMES, SigningRequest};
use crate::validity::Validity;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom as _, SystemRandom};

/// 1.2.840.10045.4.3.2.
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// 2.5.29.…: what the key may do, what for, whether it vouches, whose key vouches.
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const PURPOSES: &[u8] = &[0x55, 0x1d, 0x25];
const CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const AUTHORITY_KEY: &[u8] = &[0x55, 0x1d, 0x23];
const OWN_KEY: &[u8] = &[0x55, 0x1d, 0x0e];
/// 1.3.6.1.5.5.7.3.1 and .2.
const SERVER: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
const CLIENT: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
/// Bytes of a serial number.
const SERIAL_BYTES: usize = 16;
/// A line of PEM.
const LINE: usize = 64;

/// What a certificate that was asked for may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// When.
    pub validity: Validity,
    /// To encipher keys, beside to sign.
    pub enciphers_keys: bool,
    /// By a server.
    pub is_server: bool,
    /// By a client.
    pub is_client: bool,
}

impl Authority {
    /// When its own certificate is good.
    pub fn validity(&self) -> Option<Validity> {
        Validity::of(&self.der().ok()?)
    }

    fn der(&self) -> Result<Vec<u8>> {
        let own = crate::certificates_from_pem(&self.certificate_pem(), "the authority")?;
        Ok(own.first().map(|der| der.to_vec()).unwrap_or_default())
    }

    /// Signs a certificate for what was asked for; answers it as PEM. It never is good for longer than
    /// the authority.
    pub fn sign(&self, request: &SigningRequest, grant: &Grant) -> Result<String> {
        let own = self.der()?;
        let Own { name, key_id } = Own::of(&own).ok_or(Error::Request)?;
        let mut validity = grant.validity;
        if let Some(limit) = Validity::of(&own) {
            validity.ends = validity.ends.min(limit.ends);
        }
        let mut serial = [0; SERIAL_BYTES];
        SystemRandom::new().fill(&mut serial).map_err(|_| Error::Request)?;
        // Positive, and without a zero at its beginning.
        serial[0] = serial[0] & 0x7f | 0x40;
        let algorithm = wrap(SEQUENCE, &[&wrap(OBJECT_ID, &[ECDSA_SHA256])]);
        let extensions = extensions(request, grant, key_id);
        let body = wrap(
            SEQUENCE,
            &[
                &wrap(numbered(0), &[&wrap(INTEGER, &[&[2]])]),
                &wrap(INTEGER, &[&serial]),
                &algorithm,
                name,
                &validity.to_der(),
                &request.subject_der,
                &request.key_der,
                &wrap(numbered(3), &[&wrap(SEQUENCE, &[&extensions])]),
            ],
        );
        let signature = self.sign_bytes(&body)?;
        let certificate = wrap(SEQUENCE, &[&body, &algorithm, &bits(&signature)]);
        Ok(pem(&certificate))
    }
}

/// What of an authority's certificate is in those that it signs.
struct Own<'a> {
    /// Its subject, whole.
    name: &'a [u8],
    /// The name of its key.
    key_id: Option<&'a [u8]>,
}

impl<'a> Own<'a> {
    fn of(mut certificate: &'a [u8]) -> Option<Self> {
        let mut outer = take(&mut certificate, SEQUENCE)?;
        let mut body = take(&mut outer, SEQUENCE)?;
        // Version, serial number, signature, issuer, validity.
        for _ in 0..5 {
            element(&mut body)?;
        }
        let name = take_whole(&mut body, SEQUENCE)?;
        let mut key_id = None;
        element(&mut body)?;
        if let Some(mut extensions) = take(&mut body, numbered(3)) {
            let mut list = take(&mut extensions, SEQUENCE)?;
            while let Some(mut extension) = take(&mut list, SEQUENCE) {
                if take(&mut extension, OBJECT_ID)? == OWN_KEY {
                    let mut value = take(&mut extension, OCTETS)?;
                    key_id = take(&mut value, OCTETS);
                }
            }
        }
        Some(Self { name, key_id })
    }
}

fn extensions(request: &SigningRequest, grant: &Grant, key_id: Option<&[u8]>) -> Vec<u8> {
    let extension = |id: &[u8], is_critical: bool, value: &[u8]| {
        let critical = wrap(BOOLEAN, &[&[0xff]]);
        let critical: &[u8] = if is_critical { &critical } else { &[] };
        wrap(SEQUENCE, &[&wrap(OBJECT_ID, &[id]), critical, &wrap(OCTETS, &[value])])
    };
    // The first bit signs, the third enciphers keys.
    let usage: &[u8] = if grant.enciphers_keys { &[5, 0xa0] } else { &[7, 0x80] };
    let mut all = extension(KEY_USAGE, true, &wrap(BITS, &[usage]));
    let mut purposes = Vec::new();
    for (_, id) in [(grant.is_server, SERVER), (grant.is_client, CLIENT)].iter().filter(|it| it.0) {
        purposes.extend(wrap(OBJECT_ID, &[id]));
    }
    if !purposes.is_empty() {
        all.extend(extension(PURPOSES, false, &wrap(SEQUENCE, &[&purposes])));
    }
    all.extend(extension(CONSTRAINTS, true, &wrap(SEQUENCE, &[])));
    if let Some(id) = key_id {
        // [0] IMPLICIT KeyIdentifier.
        all.extend(extension(AUTHORITY_KEY, false, &wrap(SEQUENCE, &[&wrap(0x80, &[id])])));
    }
    if let Some(names) = &request.names_der {
        all.extend(extension(NAMES, false, names));
    }
    all
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(LINE));
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}
