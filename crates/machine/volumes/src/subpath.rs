//! A directory within a volume, found once and handed on as a descriptor.
//!
//! The content belongs to containers, which may swap a link in at any time. So the path is resolved
//! by the kernel beneath the volume's root (`openat2`: no `..` out of it, no link out of it, no
//! magic link), and what is mounted afterwards is the descriptor, not the path.

use crate::store::Volume;
use crate::{Error, Result};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use std::os::fd::OwnedFd;

impl Volume {
    /// The root of the content as an `O_PATH` descriptor.
    pub fn root(&self) -> Result<OwnedFd> {
        let path = self.path();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::open(&path, flags, Mode::empty())
            .map_err(|errno| Error::io("open", &path)(errno.into()))
    }

    /// A file or directory within the volume as an `O_PATH` descriptor, never outside of it.
    pub fn subpath(&self, path: &str) -> Result<OwnedFd> {
        let refuse = |source: std::io::Error| Error::Subpath {
            volume: self.name().to_owned(),
            path: path.to_owned(),
            source,
        };
        if path.starts_with('/') || path.is_empty() || path.split('/').any(|part| part == "..") {
            return Err(refuse(std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                "the subpath must be a relative path within the volume",
            )));
        }
        let root = self.root()?;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        teu_sys::beneath::openat2(&root, path, OFlags::PATH | OFlags::CLOEXEC, resolve)
            .map_err(|errno| refuse(errno.into()))
    }
}
