//! Collection: what no name, lease or running command keeps goes.

use super::{Store, later};
use crate::error::Result;
use crate::store::remove::{InUse, Removed};

/// Which images go before the content is collected.
#[derive(Debug, Clone, Default)]
pub struct PruneFilter {
    /// Also images with names (`-a`), unless in use.
    pub all: bool,
    /// Only images made before this time (seconds since 1970).
    pub until: Option<i64>,
    /// Only images with this label, or label and value (`label=`); several must all fit.
    pub labels: Vec<(String, Option<String>)>,
    /// Only images without it (`label!=`).
    pub without_labels: Vec<(String, Option<String>)>,
}

/// What a collection gave back.
#[derive(Debug, Clone, Default)]
pub struct Pruned {
    /// Names and images that went, in order.
    pub removed: Vec<Removed>,
    /// Bytes given back to the disk.
    pub freed_bytes: u64,
}

impl Store {
    /// Removes images that the filter fits and no container uses, then collects all content that
    /// nothing keeps.
    pub fn prune(&self, _filter: &PruneFilter, _in_use: InUse<'_>) -> Result<Pruned> {
        later()
    }

    /// Collects content that nothing keeps, and removes no image.
    pub fn collect(&self) -> Result<Pruned> {
        later()
    }
}
