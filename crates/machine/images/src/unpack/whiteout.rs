//! Whiteouts: what a layer says is gone. Image-spec, "Whiteouts"; the kernel's overlayfs document.
//!
//! A whiteout hides the layers below, never the layer it stands in, whatever the order of entries.

use super::{Unpacker, is_whiteout};
use crate::error::{EntryFault, Error, Result};
use rustix::fs::{AtFlags, FileType, Mode, XattrFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd};

/// What the name of a whiteout begins with.
pub(crate) const PREFIX: &[u8] = b".wh.";
/// The name that hides all that is below in its directory.
pub(crate) const OPAQUE: &[u8] = b".wh..wh..opq";
const AUFS: &[u8] = b".wh..wh.";

impl Unpacker {
    pub(super) fn whiteout(&mut self, full: &[u8], parents: &[u8], name: &[u8]) -> Result<()> {
        if name == OPAQUE {
            return self.make_opaque(parents);
        }
        // Metadata of aufs, of no meaning elsewhere.
        if name.starts_with(AUFS) {
            return Ok(());
        }
        let target = &name[PREFIX.len()..];
        if target.is_empty() || target == b"." || target == b".." {
            return Err(Error::entry(full, EntryFault::Whiteout));
        }
        let made = self.dirs.parent(parents, full)?.1;
        self.imply(made)?;
        let dir = self.dirs.last();
        let found = match rustix::fs::statat(dir, target, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Some(found),
            Err(Errno::NOENT) => None,
            Err(source) => return Err(Error::entry_io("look at", full, source)),
        };
        match found {
            None => make(dir, target).map_err(|e| Error::entry_io("create whiteout", full, e)),
            Some(found) if FileType::from_raw_mode(found.st_mode) == FileType::Directory => {
                let own = if parents.is_empty() {
                    target.to_vec()
                } else {
                    [parents, b"/", target].concat()
                };
                self.make_opaque(&own)
            }
            // The layer's own entry hides what is below by itself.
            Some(_) => Ok(()),
        }
    }

    /// Hides what is below a directory of this layer.
    pub(super) fn make_opaque(&mut self, directory: &[u8]) -> Result<()> {
        let made = self.dirs.parent(directory, directory)?.1;
        self.imply(made)?;
        set_opaque(self.dirs.last()).map_err(|e| Error::entry_io("make opaque", directory, e))
    }
}

/// Makes overlay's mark that a name is gone; an unprivileged user may, too (Linux 5.8).
pub(crate) fn make(dir: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    rustix::fs::mknodat(dir, name, FileType::CharacterDevice, Mode::empty(), 0)
}

/// Marks a directory opaque: for a privileged overlay, or one mounted with `userxattr`.
pub(crate) fn set_opaque(dir: BorrowedFd<'_>) -> Result<(), Errno> {
    let set = |name| rustix::fs::fsetxattr(dir.as_fd(), name, b"y", XattrFlags::empty());
    match set("trusted.overlay.opaque") {
        Err(Errno::PERM) => set("user.overlay.opaque"),
        other => other,
    }
}

/// Says whether a directory hides what is below.
pub(crate) fn is_opaque(dir: BorrowedFd<'_>) -> bool {
    ["trusted.overlay.opaque", "user.overlay.opaque"].iter().any(|&name| {
        let mut value = [0; 4];
        rustix::fs::fgetxattr(dir, name, &mut value)
            .is_ok_and(|n| matches!(&value[..n], b"y" | b"x"))
    })
}

/// As [`is_whiteout`] by name; absent names are none.
pub(crate) fn is_whiteout_at(dir: BorrowedFd<'_>, name: &[u8]) -> bool {
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|found| is_whiteout(&found))
}
