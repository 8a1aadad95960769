//! Tokens that others sign (RFC 7519) and the keys they publish (RFC 7517), for logins by an issuer of
//! the user's own.
//!
//! The key says by which algorithms it is used, never the token: an RSA key checks only RSA signatures, a
//! curve only its own, and what is symmetric or `none` has no key here at all. So no token can talk its
//! reader into another check than the one that its key is for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::Value;

/// Longer ones are nobody's.
const MAX_TOKEN_BYTES: usize = 64 << 10;
/// Keys of one set.
const MAX_KEYS: usize = 100;

/// A token as it says itself; nothing of it is true before [`Jwk::verify`] says so.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// The algorithm.
    pub algorithm: String,
    /// The key's name, if it gives one.
    pub key_id: Option<String>,
    /// The claims.
    pub claims: Value,
    said: String,
    signature: Vec<u8>,
}

impl Claimed {
    /// Takes a token apart; `None` if it is none, or wants what is not understood (`crit`).
    pub fn parse(token: &str) -> Option<Self> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let (said, signature) = token.rsplit_once('.')?;
        let (header, claims) = said.split_once('.')?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
        let header: Value = serde_json::from_slice(&decode(header)?).ok()?;
        if header.get("crit").is_some() {
            return None;
        }
        let claims: Value = serde_json::from_slice(&decode(claims)?).ok()?;
        let key_id = header.get("kid").and_then(Value::as_str).map(str::to_owned);
        claims.is_object().then_some(Self {
            algorithm: header.get("alg")?.as_str()?.to_owned(),
            key_id,
            claims,
            said: said.to_owned(),
            signature: decode(signature)?,
        })
    }
}

/// A published key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwk {
    /// Its name.
    pub id: Option<String>,
    /// The only algorithm it is for, if it says so.
    algorithm: Option<String>,
    material: Material,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Material {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
}

impl Jwk {
    /// The keys of a set that can check signatures.
    pub fn set(set: &Value) -> Vec<Self> {
        let keys = set.get("keys").and_then(Value::as_array).into_iter().flatten();
        keys.take(MAX_KEYS).filter_map(Self::parse).collect()
    }

    /// One key; `None` if it is for something else.
    pub fn parse(key: &Value) -> Option<Self> {
        let text = |field: &str| key.get(field).and_then(Value::as_str);
        let number = |field: &str| URL_SAFE_NO_PAD.decode(text(field)?).ok();
        if text("use").is_some_and(|it| it != "sig") {
            return None;
        }
        let point = |length: usize| -> Option<Vec<u8>> {
            let (x, y) = (number("x")?, number("y")?);
            (x.len() == length && y.len() == length).then(|| [&[4][..], &x, &y].concat())
        };
        let material = match (text("kty")?, text("crv")) {
            ("RSA", _) => Material::Rsa { modulus: number("n")?, exponent: number("e")? },
            ("EC", Some("P-256")) => Material::P256(point(32)?),
            ("EC", Some("P-384")) => Material::P384(point(48)?),
            _ => return None,
        };
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Some(Self { id: owned(text("kid")), algorithm: owned(text("alg")), material })
    }

    /// Whether this key has signed a token.
    pub fn verify(&self, token: &Claimed) -> bool {
        let algorithm = &*token.algorithm;
        if self.algorithm.as_deref().is_some_and(|own| own != algorithm) {
            return false;
        }
        let (said, signature) = (token.said.as_bytes(), token.signature.as_slice());
        match (&self.material, algorithm) {
            (Material::Rsa { modulus, exponent }, _) => {
                let Some(parameters) = rsa(algorithm) else { return false };
                let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                key.verify(parameters, said, signature).is_ok()
            }
            (Material::P256(point), "ES256") => {
                let key = UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point);
                key.verify(said, signature).is_ok()
            }
            (Material::P384(point), "ES384") => {
                let key = UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point);
                key.verify(said, signature).is_ok()
            }
            _ => false,
        }
    }
}

