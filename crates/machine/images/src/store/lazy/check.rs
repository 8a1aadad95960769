//! Whether a layer that was unpacked is what its table of contents said: names, kinds, owners, modes,
//! times, targets, attributes, and the content of every file.
//!
//! A table may be good for itself and lie about the layer. Who scans layers would see other files
//! than containers do, so such a layer is refused.

use crate::error::{Error, Result};
use crate::lazy::nodes::{Content, Node};
use crate::store::blob::Hasher;
use crate::tree::read_xattrs;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use std::collections::BTreeSet;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use teu_oci::Digest;

/// Compares a directory with the nodes of its layer.
pub(super) fn compare(layer: &Digest, nodes: &[Node], directory: &Path) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(directory, flags, Mode::empty())
        .map_err(|e| Error::io("open", directory, e))?;
    let check =
        Check { layer, nodes, in_user_namespace: teu_sys::namespace::is_own_user_namespace() };
    check.directory(&nodes[0], &root, "")
}

struct Check<'a> {
    layer: &'a Digest,
    nodes: &'a [Node],
    in_user_namespace: bool,
}

impl Check<'_> {
    fn lie(&self, path: &str) -> Error {
        let path = path.chars().filter(|c| !c.is_control()).take(200).collect();
        Error::FalseTable { layer: self.layer.clone(), path }
    }

    fn directory(&self, node: &Node, directory: &OwnedFd, path: &str) -> Result<()> {
        let failed = |e| Error::io("read", Path::new(path), e);
        let Content::Directory(names) = &node.content else { return Err(self.lie(path)) };
        if !node.is_implicit {
            let stat = rustix::fs::fstat(directory).map_err(failed)?;
            self.same(node, &stat, path)?;
            self.attributes(node, directory, path)?;
        }
        let mut left: BTreeSet<&[u8]> = names.keys().map(Vec::as_slice).collect();
        for entry in Dir::read_from(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            if !left.remove(name) {
                return Err(self.lie(&format!("{path}/{}", String::from_utf8_lossy(name))));
            }
        }
        if let Some(name) = left.first() {
            return Err(self.lie(&format!("{path}/{}", String::from_utf8_lossy(name))));
        }
        for (name, &place) in names {
            let path = format!("{path}/{}", String::from_utf8_lossy(name));
            self.entry(&self.nodes[place], directory, name, &path)?;
        }
        Ok(())
    }

    fn entry(&self, node: &Node, parent: &OwnedFd, name: &[u8], path: &str) -> Result<()> {
        let failed = |e| Error::io("read", Path::new(path), e);
        let open = |more| {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | more;
            rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(failed)
        };
        let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::from_raw_mode(node.mode) {
            // A user namespace has no devices: plain files stand for them.
            let is_device = matches!(
                FileType::from_raw_mode(node.mode),
                FileType::CharacterDevice | FileType::BlockDevice
            );
            return match self.in_user_namespace && is_device && node.device != (0, 0) {
                true => Ok(()),
                false => Err(self.lie(path)),
            };
        }
        match &node.content {
            Content::Directory(_) => return self.directory(node, &open(OFlags::DIRECTORY)?, path),
            Content::File(_, pieces) => {
                self.same(node, &stat, path)?;
                let file = open(OFlags::NONBLOCK)?;
                self.attributes(node, &file, path)?;
                let mut file = std::fs::File::from(file);
                for piece in pieces {
                    let length = piece.file.end - piece.file.start;
                    let found = hash(&mut file, length, &piece.digest);
                    let found = found.map_err(|e| Error::io("read", Path::new(path), e))?;
                    if found != piece.digest {
                        return Err(self.lie(path));
                    }
                }
            }
            Content::Inline(bytes) => {
                self.same(node, &stat, path)?;
                let mut found = Vec::new();
                std::fs::File::from(open(OFlags::NONBLOCK)?)
                    .read_to_end(&mut found)
                    .map_err(|e| Error::io("read", Path::new(path), e))?;
                if found != *bytes {
                    return Err(self.lie(path));
                }
            }
            Content::Link(target) => {
                self.same(node, &stat, path)?;
                let found = rustix::fs::readlinkat(parent, name, Vec::new()).map_err(failed)?;
                if found.as_bytes() != target {
                    return Err(self.lie(path));
                }
            }
            Content::Nothing if node.device == (0, 0) && stat.st_rdev == 0 => {}
            Content::Nothing => self.same(node, &stat, path)?,
        }
        Ok(())
    }

    fn same(&self, node: &Node, stat: &Stat, path: &str) -> Result<()> {
        let device = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
        let is_file = matches!(node.content, Content::File(..) | Content::Inline(_));
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let same = stat.st_mode == node.mode
            && (stat.st_uid, stat.st_gid) == (node.uid, node.gid)
            && stat.st_mtime == node.mtime
            && (!is_file || size == node.size)
            && (node.device == (0, 0) || device == node.device);
        if same { Ok(()) } else { Err(self.lie(path)) }
    }

    /// What the kernel acts on; others may be lost where the file system does not keep them.
    fn attributes(&self, node: &Node, file: &OwnedFd, path: &str) -> Result<()> {
        let found = read_xattrs(file.as_fd()).map_err(|e| Error::io("read", Path::new(path), e))?;
        let matters = |name: &[u8]| name.starts_with(b"security.capability");
        let wanted = node.xattrs.iter().find(|(name, _)| matters(name)).map(|(_, value)| value);
        let found = found.iter().find(|(name, _)| matters(name)).map(|(_, value)| value);
        if wanted == found { Ok(()) } else { Err(self.lie(path)) }
    }
}

fn hash(file: &mut std::fs::File, length: u64, like: &Digest) -> std::io::Result<Digest> {
    let mut hasher = Hasher::like(like);
    let mut buffer = vec![0; usize::try_from(length.min(256 << 10)).unwrap_or(0)];
    let mut rest = file.take(length);
    loop {
        match rest.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            length => hasher.update(&buffer[..length]),
        }
    }
}
