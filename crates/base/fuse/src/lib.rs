//! A read-only file system that a process serves to the kernel over `/dev/fuse`.
//!
//! Why our own: what is served never changes and is never written, which is a fifth of the protocol;
//! the libraries there are bring a mount helper, a thread a request or a runtime. Nothing is mounted
//! at a path here: [`Server::new`] gives a descriptor of a mount that is nowhere, and the file system
//! ends when the last mount of it has gone. Knows nothing of images. Protocol 7.31, `linux/fuse.h`.
//!
//! Invariant: nothing is asked of the kernel that makes a reader wait in a way that cannot be ended:
//! reads are asynchronous there (`FUSE_ASYNC_READ`), so who waits for a page can be killed.

#![forbid(unsafe_code)]

mod answer;
mod server;
mod wire;

pub use server::Server;

use rustix::io::Errno;

/// The node of the root.
pub const ROOT: u64 = 1;

/// What a node is, as `stat` tells it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Its number, not 0.
    pub node: u64,
    /// Bytes of a file or of a link's target.
    pub size: u64,
    /// Type and permissions.
    pub mode: u32,
    /// Names it has.
    pub links: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Modified, seconds since 1970.
    pub mtime: i64,
    /// Nanoseconds after that second.
    pub mtime_nanoseconds: u32,
}

/// One name of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name<'a> {
    /// The name.
    pub name: &'a [u8],
    /// What it leads to.
    pub node: u64,
}

/// A tree that never changes. Called from several threads at once; only [`Tree::read`] may take long.
pub trait Tree: Sync {
    /// What a node is.
    fn attributes(&self, node: u64) -> Result<Attributes, Errno>;

    /// The node of a name in a directory; `NOENT` where there is none.
    fn lookup(&self, directory: u64, name: &[u8]) -> Result<u64, Errno>;

    /// A directory's names, always in the same order, without `.` and `..`.
    fn list(&self, directory: u64) -> Result<Vec<Name<'_>>, Errno>;

    /// A link's target.
    fn target(&self, node: u64) -> Result<&[u8], Errno>;

    /// Appends bytes of a file, at most `length`; fewer only at its end.
    fn read(&self, node: u64, offset: u64, length: usize, out: &mut Vec<u8>) -> Result<(), Errno>;

    /// An extended attribute; `NODATA` where there is none.
    fn attribute(&self, node: u64, name: &[u8]) -> Result<&[u8], Errno>;

    /// Names of the extended attributes.
    fn attribute_names(&self, node: u64) -> Result<Vec<&[u8]>, Errno>;
}
