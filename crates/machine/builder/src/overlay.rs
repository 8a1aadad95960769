//! Layers joined by overlayfs in a mount that is nowhere: it has no place in any mount namespace,
//! only a descriptor, and ends with it. Whoever walks it does so beneath that descriptor.

use crate::error::Cause;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// Flags of a directory that is only walked.
pub const HANDLE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A writable view: changes go to `upper`.
pub fn writable(lower: &[PathBuf], upper: &Path, work: &Path) -> Result<OwnedFd, Cause> {
    if lower.is_empty() {
        return directory(upper);
    }
    mount(lower, Some((upper, work)))
}

/// A read-only view.
pub fn readable(lower: &[PathBuf], empty: &Path) -> Result<OwnedFd, Cause> {
    match lower {
        [] => directory(empty),
        [only] => directory(only),
        several => mount(several, None),
    }
}

fn directory(path: &Path) -> Result<OwnedFd, Cause> {
    rustix::fs::openat(CWD, path, HANDLE, Mode::empty())
        .map_err(|errno| Cause::io("open", path, errno))
}

fn mount(lower: &[PathBuf], upper: Option<(&Path, &Path)>) -> Result<OwnedFd, Cause> {
    let fail = |errno| Cause::io("mount an overlay over", &lower[0], errno);
    let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(fail)?;
    let set = |key: &str, value: &Path| {
        rustix::mount::fsconfig_set_string(context.as_fd(), key, value)
            .map_err(|errno| Cause::io("give to overlayfs", value, errno))
    };
    set("source", Path::new("overlay"))?;
    for layer in lower {
        set("lowerdir+", layer)?;
    }
    if teu_sys::namespace::is_own_user_namespace() {
        rustix::mount::fsconfig_set_flag(context.as_fd(), "userxattr").map_err(fail)?;
    }
    for (key, value) in [("metacopy", "off"), ("index", "off"), ("redirect_dir", "nofollow")] {
        set(key, Path::new(value))?;
    }
    let attributes = match upper {
        Some((upper, work)) => {
            set("upperdir", upper)?;
            set("workdir", work)?;
            MountAttrFlags::MOUNT_ATTR_NODEV
        }
        None => MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_RDONLY,
    };
    rustix::mount::fsconfig_create(context.as_fd()).map_err(fail)?;
    rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(fail)
}
