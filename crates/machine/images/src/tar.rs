//! The tar format: a bounded reader of ustar, PAX and GNU archives, and a deterministic writer.
//!
//! Why our own: a layer's tar is the most hostile thing that reaches a container engine, so every
//! length here is bounded before memory is taken for it, and sizes are read exactly as Docker and
//! containerd read them (a differing idea of where an entry ends smuggles files, CVE-2025-62518).
//! Refuses: multi-volume archives, negative sizes, NUL in names. POSIX.1-2001 `pax`, "ustar
//! Interchange Format"; GNU tar manual, "Storing Sparse Files".

mod header;
mod pax;
mod reader;
mod sparse;
mod writer;

pub use reader::Reader;
pub use sparse::SparseMap;
pub use writer::{Builder, WriteEntry};

/// Bytes of a block, the unit of the format.
pub const BLOCK_BYTES: usize = 512;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// Another name of an earlier entry.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    Char,
    /// A block device.
    Block,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
}

/// A moment, as file systems keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Mtime {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Nanoseconds after that second, below 10^9.
    pub nanoseconds: u32,
}

/// An entry of an archive, its content not included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path as the archive has it.
    pub path: Vec<u8>,
    /// Target of a link.
    pub link: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits, setuid, setgid and sticky included.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of content that follow in the archive.
    pub size_bytes: u64,
    /// When it was modified.
    pub mtime: Mtime,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Extended attributes, names in full.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where the content goes, in a file with holes.
    pub sparse: Option<SparseMap>,
}

impl Entry {
    /// The file's size with its holes.
    pub fn apparent_bytes(&self) -> u64 {
        self.sparse.as_ref().map_or(self.size_bytes, |map| map.real_bytes)
    }
}

#[cfg(test)]
mod tests;
