//! A container's root for the time of a copy.
//!
//! Of a running container it is the root of its first process, mounts of its namespace included.
//! Of a stopped one it is assembled as a start would assemble it (own layer over the image's,
//! volumes and binds at their places) in a mount namespace that belongs to one thread of ours and
//! ends with it: the host sees no mount, also when we are killed.

use crate::record::MountKind;
use crate::root::{self, Access, open_in};
use crate::{Containers, Error, Found, Result};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, MoveMountFlags, OpenTreeFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use teu_images::Chain;
use teu_sys::mount::{Change, Propagation, set_attributes};

/// A root, as long as it is needed.
#[derive(Debug)]
pub(crate) struct RootView {
    fd: OwnedFd,
    _keeper: Option<Keeper>,
}

/// The thread whose mount namespace holds the mounts.
#[derive(Debug)]
struct Keeper {
    release: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.release = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl AsFd for RootView {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What a stopped container's root is made of.
struct Parts {
    chain: Chain,
    upper: PathBuf,
    work: PathBuf,
    /// Destination and a detached copy of the source, the shorter destination first.
    mounts: Vec<(String, OwnedFd)>,
    readonly: bool,
    /// Where the root is attached in the private namespace.
    place: PathBuf,
}

impl Containers {
    /// The root of a container. Of one that does not run the pod's lock must be held, so that
    /// nobody starts it meanwhile.
    pub(crate) fn view(&self, found: &Found) -> Result<RootView> {
        if let Some(fd) = self.running_root(found)? {
            return Ok(RootView { fd, _keeper: None });
        }
        let parts = self.parts(found)?;
        let (send, receive) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("teu-copy".to_owned())
            .spawn(move || {
                let _ = send.send(assemble(&parts));
                // The namespace lives as long as this thread.
                let _ = released.recv();
            })
            .map_err(Error::io("start a thread for", Path::new("the copy")))?;
        let keeper = Keeper { release: Some(release), thread: Some(thread) };
        let fd = receive.recv().unwrap_or(Err(Errno::CANCELED));
        let fd = fd.map_err(Error::sys("assemble", &self.upper(found)))?;
        Ok(RootView { fd, _keeper: Some(keeper) })
    }

    fn parts(&self, found: &Found) -> Result<Parts> {
        let dir = self.home.container(&found.pod.id, &found.record.id);
        let mut mounts = Vec::new();
        for mount in &found.record.mounts {
            let source = match &mount.kind {
                MountKind::Volume { name, subpath, .. } => {
                    let volume = self.volumes.get(name)?;
                    match (volume.backing(), subpath) {
                        (teu_volumes::Backing::Directory, Some(path)) => volume.subpath(path)?,
                        (teu_volumes::Backing::Directory, None) => volume.root()?,
                        (teu_volumes::Backing::Bind { source, .. }, _) => open_host(&source)?,
                        (teu_volumes::Backing::Tmpfs { .. }, _) => continue,
                    }
                }
                MountKind::Bind { source, .. } => open_host(source)?,
                MountKind::Tmpfs { .. } => continue,
            };
            mounts.push((mount.destination.clone(), detached(&source)?));
        }
        mounts.sort_by_key(|(destination, _)| destination.matches('/').count());
        Ok(Parts {
            chain: self.chain(found)?,
            upper: dir.join("upper"),
            work: dir.join("work"),
            mounts,
            readonly: found.record.readonly_rootfs,
            place: self.home.tmp(),
        })
    }
}

/// A path that a person gave for the host.
fn open_host(path: &str) -> Result<OwnedFd> {
    rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(Error::sys("open", Path::new(path)))
}

/// A copy of the mount at a path, attached nowhere. Made while we are in the namespace that the mount
/// belongs to; private, so that nothing of the copy is told to the host.
fn detached(source: &OwnedFd) -> Result<OwnedFd> {
    let flags = OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    let make = || {
        let tree = rustix::mount::open_tree(source, "", flags)?;
        let change = Change {
            propagation: Some(Propagation::Private),
            recursive: true,
            ..Change::default()
        };
        set_attributes(tree.as_fd(), change)?;
        Ok(tree)
    };
    make().map_err(Error::sys("mount", Path::new("a volume or bind for the copy")))
}

/// Runs in the thread: afterwards it is in a mount namespace of its own.
fn assemble(parts: &Parts) -> Result<OwnedFd, Errno> {
    teu_sys::namespace::unshare(teu_sys::process::CloneFlags::NEW_MOUNT)?;
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let access = Access::Write { upper: &parts.upper, work: &parts.work };
    let root = root::mount_overlay(&parts.chain.lower, access, parts.readonly)?;
    let empty = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    rustix::mount::move_mount(&root, "", CWD, parts.place.as_path(), empty)?;
    for (destination, source) in &parts.mounts {
        let target = match mount_point(root.as_fd(), destination, source) {
            Ok(target) => target,
            // Its parent is a file, or the root is read-only: a start would fail, a copy need not.
            Err(Errno::NOTDIR | Errno::ROFS | Errno::LOOP) => continue,
            Err(errno) => return Err(errno),
        };
        let both = empty | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        rustix::mount::move_mount(source, "", &target, "", both)?;
    }
    Ok(root)
}

/// The place of a mount within the root, made where it is missing, as a start makes it.
fn mount_point(
    root: BorrowedFd<'_>,
    destination: &str,
    source: &OwnedFd,
) -> Result<OwnedFd, Errno> {
    match open_in(root, destination, OFlags::PATH) {
        Err(Errno::NOENT) => {}
        done => return done,
    }
    let is_dir = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(source)?.st_mode).is_dir();
    let mut at = open_in(root, "/", OFlags::PATH)?;
    let mut walked = String::new();
    let parts: Vec<&str> = destination.split('/').filter(|part| !part.is_empty()).collect();
    for (index, part) in parts.iter().enumerate() {
        walked.push('/');
        walked.push_str(part);
        let last = index + 1 == parts.len();
        let mode = Mode::from_raw_mode(if last && !is_dir { 0o644 } else { 0o755 });
        let made = match last && !is_dir {
            false => rustix::fs::mkdirat(&at, *part, mode),
            true => {
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
                rustix::fs::openat(&at, *part, flags, mode).map(drop)
            }
        };
        match made {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        at = open_in(root, &walked, OFlags::PATH)?;
    }
    Ok(at)
}
