//! Tokens: short-lived, signed with a key that this process made and nobody else knows.
//!
//! They are JWTs (RFC 7519) with HS256, as the distribution project's token specification describes
//! them. The key dies with the process: clients whose token is refused fetch another.

use super::Right;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};

/// Seconds that a token is good for; a push that takes longer fetches another.
pub(super) const LIFE_SECONDS: u64 = 300;
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
/// Bytes of a token that is looked at.
const TOKEN_BYTES: usize = 16 << 10;

/// Issues tokens and knows them again.
pub struct Tokens(hmac::Key);

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

/// What a token allows in one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// `repository` or `registry`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name.
    pub name: String,
    /// `pull`, `push`, `delete`, `*`.
    pub actions: Vec<String>,
}

impl Claim {
    /// Rights in a repository.
    pub fn of(name: &str, rights: impl IntoIterator<Item = Right>) -> Self {
        let actions = rights.into_iter().map(|right| right.as_str().to_owned()).collect();
        Self { kind: "repository".to_owned(), name: name.to_owned(), actions }
    }

    /// Says whether it allows something in a repository.
    pub fn allows(&self, name: &str, right: Right) -> bool {
        self.kind == "repository"
            && self.name == name
            && self.actions.iter().any(|action| action == right.as_str())
    }
}

#[derive(Serialize, Deserialize)]
struct Payload {
    iss: String,
    sub: String,
    aud: String,
    iat: u64,
    nbf: u64,
    exp: u64,
    access: Vec<Claim>,
}

const NAME: &str = "teu-registry";

impl Default for Tokens {
    fn default() -> Self {
        Self::new()
    }
}

impl Tokens {
    /// With a new key.
    pub fn new() -> Self {
        let mut key = [0; 32];
        // The kernel gives so few bytes whole, once it has booted.
        let _ = rustix::rand::getrandom(&mut key, rustix::rand::GetRandomFlags::empty());
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    /// The key's mark of some bytes, for who must compare secrets without keeping them.
    pub(super) fn mark(&self, bytes: &[u8]) -> Vec<u8> {
        hmac::sign(&self.0, bytes).as_ref().to_vec()
    }

    /// Issues a token at a time (seconds since 1970).
    pub fn issue(&self, user: Option<&str>, access: Vec<Claim>, now: u64) -> String {
        let payload = Payload {
            iss: NAME.to_owned(),
            sub: user.unwrap_or_default().to_owned(),
            aud: NAME.to_owned(),
            iat: now,
            nbf: now,
            exp: now + LIFE_SECONDS,
            access,
        };
        let payload = serde_json::to_vec(&payload).unwrap_or_default();
        let mut token = URL_SAFE_NO_PAD.encode(HEADER);
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(payload));
        let tag = hmac::sign(&self.0, token.as_bytes());
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(tag.as_ref()));
        token
    }

    /// Who a token is for and what it allows; `None` if it is not ours, or old.
    pub fn verify(&self, token: &str, now: u64) -> Option<(Option<String>, Vec<Claim>)> {
        if token.len() > TOKEN_BYTES {
            return None;
        }
        let (signed, tag) = token.rsplit_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        hmac::verify(&self.0, signed.as_bytes(), &tag).ok()?;
        // What is signed was made here: the header needs no look.
        let (_, payload) = signed.split_once('.')?;
        let payload: Payload =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        let is_good = payload.nbf <= now && now < payload.exp;
        let user = Some(payload.sub).filter(|user| !user.is_empty());
        is_good.then_some((user, payload.access))
    }
}
