//! How one value is sealed, as kube-apiserver writes it: `k8s:enc:`, what seals it, `:v1:`, the key's name, a
//! colon, and what that makes of it.
//!
//! By `aesgcm` the key in the store is authenticated with the value, so that nobody who can write there
//! puts one object's secret into another's. `secretbox` only tells whether a value was changed, `aescbc`
//! not even that; they are for what a cluster has already.

mod cbc;
mod secretbox;

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};

/// What every sealed value begins with.
const MARK: &[u8] = b"k8s:enc:";

/// One way to write values.
pub enum Provider {
    /// In the clear.
    Identity,
    /// By a key.
    Keyed {
        /// Its name.
        name: String,
        /// See there.
        key: Key,
    },
}

/// A key, and what it is for.
pub enum Key {
    /// AES-GCM.
    AesGcm(Box<LessSafeKey>),
    /// AES in CBC mode.
    AesCbc(cbc::Key),
    /// XSalsa20 and Poly1305.
    SecretBox(secretbox::Key),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind())
    }
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Identity => f.write_str("Identity"),
            Self::Keyed { name, key } => write!(f, "{key:?}({name})"),
        }
    }
}

fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).ok().map(|()| bytes)
}

impl Key {
    /// By the name of its kind in the configuration; what its length has to be if it has another.
    pub fn new(kind: &str, secret: &[u8]) -> Result<Self, &'static str> {
        match kind {
            "aescbc" => cbc::Key::new(secret)
                .map(Self::AesCbc)
                .ok_or("a secret has to have 16, 24 or 32 bytes"),
            "secretbox" => secretbox::Key::new(secret)
                .map(Self::SecretBox)
                .ok_or("a secret has to have 32 bytes"),
            _ => {
                let algorithm = if secret.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
                let key = UnboundKey::new(algorithm, secret);
                let key = key.map_err(|_| "a secret has to have 16 or 32 bytes")?;
                Ok(Self::AesGcm(Box::new(LessSafeKey::new(key))))
            }
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::AesGcm(_) => "aesgcm",
            Self::AesCbc(_) => "aescbc",
            Self::SecretBox(_) => "secretbox",
        }
    }

    /// What becomes of a value; `None` if there is no randomness.
    fn seal(&self, place: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        Some(match self {
            Self::AesGcm(key) => {
                let nonce = random::<NONCE_LEN>()?;
                let mut sealed = value.to_vec();
                let used = Nonce::assume_unique_for_key(nonce);
                key.seal_in_place_append_tag(used, Aad::from(place), &mut sealed).ok()?;
                [&nonce[..], &sealed].concat()
            }
            Self::AesCbc(key) => key.seal(random()?, value),
            Self::SecretBox(key) => key.seal(random()?, value),
        })
    }

    /// The value; `None` if this key has not made it, or not for this place.
    fn open(&self, place: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::AesGcm(key) => {
                let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
                let mut sealed = sealed.to_vec();
                let nonce = Nonce::assume_unique_for_key(*nonce);
                key.open_in_place(nonce, Aad::from(place), &mut sealed)
                    .ok()
                    .map(|open| open.to_vec())
            }
            Self::AesCbc(key) => key.open(sealed),
            Self::SecretBox(key) => key.open(sealed),
        }
    }
}

impl Provider {
    fn prefix(&self) -> Vec<u8> {
        match self {
            Self::Identity => Vec::new(),
            Self::Keyed { name, key } => {
                [MARK, key.kind().as_bytes(), b":v1:", name.as_bytes(), b":"].concat()
            }
        }
    }
}

/// The ways in which the values of some resources are written: the first writes, all read.
#[derive(Debug)]
pub struct Sealing {
    providers: Vec<Provider>,
}

impl Sealing {
    /// The first writes.
    pub fn new(providers: Vec<Provider>) -> Self {
        Self { providers }
    }

    /// Whether a value was written by the way that writes now.
    pub fn is_current(&self, value: &[u8]) -> bool {
        match self.providers.first() {
            None | Some(Provider::Identity) => !value.starts_with(MARK),
            Some(first) => value.starts_with(&first.prefix()),
        }
    }

    /// A value as it is written; `Some(None)` if as it is, `None` if there is no randomness.
    pub fn seal(&self, place: &[u8], value: &[u8]) -> Option<Option<Vec<u8>>> {
        let Some(provider @ Provider::Keyed { key, .. }) = self.providers.first() else {
            return Some(None);
        };
        let sealed = key.seal(place, value)?;
        Some(Some([provider.prefix(), sealed].concat()))
    }

    /// A value as it was before; `None` if it is as it was. Why not, if it cannot be opened.
    pub fn open(&self, place: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
        if !value.starts_with(MARK) {
            let is_known = self.providers.iter().any(|it| matches!(it, Provider::Identity));
            return match is_known {
                true => Ok(None),
                false => Err(
                    "it is stored in the clear, and the encryption configuration has no `identity` \
                     provider that reads such values",
                ),
            };
        }
        let mut why = "no provider of the encryption configuration has written it";
        for provider in &self.providers {
            let Provider::Keyed { key, .. } = provider else { continue };
            let Some(sealed) = value.strip_prefix(provider.prefix().as_slice()) else { continue };
            // Two keys may have one name.
            match key.open(place, sealed) {
                Some(open) => return Ok(Some(open)),
                None => why = "the key of its name does not open it",
            }
        }
        Err(why)
    }
}

#[cfg(test)]
mod tests;
