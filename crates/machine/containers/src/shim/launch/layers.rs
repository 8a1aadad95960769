//! A container's layers: where they are, and a look at what they show before it runs.

use crate::Home;
use crate::record::ContainerRecord;
use crate::root::{Access, overlay};
use crate::shim::failure::Failure;
use rustix::fs::Mode;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use teu_images::{Chain, Store};
use teu_runtime::Rootfs;

/// Read-only layers and the container's own.
#[derive(Debug)]
pub(super) struct Layers {
    /// For the runtime.
    pub(super) rootfs: Rootfs,
    /// All of them, topmost first, the container's own included where it holds anything.
    shown: Vec<PathBuf>,
    /// Paths of layers that still come lead through a descriptor of it.
    _chain: Option<Chain>,
}

impl Layers {
    pub(super) fn find(home: &Home, record: &ContainerRecord) -> Result<Self, Failure> {
        let folder = home.container(&record.pod, &record.id);
        let (upper, work) = (folder.join("upper"), folder.join("work"));
        let mut lower = Vec::new();
        let mut chain = None;
        if !record.diff_ids.is_empty() {
            let store = Store::open(&home.data.join("images"))?;
            let found = store.chain_of(&record.diff_ids)?;
            lower.clone_from(&found.lower);
            chain = Some(found);
        }
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
        Ok(Self { rootfs: Rootfs::Overlay { lower, upper, work }, shown, _chain: chain })
    }

    /// The container's root as it is now, to be read: mounted nowhere, gone with the descriptor.
    pub(super) fn view(&self) -> Result<OwnedFd, Failure> {
        overlay(&self.shown, Access::Read).map_err(|error| Failure::Root(Box::new(error)))
    }
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
