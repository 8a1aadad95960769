//! The layers of one image as a file system: a directory for each, named by its chain, with the files
//! that its table tells of.
//!
//! A file's bytes come from the registry until its layer has been unpacked, and from the snapshot
//! afterwards. What comes from the registry is hashed, piece by piece, before anybody sees it; a piece
//! that differs from the table is an I/O error.

use super::coming::{Coming, Traffic};
use super::nodes::{Content, Node, Piece};
use crate::error::{Error, Result};
use crate::store::blob::Hasher;
use rustix::fs::{OFlags, ResolveFlags};
use rustix::io::Errno;
use std::collections::{HashMap, VecDeque};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, OnceLock};
use teu_fuse::{Attributes, Name, ROOT, Tree};

/// Plain bytes that are kept for the next reader.
const KEPT_BYTES: usize = 64 << 20;

/// One layer.
#[derive(Debug)]
pub struct LayerFiles {
    /// The chain that it ends, in hex.
    pub name: Vec<u8>,
    /// Its nodes, the root first.
    pub nodes: Vec<Node>,
    /// Its blob.
    pub blob: Coming,
    /// Its files, once they are all here.
    pub unpacked: OnceLock<OwnedFd>,
}

/// All of them.
#[derive(Debug)]
pub struct Files {
    layers: Vec<LayerFiles>,
    /// The first node of each layer.
    first: Vec<u64>,
    /// Who waits for the network.
    pub traffic: Traffic,
    kept: Mutex<Kept>,
}

/// A layer, a node and a piece.
type Key = (usize, usize, usize);
type Slot = Arc<Mutex<Option<Arc<Vec<u8>>>>>;

#[derive(Debug, Default)]
struct Kept {
    slots: HashMap<Key, Slot>,
    order: VecDeque<(Key, usize)>,
    bytes: usize,
}

impl Files {
    /// Over these layers, lowest first.
    pub fn new(layers: Vec<LayerFiles>) -> Self {
        let mut next = ROOT + 1;
        let first = layers
            .iter()
            .map(|layer| {
                let first = next;
                next += layer.nodes.len() as u64;
                first
            })
            .collect();
        Self { layers, first, traffic: Traffic::default(), kept: Mutex::default() }
    }

    /// The layers, lowest first.
    pub fn layers(&self) -> &[LayerFiles] {
        &self.layers
    }

    /// The layer and the place in it of a node that is not the root.
    fn find(&self, node: u64) -> Result<(usize, usize), Errno> {
        let layer = self.first.partition_point(|&first| first <= node);
        let layer = layer.checked_sub(1).ok_or(Errno::NOENT)?;
        let place = usize::try_from(node - self.first[layer]).map_err(|_| Errno::NOENT)?;
        match place < self.layers[layer].nodes.len() {
            true => Ok((layer, place)),
            false => Err(Errno::NOENT),
        }
    }

    fn node(&self, node: u64) -> Result<&Node, Errno> {
        let (layer, place) = self.find(node)?;
        Ok(&self.layers[layer].nodes[place])
    }

    /// A whole piece, from those that are kept or from the network.
    fn piece(&self, key: Key, piece: &Piece) -> Result<Arc<Vec<u8>>> {
        let slot = {
            let mut kept = self.kept.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            kept.slots.entry(key).or_default().clone()
        };
        let mut held = slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(bytes) = &*held {
            return Ok(bytes.clone());
        }
        let bytes = Arc::new(self.layers[key.0].piece(piece, &self.traffic)?);
        *held = Some(bytes.clone());
        drop(held);
        self.keep(key, bytes.len());
        Ok(bytes)
    }

    fn keep(&self, key: Key, bytes: usize) {
        let mut kept = self.kept.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        kept.order.push_back((key, bytes));
        kept.bytes += bytes;
        while kept.bytes > KEPT_BYTES
            && let Some((old, bytes)) = kept.order.pop_front()
        {
            kept.slots.remove(&old);
            kept.bytes -= bytes;
        }
    }
}

impl LayerFiles {
    /// Fetches, unpacks and checks a piece.
    fn piece(&self, piece: &Piece, traffic: &Traffic) -> Result<Vec<u8>> {
        let packed = self.blob.read(piece.blob.clone(), traffic)?;
        let failed = |e| Error::stream("unpack a piece of a layer", e);
        let mut gzip = flate2::read::GzDecoder::new(&packed[..]);
        let skipped = std::io::copy(&mut (&mut gzip).take(piece.inner), &mut std::io::sink());
        skipped.map_err(failed)?;
        let length = piece.file.end - piece.file.start;
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        gzip.take(length).read_to_end(&mut bytes).map_err(failed)?;
        let mut hasher = Hasher::like(&piece.digest);
        hasher.update(&bytes);
        let (expected, found) = (piece.digest.clone(), hasher.finish());
        match expected == found {
            true => Ok(bytes),
            false => Err(Error::Mismatch { what: "a piece of a layer", expected, found }),
        }
    }
}

