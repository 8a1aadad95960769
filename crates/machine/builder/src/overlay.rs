//! Layers joined by overlayfs in a mount that is nowhere: it has no place in any mount namespace,
//! only a descriptor, and ends with it. Whoever walks it does so beneath that descriptor.

use crate::error::Cause;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags};
use std::path::{Path, PathBuf};
use teu_sys::mount::MountAttributes;
use teu_sys::overlay::{Namespace, Overlay};

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
    let lower: Vec<&Path> = lower.iter().map(PathBuf::as_path).collect();
    let fixed = [("metacopy", "off"), ("index", "off"), ("redirect_dir", "nofollow")];
    let mut options = fixed.to_vec();
    if teu_sys::namespace::is_own_user_namespace() {
        options.push(("userxattr", ""));
    }
    let attributes = match upper {
        Some(_) => MountAttributes::NODEV,
        None => MountAttributes::NODEV | MountAttributes::RDONLY,
    };
    let overlay = Overlay { lower: &lower, upper, options: &options, attributes };
    overlay
        .mount(Namespace::Shared)
        .map_err(|failure| Cause::io("join by overlayfs", failure.path, failure.errno))
}
