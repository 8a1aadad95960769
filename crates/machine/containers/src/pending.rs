//! Signatures whose bodies are being written; each moves to its module when it works.

use crate::copy::TarStream;
use crate::record::network::EndpointRecord;
use crate::stats::Stats;
use crate::{Containers, Error, Result};
use std::path::PathBuf;
use teu_oci::Digest;
use teu_oci::Reference;

/// `top`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Processes {
    /// Column heads.
    pub titles: Vec<String>,
    /// A row for each process.
    pub rows: Vec<Vec<String>>,
}

/// A path that differs from the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `A`, `C` or `D`.
    pub kind: char,
    /// Absolute.
    pub path: PathBuf,
}

/// `commit`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitRequest {
    /// Names of the new image.
    pub names: Vec<Reference>,
    /// Who made it.
    pub author: Option<String>,
    /// Why.
    pub message: Option<String>,
    /// Dockerfile instructions (`CMD …`, `ENV …`).
    pub changes: Vec<String>,
    /// The container stands still meanwhile.
    pub pause: bool,
}

fn pending<T>() -> Result<T> {
    Err(Error::NoSuchContainer("(not written yet)".to_owned()))
}

#[expect(unused_variables, reason = "bodies follow")]
impl Containers {
    /// Its processes; `ps_args` as for ps(1), none for `-ef`.
    pub fn top(&self, name: &str, ps_args: &[String]) -> Result<Processes> {
        pending()
    }
    /// A sample of what running containers use (all when none is named).
    pub fn stats(&self, names: &[String]) -> Result<Vec<Stats>> {
        pending()
    }
    /// What it has changed in its root.
    pub fn diff(&self, name: &str) -> Result<Vec<Change>> {
        pending()
    }
    /// Its whole root as a tar.
    pub fn export(&self, name: &str) -> Result<TarStream> {
        pending()
    }
    /// An image of what it is now.
    pub fn commit(&self, name: &str, request: &CommitRequest) -> Result<Digest> {
        pending()
    }
    /// Joins a network.
    pub fn connect(&self, name: &str, endpoint: EndpointRecord) -> Result<()> {
        pending()
    }
    /// Leaves one.
    pub fn disconnect(&self, name: &str, network: &str) -> Result<()> {
        pending()
    }
}

pub use crate::copy::CopyOptions;
pub use crate::remove::Pruned;
pub use crate::shelf::Found;
pub use crate::volume::VolumeUsage;
