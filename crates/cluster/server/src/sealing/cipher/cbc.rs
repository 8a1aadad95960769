//! AES in CBC mode, as kube-apiserver's `aescbc` writes: a random block, then what CBC makes of the value,
//! padded to whole blocks (PKCS #7).
//!
//! It keeps secrets from readers, but nothing tells that a value was changed or put in another's place:
//! `aesgcm` and `secretbox` do more. It is here so that what a cluster has can be read.

use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use cbc::{Decryptor, Encryptor};

/// Bytes of a block.
pub const BLOCK: usize = 16;

/// A key.
pub enum Key {
    /// Of 16 bytes.
    Short([u8; 16]),
    /// Of 24 bytes.
    Middle([u8; 24]),
    /// Of 32 bytes.
    Long([u8; 32]),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// Of 16, 24 or 32 bytes; `None` if it has another length.
    pub fn new(secret: &[u8]) -> Option<Self> {
        match secret.len() {
            16 => secret.try_into().ok().map(Self::Short),
            24 => secret.try_into().ok().map(Self::Middle),
            32 => secret.try_into().ok().map(Self::Long),
            _ => None,
        }
    }

    /// The block, and what becomes of the value.
    pub fn seal(&self, first: [u8; BLOCK], value: &[u8]) -> Vec<u8> {
        let mut sealed = vec![0; (value.len() / BLOCK + 1) * BLOCK];
        let iv = first.into();
        let done = match self {
            Self::Short(key) => Encryptor::<Aes128>::new(key.into(), &iv)
                .encrypt_padded_b2b::<Pkcs7>(value, &mut sealed)
                .is_ok(),
            Self::Middle(key) => Encryptor::<Aes192>::new(key.into(), &iv)
                .encrypt_padded_b2b::<Pkcs7>(value, &mut sealed)
                .is_ok(),
            Self::Long(key) => Encryptor::<Aes256>::new(key.into(), &iv)
                .encrypt_padded_b2b::<Pkcs7>(value, &mut sealed)
                .is_ok(),
        };
        debug_assert!(done, "there is room for the padding");
        [&first[..], &sealed].concat()
    }

    /// The value; `None` if it is none.
    pub fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (first, sealed) = sealed.split_first_chunk::<BLOCK>()?;
        let iv = (*first).into();
        let mut value = sealed.to_vec();
        let opened = match self {
            Self::Short(key) => {
                Decryptor::<Aes128>::new(key.into(), &iv).decrypt_padded::<Pkcs7>(&mut value)
            }
            Self::Middle(key) => {
                Decryptor::<Aes192>::new(key.into(), &iv).decrypt_padded::<Pkcs7>(&mut value)
            }
            Self::Long(key) => {
                Decryptor::<Aes256>::new(key.into(), &iv).decrypt_padded::<Pkcs7>(&mut value)
            }
        };
        opened.ok().map(<[u8]>::to_vec)
    }
}