/// Reads from a snapshot, where no component of the path is a link.
fn unpacked(root: &OwnedFd, path: &[u8], offset: u64, out: &mut [u8]) -> Result<usize, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = std::fs::File::from(teu_sys::beneath::openat2(root, path, flags, resolve)?);
    let mut done = 0;
    while done < out.len() {
        match file.read_at(&mut out[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(length) => done += length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return Err(Errno::IO),
        }
    }
    Ok(done)
}

impl Tree for Files {
    fn attributes(&self, node: u64) -> Result<Attributes, Errno> {
        if node == ROOT {
            let mode = super::nodes::DIRECTORY | 0o755;
            return Ok(Attributes { node, mode, links: 1, ..Attributes::default() });
        }
        let found = self.node(node)?;
        Ok(Attributes {
            node,
            size: found.size,
            mode: found.mode,
            links: found.links,
            uid: found.uid,
            gid: found.gid,
            device: found.device,
            mtime: found.mtime,
            mtime_nanoseconds: 0,
        })
    }

    fn lookup(&self, directory: u64, name: &[u8]) -> Result<u64, Errno> {
        if directory == ROOT {
            let found = self.layers.iter().position(|layer| layer.name == name);
            return found.map(|layer| self.first[layer]).ok_or(Errno::NOENT);
        }
        let (layer, place) = self.find(directory)?;
        match &self.layers[layer].nodes[place].content {
            Content::Directory(names) => match names.get(name) {
                Some(&place) => Ok(self.first[layer] + place as u64),
                None => Err(Errno::NOENT),
            },
            _ => Err(Errno::NOTDIR),
        }
    }

    fn list(&self, directory: u64) -> Result<Vec<Name<'_>>, Errno> {
        if directory == ROOT {
            let layers = self.layers.iter().zip(&self.first);
            return Ok(layers.map(|(layer, &node)| Name { name: &layer.name, node }).collect());
        }
        let (layer, place) = self.find(directory)?;
        let Content::Directory(names) = &self.layers[layer].nodes[place].content else {
            return Err(Errno::NOTDIR);
        };
        let first = self.first[layer];
        let named = names.iter().map(|(name, &place)| Name { name, node: first + place as u64 });
        Ok(named.collect())
    }

    fn target(&self, node: u64) -> Result<&[u8], Errno> {
        match &self.node(node)?.content {
            Content::Link(target) => Ok(target),
            _ => Err(Errno::INVAL),
        }
    }

    fn read(&self, node: u64, offset: u64, length: usize, out: &mut Vec<u8>) -> Result<(), Errno> {
        let (layer, place) = self.find(node)?;
        let found = &self.layers[layer].nodes[place];
        let end = found.size.min(offset.saturating_add(length as u64));
        if offset >= end {
            return Ok(());
        }
        let (path, pieces) = match &found.content {
            Content::File(path, pieces) => (path, pieces),
            Content::Inline(bytes) => {
                let range = usize::try_from(offset).unwrap_or(0)..usize::try_from(end).unwrap_or(0);
                out.extend_from_slice(bytes.get(range).unwrap_or_default());
                return Ok(());
            }
            _ => return Err(Errno::INVAL),
        };
        if let Some(root) = self.layers[layer].unpacked.get() {
            out.resize(usize::try_from(end - offset).unwrap_or(0), 0);
            let length = unpacked(root, path, offset, out)?;
            out.truncate(length);
            return Ok(());
        }
        for (number, piece) in pieces.iter().enumerate() {
            if piece.file.end <= offset || piece.file.start >= end {
                continue;
            }
            let bytes = self.piece((layer, place, number), piece).map_err(|_| Errno::IO)?;
            let from = usize::try_from(offset.max(piece.file.start) - piece.file.start);
            let to = usize::try_from(end.min(piece.file.end) - piece.file.start);
            let range = from.unwrap_or(0)..to.unwrap_or(0);
            out.extend_from_slice(bytes.get(range).ok_or(Errno::IO)?);
        }
        Ok(())
    }

    fn attribute(&self, node: u64, name: &[u8]) -> Result<&[u8], Errno> {
        if node == ROOT {
            return Err(Errno::NODATA);
        }
        self.node(node)?.xattrs.get(name).map(Vec::as_slice).ok_or(Errno::NODATA)
    }

    fn attribute_names(&self, node: u64) -> Result<Vec<&[u8]>, Errno> {
        match node {
            ROOT => Ok(Vec::new()),
            node => Ok(self.node(node)?.xattrs.keys().map(Vec::as_slice).collect()),
        }
    }
}
