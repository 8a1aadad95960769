//! Content by its hash: `algorithm:hex`.
//!
//! The type cannot hold anything else (CVE-2024-3727: a digest used as a path), so a [`Digest`]
//! may be joined to a directory without a further check. Image-spec, "Digests".

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// A verified-in-form digest; only sha256 and sha512 exist.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(Box<str>);

/// Why a text is not a digest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseDigestError {
    /// There is no `:` between algorithm and hash.
    #[error("invalid digest {0:?}: expected algorithm:hex, such as sha256:9f86d0…")]
    Form(String),
    /// The algorithm is not sha256 or sha512.
    #[error("unsupported digest algorithm {0:?}: sha256 and sha512 are known")]
    Algorithm(String),
    /// The hash has the wrong length or other characters than lower-case hex.
    #[error("invalid digest {0:?}: the hash must be lower-case hex of the algorithm's length")]
    Hash(String),
}

impl Digest {
    /// Hashes bytes with sha256.
    pub fn sha256(bytes: &[u8]) -> Self {
        Self::from_sha256(Sha256::digest(bytes).into())
    }

    /// Takes a sha256 sum computed elsewhere.
    pub fn from_sha256(sum: [u8; 32]) -> Self {
        Self::from_sum("sha256:", &sum)
    }

    /// Takes a sha512 sum computed elsewhere.
    pub fn from_sha512(sum: [u8; 64]) -> Self {
        Self::from_sum("sha512:", &sum)
    }

    fn from_sum(algorithm: &str, sum: &[u8]) -> Self {
        let mut text = String::with_capacity(algorithm.len() + 2 * sum.len());
        text.push_str(algorithm);
        for byte in sum {
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
        }
        Self(text.into())
    }

    /// The part before the colon.
    pub fn algorithm(&self) -> &str {
        self.0.split_once(':').map_or("", |(algorithm, _)| algorithm)
    }

    /// The part after the colon, safe as a file name.
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, hex)| hex)
    }

    /// The first twelve hex digits, as people are shown them.
    pub fn short(&self) -> &str {
        &self.hex()[..12]
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((algorithm, hex)) = text.split_once(':') else {
            return Err(ParseDigestError::Form(text.chars().take(160).collect()));
        };
        let length = match algorithm {
            "sha256" => 64,
            "sha512" => 128,
            _ => return Err(ParseDigestError::Algorithm(algorithm.chars().take(40).collect())),
        };
        let is_hex = hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if hex.len() != length || !is_hex {
            return Err(ParseDigestError::Hash(text.chars().take(160).collect()));
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for Digest {
    type Error = ParseDigestError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0.into()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
