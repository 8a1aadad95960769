//! Signatures of images as cosign makes them: a small statement ("simple signing") and a signature
//! over its bytes, ECDSA over P-256 or Ed25519, by a key that the person has.
//!
//! Refused: keys of other kinds, statements about another digest or another name. Certificates and
//! transparency logs are not looked at, because they need somebody to be asked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    UnparsedPublicKey,
};
use serde_json::{Value, json};
use teu_oci::Digest;

/// The statement's media type.
pub const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Where the signature stands.
pub const ANNOTATION: &str = "dev.cosignproject.cosign/signature";
const TYPE: &str = "cosign container image signature";
/// SubjectPublicKeyInfo of a P-256 key, up to its point.
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// The same of an Ed25519 key.
const ED: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A key that signatures are checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// ECDSA over P-256 with SHA-256.
    P256(Vec<u8>),
    /// Ed25519.
    Ed25519(Vec<u8>),
}

/// Why a key or a statement is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// No PEM.
    #[error("the key is not in PEM")]
    Pem,
    /// A key of another kind.
    #[error("the key is neither ECDSA over P-256 nor Ed25519")]
    Kind,
    /// The key is behind a password.
    #[error("the key is encrypted; decrypt it, or make one with openssl genpkey")]
    Encrypted,
    /// The signature does not fit the statement.
    #[error("the signature was made by another key, or for another statement")]
    Wrong,
    /// The statement makes no sense.
    #[error("the statement is not one about an image")]
    Statement,
    /// The statement is about another image.
    #[error("the statement is about another digest")]
    Digest,
}

impl PublicKey {
    /// Reads a PEM file's `PUBLIC KEY`.
    pub fn from_pem(text: &[u8]) -> Result<Self, SignatureFault> {
        let der = pem(text, "PUBLIC KEY").ok_or(SignatureFault::Pem)?;
        match (der.strip_prefix(P256), der.strip_prefix(ED)) {
            (Some(point), _) if point.len() == 65 => Ok(Self::P256(point.to_vec())),
            (_, Some(key)) if key.len() == 32 => Ok(Self::Ed25519(key.to_vec())),
            _ => Err(SignatureFault::Kind),
        }
    }

    /// Checks a signature over a statement.
    pub fn verify(&self, payload: &[u8], signature: &[u8]) -> Result<(), SignatureFault> {
        let checked = match self {
            Self::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(payload, signature)
            }
            Self::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(payload, signature),
        };
        checked.map_err(|_| SignatureFault::Wrong)
    }
}

/// Signs a statement with a private key in PEM (PKCS#8, not encrypted).
pub fn sign(key: &[u8], payload: &[u8]) -> Result<Vec<u8>, SignatureFault> {
    let text = String::from_utf8_lossy(key);
    if text.contains("ENCRYPTED") {
        return Err(SignatureFault::Encrypted);
    }
    let der = pem(key, "PRIVATE KEY").ok_or(SignatureFault::Pem)?;
    let random = SystemRandom::new();
    if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der, &random) {
        let signature = pair.sign(&random, payload).map_err(|_| SignatureFault::Kind)?;
        return Ok(signature.as_ref().to_vec());
    }
    let pair =
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| SignatureFault::Kind)?;
    Ok(pair.sign(payload).as_ref().to_vec())
}

/// The statement that an image has a name.
pub fn statement(name: &str, digest: &Digest) -> Vec<u8> {
    let value = json!({
        "critical": {
            "identity": { "docker-reference": name },
            "image": { "docker-manifest-digest": digest },
            "type": TYPE,
        },
        "optional": null,
    });
    value.to_string().into_bytes()
}

/// The name in a statement, if it is about this digest.
pub fn identity(payload: &[u8], digest: &Digest) -> Result<String, SignatureFault> {
    let value: Value = serde_json::from_slice(payload).map_err(|_| SignatureFault::Statement)?;
    let critical = value.get("critical").ok_or(SignatureFault::Statement)?;
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or(SignatureFault::Statement);
    let kind = text(&critical["type"])?;
    if kind != TYPE && kind != "https://sigstore.dev/cosign/sign/v1" {
        return Err(SignatureFault::Statement);
    }
    if text(&critical["image"]["docker-manifest-digest"])? != digest.as_str() {
        return Err(SignatureFault::Digest);
    }
    text(&critical["identity"]["docker-reference"])
}

/// A signature as an annotation has it.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.trim()).ok()
}

/// A signature for an annotation.
pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes of the first block of this kind.
fn pem(text: &[u8], kind: &str) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let (begin, end) = (format!("-----BEGIN {kind}-----"), format!("-----END {kind}-----"));
    let start = text.find(&begin)? + begin.len();
    let body = &text[start..start + text[start..].find(&end)?];
    let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    STANDARD.decode(body).ok()
}

#[cfg(test)]
mod tests {
    use super::{PublicKey, SignatureFault, identity, sign, statement};
    use teu_oci::Digest;

    const ED_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    const ED_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

    #[test]
    fn signed_and_checked() {
        let digest = Digest::sha256(b"image");
        let payload = statement("localhost:5000/x", &digest);
        let signature = sign(ED_PRIVATE.as_bytes(), &payload).expect("it signs");
        let key = PublicKey::from_pem(ED_PUBLIC.as_bytes()).expect("a key");
        assert_eq!(key.verify(&payload, &signature), Ok(()));
        assert_eq!(key.verify(b"other", &signature), Err(SignatureFault::Wrong));
        assert_eq!(identity(&payload, &digest), Ok("localhost:5000/x".to_owned()));
        let other = Digest::sha256(b"other");
        assert_eq!(identity(&payload, &other), Err(SignatureFault::Digest));
        assert_eq!(identity(b"{}", &digest), Err(SignatureFault::Statement));
        assert_eq!(PublicKey::from_pem(b"nonsense"), Err(SignatureFault::Pem));
    }
}
