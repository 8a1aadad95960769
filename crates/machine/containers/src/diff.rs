//! `diff`: what a container's own layer says against its image.
//!
//! Only the layer is walked, never the image: the cost is that of the changes. A directory on the
//! way to a change is changed itself, as Docker shows it. Mount points that a start made are not the
//! container's doing and are left out.

use crate::copy::TarStream;
use crate::root::{Access, open_in, overlay};
use crate::{Containers, Error, Found, Result};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use teu_images::tree::{TreeOptions, write_tree};

/// Deepest directory that is walked.
const DEPTH_LIMIT: usize = 1024;
/// Stack for so many; only what is touched becomes memory.
const STACK_BYTES: usize = 32 << 20;
/// What every start makes in a root that lacks it.
const MADE_BY_START: [&str; 12] = [
    "/dev",
    "/proc",
    "/sys",
    "/etc",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/dev/pts",
    "/dev/shm",
    "/dev/mqueue",
    "/dev/console",
    "/.teu-init",
];

/// A path that differs from the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `A`, `C` or `D`.
    pub kind: char,
    /// Absolute.
    pub path: PathBuf,
}

impl Containers {
    /// What it has changed in its root, by path.
    pub fn diff(&self, name: &str) -> Result<Vec<Change>> {
        let found = self.find(name)?;
        let upper = self.upper(&found);
        let chain = self.chain(&found)?;
        let lower = &chain.lower;
        let image = if lower.is_empty() { None } else { Some(overlay(lower, Access::Read)?) };
        changes(&upper, image, &mount_points(&found))
    }

    /// Its whole root as a tar, without what is mounted in it.
    pub fn export(&self, name: &str) -> Result<TarStream> {
        let found = self.find(name)?;
        let mount = self.stopped_root(&found)?;
        // What `fsmount` gives cannot be read itself.
        let root = open_in(mount.as_fd(), "/", OFlags::RDONLY | OFlags::DIRECTORY)
            .map_err(Error::sys("open", &self.upper(&found)))?;
        TarStream::start(root, |root, out| {
            write_tree(root.as_fd(), &TreeOptions::default(), out).map(drop)
        })
        .map_err(Error::io("start", Path::new("the tar")))
    }
}

/// Places that a start makes where the image lacks them.
fn mount_points(found: &Found) -> BTreeSet<PathBuf> {
    let mut all: BTreeSet<PathBuf> = MADE_BY_START.iter().map(PathBuf::from).collect();
    for mount in &found.record.mounts {
        all.extend(Path::new(&mount.destination).ancestors().map(Path::to_owned));
    }
    for device in &found.record.devices {
        all.insert(PathBuf::from(&device.path));
    }
    all
}

fn changes(upper: &Path, image: Option<OwnedFd>, made: &BTreeSet<PathBuf>) -> Result<Vec<Change>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let top = rustix::fs::open(upper, flags, Mode::empty()).map_err(Error::sys("open", upper))?;
    let mut walk = Walk { made, changes: Vec::new() };
    // As deep as directories may be, on a stack of its own: an engine's threads have small ones.
    let walked = std::thread::scope(|scope| {
        let deep = std::thread::Builder::new().stack_size(STACK_BYTES);
        let walk = || walk.directory(&top, image.as_ref(), Path::new("/"), false);
        let thread = deep.spawn_scoped(scope, walk).map_err(Error::io("walk", upper))?;
        let walked = thread.join().unwrap_or(Err(Errno::CANCELED));
        walked.map_err(Error::sys("read", upper))
    });
    walked?;
    walk.changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(walk.changes)
}

struct Walk<'a> {
    made: &'a BTreeSet<PathBuf>,
    changes: Vec<Change>,
}

