//! What a line of a repository's ledger says, besides what is kept.

use serde::{Deserialize, Serialize};
use teu_oci::Digest;

/// One change of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Note {
    /// A blob came, or came again.
    Blob {
        /// It.
        digest: Digest,
        /// Its bytes.
        size: u64,
        /// When, seconds since 1970.
        at: u64,
    },
    /// A manifest came, under a tag or none.
    Manifest {
        /// It.
        digest: Digest,
        /// What is known of it.
        record: ManifestRecord,
        /// Its tag.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tag: Option<String>,
    },
    /// A tag went.
    Untag {
        /// It.
        tag: String,
    },
    /// A manifest went, with all its tags.
    Unmanifest {
        /// It.
        digest: Digest,
    },
    /// Blobs went.
    Unblob {
        /// They.
        digests: Vec<Digest>,
    },
}

/// What is known of a manifest without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestRecord {
    /// Its media type, byte for byte as it was pushed.
    pub media_type: String,
    /// Its bytes.
    pub size: u64,
    /// When it came, seconds since 1970.
    pub at: u64,
    /// What kind of artifact it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Digest>,
    /// The blobs it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blobs: Vec<Digest>,
    /// The manifests it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub manifests: Vec<Digest>,
}
