//! An overlay for a container with users of its own, without changing the owner of a single file:
//! every layer is seen through an id-mapped mount, so that root's files are the container's root's,
//! and what the container writes is stored as root's again.
//!
//! It is made by the parent, detached: only there are the rights to map ids, and still nothing is
//! mounted on the host.

use super::{invalid, mounts};
use crate::error::Error;
use crate::init::root;
use rustix::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::ffi::CString;
use std::path::{Path, PathBuf};
use teu_sys::mount::{Change, set_attributes};

/// The joined layers, mapped through a user namespace.
pub fn overlay(
    lower: &[PathBuf],
    upper: &Path,
    work: &Path,
    users: BorrowedFd<'_>,
) -> Result<OwnedFd, Error> {
    let layers: Result<Vec<_>, _> = lower.iter().map(|layer| mapped(layer, users)).collect();
    let layers = layers?;
    // Overlayfs wants both on one mount.
    let (Some(parent), Some(upper_name), Some(work_name)) =
        (upper.parent(), upper.file_name(), work.file_name())
    else {
        return Err(invalid("root.path", "the upper directory has no parent"));
    };
    if work.parent() != Some(parent) {
        return Err(invalid("root.path", "upper and work directories must lie side by side"));
    }
    let own = mapped(parent, users)?;
    let base = PathBuf::from(format!("/proc/self/fd/{}", own.as_raw_fd()));
    let text = |path: PathBuf| super::c_path(&path, "root.path");
    let lower: Vec<CString> = layers
        .iter()
        .map(|layer| text(format!("/proc/self/fd/{}", layer.as_raw_fd()).into()))
        .collect::<Result<_, _>>()?;
    let (upper, work) = (text(base.join(upper_name))?, text(base.join(work_name))?);
    // Overlayfs works with the rights of who mounts it, who must exist behind the mapping: the
    // container's root, which owns the upper directory as seen through it.
    let owner =
        rustix::fs::stat(upper.as_c_str()).map_err(system("look at the upper directory"))?;
    let own = teu_sys::process::act_on_files_as(owner.st_uid, owner.st_gid)
        .map_err(system("act as the container's root"))?;
    let mounted = root::overlay(&lower, &upper, &work);
    teu_sys::process::act_on_files_as(own.0, own.1).map_err(system("act as oneself again"))?;
    mounted.map_err(crate::channel::Failure::into_error)
}

fn system(what: &'static str) -> impl Fn(rustix::io::Errno) -> Error {
    move |error| Error::System { what, source: error.into() }
}

fn mapped(path: &Path, users: BorrowedFd<'_>) -> Result<OwnedFd, Error> {
    let tree = mounts::open_tree(path, false)?;
    let change = Change { user_namespace: Some(users), ..Change::default() };
    set_attributes(tree.as_fd(), change).map_err(|error| Error::Host {
        what: "cannot map the ids of",
        path: path.to_owned(),
        source: error.into(),
    })?;
    Ok(tree)
}
