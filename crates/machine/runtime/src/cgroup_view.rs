//! `/sys/fs/cgroup` in a container: its own groups and nothing above or beside them.
//!
//! On a v2 machine that is one mount; with v1 hierarchies it is a small tmpfs with a directory for
//! each, and links for controllers that share one. The mounts are copies of the group's own
//! directories, so their roots are the group in any cgroup namespace.

use crate::beneath::{self, Make};
use crate::cgroup::View;
use crate::channel::{At, Step};
use crate::error::Stage;
use crate::init::mounts::attach;
use crate::init::root::Root;
use crate::plan::MountStep;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use teu_sys::mount::{Change, MountAttributes, Propagation, set_attributes};

/// Mounts the view of these groups.
pub fn mount(views: &[View], step: &MountStep, root: &Root) -> Step {
    let name = step.destination.as_os_str().as_bytes();
    let target =
        beneath::make(&root.fd, &step.destination, Make::Directory).at(Stage::MountTarget, name)?;
    if let [View { unified: true, path, .. }] = views {
        let tree = copy(path, step).at(Stage::Mount, name)?;
        return attach(&tree, target.as_fd()).at(Stage::Mount, name);
    }
    let top = small_tmpfs().at(Stage::Mount, name)?;
    attach(&top, target.as_fd()).at(Stage::Mount, name)?;
    for view in views {
        add(view, step, &top).at(Stage::Mount, view.path.as_os_str().as_bytes())?;
    }
    if step.options.set.contains(MountAttributes::RDONLY) {
        let change = Change { set: MountAttributes::RDONLY, ..Change::default() };
        set_attributes(top.as_fd(), change).at(Stage::MountOptions, name)?;
    }
    Ok(())
}

fn add(view: &View, step: &MountStep, top: &OwnedFd) -> rustix::io::Result<()> {
    let name = if view.unified { "unified" } else { view.name.as_str() };
    rustix::fs::mkdirat(top, name, Mode::from_raw_mode(0o755))?;
    let tree = copy(&view.path, step)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    rustix::mount::move_mount(&tree, c"", top, name, flags)?;
    for controller in &view.controllers {
        if controller != name && !controller.contains('=') {
            rustix::fs::symlinkat(name, top, controller.as_str())?;
        }
    }
    Ok(())
}

/// A detached copy of a group's directory, as the specification wants the mount.
fn copy(path: &Path, step: &MountStep) -> rustix::io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = rustix::mount::open_tree(CWD, path, flags)?;
    let change = Change {
        set: step.options.set | step.options.set_recursive,
        clear: step.options.clear.without(step.options.set),
        propagation: Some(Propagation::Private),
        ..Change::default()
    };
    match set_attributes(tree.as_fd(), change) {
        // Access times of a mount lent by the host may be locked; nobody reads them here.
        Err(Errno::PERM) => {
            let fewer = Change { clear: MountAttributes::NONE, ..change };
            set_attributes(tree.as_fd(), fewer)?;
        }
        result => result?,
    }
    Ok(tree)
}

fn small_tmpfs() -> rustix::io::Result<OwnedFd> {
    let fs = rustix::mount::fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_string(&fs, c"mode", c"755")?;
    rustix::mount::fsconfig_create(&fs)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    rustix::mount::fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}
