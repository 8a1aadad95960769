//! The container's root file system: mounted in its own mount namespace, and made `/` there.

use crate::channel::{At, Failure, Step};
use crate::error::Stage;
use crate::plan::{RootPlan, RootSource};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags,
};
use std::ffi::{CStr, CString};
use teu_sys::mount::{Change, MountAttributes, Propagation, set_attributes};

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
        RootSource::Overlay { lower, upper, work } => overlay(lower, upper, work)?,
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

/// Layers joined by overlayfs, not yet attached anywhere.
pub fn overlay(lower: &[CString], upper: &CStr, work: &CStr) -> Step<OwnedFd> {
    let name = upper.to_bytes();
    let fs =
        rustix::mount::fsopen(c"overlay", FsOpenFlags::FSOPEN_CLOEXEC).at(Stage::Root, name)?;
    for layer in lower {
        set_path(&fs, c"lowerdir+", layer).at(Stage::Root, layer.as_bytes())?;
    }
    set_path(&fs, c"upperdir", upper).at(Stage::Root, name)?;
    set_path(&fs, c"workdir", work).at(Stage::Root, work.to_bytes())?;
    if teu_sys::namespace::is_own_user_namespace() {
        // Its marks are attributes that an ordinary user may set, and no others.
        rustix::mount::fsconfig_set_flag(&fs, c"userxattr").at(Stage::Root, name)?;
    }
    rustix::mount::fsconfig_create(&fs).map_err(|errno| {
        let subject = match kernel_message(&fs) {
            Some(message) => format!("{} ({message})", upper.to_string_lossy()),
            None => upper.to_string_lossy().into_owned(),
        };
        Failure { stage: Stage::Root, subject, errno }
    })?;
    let flags = FsMountFlags::FSMOUNT_CLOEXEC;
    rustix::mount::fsmount(&fs, flags, MountAttrFlags::empty()).at(Stage::Root, name)
}

/// A path as a parameter; one that is longer than a parameter may be goes by a descriptor.
fn set_path(fs: &OwnedFd, key: &CStr, path: &CStr) -> rustix::io::Result<()> {
    if path.to_bytes().len() <= crate::plan::mounts::VALUE_LIMIT_BYTES {
        return rustix::mount::fsconfig_set_string(fs, key, path);
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(path, flags, Mode::empty())?;
    let number = rustix::fd::AsRawFd::as_raw_fd(&directory);
    rustix::mount::fsconfig_set_string(fs, key, format!("/proc/self/fd/{number}"))
}

/// What the kernel wrote about a mount that failed.
pub fn kernel_message(fs: &OwnedFd) -> Option<String> {
    let mut buffer = [0; 512];
    let length = rustix::io::read(fs, &mut buffer[..]).ok()?;
    let text = String::from_utf8_lossy(&buffer[..length]);
    let text = text.trim();
    Some(text.strip_prefix("e ").unwrap_or(text).to_owned()).filter(|text| !text.is_empty())
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
