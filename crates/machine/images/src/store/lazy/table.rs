//! A layer's table of contents, fetched from its end.

use crate::error::{Error, Result};
use crate::lazy::footer::{self, FOOTER_BYTES};
use crate::lazy::nodes::{self, Content, Marks, Node};
use crate::lazy::toc::{TOC_LIMIT_BYTES, Toc, TocFault};
use crate::lazy::{TOC_DIGEST, TOC_NAME};
use crate::limits::Limits;
use crate::remote::Repository;
use crate::tar::{Kind, Reader};
use std::io::{BufReader, Read};
use teu_oci::Digest;
use teu_oci::image::Descriptor;

/// Fetched at once from the end: most tables are smaller.
const TAIL_BYTES: u64 = 256 << 10;

/// The files of a layer; the fault says why it cannot be read lazily.
pub(super) fn open(
    repository: &Repository,
    layer: &Descriptor,
    limits: &Limits,
) -> Result<Result<Vec<Node>, TocFault>> {
    let Some(wanted) = layer.annotations.get(TOC_DIGEST) else { return Ok(Err(TocFault::Footer)) };
    let Ok(wanted) = wanted.parse::<Digest>() else { return Ok(Err(TocFault::Digest)) };
    let part = |range: std::ops::Range<u64>| -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        repository
            .blob_part(layer, range)?
            .read_to_end(&mut bytes)
            .map_err(|e| Error::stream("fetch a table of contents", e))?;
        Ok(bytes)
    };
    let start = layer.size.saturating_sub(TAIL_BYTES);
    let mut tail = part(start..layer.size)?;
    let footer = tail.len().checked_sub(FOOTER_BYTES).and_then(|at| footer::read(&tail[at..]));
    let Some(offset) = footer else { return Ok(Err(TocFault::Footer)) };
    let end = layer.size - FOOTER_BYTES as u64;
    if offset >= end || end - offset > TOC_LIMIT_BYTES {
        return Ok(Err(TocFault::Place));
    }
    tail.truncate(tail.len() - FOOTER_BYTES);
    let member = match offset.checked_sub(start) {
        Some(at) => tail.split_off(usize::try_from(at).unwrap_or(0)),
        None => part(offset..end)?,
    };
    Ok(read(&member, &wanted, offset, limits))
}

fn read(
    member: &[u8],
    wanted: &Digest,
    offset: u64,
    limits: &Limits,
) -> Result<Vec<Node>, TocFault> {
    let gzip = flate2::read::GzDecoder::new(member).take(TOC_LIMIT_BYTES);
    let mut tar = Reader::new(BufReader::new(gzip), limits);
    let entry = tar.next_entry().ok().flatten().ok_or(TocFault::Place)?;
    if entry.path != TOC_NAME || entry.kind != Kind::File {
        return Err(TocFault::Place);
    }
    let text = tar.read_all(TOC_LIMIT_BYTES, "a table").map_err(|_| TocFault::Place)?;
    let mut hasher = crate::store::blob::Hasher::like(wanted);
    hasher.update(&text);
    if hasher.finish() != *wanted {
        return Err(TocFault::Digest);
    }
    let marks = match teu_sys::namespace::is_own_user_namespace() {
        true => Marks::User,
        false => Marks::Trusted,
    };
    let toc = Toc::parse(&text, limits)?;
    let mut nodes = nodes::build(&toc, offset, marks, limits)?;
    // The table is a file of the layer, too.
    let own = Node {
        mode: nodes::FILE | (entry.mode & 0o7777),
        uid: entry.uid,
        gid: entry.gid,
        mtime: entry.mtime.seconds,
        size: text.len() as u64,
        links: 1,
        content: Content::Inline(text),
        ..Node::default()
    };
    let number = nodes.len();
    match &mut nodes[0].content {
        Content::Directory(names) => match names.insert(TOC_NAME.to_vec(), number) {
            None => nodes.push(own),
            Some(_) => return Err(TocFault::Twice),
        },
        _ => return Err(TocFault::Twice),
    }
    Ok(nodes)
}
