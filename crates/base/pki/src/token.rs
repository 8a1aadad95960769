//! Signed statements: JSON web tokens (RFC 7519) under ES256 (RFC 7518, 3.4), and the public keys by
//! which others check them (RFC 7517).
//!
//! One algorithm and no choice: a token's header never decides how it is checked, only which of the
//! known keys. What the claims mean is the caller's affair, times included.

use crate::error::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};

/// Longer ones are nobody's.
const MAX_TOKEN_BYTES: usize = 16 << 10;
/// Bytes of a public key: a mark, and two numbers.
const POINT_BYTES: usize = 65;

/// Signs tokens.
pub struct Signer {
    pair: EcdsaKeyPair,
    random: SystemRandom,
    verifier: Verifier,
}

/// Checks tokens of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    point: Vec<u8>,
    id: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("id", &self.verifier.id).finish_non_exhaustive()
    }
}

impl Signer {
    /// A new key, as PEM for its file.
    pub fn generate() -> Result<String> {
        let make = |source| Error::Make { name: "tokens".to_owned(), source };
        Ok(rcgen::KeyPair::generate().map_err(make)?.serialize_pem())
    }

    /// With a key that [`Signer::generate`] made.
    pub fn from_pem(pem: &str, place: &str) -> Result<Self> {
        let broken = |source| Error::Pem { place: place.to_owned(), source };
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(broken)?;
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.secret_pkcs8_der(), &random)
            .map_err(|_| Error::Key { place: place.to_owned() })?;
        let verifier = Verifier::new(pair.public_key().as_ref().to_vec());
        Ok(Self { pair, random, verifier })
    }

    /// Who checks what this signs.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// A token that says this.
    pub fn sign(&self, claims: &Value) -> Result<String> {
        let header = json!({ "alg": "ES256", "kid": self.verifier.id, "typ": "JWT" });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let said = format!("{}.{}", part(&header), part(claims));
        let signature = self
            .pair
            .sign(&self.random, said.as_bytes())
            .map_err(|_| Error::Key { place: "the key of tokens".to_owned() })?;
        Ok(format!("{said}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl Verifier {
    fn new(point: Vec<u8>) -> Self {
        let id = URL_SAFE_NO_PAD.encode(digest(&SHA256, &point));
        Self { point, id }
    }

    /// The key's name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key, for a set that is published.
    pub fn to_jwk(&self) -> Value {
        let (x, y) = match self.point.len() {
            POINT_BYTES => self.point[1..].split_at(POINT_BYTES / 2),
            _ => (&[][..], &[][..]),
        };
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({
            "use": "sig", "kty": "EC", "kid": self.id, "crv": "P-256", "alg": "ES256",
            "x": number(x), "y": number(y),
        })
    }

    /// What a token says, if this key has signed it.
    pub fn verify(&self, token: &str) -> Option<Value> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let (said, signature) = token.rsplit_once('.')?;
        let (header, claims) = said.split_once('.')?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
        let header: Value = serde_json::from_slice(&decode(header)?).ok()?;
        let is_ours = header.get("alg")? == "ES256"
            && header.get("kid").is_none_or(|id| id == &*self.id)
            && header.get("crit").is_none();
        if !is_ours {
            return None;
        }
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.point);
        key.verify(said.as_bytes(), &decode(signature)?).ok()?;
        serde_json::from_slice(&decode(claims)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> Signer {
        Signer::from_pem(&Signer::generate().expect("a key"), "the test's").expect("a signer")
    }

    #[test]
    fn tokens_say_what_was_signed_and_nothing_else() {
        let (ours, others) = (signer(), signer());
        let claims = json!({ "sub": "system:serviceaccount:a:b" });
        let token = ours.sign(&claims).expect("signed");
        assert_eq!(ours.verifier().verify(&token), Some(claims.clone()));
        assert_eq!(others.verifier().verify(&token), None);
        let parts: Vec<&str> = token.split('.').collect();
        let forged = URL_SAFE_NO_PAD.encode(json!({ "sub": "root" }).to_string());
        assert_eq!(ours.verifier().verify(&[parts[0], &forged, parts[2]].join(".")), None);
        // A header that wants no signature, or a symmetric one, decides nothing.
        for algorithm in ["none", "HS256"] {
            let header = URL_SAFE_NO_PAD.encode(json!({ "alg": algorithm }).to_string());
            assert_eq!(ours.verifier().verify(&format!("{header}.{}.", parts[1])), None);
            assert_eq!(ours.verifier().verify(&[&header, parts[1], parts[2]].join(".")), None);
        }
        for broken in ["", "a", "a.b", "a.b.c", "..", &"x".repeat(MAX_TOKEN_BYTES + 1)] {
            assert_eq!(ours.verifier().verify(broken), None, "{broken}");
        }
    }

    #[test]
    fn keys_are_published() {
        let jwk = signer().verifier().to_jwk();
        assert_eq!(jwk["kty"], "EC");
        let x = URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap_or_default()).unwrap_or_default();
        assert_eq!(x.len(), 32);
    }
}
