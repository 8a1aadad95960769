//! A table of contents becomes the files of one layer, as an overlay wants them: whiteouts are what
//! overlayfs takes for them. Pure.
//!
//! Refused, so that the layer is unpacked as others are: paths that climb, two entries for one place,
//! links to what the layer does not have, pieces that do not make up a file, numbers that cannot be.

use super::toc::{Toc, TocEntry, TocFault};
use crate::limits::Limits;
use crate::time::parse_rfc3339;
use crate::unpack::whiteout::{OPAQUE, PREFIX};
use crate::unpack::{is_overlay_xattr, normal};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use teu_oci::Digest;

/// Bytes of a piece, plain: a reader holds a whole one in memory.
const PIECE_LIMIT_BYTES: u64 = 64 << 20;
const ATTRIBUTE_LIMIT_BYTES: usize = 64 << 10;
const PATH_LIMIT_BYTES: usize = 4095;

/// One file, directory or other thing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Type and permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: i64,
    /// Bytes of content or target.
    pub size: u64,
    /// Names.
    pub links: u32,
    /// Major and minor number.
    pub device: (u32, u32),
    /// Attributes by name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What it holds.
    pub content: Content,
    /// No entry describes it.
    pub is_implicit: bool,
}

/// What a node holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Content {
    /// Nothing: a device, a pipe, a whiteout.
    #[default]
    Nothing,
    /// Names, sorted.
    Directory(BTreeMap<Vec<u8>, usize>),
    /// A link's target.
    Link(Vec<u8>),
    /// A file: its path in the layer, and its pieces in order.
    File(Vec<u8>, Vec<Piece>),
    /// A file whose bytes are here.
    Inline(Vec<u8>),
}

/// A piece of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where in the file.
    pub file: Range<u64>,
    /// Where its gzip member is in the blob, at most.
    pub blob: Range<u64>,
    /// Where it begins in the member.
    pub inner: u64,
    /// Of its bytes.
    pub digest: Digest,
}

/// What overlayfs's marks are called here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// `trusted.overlay.`
    Trusted,
    /// `user.overlay.`
    User,
}

impl Marks {
    fn opaque(self) -> Vec<u8> {
        match self {
            Self::Trusted => b"trusted.overlay.opaque".to_vec(),
            Self::User => b"user.overlay.opaque".to_vec(),
        }
    }
}

pub(super) const DIRECTORY: u32 = 0o040_000;
pub(crate) const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const CHAR: u32 = 0o020_000;
const BLOCK: u32 = 0o060_000;
const FIFO: u32 = 0o010_000;

/// The nodes of a layer, its root first. The table begins at byte `end` of the blob.
pub fn build(toc: &Toc, end: u64, marks: Marks, limits: &Limits) -> Result<Vec<Node>, TocFault> {
    let members: BTreeSet<u64> = toc
        .entries
        .iter()
        .filter(|entry| entry.chunk_digest.is_some() || entry.digest.is_some())
        .map(|entry| entry.offset)
        .chain([end])
        .collect();
    let root = Node { is_implicit: true, ..directory() };
    let mut builder = Builder { nodes: vec![root], members, end, marks, limits };
    let mut entries = toc.entries.iter().peekable();
    while let Some(entry) = entries.next() {
        let mut pieces = vec![entry];
        while let Some(piece) = entries.next_if(|next| next.kind == "chunk") {
            if piece.name != entry.name {
                return Err(TocFault::Pieces);
            }
            pieces.push(piece);
        }
        builder.entry(entry, &pieces)?;
    }
    Ok(builder.nodes)
}

fn directory() -> Node {
    let content = Content::Directory(BTreeMap::new());
    Node { mode: DIRECTORY | 0o755, links: 1, content, ..Node::default() }
}

struct Builder<'a> {
    nodes: Vec<Node>,
    /// Where gzip members begin.
    members: BTreeSet<u64>,
    end: u64,
    marks: Marks,
    limits: &'a Limits,
}

