//! New layers: from an overlay's upper directory, or from a tar.

use super::snapshot::Record;
use super::{Store, flow};
use crate::error::{Error, Result};
use crate::tree::{self, TreeKind, TreeOptions};
use rustix::fs::{Mode, OFlags, Stat};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use teu_oci::image::Descriptor;
use teu_oci::{ChainId, Digest, media};

/// How a directory becomes a layer.
#[derive(Debug, Clone, Copy, Default)]
pub struct LayerOptions {
    /// Later modification times become this one (seconds since 1970, `SOURCE_DATE_EPOCH`).
    pub mtime_clamp: Option<i64>,
    /// The directory itself becomes the snapshot, by rename; otherwise it is left as it is and the
    /// snapshot is made when it is needed.
    pub take: bool,
}

/// A layer in the store, at its place in a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its blob.
    pub descriptor: Descriptor,
    /// The hash of its plain tar.
    pub diff_id: Digest,
    /// Its place.
    pub chain_id: ChainId,
}

impl Store {
    /// Makes a layer of an overlay's upper directory: the same tree gives the same digest.
    ///
    /// With `take` the directory must be on the store's file system and unmounted; it is gone from
    /// its place afterwards. The root directory's own mode and owner are part of the layer only
    /// where they differ from those below.
    pub fn commit_layer(
        &self,
        upper: &Path,
        parent: Option<&ChainId>,
        options: LayerOptions,
    ) -> Result<Layer> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = || rustix::fs::open(upper, flags, Mode::empty());
        let dir: OwnedFd = open().map_err(|e| Error::io("open", upper, e))?;
        let stat = rustix::fs::fstat(&dir).map_err(|e| Error::io("look at", upper, e))?;
        let tree_options = TreeOptions {
            kind: TreeKind::OverlayUpper,
            mtime_clamp: options.mtime_clamp,
            with_root: !self.is_usual_root(&stat, parent)?,
            ..TreeOptions::default()
        };
        let (ingest, diff_id, written) = flow::store(self.ingest()?, |out| {
            tree::write_counted(dir.as_fd(), &tree_options, out)
        })?;
        let descriptor = ingest.place_as(media::LAYER, &diff_id)?;
        let chain_id = ChainId::extend(parent, &diff_id);
        if options.take {
            if let Some(clamp) = options.mtime_clamp {
                tree::clamp_times(dir.as_fd(), clamp)?;
            }
            drop(dir);
            let record = Record {
                diff_id: diff_id.clone(),
                parent: parent.cloned(),
                size_bytes: written.bytes,
                entries: written.entries,
                boot: Some(super::session::boot_id()),
            };
            self.adopt(upper, &chain_id, &record)?;
        }
        Ok(Layer { descriptor, diff_id, chain_id })
    }

    /// Makes a layer of a tar (plain or compressed: recognised by its first bytes), which is stored
    /// plain, and unpacks it in the same pass.
    pub fn layer_from_tar(
        &self,
        tar: &mut (dyn Read + Send),
        parent: Option<&ChainId>,
    ) -> Result<Layer> {
        let below = match parent {
            Some(parent) => super::image::chain_ids(&self.diff_ids_of(parent)?),
            None => Vec::new(),
        };
        let flowed = self.unpack_stream(tar, None, Some(self.ingest()?))?;
        let diff_id = flowed.diff_id;
        let chain_id = ChainId::extend(parent, &diff_id);
        let Some(plain) = flowed.plain else {
            return Err(Error::Missing { digest: diff_id, what: "a layer" });
        };
        // What the layers below refuse leaves no blob behind.
        self.publish(flowed.answer, &below, &chain_id, &diff_id)?;
        let descriptor = plain.place_as(media::LAYER, &diff_id)?;
        Ok(Layer { descriptor, diff_id, chain_id })
    }

    /// Says whether a root directory looks like the one below, so that the layer need not tell.
    fn is_usual_root(&self, stat: &Stat, parent: Option<&ChainId>) -> Result<bool> {
        let same = |mode: u32, uid: u32, gid: u32| {
            (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid) == (mode & 0o7777, uid, gid)
        };
        let Some(parent) = parent else { return Ok(same(0o755, 0, 0)) };
        let layers = self.open_layers(std::slice::from_ref(parent))?;
        let Some(top) = layers.first() else { return Ok(true) };
        let below = rustix::fs::fstat(top)
            .map_err(|e| Error::io("look at", self.snapshot_path(parent), e))?;
        Ok(same(below.st_mode, below.st_uid, below.st_gid))
    }
}