fn rsa(algorithm: &str) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
        "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
        "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
        "PS256" => &signature::RSA_PSS_2048_8192_SHA256,
        "PS384" => &signature::RSA_PSS_2048_8192_SHA384,
        "PS512" => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Signer;
    use ring::hmac;
    use ring::rand::SystemRandom;
    use ring::signature::RsaKeyPair;
    use rustls_pki_types::PrivatePkcs8KeyDer;
    use rustls_pki_types::pem::PemObject as _;
    use serde_json::json;

    fn encode(value: &Value) -> String {
        URL_SAFE_NO_PAD.encode(value.to_string())
    }

    /// A key of this test and nobody's else.
    fn rsa_pair() -> RsaKeyPair {
        let pem = include_bytes!("jwk/rsa.pem");
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).expect("PEM");
        RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).expect("a key")
    }

    fn rsa_token(pair: &RsaKeyPair, header: &Value, claims: &Value) -> String {
        let said = format!("{}.{}", encode(header), encode(claims));
        let mut signature = vec![0; pair.public().modulus_len()];
        let random = SystemRandom::new();
        pair.sign(&signature::RSA_PKCS1_SHA256, &random, said.as_bytes(), &mut signature)
            .expect("signed");
        format!("{said}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn rsa_jwk(pair: &RsaKeyPair) -> Value {
        let key = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({ "kty": "RSA", "kid": "r", "use": "sig", "n": number(&key.n), "e": number(&key.e) })
    }

    #[test]
    fn each_key_checks_its_own() {
        let claims = json!({ "sub": "jane" });
        let pair = rsa_pair();
        let rsa_token = rsa_token(&pair, &json!({ "alg": "RS256", "kid": "r" }), &claims);
        let rsa = Jwk::parse(&rsa_jwk(&pair)).expect("a key");
        let pem = Signer::generate().expect("a key");
        let signer = Signer::from_pem(&pem, "the test's").expect("a signer");
        let curve = Jwk::parse(&signer.verifier().to_jwk()).expect("a key");
        let curve_token = Claimed::parse(&signer.sign(&claims).expect("signed")).expect("a token");
        let rsa_token = Claimed::parse(&rsa_token).expect("a token");
        assert!(rsa.verify(&rsa_token) && curve.verify(&curve_token));
        assert!(!rsa.verify(&curve_token) && !curve.verify(&rsa_token));
        assert_eq!((rsa_token.claims, rsa_token.key_id), (claims, Some("r".to_owned())));
    }

    #[test]
    fn no_token_chooses_how_it_is_checked() {
        let pair = rsa_pair();
        let jwk = rsa_jwk(&pair);
        let rsa = Jwk::parse(&jwk).expect("a key");
        let claims = json!({ "sub": "root" });
        // The public key as the secret of a symmetric signature; none at all; another algorithm's name.
        let said = format!("{}.{}", encode(&json!({ "alg": "HS256" })), encode(&claims));
        let secret = hmac::Key::new(hmac::HMAC_SHA256, jwk.to_string().as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&secret, said.as_bytes()));
        let none = format!("{}.{}.", encode(&json!({ "alg": "none" })), encode(&claims));
        let other = rsa_token(&pair, &json!({ "alg": "ES256" }), &claims);
        let strange = rsa_token(&pair, &json!({ "alg": "RS512" }), &claims);
        for token in [format!("{said}.{signature}"), none, other, strange] {
            assert!(Claimed::parse(&token).is_none_or(|token| !rsa.verify(&token)), "{token}");
        }
        // A key for one algorithm is for no other, one for encryption for none.
        let mut only = jwk.clone();
        only["alg"] = "PS256".into();
        let good = rsa_token(&pair, &json!({ "alg": "RS256" }), &claims);
        let good = Claimed::parse(&good).expect("a token");
        assert!(!Jwk::parse(&only).expect("a key").verify(&good));
        only["use"] = "enc".into();
        assert!(Jwk::parse(&only).is_none());
        assert!(Jwk::parse(&json!({ "kty": "oct", "k": "AAAA" })).is_none());
        let critical = rsa_token(&pair, &json!({ "alg": "RS256", "crit": ["x"] }), &claims);
        assert!(Claimed::parse(&critical).is_none());
        for broken in ["", "a", "a.b", "a.b.c", "..", &"x".repeat(MAX_TOKEN_BYTES + 1)] {
            assert!(Claimed::parse(broken).is_none());
        }
    }
}
