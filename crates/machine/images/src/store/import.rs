//! `import`: a file system's tar becomes an image of one layer.

use super::{Store, later};
use crate::error::Result;
use crate::store::name::Image;
use std::io::Read;
use teu_oci::{Platform, Reference};

/// What `import` was asked.
#[derive(Debug, Clone, Default)]
pub struct ImportRequest {
    /// The image's name.
    pub name: Option<Reference>,
    /// Comment in its history.
    pub message: Option<String>,
    /// `--change` instructions.
    pub changes: Vec<String>,
    /// Its platform; the host's by default.
    pub platform: Option<Platform>,
    /// The time it says it was made, RFC 3339.
    pub created: Option<String>,
}

impl Store {
    /// Makes an image of a file system's tar (compressed or not).
    pub fn import(&self, _tar: &mut dyn Read, _request: &ImportRequest) -> Result<Image> {
        later()
    }
}
