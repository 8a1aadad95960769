//! The layers below, seen as the overlay will show them.

use super::dirs::open_beneath;
use super::whiteout::{is_opaque, is_whiteout_at};
use rustix::fs::{AtFlags, FileType, OFlags, ResolveFlags, Stat};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Something found below: the directory that has it, its name there, and what it is.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) dir: OwnedFd,
    pub(crate) name: Vec<u8>,
    pub(crate) stat: Stat,
}

impl Found {
    pub(crate) fn is(&self, kind: FileType) -> bool {
        FileType::from_raw_mode(self.stat.st_mode) == kind
    }

    /// Opens a file or directory for reading, following nothing.
    pub(crate) fn open(&self) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        teu_sys::beneath::openat2(&self.dir, self.name.as_slice(), flags, resolve)
    }
}

/// Looks a path up in layers, topmost first. Links in the middle of it are not followed.
pub(crate) fn lookup(layers: &[OwnedFd], path: &[u8]) -> Option<Found> {
    for layer in layers {
        match step_down(layer.as_fd(), path) {
            Step::Found(found) => return Some(*found),
            Step::Hidden => return None,
            Step::Absent => {}
        }
    }
    None
}

enum Step {
    Found(Box<Found>),
    /// This layer hides the path in those below.
    Hidden,
    /// This layer says nothing.
    Absent,
}

fn step_down(layer: BorrowedFd<'_>, path: &[u8]) -> Step {
    let Ok(mut dir) = layer.try_clone_to_owned() else { return Step::Hidden };
    if path.is_empty() {
        let Ok(stat) = rustix::fs::fstat(&dir) else { return Step::Hidden };
        return Step::Found(Box::new(Found { dir, name: b".".to_vec(), stat }));
    }
    let mut hides = is_opaque(dir.as_fd());
    let mut names = path.split(|&b| b == b'/').peekable();
    while let Some(name) = names.next() {
        let absent = if hides { Step::Hidden } else { Step::Absent };
        if is_whiteout_at(dir.as_fd(), name) {
            return Step::Hidden;
        }
        if names.peek().is_none() {
            return match rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => Step::Found(Box::new(Found { dir, name: name.to_vec(), stat })),
                Err(rustix::io::Errno::NOENT) => absent,
                Err(_) => Step::Hidden,
            };
        }
        match open_beneath(dir.as_fd(), name) {
            Ok(next) => dir = next,
            Err(rustix::io::Errno::NOENT) => return absent,
            // A file or a link: whatever is below is hidden by it.
            Err(_) => return Step::Hidden,
        }
        hides = hides || is_opaque(dir.as_fd());
    }
    Step::Absent
}
