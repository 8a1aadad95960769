//! An overlay for a container with users of its own, without changing the owner of a single file:
//! every layer is seen through an id-mapped mount, so that root's files are the container's root's,
//! and what the container writes is stored as root's again.
//!
//! It is made by the parent: only there are the rights to map ids. Overlayfs takes layers of its own mount
//! namespace (before Linux 6.15 no others), so the mapped ones cover the layers in a namespace
//! that nobody else sees and that ends with the work; on the host nothing is mounted.

use super::{invalid, mounts};
use crate::error::Error;
use crate::init::root;
use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, MoveMountFlags};
use std::ffi::CString;
use std::path::{Path, PathBuf};
use teu_sys::mount::{Change, set_attributes};
use teu_sys::overlay::Namespace;
use teu_sys::process::CloneFlags;

/// The joined layers, mapped through a user namespace.
pub fn overlay(
    lower: &[PathBuf],
    upper: &Path,
    work: &Path,
    users: BorrowedFd<'_>,
) -> Result<OwnedFd, Error> {
    // Overlayfs wants both on one mount.
    let Some(own) = upper.parent() else {
        return Err(invalid("root.path", "the upper directory has no parent"));
    };
    if work.parent() != Some(own) {
        return Err(invalid("root.path", "upper and work directories must lie side by side"));
    }
    let text = |path: &Path| super::c_path(path, "root.path");
    let layers: Vec<CString> = lower.iter().map(|layer| text(layer)).collect::<Result<_, _>>()?;
    let (upper, work) = (text(upper)?, text(work)?);
    teu_sys::namespace::aside(|| {
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        teu_sys::namespace::unshare(CloneFlags::NEW_MOUNT)
            .and_then(|()| rustix::mount::mount_change("/", private))
            .map_err(system("make a mount namespace"))?;
        let places = lower.iter().map(PathBuf::as_path).chain([own]);
        let mapped = places.map(|place| Ok((place, mapped(place, users)?)));
        for (place, tree) in mapped.collect::<Result<Vec<_>, Error>>()? {
            let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
            rustix::mount::move_mount(&tree, "", CWD, place, flags)
                .map_err(system("cover a layer by itself"))?;
        }
        // Overlayfs works with the rights of who mounts it, who must exist behind the mapping: the
        // container's root, which owns the upper directory as seen through it.
        let owner =
            rustix::fs::stat(upper.as_c_str()).map_err(system("look at the upper directory"))?;
        teu_sys::process::act_on_files_as(owner.st_uid, owner.st_gid)
            .map_err(system("act as the container's root"))?;
        root::overlay(&layers, &upper, &work, Namespace::Own)
            .map_err(crate::channel::Failure::into_error)
    })
}

fn system(what: &'static str) -> impl Fn(Errno) -> Error {
    move |error| Error::System { what, source: error.into() }
}

fn mapped(path: &Path, users: BorrowedFd<'_>) -> Result<OwnedFd, Error> {
    let tree = mounts::open_tree(path, false)?;
    let change = Change { user_namespace: Some(users), ..Change::default() };
    set_attributes(tree.as_fd(), change).map_err(|error| Error::Host {
        what: match error {
            Errno::INVAL => "this kernel maps no ids on the file system of",
            _ => "cannot map the ids of",
        },
        path: path.to_owned(),
        source: error.into(),
    })?;
    Ok(tree)
}
