//! `rmi`: names go, and with the last of them the image.

use super::{Store, later};
use crate::error::Result;
use teu_oci::{Digest, Reference};

/// Who uses images, as only the caller knows: image id and a text for people (container name).
pub type InUse<'a> = &'a [(Digest, String)];

/// What `rmi` was asked.
#[derive(Debug, Clone, Copy)]
pub struct RemoveRequest<'a> {
    /// Name or id, as typed.
    pub text: &'a str,
    /// Also when a container uses it or several names exist.
    pub force: bool,
    /// The images that containers use.
    pub in_use: InUse<'a>,
}

/// One line of what was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// `Untagged: name`
    Untagged(Reference),
    /// `Deleted: sha256:…`, an image or the chain ID of a layer.
    Deleted(Digest),
}

impl Store {
    /// Removes an image as `docker rmi` does.
    pub fn remove(&self, _request: &RemoveRequest<'_>) -> Result<Vec<Removed>> {
        later()
    }
}
