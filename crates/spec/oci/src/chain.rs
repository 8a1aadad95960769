//! A layer in its place: the hash of all diffIDs from the bottom up. Image-spec, "Layer ChainID".
//!
//! Two images that share their lower layers share chain IDs, and so unpacked directories. The type
//! keeps a chain ID from being mistaken for a blob's digest.

use crate::digest::{Digest, ParseDigestError};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The identity of a stack of layers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChainId(Digest);

impl ChainId {
    /// The chain made by putting the layer `diff_id` onto `parent`.
    pub fn extend(parent: Option<&Self>, diff_id: &Digest) -> Self {
        match parent {
            None => Self(diff_id.clone()),
            Some(parent) => Self(Digest::sha256(format!("{parent} {diff_id}").as_bytes())),
        }
    }

    /// The chain of all these layers, lowest first; `None` of no layers.
    pub fn of(diff_ids: &[Digest]) -> Option<Self> {
        diff_ids.iter().fold(None, |parent, diff_id| Some(Self::extend(parent.as_ref(), diff_id)))
    }

    /// Takes a digest that is known to be a chain ID (read back from a record of ours).
    pub fn from_digest(digest: Digest) -> Self {
        Self(digest)
    }

    /// The digest under the name.
    pub fn digest(&self) -> &Digest {
        &self.0
    }

    /// The part after the colon, safe as a file name.
    pub fn hex(&self) -> &str {
        self.0.hex()
    }
}

impl FromStr for ChainId {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests;