impl Builder<'_> {
    fn entry(&mut self, entry: &TocEntry, pieces: &[&TocEntry]) -> Result<(), TocFault> {
        let path = normal(entry.name.as_bytes(), self.limits).map_err(|_| TocFault::Path)?;
        if pieces.len() > 1 && entry.kind != "reg" {
            return Err(TocFault::Pieces);
        }
        let (parent, name) = match path.iter().rposition(|&byte| byte == b'/') {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (&path[..0], &path[..]),
        };
        if name.starts_with(PREFIX) {
            return self.whiteout(parent, name);
        }
        if entry.kind == "hardlink" {
            let parent = self.directory(parent)?;
            return self.hard_link(parent, name, entry);
        }
        let node = self.node(entry, &path, pieces)?;
        if path.is_empty() {
            return self.replace(0, node);
        }
        let parent = self.directory(parent)?;
        match self.child(parent, name) {
            Some(known) => self.replace(known, node),
            None => self.add(parent, name, node).map(drop),
        }
    }

    /// A directory that children came before, described now.
    fn replace(&mut self, known: usize, mut node: Node) -> Result<(), TocFault> {
        let old = &mut self.nodes[known];
        if !old.is_implicit || !matches!(node.content, Content::Directory(_)) {
            return Err(TocFault::Twice);
        }
        node.content = std::mem::take(&mut old.content);
        node.xattrs.append(&mut old.xattrs);
        *old = node;
        Ok(())
    }

    fn child(&self, parent: usize, name: &[u8]) -> Option<usize> {
        match &self.nodes[parent].content {
            Content::Directory(names) => names.get(name).copied(),
            _ => None,
        }
    }

    fn add(&mut self, parent: usize, name: &[u8], node: Node) -> Result<usize, TocFault> {
        let number = self.nodes.len();
        self.nodes.push(node);
        self.name(parent, name, number)?;
        Ok(number)
    }

    fn name(&mut self, parent: usize, name: &[u8], number: usize) -> Result<(), TocFault> {
        match &mut self.nodes[parent].content {
            Content::Directory(names) => match names.insert(name.to_vec(), number) {
                None => Ok(()),
                Some(_) => Err(TocFault::Twice),
            },
            _ => Err(TocFault::Twice),
        }
    }

    /// The directory at a path, made where no entry has described it.
    fn directory(&mut self, path: &[u8]) -> Result<usize, TocFault> {
        let mut at = 0;
        for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
            at = match self.child(at, name) {
                Some(known) => known,
                None => self.add(at, name, Node { is_implicit: true, ..directory() })?,
            };
        }
        match self.nodes[at].content {
            Content::Directory(_) => Ok(at),
            _ => Err(TocFault::Twice),
        }
    }

    fn whiteout(&mut self, parent: &[u8], name: &[u8]) -> Result<(), TocFault> {
        let parent = self.directory(parent)?;
        if name == OPAQUE {
            self.nodes[parent].xattrs.insert(self.marks.opaque(), b"y".to_vec());
            return Ok(());
        }
        // Metadata of aufs.
        if name.starts_with(b".wh..wh.") {
            return Ok(());
        }
        let target = &name[PREFIX.len()..];
        if target.is_empty() || target == b"." || target == b".." {
            return Err(TocFault::Path);
        }
        // What the layer has under that name itself decides by the order of the tar.
        if self.child(parent, target).is_some() {
            return Err(TocFault::Twice);
        }
        let node = Node { mode: CHAR, links: 1, ..Node::default() };
        self.add(parent, target, node).map(drop)
    }

    fn hard_link(&mut self, parent: usize, name: &[u8], entry: &TocEntry) -> Result<(), TocFault> {
        let target = normal(entry.link_name.as_bytes(), self.limits).map_err(|_| TocFault::Path)?;
        let mut at = 0;
        for name in target.split(|&byte| byte == b'/') {
            at = self.child(at, name).ok_or(TocFault::HardLink)?;
        }
        if matches!(self.nodes[at].content, Content::Directory(_)) || self.nodes[at].mode == CHAR {
            return Err(TocFault::HardLink);
        }
        self.nodes[at].links += 1;
        self.name(parent, name, at)
    }

    fn node(&self, entry: &TocEntry, path: &[u8], pieces: &[&TocEntry]) -> Result<Node, TocFault> {
        let small = |number: u64| u32::try_from(number).map_err(|_| TocFault::Number);
        let mtime = match entry.mtime.as_str() {
            "" => 0,
            text => parse_rfc3339(text).ok_or(TocFault::Number)?,
        };
        let mut size = 0;
        let (kind, content) = match entry.kind.as_str() {
            "dir" => (DIRECTORY, Content::Directory(BTreeMap::new())),
            "reg" => {
                size = entry.size;
                (FILE, Content::File(path.to_vec(), self.pieces(entry.size, pieces)?))
            }
            "symlink" => {
                let target = entry.link_name.as_bytes().to_vec();
                let is_odd = target.is_empty() || target.contains(&0);
                if is_odd || target.len() > PATH_LIMIT_BYTES {
                    return Err(TocFault::Path);
                }
                size = target.len() as u64;
                (LINK, Content::Link(target))
            }
            "char" => (CHAR, Content::Nothing),
            "block" => (BLOCK, Content::Nothing),
            "fifo" => (FIFO, Content::Nothing),
            _ => return Err(TocFault::Kind),
        };
        let device = (small(entry.dev_major)?, small(entry.dev_minor)?);
        // Overlayfs takes it for a whiteout, which an image has no way to make.
        if kind == CHAR && device == (0, 0) {
            return Err(TocFault::Kind);
        }
        let permissions = if kind == LINK { 0o777 } else { small(entry.mode & 0o7777)? };
        let (uid, gid) = (small(entry.uid)?, small(entry.gid)?);
        if uid == u32::MAX || gid == u32::MAX {
            return Err(TocFault::Number);
        }
        let xattrs = attributes(entry)?;
        let mode = kind | permissions;
        let is_implicit = false;
        Ok(Node { mode, uid, gid, mtime, size, links: 1, device, xattrs, content, is_implicit })
    }

    fn pieces(&self, size: u64, entries: &[&TocEntry]) -> Result<Vec<Piece>, TocFault> {
        if size > self.limits.file_bytes {
            return Err(TocFault::Number);
        }
        let mut pieces = Vec::new();
        let mut at = 0;
        if size == 0 {
            return Ok(pieces);
        }
        for (number, entry) in entries.iter().enumerate() {
            let left = size - at;
            let length = if entry.chunk_size == 0 { left } else { entry.chunk_size };
            let is_good = entry.chunk_offset == at && length > 0 && length <= left;
            if entry.offset >= self.end {
                return Err(TocFault::Number);
            }
            if !is_good || length > PIECE_LIMIT_BYTES || entry.inner_offset > PIECE_LIMIT_BYTES {
                return Err(TocFault::Pieces);
            }
            let alone = entry.digest.as_ref().filter(|_| entries.len() == 1 && number == 0);
            let digest = entry.chunk_digest.as_ref().or(alone).ok_or(TocFault::Pieces)?.clone();
            let plain = entry.inner_offset + length;
            // gzip adds little to what it cannot pack; what is behind belongs to others.
            let most = entry.offset.saturating_add(plain + plain / 64 + (64 << 10));
            let next = self.members.range(entry.offset + 1..).next().copied();
            let end = next.unwrap_or(self.end).min(self.end).min(most);
            let blob = entry.offset..end;
            pieces.push(Piece { file: at..at + length, blob, inner: entry.inner_offset, digest });
            at += length;
            if at == size && number + 1 < entries.len() {
                return Err(TocFault::Pieces);
            }
        }
        if at == size { Ok(pieces) } else { Err(TocFault::Pieces) }
    }
}

fn attributes(entry: &TocEntry) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, TocFault> {
    let mut found = BTreeMap::new();
    let mut bytes = 0;
    for (name, value) in &entry.xattrs {
        let value = STANDARD.decode(value).map_err(|_| TocFault::Attribute)?;
        bytes += name.len() + value.len();
        if bytes > ATTRIBUTE_LIMIT_BYTES || name.contains('\0') {
            return Err(TocFault::Attribute);
        }
        // The overlay's own are control input to the kernel.
        if !is_overlay_xattr(name.as_bytes()) {
            found.insert(name.as_bytes().to_vec(), value);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
