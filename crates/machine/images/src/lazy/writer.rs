//! A layer's tar becomes eStargz: the same entries, byte for byte, with a table of contents behind
//! them.
//!
//! The table is an entry of the tar itself, so the plain tar, and with it the diffID and the image's
//! id, are other ones than before. The same tar gives the same bytes.

use super::toc::{CHUNK_BYTES, Toc, TocEntry};
use super::{TOC_NAME, footer};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::store::blob::Hasher;
use crate::tar::{BLOCK_BYTES, Builder, Entry, Kind, Reader, WriteEntry};
use crate::time::format_rfc3339;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::write::GzEncoder;
use std::io::{self, BufRead, Read, Write};
use teu_oci::Digest;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Hash of the plain tar.
    pub diff_id: Digest,
    /// Bytes of it.
    pub plain_bytes: u64,
    /// Digest of the table.
    pub toc: Digest,
}

/// Writes a plain tar as eStargz; nothing where a table cannot tell it: files with
/// holes, and names that are not UTF-8.
pub fn write(
    tar: &mut dyn BufRead,
    out: &mut dyn Write,
    level: u32,
    limits: &Limits,
) -> Result<Option<Written>> {
    let mut reader = Reader::new(Tap { source: tar, taken: Vec::new() }, limits);
    let mut members = Members::new(out, level);
    let mut toc = Toc { version: 1, entries: Vec::new() };
    // What fills the last block of the file before comes together with the next header.
    let mut padding = 0;
    while let Some(entry) = reader.next_entry()? {
        let raw = std::mem::take(&mut reader.source_mut().taken);
        if entry.sparse.is_some() || !is_text(&entry) {
            return Ok(None);
        }
        // A table of another time says nothing about this tar.
        if is_table(&entry.path) {
            members.plain(&raw[..std::mem::take(&mut padding)])?;
            skip(&mut reader)?;
            continue;
        }
        members.plain(&raw)?;
        padding = 0;
        let mut described = describe(&entry);
        if entry.kind == Kind::File {
            content(&mut reader, &mut members, &entry, described, &mut toc)?;
            padding = fill(entry.size_bytes);
            continue;
        }
        described.kind = word(entry.kind).to_owned();
        toc.entries.push(described);
    }
    let raw = std::mem::take(&mut reader.source_mut().taken);
    members.plain(&raw[..padding.min(raw.len())])?;
    reader.drain()?;
    members.end(&toc).map(Some)
}

fn is_text(entry: &Entry) -> bool {
    let keys = entry.xattrs.iter().map(|(key, _)| key);
    keys.chain([&entry.path, &entry.link]).all(|bytes| std::str::from_utf8(bytes).is_ok())
}

/// Bytes that fill the last block of so many.
fn fill(bytes: u64) -> usize {
    let over = usize::try_from(bytes % BLOCK_BYTES as u64).unwrap_or(0);
    (BLOCK_BYTES - over) % BLOCK_BYTES
}

fn is_table(path: &[u8]) -> bool {
    let path = path.strip_prefix(b"./").unwrap_or(path);
    path.strip_prefix(b"/").unwrap_or(path) == TOC_NAME
}

/// Reads over an entry; what fills its last block belongs to it.
fn skip<R: BufRead>(reader: &mut Reader<Tap<R>>) -> Result<()> {
    reader.skip_with(|tap, bytes| {
        io::copy(&mut (&mut tap.source).take(bytes), &mut io::sink())?;
        Ok(())
    })
}

/// A file's content in members of its own.
fn content<R: BufRead>(
    reader: &mut Reader<Tap<R>>,
    members: &mut Members<'_>,
    entry: &Entry,
    mut described: TocEntry,
    toc: &mut Toc,
) -> Result<()> {
    "reg".clone_into(&mut described.kind);
    described.size = entry.size_bytes;
    let first = toc.entries.len();
    let mut whole = Hasher::sha256();
    let mut done = 0;
    while done < entry.size_bytes {
        let left = entry.size_bytes - done;
        let length = left.min(CHUNK_BYTES);
        if left >= CHUNK_BYTES {
            described.chunk_size = CHUNK_BYTES;
        }
        described.offset = members.begin()?;
        described.chunk_offset = done;
        let mut hasher = Hasher::sha256();
        let mut rest = length;
        while rest > 0 {
            let piece = reader.piece()?;
            let take = usize::try_from(rest).unwrap_or(usize::MAX).min(piece.len());
            hasher.update(&piece[..take]);
            whole.update(&piece[..take]);
            members.plain(&piece[..take])?;
            reader.consume(take);
            rest -= take as u64;
        }
        reader.source_mut().taken.clear();
        described.chunk_digest = Some(hasher.finish());
        toc.entries.push(described.clone());
        let name = described.name.clone();
        described = TocEntry { name, kind: "chunk".to_owned(), ..TocEntry::default() };
        done += length;
    }
    if entry.size_bytes == 0 {
        toc.entries.push(described);
    }
    toc.entries[first].digest = Some(whole.finish());
    Ok(())
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "reg",
        Kind::HardLink => "hardlink",
        Kind::Symlink => "symlink",
        Kind::Char => "char",
        Kind::Block => "block",
        Kind::Directory => "dir",
        Kind::Fifo => "fifo",
    }
}

