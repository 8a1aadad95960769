//! Layers joined by overlayfs in a mount that is nowhere: a descriptor, until somebody attaches it.
//!
//! Since Linux 6.7 layers are given one by one, and neither their number nor their names are limited by a
//! page of text. Older kernels (Debian 12 has 6.1, Ubuntu 22.04 5.15, RHEL 9 5.14) take them as one
//! text by `mount(2)`, which needs a place: it is made in a mount namespace that nobody else sees, taken
//! from there as a descriptor, and the place goes.

use crate::mount::{Change, MountAttributes, VALUE_LIMIT_BYTES, set_attributes, words};
use crate::namespace::{aside, unshare};
use crate::process::CloneFlags;
use rustix::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, OpenTreeFlags,
    UnmountFlags,
};
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Layers and what becomes of changes.
#[derive(Debug, Clone, Copy)]
pub struct Overlay<'a> {
    /// The topmost first; at least one, and two where nothing can be written.
    pub lower: &'a [&'a Path],
    /// Where changes go, and a directory of the same file system that overlayfs uses for them.
    pub upper: Option<(&'a Path, &'a Path)>,
    /// Options and their values; `""` for those that have none.
    pub options: &'a [(&'a str, &'a str)],
    /// Of the mount.
    pub attributes: MountAttributes,
}

/// The mount namespace of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// Others see it, too: nothing may be mounted there.
    Shared,
    /// Its own, and nothing it mounts there goes elsewhere.
    Own,
}

/// Why there is no overlay.
#[derive(Debug)]
pub struct Failure {
    /// The layer, or the topmost for all of them.
    pub path: PathBuf,
    /// The kernel's number.
    pub errno: Errno,
    /// What the kernel has to say, if it does.
    pub message: Option<String>,
}

type Result<T> = std::result::Result<T, Failure>;

/// Marks the layer that an error is about.
fn of(path: &Path) -> impl Fn(Errno) -> Failure {
    move |errno| Failure { path: path.to_owned(), errno, message: None }
}

impl Overlay<'_> {
    /// Mounts it nowhere.
    ///
    /// # Errors
    /// The kernel's, with the layer where it is known: `ENOENT`, `EINVAL` for what cannot be one,
    /// `ELOOP`, `EPERM`; `EINVAL` without layers.
    pub fn mount(&self, namespace: Namespace) -> Result<OwnedFd> {
        if takes_layers() {
            return self.mount_nowhere();
        }
        match namespace {
            Namespace::Own => self.mount_in_place(),
            Namespace::Shared => aside(|| {
                let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
                unshare(CloneFlags::NEW_MOUNT)
                    .and_then(|()| rustix::mount::mount_change("/", private))
                    .map_err(of(self.top()?))?;
                self.mount_in_place()
            }),
        }
    }

    fn top(&self) -> Result<&Path> {
        self.lower.first().copied().ok_or_else(|| of(Path::new(""))(Errno::INVAL))
    }

    /// The layers one by one.
    fn mount_nowhere(&self) -> Result<OwnedFd> {
        let top = self.top()?;
        let fs = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(of(top))?;
        for layer in self.lower {
            set_path(&fs, "lowerdir+", layer).map_err(of(layer))?;
        }
        if let Some((upper, work)) = self.upper {
            set_path(&fs, "upperdir", upper).map_err(of(upper))?;
            set_path(&fs, "workdir", work).map_err(of(work))?;
        }
        let configure = || -> rustix::io::Result<OwnedFd> {
            rustix::mount::fsconfig_set_string(&fs, "source", "overlay")?;
            for (key, value) in self.options {
                match *value {
                    "" => rustix::mount::fsconfig_set_flag(&fs, *key)?,
                    value => rustix::mount::fsconfig_set_string(&fs, *key, value)?,
                }
            }
            rustix::mount::fsconfig_create(&fs)?;
            // What rustix has no name for is none of the caller's business either.
            let attributes = u32::try_from(self.attributes.0).map_err(|_| Errno::INVAL)?;
            let attributes = MountAttrFlags::from_bits_retain(attributes);
            rustix::mount::fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        };
        configure().map_err(|errno| {
            let path = self.upper.map_or(top, |(upper, _)| upper).to_owned();
            Failure { path, errno, message: words(&fs) }
        })
    }

    /// Over the topmost layer, in a namespace where nobody looks for that, and away from there.
    fn mount_in_place(&self) -> Result<OwnedFd> {
        let place = self.top()?;
        // Descriptors, since text is scarce: a page for all of it. They are opened here, as overlayfs takes
        // no mount of another namespace.
        let open = |path: &Path| rustix::fs::open(path, DIRECTORY, Mode::empty()).map_err(of(path));
        let lower = self.lower.iter().map(|layer| open(layer)).collect::<Result<Vec<_>>>()?;
        let upper = self.upper.map(|(upper, work)| Ok((open(upper)?, open(work)?))).transpose()?;
        let name = |fd: &OwnedFd| format!("/proc/self/fd/{}", fd.as_raw_fd());
        let names: Vec<_> = lower.iter().map(name).collect();
        let mut data = format!("lowerdir={}", names.join(":"));
        if let Some((upper, work)) = &upper {
            data += &format!(",upperdir={},workdir={}", name(upper), name(work));
        }
        for (key, value) in self.options {
            data += &match *value {
                "" => format!(",{key}"),
                value => format!(",{key}={value}"),
            };
        }
        let attach = || {
            let data = CString::new(data).map_err(|_| Errno::INVAL)?;
            let flags = MountFlags::empty();
            rustix::mount::mount("overlay", place, "overlay", flags, data.as_c_str())?;
            let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
            let mount = rustix::mount::open_tree(CWD, place, flags);
            rustix::mount::unmount(place, UnmountFlags::DETACH)?;
            let mount = mount?;
            let change = Change { set: self.attributes, ..Change::default() };
            set_attributes(mount.as_fd(), change)?;
            Ok(mount)
        };
        attach().map_err(of(self.upper.map_or(place, |(upper, _)| upper)))
    }
}

/// A path as a value; one that is longer than a value may be goes by a descriptor.
fn set_path(fs: &OwnedFd, key: &str, path: &Path) -> rustix::io::Result<()> {
    if path.as_os_str().len() <= VALUE_LIMIT_BYTES {
        return rustix::mount::fsconfig_set_string(fs, key, path);
    }
    let directory = rustix::fs::open(path, DIRECTORY, Mode::empty())?;
    let name = format!("/proc/self/fd/{}", directory.as_raw_fd());
    rustix::mount::fsconfig_set_string(fs, key, name)
}

/// 0: not looked yet; 1: one by one; 2: as one text.
static LAYERS: AtomicU8 = AtomicU8::new(0);

/// Whether this kernel takes layers one by one.
fn takes_layers() -> bool {
    match LAYERS.load(Ordering::Relaxed) {
        0 => {
            let takes = ask().is_ok();
            LAYERS.store(if takes { 1 } else { 2 }, Ordering::Relaxed);
            takes
        }
        known => known == 1,
    }
}

/// Before 6.5 overlayfs has no parameters of its own, and whatever is said is taken until the end; after
/// that it knows what it knows.
fn ask() -> rustix::io::Result<()> {
    let fs = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_string(&fs, "lowerdir+", "/")?;
    match rustix::mount::fsconfig_set_string(&fs, "no such option", "") {
        Ok(()) => Err(Errno::INVAL),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
