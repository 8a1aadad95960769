//! `cp`: files between the host and a container that may be hostile and running (B2 row 4).
//!
//! The container's side is only ever reached through [`view::RootView`]: a descriptor of its root, in
//! its own mount namespace (running) or in a private one made for the occasion (stopped). What comes
//! out is a tar stream written entry by entry beneath that descriptor; on the host it is unpacked by
//! the same confined extractor that unpacks images, since the container chose its names. What goes
//! in is unpacked by it too, beneath the directory that was found in the container. No name is
//! looked up twice, none outside the root it belongs to.

use std::io::Read;

mod error;
mod host;
mod path;
mod stream;
mod transfer;
pub(crate) mod view;

pub use error::CopyError;
pub use stream::TarStream;

/// What of a container is copied out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopyOut {
    /// Path in the container.
    pub path: String,
    /// Follows a link at its end (`-L`).
    pub follow_link: bool,
}

/// What is at a path in a container; Docker's `X-Docker-Container-Path-Stat`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathStat {
    /// Last component.
    pub name: String,
    /// Bytes.
    pub size_bytes: u64,
    /// `st_mode`.
    pub mode: u32,
    /// Nanoseconds since the epoch.
    pub mtime_ns: i64,
    /// Where a link points.
    pub link_target: String,
}

/// How `cp` behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopyOptions {
    /// `-L`: the source's last component may be a link that is followed.
    pub follow_link: bool,
    /// `-a`: owners are kept. Without it what is copied belongs to root in the container, or to the
    /// caller on the host.
    pub archive: bool,
}

/// A tar to be read.
pub(crate) type Tar<'a> = &'a mut dyn Read;

#[cfg(test)]
mod tests;
