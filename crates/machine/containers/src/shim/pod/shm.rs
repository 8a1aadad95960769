//! The pod's `/dev/shm`: memory that every container of it sees, mounted nowhere on the host.
//!
//! Each container gets a copy of the mount. Before Linux 6.15 only what is mounted somewhere can be copied:
//! there it is mounted in a mount namespace of its own, held by a descriptor and entered by a thread
//! for each copy. What is unmounted on the host is so there, too, so it holds nothing back.

use crate::record::{NamespaceMode, PodRecord};
use crate::shim::failure::Failure;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::{Errno, Result as SysResult};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::os::fd::{AsFd as _, OwnedFd};
use teu_sys::namespace::{aside, unshare};
use teu_sys::process::CloneFlags;

const DEFAULT_BYTES: u64 = 64 << 20;

#[derive(Debug)]
pub(super) struct Shm {
    mount: OwnedFd,
    /// Where it is mounted, if it has to be.
    namespace: Option<OwnedFd>,
}

impl Shm {
    /// `None` for the host's, or one of each container.
    pub(super) fn new(record: &PodRecord) -> Result<Option<Self>, Failure> {
        if record.ipc != NamespaceMode::Private {
            return Ok(None);
        }
        let bytes = match record.shm_size_bytes {
            0 => DEFAULT_BYTES.to_string(),
            bytes => bytes.to_string(),
        };
        Self::make(&bytes).map(Some).map_err(Failure::system("make the pod's /dev/shm"))
    }

    fn make(bytes: &str) -> SysResult<Self> {
        let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        for (key, value) in [("source", "shm"), ("mode", "1777"), ("size", bytes)] {
            fsconfig_set_string(context.as_fd(), key, value)?;
        }
        fsconfig_create(context.as_fd())?;
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let mount = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
        let namespace = match copy(&mount) {
            Err(Errno::INVAL) => Some(aside(|| hold(&mount))?),
            copied => copied.map(|_| None)?,
        };
        Ok(Self { mount, namespace })
    }

    /// For one container, to be kept until it has started.
    pub(super) fn copy(&self) -> Result<OwnedFd, Failure> {
        let copied = match &self.namespace {
            None => copy(&self.mount),
            Some(namespace) => aside(|| {
                // A thread that shares its working directory with others may not enter.
                unshare(CloneFlags::NEW_MOUNT)?;
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Mount))?;
                copy(&self.mount)
            }),
        };
        copied.map_err(Failure::system("share the pod's /dev/shm"))
    }
}

fn copy(mount: &OwnedFd) -> SysResult<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    rustix::mount::open_tree(mount, c"", flags)
}

/// Mounts it in a namespace of the calling thread, over a directory that every machine has; gives that
/// namespace.
fn hold(mount: &OwnedFd) -> SysResult<OwnedFd> {
    unshare(CloneFlags::NEW_MOUNT)?;
    let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", slave)?;
    let empty = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    rustix::mount::move_mount(mount, c"", CWD, c"/dev", empty)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::open("/proc/thread-self/ns/mnt", flags, Mode::empty())
}
