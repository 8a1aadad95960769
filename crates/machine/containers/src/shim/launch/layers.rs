//! A container's layers: where they are, and a look at what they show before it runs.

use crate::Home;
use crate::record::ContainerRecord;
use crate::shim::failure::Failure;
use crate::shim::pod;
use rustix::fs::{Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount,
    fsopen,
};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use teu_images::Store;
use teu_runtime::Rootfs;

/// Read-only layers and the container's own.
#[derive(Debug)]
pub(super) struct Layers {
    /// For the runtime.
    pub(super) rootfs: Rootfs,
    /// All of them, topmost first, the container's own included where it holds anything.
    shown: Vec<PathBuf>,
}

impl Layers {
    pub(super) fn find(home: &Home, record: &ContainerRecord) -> Result<Self, Failure> {
        let folder = home.container(&record.pod, &record.id);
        let (upper, work) = (folder.join("upper"), folder.join("work"));
        let mut lower = Store::open(&home.data.join("images"))?.chain_of(&record.diff_ids)?.lower;
        make(&upper, lower.first().map(PathBuf::as_path))?;
        make(&work, None)?;
        if lower.is_empty() {
            // Overlayfs wants a layer beneath, even for an image without any.
            let empty = folder.join("empty");
            make(&empty, None)?;
            lower.push(empty);
        }
        let fresh =
            std::fs::read_dir(&upper).map_err(Failure::io("list", &upper))?.next().is_none();
        let mut shown = lower.clone();
        if !fresh {
            shown.insert(0, upper.clone());
        }
        Ok(Self { rootfs: Rootfs::Overlay { lower, upper, work }, shown })
    }

    /// The container's root as it is now, to be read: mounted nowhere, gone with the descriptor.
    pub(super) fn view(&self) -> Result<OwnedFd, Failure> {
        if let [only] = self.shown.as_slice() {
            return pod::open(only, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW);
        }
        // By descriptor: the kernel takes at most 255 bytes a path here.
        let layers = self
            .shown
            .iter()
            .map(|layer| pod::open(layer, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW))
            .collect::<Result<Vec<_>, _>>()?;
        overlay(&layers).map_err(Failure::system("join the layers of the container's root"))
    }
}

fn overlay(layers: &[OwnedFd]) -> rustix::io::Result<OwnedFd> {
    let paths: Vec<String> = layers.iter().map(pod::descriptor).collect();
    let open = || {
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(context.as_fd(), "source", "teu")?;
        Ok::<_, rustix::io::Errno>(context)
    };
    let mut context = open()?;
    let each = paths
        .iter()
        .try_for_each(|path| fsconfig_set_string(context.as_fd(), "lowerdir+", path.as_str()));
    if each.is_err() {
        // Before Linux 6.8 all layers are one option.
        context = open()?;
        fsconfig_set_string(context.as_fd(), "lowerdir", paths.join(":"))?;
    }
    fsconfig_create(context.as_fd())?;
    fsmount(
        context.as_fd(),
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NODEV,
    )
}

/// Makes a directory that may be there; a new one is owned and permitted like `model`.
fn make(path: &Path, model: Option<&Path>) -> Result<(), Failure> {
    match std::fs::create_dir(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(Failure::io("create", path)(error)),
    }
    if let Some(model) = model {
        let facts = rustix::fs::lstat(model).map_err(Failure::errno("read", model))?;
        let (owner, group) = (facts.st_uid, facts.st_gid);
        std::os::unix::fs::lchown(path, Some(owner), Some(group))
            .map_err(Failure::io("set the owner of", path))?;
        let mode = Mode::from_raw_mode(facts.st_mode & 0o7777);
        rustix::fs::chmod(path, mode).map_err(Failure::errno("set the mode of", path))?;
    }
    Ok(())
}
