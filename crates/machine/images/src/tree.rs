//! A directory becomes a deterministic tar.

use crate::error::Result;
use crate::store::later;
use std::io::Write;
use std::os::fd::BorrowedFd;

/// What a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TreeKind {
    /// A plain tree: what is there is written.
    #[default]
    Plain,
    /// An overlay's upper directory: whiteouts and opaque directories become `.wh.` entries, and the
    /// overlay's own attributes are left out.
    OverlayUpper,
}

/// How a tree is written.
#[derive(Debug, Clone, Default)]
pub struct TreeOptions {
    /// What the directory is.
    pub kind: TreeKind,
    /// Later modification times become this one (seconds since 1970).
    pub mtime_clamp: Option<i64>,
    /// What every entry's name begins with (`docker cp` names the file or directory asked for).
    pub prefix: Option<Vec<u8>>,
    /// Keep fractions of seconds of modification times.
    pub subseconds: bool,
    /// Leave out extended attributes.
    pub without_xattrs: bool,
    /// Stay on the directory's file system.
    pub one_file_system: bool,
}

/// Writes all beneath `dir` as a tar, sorted by name, without ever leaving it or following a link.
pub fn write_tree(
    _dir: BorrowedFd<'_>,
    _options: &TreeOptions,
    _out: &mut dyn Write,
) -> Result<()> {
    later()
}

/// Writes one entry of `dir` (a file, or a directory with all beneath it) under the prefix's name.
pub fn write_entry(
    _dir: BorrowedFd<'_>,
    _name: &std::ffi::OsStr,
    _options: &TreeOptions,
    _out: &mut dyn Write,
) -> Result<()> {
    later()
}
