//! What a build leaves, and what the cache holds.

use teu_images::Image;
use teu_oci::Digest;

/// A finished build.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The image, when it went to the store (or could have).
    pub image: Option<Image>,
    /// Digest of its configuration: the image's id.
    pub image_id: Option<Digest>,
    /// Digest of its manifest.
    pub manifest_digest: Option<Digest>,
    /// Steps in the Dockerfile that were needed.
    pub steps: u32,
    /// How many of them the cache answered.
    pub cached: u32,
}

/// One cache record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordUsage {
    /// Its key.
    pub id: String,
    /// `regular`, `exec.cachemount`, `source.local`
    pub kind: &'static str,
    /// The instruction that made it.
    pub description: String,
    /// Bytes that only the cache keeps.
    pub size_bytes: u64,
    /// Seconds since the epoch.
    pub created_s: i64,
    /// Seconds since the epoch.
    pub last_used_s: i64,
    /// An image, container or running build needs the bytes as well.
    pub in_use: bool,
}

/// What to prune.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PruneRequest {
    /// Cache mounts too (`--all`).
    pub all: bool,
    /// Only what was last used before this second since the epoch (`--filter until=24h`).
    pub unused_since_s: Option<i64>,
    /// Keep as many bytes of the most recently used (`--keep-storage`).
    pub keep_bytes: u64,
}

/// What a prune gave back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PruneReport {
    /// Records removed.
    pub removed: Vec<RecordUsage>,
    /// Bytes that can now be collected (or were).
    pub reclaimed_bytes: u64,
}
