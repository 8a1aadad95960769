//! How one value is sealed: `k8s:enc:aesgcm:v1:NAME:`, a nonce, what AES-GCM makes of it, as
//! kube-apiserver writes it. The key in the store is authenticated with it, so that nobody who can write
//! there puts one object's secret into another's.

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};

/// What every sealed value begins with.
const MARK: &[u8] = b"k8s:enc:";
const AES_GCM: &[u8] = b"k8s:enc:aesgcm:v1:";

/// One way to write values.
pub enum Provider {
    /// In the clear.
    Identity,
    /// By a key.
    AesGcm {
        /// Its name.
        name: String,
        /// See there.
        key: Box<LessSafeKey>,
    },
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Identity => f.write_str("Identity"),
            Self::AesGcm { name, .. } => write!(f, "AesGcm({name})"),
        }
    }
}

impl Provider {
    /// By a key of 16 or 32 bytes; `None` if it has another length.
    pub fn aes_gcm(name: &str, secret: &[u8]) -> Option<Self> {
        let algorithm = match secret.len() {
            16 => &AES_128_GCM,
            32 => &AES_256_GCM,
            _ => return None,
        };
        let key = Box::new(LessSafeKey::new(UnboundKey::new(algorithm, secret).ok()?));
        Some(Self::AesGcm { name: name.to_owned(), key })
    }

    fn prefix(&self) -> Vec<u8> {
        match self {
            Self::Identity => Vec::new(),
            Self::AesGcm { name, .. } => [AES_GCM, name.as_bytes(), b":"].concat(),
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
        let Some(provider @ Provider::AesGcm { key, .. }) = self.providers.first() else {
            return Some(None);
        };
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut sealed = value.to_vec();
        let nonce_used = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(nonce_used, Aad::from(place), &mut sealed).ok()?;
        Some(Some([provider.prefix().as_slice(), &nonce, &sealed].concat()))
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
            let Provider::AesGcm { key, .. } = provider else { continue };
            let Some(rest) = value.strip_prefix(provider.prefix().as_slice()) else { continue };
            let Some((nonce, sealed)) = rest.split_first_chunk::<NONCE_LEN>() else {
                return Err("it is cut off");
            };
            let mut sealed = sealed.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            // Two keys may have one name.
            match key.open_in_place(nonce, Aad::from(place), &mut sealed) {
                Ok(open) => return Ok(Some(open.to_vec())),
                Err(_) => why = "the key of its name does not open it",
            }
        }
        Err(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(name: &str, byte: u8) -> Provider {
        Provider::aes_gcm(name, &[byte; 32]).expect("a key")
    }

    #[test]
    fn values_are_sealed_for_their_place_by_the_first_and_opened_by_all() {
        let old = Sealing::new(vec![provider("old", 1), Provider::Identity]);
        let sealed = old.seal(b"/a", b"value").flatten().expect("sealed");
        assert!(sealed.starts_with(b"k8s:enc:aesgcm:v1:old:"));
        assert!(!sealed.windows(5).any(|bytes| bytes == b"value"));
        let new = Sealing::new(vec![provider("new", 2), provider("old", 1)]);
        assert_eq!(new.open(b"/a", &sealed), Ok(Some(b"value".to_vec())));
        assert!(new.open(b"/b", &sealed).is_err(), "another place");
        assert!((old.is_current(&sealed), new.is_current(&sealed)) == (true, false));
        assert_eq!(old.open(b"/a", b"{}"), Ok(None));
        assert!(new.open(b"/a", b"{}").is_err(), "in the clear");
        // A key of that name, but another one; and one that is not there.
        assert!(Sealing::new(vec![provider("old", 3)]).open(b"/a", &sealed).is_err());
        assert!(Sealing::new(vec![provider("x", 1)]).open(b"/a", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(new.open(b"/a", &changed).is_err(), "byte {at}");
        }
        // The same twice looks different.
        assert_ne!(old.seal(b"/a", b"value").flatten().expect("sealed"), sealed);
        assert!(Provider::aes_gcm("odd", &[0; 24]).is_none());
    }
}
