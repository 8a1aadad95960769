//! XSalsa20 and Poly1305, as NaCl puts them together and kube-apiserver's `secretbox` writes: a random nonce,
//! the authenticator, then the value. Whoever changes a value is found out; whoever puts it in another's
//! place is not, because the place is not part of it.

use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit as _;
use salsa20::XSalsa20;
use salsa20::cipher::{KeyIvInit as _, StreamCipher as _};

/// Bytes of a nonce.
pub const NONCE: usize = 24;
const TAG: usize = 16;

/// A key.
pub struct Key([u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// Of 32 bytes; `None` if it has another length.
    pub fn new(secret: &[u8]) -> Option<Self> {
        secret.try_into().ok().map(Self)
    }

    /// The nonce, the authenticator, and what becomes of the value.
    pub fn seal(&self, nonce: [u8; NONCE], value: &[u8]) -> Vec<u8> {
        let (mut stream, authenticator) = self.begin(&nonce);
        let mut sealed = value.to_vec();
        stream.apply_keystream(&mut sealed);
        let tag = authenticator.compute_unpadded(&sealed);
        [&nonce[..], tag.as_slice(), &sealed].concat()
    }

    /// The value; `None` if this key has not made it.
    pub fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let (tag, sealed) = sealed.split_first_chunk::<TAG>()?;
        let (mut stream, authenticator) = self.begin(nonce);
        let wanted = authenticator.compute_unpadded(sealed);
        // All of it is looked at, wherever it differs.
        let differs =
            wanted.iter().zip(tag).fold(0, |differs, (one, other)| differs | (one ^ other));
        if differs != 0 {
            return None;
        }
        let mut value = sealed.to_vec();
        stream.apply_keystream(&mut value);
        Some(value)
    }

    /// The stream behind its first 32 bytes, and the authenticator that these are the key of.
    fn begin(&self, nonce: &[u8; NONCE]) -> (XSalsa20, Poly1305) {
        let mut stream = XSalsa20::new(&self.0.into(), nonce.into());
        let mut first = [0; 32];
        stream.apply_keystream(&mut first);
        (stream, Poly1305::new(&first.into()))
    }
}