fn describe(entry: &Entry) -> TocEntry {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mtime = match entry.mtime.seconds {
        0 => String::new(),
        seconds => format_rfc3339(seconds, 0),
    };
    let is_device = matches!(entry.kind, Kind::Char | Kind::Block);
    let device = if is_device { entry.device } else { (0, 0) };
    TocEntry {
        name: text(&entry.path),
        mtime,
        link_name: text(&entry.link),
        mode: entry.mode.into(),
        uid: entry.uid.into(),
        gid: entry.gid.into(),
        dev_major: device.0.into(),
        dev_minor: device.1.into(),
        xattrs: entry.xattrs.iter().map(|(k, v)| (text(k), STANDARD.encode(v))).collect(),
        ..TocEntry::default()
    }
}

/// Keeps what is read from a source, until it is taken.
struct Tap<R> {
    source: R,
    taken: Vec<u8>,
}

impl<R: BufRead> BufRead for Tap<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.source.fill_buf()
    }

    fn consume(&mut self, bytes: usize) {
        // What is consumed was given by `fill_buf`, which now gives the same again.
        if let Ok(piece) = self.source.fill_buf() {
            self.taken.extend_from_slice(&piece[..bytes.min(piece.len())]);
        }
        self.source.consume(bytes);
    }
}

impl<R: BufRead> Read for Tap<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.read(buffer)
    }
}

/// gzip members, one after the other.
struct Members<'a> {
    out: Option<GzEncoder<Counted<'a>>>,
    level: flate2::Compression,
    plain: Hasher,
    plain_bytes: u64,
}

struct Counted<'a> {
    out: &'a mut dyn Write,
    written: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.out.write(bytes)?;
        self.written += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn failed(source: io::Error) -> Error {
    Error::stream("pack the layer", source)
}

impl<'a> Members<'a> {
    fn new(out: &'a mut dyn Write, level: u32) -> Self {
        let level = flate2::Compression::new(level.min(9));
        let counted = Counted { out, written: 0 };
        let out = Some(GzEncoder::new(counted, level));
        Self { out, level, plain: Hasher::sha256(), plain_bytes: 0 }
    }

    fn plain(&mut self, bytes: &[u8]) -> Result<()> {
        self.plain.update(bytes);
        self.plain_bytes += bytes.len() as u64;
        match &mut self.out {
            Some(out) => out.write_all(bytes).map_err(failed),
            None => Err(failed(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// Begins a member; gives where.
    fn begin(&mut self) -> Result<u64> {
        let counted = self.close()?;
        let at = counted.written;
        self.out = Some(GzEncoder::new(counted, self.level));
        Ok(at)
    }

    fn close(&mut self) -> Result<Counted<'a>> {
        let out = self.out.take().ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
        out.finish().map_err(failed)
    }

    /// The table, and the footer.
    fn end(mut self, toc: &Toc) -> Result<Written> {
        let text =
            serde_json::to_vec(toc).map_err(|e| Error::document("a table of contents", e))?;
        let offset = self.begin()?;
        let mut tar = Builder::new(Vec::new());
        let entry = WriteEntry::new(TOC_NAME, Kind::File, 0o444, text.len() as u64);
        tar.append(&entry, &text).map_err(failed)?;
        let tail = tar.finish().map_err(failed)?;
        self.plain(&tail)?;
        let counted = self.close()?;
        counted.out.write_all(&footer::write(offset)).map_err(failed)?;
        let (diff_id, plain_bytes) = (self.plain.finish(), self.plain_bytes);
        Ok(Written { diff_id, plain_bytes, toc: Digest::sha256(&text) })
    }
}

#[cfg(test)]
mod tests;
