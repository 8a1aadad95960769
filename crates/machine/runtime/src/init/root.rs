//! The container's root file system: mounted in its own mount namespace, and made `/` there.

use crate::channel::{At, Failure, Step};
use crate::error::Stage;
use crate::plan::{RootPlan, RootSource};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags};
use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use teu_sys::mount::{Change, MountAttributes, Propagation, set_attributes};
use teu_sys::overlay::{Namespace, Overlay};

/// The root while the container is made.
#[derive(Debug)]
pub struct Root {
    /// The mount's own directory.
    pub fd: OwnedFd,
    /// `/proc`, when it was mounted: the kernel's, whatever covers it.
    pub proc: Option<OwnedFd>,
    /// `/dev/pts`, when it was mounted.
    pub devpts: Option<OwnedFd>,
    /// What mounts without a propagation of their own get.
    pub propagation: (Propagation, bool),
}

/// Flags of `/`, as mount(2) takes them.
fn flags((kind, recursive): (Propagation, bool)) -> MountPropagationFlags {
    let kind = match kind {
        Propagation::Shared => MountPropagationFlags::SHARED,
        Propagation::Slave => MountPropagationFlags::DOWNSTREAM,
        Propagation::Private => MountPropagationFlags::PRIVATE,
        Propagation::Unbindable => MountPropagationFlags::UNBINDABLE,
    };
    if recursive { kind | MountPropagationFlags::REC } else { kind }
}

/// Separates the namespace's mounts from the host's, and mounts the root file system.
pub fn prepare(plan: &RootPlan) -> Step<Root> {
    rustix::mount::mount_change("/", flags(plan.propagation)).at(Stage::Propagation, "/")?;
    let fd = match &plan.source {
        RootSource::Directory(path) => {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE
                | OpenTreeFlags::OPEN_TREE_CLOEXEC
                | OpenTreeFlags::AT_RECURSIVE;
            rustix::mount::open_tree(CWD, path.as_c_str(), flags)
                .at(Stage::Root, path.as_bytes())?
        }
        RootSource::Tree(tree) => {
            rustix::io::fcntl_dupfd_cloexec(tree, 3).at(Stage::Root, plan.target.as_bytes())?
        }
        RootSource::Overlay { lower, upper, work } => overlay(lower, upper, work, Namespace::Own)?,
    };
    // pivot_root refuses a root that is shared, and nobody outside should see what is mounted here.
    let change = Change {
        propagation: Some(match plan.propagation.0 {
            Propagation::Shared | Propagation::Slave => Propagation::Slave,
            _ => Propagation::Private,
        }),
        recursive: true,
        ..Change::default()
    };
    set_attributes(fd.as_fd(), change).at(Stage::Propagation, "the root file system")?;
    attach_at(&fd, &plan.target).at(Stage::Root, plan.target.as_bytes())?;
    Ok(Root { fd, proc: None, devpts: None, propagation: plan.propagation })
}

fn attach_at(mount: &OwnedFd, target: &CStr) -> rustix::io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
    rustix::mount::move_mount(mount, c"", CWD, target, flags)
}

fn path(text: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(text.to_bytes()))
}

/// Layers joined by overlayfs, not yet attached anywhere.
pub fn overlay(
    lower: &[CString],
    upper: &CStr,
    work: &CStr,
    namespace: Namespace,
) -> Step<OwnedFd> {
    let lower: Vec<&Path> = lower.iter().map(|layer| path(layer)).collect();
    // Its marks are then attributes that an ordinary user may set, and no others.
    let options: &[_] = match teu_sys::namespace::is_own_user_namespace() {
        true => &[("userxattr", "")],
        false => &[],
    };
    let overlay = Overlay {
        lower: &lower,
        upper: Some((path(upper), path(work))),
        options,
        attributes: MountAttributes::NONE,
    };
    overlay.mount(namespace).map_err(|failure| {
        let subject = match failure.message {
            Some(message) => format!("{} ({message})", failure.path.display()),
            None => failure.path.display().to_string(),
        };
        Failure { stage: Stage::Root, subject, errno: failure.errno }
    })
}

/// Makes the container's root the root, and forgets the host's.
pub fn change(root: &Root, plan: &RootPlan) -> Step {
    rustix::process::fchdir(&root.fd).at(Stage::Pivot, "")?;
    if plan.no_pivot {
        rustix::mount::move_mount(
            &root.fd,
            c"",
            CWD,
            c"/",
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
        )
        .at(Stage::Pivot, "")?;
        rustix::process::chroot(c".").at(Stage::Pivot, "")?;
    } else {
        // The old root comes to lie on the new one, at the same place, and is taken off.
        rustix::process::pivot_root(c".", c".").at(Stage::Pivot, "")?;
        rustix::mount::unmount(c".", UnmountFlags::DETACH).at(Stage::Pivot, "old root")?;
    }
    rustix::process::chdir(c"/").at(Stage::Pivot, "/")?;
    // A root that is to be seen from outside, or to see it, becomes so now.
    if plan.propagation.0 != Propagation::Slave && plan.propagation.0 != Propagation::Private {
        let change = Change {
            propagation: Some(plan.propagation.0),
            recursive: plan.propagation.1,
            ..Change::default()
        };
        set_attributes(root.fd.as_fd(), change).at(Stage::Propagation, "/")?;
    }
    if plan.readonly {
        let change = Change { set: MountAttributes::RDONLY, ..Change::default() };
        match set_attributes(root.fd.as_fd(), change) {
            Err(Errno::PERM) if is_readonly() => {}
            result => result.at(Stage::ReadOnlyRoot, "")?,
        }
    }
    Ok(())
}

fn is_readonly() -> bool {
    rustix::fs::statvfs(c"/")
        .is_ok_and(|status| status.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}