impl Walk<'_> {
    fn holds_made(&self, path: &Path) -> bool {
        self.made.iter().any(|made| made.parent() == Some(path))
    }

    fn note(&mut self, kind: char, path: PathBuf) {
        self.changes.push(Change { kind, path });
    }

    /// Walks a directory of the layer. Says whether something in it is a change.
    fn directory(
        &mut self,
        upper: &OwnedFd,
        image: Option<&OwnedFd>,
        path: &Path,
        opaque: bool,
    ) -> Result<bool, Errno> {
        if path.components().count() > DEPTH_LIMIT {
            return Err(Errno::NAMETOOLONG);
        }
        let mut changed = false;
        let mut present = BTreeSet::new();
        for name in names(upper)? {
            changed |= self.entry(upper, image, path, &name)?;
            present.insert(name);
        }
        if let (true, Some(image)) = (opaque, image) {
            for name in names(image)? {
                if !present.contains(&name) {
                    self.note('D', path.join(name));
                    changed = true;
                }
            }
        }
        Ok(changed)
    }

    fn entry(
        &mut self,
        upper: &OwnedFd,
        image: Option<&OwnedFd>,
        dir: &Path,
        name: &OsString,
    ) -> Result<bool, Errno> {
        let path = dir.join(name);
        let stat = rustix::fs::statat(upper, name.as_os_str(), AtFlags::SYMLINK_NOFOLLOW)?;
        let old = image.and_then(|image| {
            rustix::fs::statat(image, name.as_os_str(), AtFlags::SYMLINK_NOFOLLOW).ok()
        });
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::CharacterDevice && stat.st_rdev == 0 {
            if old.is_some() {
                self.note('D', path);
            }
            return Ok(old.is_some());
        }
        if !kind.is_dir() {
            let empty = stat.st_size == 0 || kind == FileType::CharacterDevice;
            if old.is_none() && empty && self.made.contains(&path) {
                return Ok(false);
            }
            self.note(if old.is_some() { 'C' } else { 'A' }, path);
            return Ok(true);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let child = rustix::fs::openat(upper, name.as_os_str(), flags, Mode::empty())?;
        let below = match (image, old) {
            (Some(image), Some(old)) if FileType::from_raw_mode(old.st_mode).is_dir() => {
                rustix::fs::openat(image, name.as_os_str(), flags, Mode::empty()).ok()
            }
            _ => None,
        };
        let at = self.changes.len();
        let inside = self.directory(&child, below.as_ref(), &path, is_opaque(&child))?;
        let kind = match (old, below) {
            (None, _) if !inside && self.made.contains(&path) => return Ok(false),
            (None, _) => 'A',
            (Some(old), Some(_)) if !inside && same(&stat, &old) => return Ok(false),
            // A start puts files of its own there, which changes its time.
            (Some(old), Some(_)) if !inside && self.holds_made(&path) && alike(&stat, &old) => {
                return Ok(false);
            }
            (Some(_), _) => 'C',
        };
        self.changes.insert(at, Change { kind, path });
        Ok(true)
    }
}

/// Mode and owner are what they were.
fn alike(new: &Stat, old: &Stat) -> bool {
    (new.st_mode, new.st_uid, new.st_gid) == (old.st_mode, old.st_uid, old.st_gid)
}

/// A directory that a copy-up made without a change.
fn same(new: &Stat, old: &Stat) -> bool {
    (new.st_mode, new.st_uid, new.st_gid) == (old.st_mode, old.st_uid, old.st_gid)
        && (new.st_mtime, new.st_mtime_nsec) == (old.st_mtime, old.st_mtime_nsec)
}

fn is_opaque(dir: &OwnedFd) -> bool {
    // In an ordinary user's overlay the mark is one that such a user may set.
    let name = match teu_sys::namespace::is_own_user_namespace() {
        true => "user.overlay.opaque",
        false => "trusted.overlay.opaque",
    };
    let mut value = [0_u8; 1];
    let read = rustix::fs::fgetxattr(dir, name, &mut value[..]);
    matches!(read, Ok(1)) && value[0] == b'y'
}

fn names(dir: &OwnedFd) -> Result<Vec<OsString>, Errno> {
    // A descriptor of its own: reading moves its place.
    let dir = open_in(dir.as_fd(), ".", OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::new(dir)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name));
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
