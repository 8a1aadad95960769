//! Signatures whose bodies are being written; each moves to its module when it works.

use crate::copy::{CopyOut, PathStat, TarStream};
use crate::record::network::EndpointRecord;
use crate::stats::Stats;
use crate::{Containers, Error, Result};
use std::io::Read;
use std::path::{Path, PathBuf};
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

/// How `cp` behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopyOptions {
    /// `-L`: the source's last component may be a link that is followed.
    pub follow_link: bool,
    /// `-a`: owners are kept.
    pub archive: bool,
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
    /// A tar of a path in it (`cp CONTAINER:PATH -`).
    pub fn copy_out(&self, name: &str, copy: &CopyOut) -> Result<(PathStat, TarStream)> {
        pending()
    }
    /// Unpacks a tar into a directory in it (`cp - CONTAINER:PATH`).
    pub fn copy_in(
        &self,
        name: &str,
        path: &str,
        tar: &mut dyn Read,
        options: CopyOptions,
    ) -> Result<()> {
        pending()
    }
    /// `cp CONTAINER:PATH LOCAL` with docker's path rules. Answers the bytes copied.
    pub fn copy_to_host(
        &self,
        name: &str,
        path: &str,
        local: &Path,
        options: CopyOptions,
    ) -> Result<u64> {
        pending()
    }
    /// `cp LOCAL CONTAINER:PATH` with docker's path rules. Answers the bytes copied.
    pub fn copy_to_container(
        &self,
        local: &Path,
        name: &str,
        path: &str,
        options: CopyOptions,
    ) -> Result<u64> {
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
