//! Directories that a layer has without describing them look like those below, as when a layer is
//! unpacked.

use crate::error::Result;
use crate::lazy::nodes::{Content, Node};
use crate::store::Store;
use crate::unpack::lower;
use rustix::fs::FileType;
use std::os::fd::OwnedFd;
use teu_oci::ChainId;

impl Store {
    /// Describes them. `layers` are at `places` among all; those of others are unpacked.
    pub(super) fn fill_implicit(
        &self,
        layers: &mut [Vec<Node>],
        places: &[usize],
        ids: &[ChainId],
    ) -> Result<()> {
        for n in 0..layers.len() {
            let (below, rest) = layers.split_at_mut(n);
            let Some(own) = rest.first_mut() else { continue };
            let undescribed = implicit(own);
            if undescribed.is_empty() {
                continue;
            }
            // Below, topmost first, each unpacked or among those that come.
            let mut floors = Vec::new();
            for place in (0..places[n]).rev() {
                floors.push(match places[..n].iter().position(|&other| other == place) {
                    Some(other) => Floor::Coming(&below[other]),
                    None => Floor::Here(self.open_layers(std::slice::from_ref(&ids[place]))?),
                });
            }
            for (number, path) in undescribed {
                if let Some(like) = floors.iter().find_map(|floor| floor.directory(&path)) {
                    let node = &mut own[number];
                    (node.mode, node.uid, node.gid) = (like.mode, like.uid, like.gid);
                    node.mtime = like.mtime;
                }
            }
        }
        Ok(())
    }
}

/// One layer below.
enum Floor<'a> {
    Coming(&'a [Node]),
    Here(Vec<OwnedFd>),
}

impl Floor<'_> {
    fn directory(&self, path: &[u8]) -> Option<Node> {
        match self {
            Self::Coming(nodes) => {
                let mut at = 0;
                for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
                    let Content::Directory(names) = &nodes[at].content else { return None };
                    at = *names.get(name)?;
                }
                let found = &nodes[at];
                let is_directory = matches!(found.content, Content::Directory(_));
                is_directory.then(|| Node { content: Content::Nothing, ..found.clone() })
            }
            Self::Here(layer) => {
                let found = lower::lookup(layer, path)?;
                let stat = &found.stat;
                found.is(FileType::Directory).then(|| Node {
                    mode: stat.st_mode,
                    uid: stat.st_uid,
                    gid: stat.st_gid,
                    mtime: stat.st_mtime,
                    ..Node::default()
                })
            }
        }
    }
}

/// Directories that no entry describes, with their paths.
fn implicit(nodes: &[Node]) -> Vec<(usize, Vec<u8>)> {
    let mut found = Vec::new();
    let mut pending = vec![(0, Vec::new())];
    while let Some((number, path)) = pending.pop() {
        let Content::Directory(names) = &nodes[number].content else { continue };
        for (name, &child) in names {
            let inner = match path.is_empty() {
                true => name.clone(),
                false => [&path, &b"/"[..], name].concat(),
            };
            pending.push((child, inner));
        }
        if nodes[number].is_implicit {
            found.push((number, path));
        }
    }
    found
}
