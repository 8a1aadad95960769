//! A hostile tar becomes files beneath a directory, and nowhere else.

use crate::error::Result;
use crate::limits::Limits;
use crate::store::later;
use std::io::Read;
use std::os::fd::BorrowedFd;

/// What `.wh.` entries are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Whiteouts {
    /// Files like others (`ADD archive`, `cp`).
    #[default]
    Plain,
    /// Overlay's own whiteouts are made (a snapshot).
    Overlay,
    /// What they name is removed (a layer applied over a tree).
    Apply,
}

/// How a tar is unpacked.
#[derive(Debug, Clone, Default)]
pub struct UnpackOptions {
    /// Bounds.
    pub limits: Limits,
    /// What whiteouts are.
    pub whiteouts: Whiteouts,
    /// Everything belongs to this user and group.
    pub owner: Option<(u32, u32)>,
    /// A file does not replace a directory, nor the reverse (`cp`).
    pub keep_kinds: bool,
}

/// What was unpacked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Entries.
    pub entries: u64,
    /// Bytes of file content.
    pub bytes: u64,
}

/// Unpacks a plain tar beneath `root`, over what is there.
pub fn unpack(
    _tar: &mut dyn Read,
    _root: BorrowedFd<'_>,
    _options: &UnpackOptions,
) -> Result<Unpacked> {
    later()
}
