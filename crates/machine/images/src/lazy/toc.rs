//! The table of contents of an eStargz layer, as JSON has it. What it says is checked elsewhere.

use crate::limits::Limits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use teu_oci::Digest;

/// Bytes of a table.
pub const TOC_LIMIT_BYTES: u64 = 256 << 20;
/// Bytes of one piece of a large file.
pub const CHUNK_BYTES: u64 = 4 << 20;

/// The table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toc {
    /// Always 1.
    pub version: u32,
    /// The tar's entries in their order, pieces of large files behind them.
    pub entries: Vec<TocEntry>,
}

/// One entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TocEntry {
    /// The path as the tar has it.
    pub name: String,
    /// `reg`, `dir`, `symlink`, `hardlink`, `char`, `block`, `fifo`, `chunk`
    #[serde(rename = "type")]
    pub kind: String,
    /// Bytes of a file.
    #[serde(skip_serializing_if = "is_zero")]
    pub size: u64,
    /// RFC 3339.
    #[serde(rename = "modtime", skip_serializing_if = "String::is_empty")]
    pub mtime: String,
    /// Target of a link.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub link_name: String,
    /// Permission bits.
    #[serde(skip_serializing_if = "is_zero")]
    pub mode: u64,
    /// Owner.
    #[serde(skip_serializing_if = "is_zero")]
    pub uid: u64,
    /// Group.
    #[serde(skip_serializing_if = "is_zero")]
    pub gid: u64,
    /// Where the gzip member of the file's (or piece's) content begins in the blob.
    #[serde(skip_serializing_if = "is_zero")]
    pub offset: u64,
    /// Where the content begins in that member.
    #[serde(skip_serializing_if = "is_zero")]
    pub inner_offset: u64,
    /// Major number of a device.
    #[serde(skip_serializing_if = "is_zero")]
    pub dev_major: u64,
    /// Minor number.
    #[serde(skip_serializing_if = "is_zero")]
    pub dev_minor: u64,
    /// Links to an entry; not used.
    #[serde(rename = "NumLink", skip_serializing_if = "is_zero")]
    pub link_count: u64,
    /// Extended attributes, base64.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, String>,
    /// Of a whole file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Where the piece begins in the file.
    #[serde(skip_serializing_if = "is_zero")]
    pub chunk_offset: u64,
    /// Bytes of the piece; 0 for all that is left.
    #[serde(skip_serializing_if = "is_zero")]
    pub chunk_size: u64,
    /// Of the piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_digest: Option<Digest>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Toc {
    /// Parses a table whose digest has been checked.
    pub fn parse(text: &[u8], limits: &Limits) -> Result<Self, TocFault> {
        let toc: Self = serde_json::from_slice(text).map_err(|_| TocFault::Json)?;
        match (toc.version, toc.entries.len() as u64 > limits.entries) {
            (1, false) => Ok(toc),
            (1, true) => Err(TocFault::Entries),
            _ => Err(TocFault::Version),
        }
    }
}

/// Why a table of contents cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TocFault {
    /// It is not JSON of this shape.
    #[error("it does not parse")]
    Json,
    /// Another version.
    #[error("its version is not known")]
    Version,
    /// Too many.
    #[error("it has too many entries")]
    Entries,
    /// No footer.
    #[error("the layer does not end in a footer")]
    Footer,
    /// The table is not a tar with one file.
    #[error("it is not where the footer says")]
    Place,
    /// Another digest than the manifest says.
    #[error("its digest is not the one that the manifest says")]
    Digest,
    /// A path that climbs, or is none.
    #[error("a path in it is not allowed")]
    Path,
    /// A type that is not known.
    #[error("a type in it is not known")]
    Kind,
    /// The same path twice, or beneath what is no directory.
    #[error("two entries have one place")]
    Twice,
    /// A link to what this layer does not have.
    #[error("a hard link leads to no file of the layer")]
    HardLink,
    /// A number that cannot be.
    #[error("a number in it cannot be")]
    Number,
    /// Pieces that leave a gap, overlap, or have no digest.
    #[error("the pieces of a file do not make it up")]
    Pieces,
    /// An attribute that is not base64, or too large.
    #[error("an attribute in it cannot be read")]
    Attribute,
}
