//! Reading: one entry after the other, its content in pieces of the source's own buffer.

use super::header::{Header, number, text};
use super::pax::{Extended, decimal};
use super::{BLOCK_BYTES, Entry, Kind, Mtime, SparseMap};
use crate::error::{EntryFault, Error, Result, TarFault};
use crate::limits::Limits;
use std::io::BufRead;

/// A reader of an archive.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    limits: Limits,
    offset: u64,
    entries: u64,
    /// Content bytes of the current entry that were not consumed.
    left: u64,
    /// Bytes that fill its last block.
    padding: u64,
}

impl<R: BufRead> Reader<R> {
    /// Reads a plain (already decompressed) archive.
    pub fn new(source: R, limits: &Limits) -> Self {
        Self { source, limits: *limits, offset: 0, entries: 0, left: 0, padding: 0 }
    }

    /// The next entry; what was not read of the one before is skipped.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        let mut extended = Extended::default();
        loop {
            self.skip_rest()?;
            let Some(header) = self.header()? else {
                return if extended.is_present {
                    Err(self.fault(TarFault::Dangling))
                } else {
                    Ok(None)
                };
            };
            match header.flag() {
                b'x' | b'X' => {
                    let records = self.extended_header(&header, &mut extended)?;
                    let read = extended.read(&records, self.limits.sparse_fragments);
                    read.map_err(|reason| self.fault(reason))?;
                }
                b'L' => {
                    let path = self.extended_header(&header, &mut extended)?;
                    extended.set_long_path(text(&path).to_vec());
                }
                b'K' => {
                    let link = self.extended_header(&header, &mut extended)?;
                    extended.set_long_link(text(&link).to_vec());
                }
                // Global records and volume labels say nothing that Docker would listen to.
                b'g' | b'V' => {
                    self.begin_content(&header)?;
                    if self.left > self.limits.extended_header_bytes {
                        return Err(self.header_limit());
                    }
                }
                _ => return self.entry(&header, extended).map(Some),
            }
        }
    }

    /// The next piece of the current entry's content; empty at its end.
    pub fn piece(&mut self) -> Result<&[u8]> {
        if self.left == 0 {
            return Ok(&[]);
        }
        let offset = self.offset;
        let piece = self.source.fill_buf().map_err(|e| Error::stream("read the archive", e))?;
        if piece.is_empty() {
            return Err(Error::Tar { offset, reason: TarFault::Truncated });
        }
        let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(piece.len());
        Ok(&piece[..length])
    }

    /// Goes on after bytes that [`Reader::piece`] gave.
    pub fn consume(&mut self, bytes: usize) {
        self.source.consume(bytes);
        self.offset += bytes as u64;
        self.left = self.left.saturating_sub(bytes as u64);
    }

    /// Reads the current entry's whole content.
    pub fn read_all(&mut self, limit_bytes: u64, what: &'static str) -> Result<Vec<u8>> {
        if self.left > limit_bytes {
            return Err(Error::Limit { what, limit: limit_bytes, unit: "bytes" });
        }
        let mut content = Vec::new();
        loop {
            let piece = self.piece()?;
            if piece.is_empty() {
                return Ok(content);
            }
            content.extend_from_slice(piece);
            let length = piece.len();
            self.consume(length);
        }
    }

    /// Skips the rest of the current entry by other means than reading it.
    pub fn skip_with(
        &mut self,
        skip: impl FnOnce(&mut R, u64) -> std::io::Result<()>,
    ) -> Result<()> {
        let bytes = std::mem::take(&mut self.left) + std::mem::take(&mut self.padding);
        self.offset += bytes;
        skip(&mut self.source, bytes).map_err(|e| Error::stream("read the archive", e))
    }

    /// Reads what follows the archive's end, so that a digest covers the whole stream.
    pub fn drain(&mut self) -> Result<()> {
        loop {
            let length =
                self.source.fill_buf().map_err(|e| Error::stream("read the archive", e))?.len();
            if length == 0 {
                return Ok(());
            }
            self.source.consume(length);
            self.offset += length as u64;
        }
    }

    /// Where in the stream it stands.
    pub fn offset_bytes(&self) -> u64 {
        self.offset
    }

    /// The source itself; whoever reads from it answers for what the reader sees next.
    pub(crate) fn source_mut(&mut self) -> &mut R {
        &mut self.source
    }

    /// The source, for what comes after the archive.
    pub fn into_inner(self) -> R {
        self.source
    }

    fn fault(&self, reason: TarFault) -> Error {
        Error::Tar { offset: self.offset, reason }
    }

    fn header_limit(&self) -> Error {
        let limit = self.limits.extended_header_bytes;
        Error::Limit { what: "an extended header of the archive", limit, unit: "bytes" }
    }

    fn skip_rest(&mut self) -> Result<()> {
        self.left += std::mem::take(&mut self.padding);
        loop {
            let length = self.piece()?.len();
            if length == 0 {
                return Ok(());
            }
            self.consume(length);
        }
    }

    /// The next block; `None` at the end of the stream, an error inside a block.
    fn block(&mut self) -> Result<Option<[u8; BLOCK_BYTES]>> {
        let mut block = [0; BLOCK_BYTES];
        let mut filled = 0;
        while filled < BLOCK_BYTES {
            let piece = self.source.fill_buf().map_err(|e| Error::stream("read the archive", e))?;
            if piece.is_empty() {
                return if filled == 0 { Ok(None) } else { Err(self.fault(TarFault::Truncated)) };
            }
            let length = piece.len().min(BLOCK_BYTES - filled);
            block[filled..filled + length].copy_from_slice(&piece[..length]);
            self.source.consume(length);
            self.offset += length as u64;
            filled += length;
        }
        Ok(Some(block))
    }

    /// The next header; `None` at the end: two blocks of zeros, or no more bytes.
    fn header(&mut self) -> Result<Option<Header>> {
        let Some(block) = self.block()? else { return Ok(None) };
        let header = Header(block);
        if !header.is_zero() {
            header.verify().map_err(|reason| self.fault(reason))?;
            return Ok(Some(header));
        }
        match self.block()? {
            Some(second) if !Header(second).is_zero() => Err(self.fault(TarFault::Checksum)),
            _ => Ok(None),
        }
    }

    fn begin_content(&mut self, header: &Header) -> Result<()> {
        let size = header.size().map_err(|reason| self.fault(reason))?;
        self.begin(size)
    }

    fn begin(&mut self, size: u64) -> Result<()> {
        if size > self.limits.file_bytes {
            let limit = self.limits.file_bytes;
            return Err(Error::Limit { what: "an entry of the archive", limit, unit: "bytes" });
        }
        self.left = size;
        self.padding = (BLOCK_BYTES as u64 - size % BLOCK_BYTES as u64) % BLOCK_BYTES as u64;
        Ok(())
    }

    fn extended_header(&mut self, header: &Header, extended: &mut Extended) -> Result<Vec<u8>> {
        self.begin_content(header)?;
        extended.is_present = true;
        extended.bytes = extended.bytes.saturating_add(self.left.max(BLOCK_BYTES as u64));
        if extended.bytes > self.limits.extended_header_bytes {
            return Err(self.header_limit());
        }
        self.read_all(self.limits.extended_header_bytes, "an extended header of the archive")
    }

    fn entry(&mut self, header: &Header, extended: Extended) -> Result<Entry> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            let limit = self.limits.entries;
            return Err(Error::Limit { what: "the archive", limit, unit: "entries" });
        }
        let mut entry = self.plain_entry(header)?;
        let keys = &extended.sparse;
        let is_v1 = keys.version == (Some(1), Some(0)) && entry.kind == Kind::File;
        let real_bytes = keys.real_bytes;
        // Like Docker: the size of the extended header counts, and only files have content.
        entry.size_bytes = match entry.kind {
            Kind::File => extended.size.unwrap_or(entry.size_bytes),
            _ => 0,
        };
        self.begin(entry.size_bytes)?;
        if header.flag() == b'S' {
            entry.sparse = Some(self.old_gnu_map(header, entry.size_bytes)?);
        } else if is_v1 {
            entry.sparse = Some(self.v1_map(real_bytes, &mut entry.size_bytes)?);
        }
        extended.apply(&mut entry).map_err(|reason| self.fault(reason))?;
        if entry.kind == Kind::File && entry.path.ends_with(b"/") {
            entry.kind = Kind::Directory;
        }
        if entry.apparent_bytes() > self.limits.file_bytes {
            let limit = self.limits.file_bytes;
            return Err(Error::Limit { what: "a file of the archive", limit, unit: "bytes" });
        }
        Ok(entry)
    }

    fn plain_entry(&self, header: &Header) -> Result<Entry> {
        let path = header.path();
        let kind = header.kind().ok_or_else(|| Error::entry(&path, EntryFault::Kind))?;
        let read = || -> Result<Entry, TarFault> {
            Ok(Entry {
                link: header.link(),
                kind,
                mode: header.mode()?,
                uid: header.uid()?,
                gid: header.gid()?,
                size_bytes: header.size()?,
                mtime: Mtime { seconds: header.mtime()?, nanoseconds: 0 },
                device: header.device()?,
                xattrs: Vec::new(),
                sparse: None,
                path: Vec::new(),
            })
        };
        let entry = read().map_err(|reason| self.fault(reason))?;
        Ok(Entry { path, ..entry })
    }

    /// GNU's first dialect: four pieces in the header, 21 in each block after it. Those blocks do
    /// not count as content.
    fn old_gnu_map(&mut self, header: &Header, stored: u64) -> Result<SparseMap> {
        let invalid = |reader: &Self| reader.fault(TarFault::Number);
        let real = number(&header.0[483..495]).ok().and_then(|n| u64::try_from(n).ok());
        let real = real.ok_or_else(|| invalid(self))?;
        let mut numbers = Vec::new();
        let mut more = header.0[482] != 0;
        pieces(&header.0[386..482], &mut numbers).map_err(|reason| self.fault(reason))?;
        while more {
            if numbers.len() > 2 * self.limits.sparse_fragments {
                return Err(self.sparse_limit());
            }
            let block = self.block()?.ok_or_else(|| self.fault(TarFault::Truncated))?;
            pieces(&block[..504], &mut numbers).map_err(|reason| self.fault(reason))?;
            more = block[504] != 0;
        }
        SparseMap::new(&numbers, real, stored)
            .ok_or_else(|| Error::entry(&header.path(), EntryFault::Sparse))
    }

    /// PAX dialect 1.0: the map stands before the content, in whole blocks.
    fn v1_map(&mut self, real: Option<u64>, stored: &mut u64) -> Result<SparseMap> {
        let mut lines = Lines { block: [0; BLOCK_BYTES], at: BLOCK_BYTES };
        let count = self.line(&mut lines)?;
        if count > self.limits.sparse_fragments as u64 {
            return Err(self.sparse_limit());
        }
        let mut numbers = Vec::new();
        for _ in 0..count * 2 {
            numbers.push(self.line(&mut lines)?);
        }
        *stored = self.left;
        let real = real.ok_or_else(|| self.fault(TarFault::Pax))?;
        SparseMap::new(&numbers, real, *stored).ok_or_else(|| self.fault(TarFault::Pax))
    }

    fn line(&mut self, lines: &mut Lines) -> Result<u64> {
        let mut digits = Vec::new();
        loop {
            if lines.at == BLOCK_BYTES {
                if self.left < BLOCK_BYTES as u64 {
                    return Err(self.fault(TarFault::Pax));
                }
                lines.block = self.block()?.ok_or_else(|| self.fault(TarFault::Truncated))?;
                self.left -= BLOCK_BYTES as u64;
                lines.at = 0;
            }
            let byte = lines.block[lines.at];
            lines.at += 1;
            if byte == b'\n' {
                return decimal(&digits).map_err(|reason| self.fault(reason));
            }
            digits.push(byte);
            if digits.len() > 20 {
                return Err(self.fault(TarFault::Pax));
            }
        }
    }

    fn sparse_limit(&self) -> Error {
        let limit = self.limits.sparse_fragments as u64;
        Error::Limit { what: "a sparse file of the archive", limit, unit: "fragments" }
    }
}

struct Lines {
    block: [u8; BLOCK_BYTES],
    at: usize,
}

/// Offsets and lengths of 12 bytes each, up to the first empty one.
fn pieces(field: &[u8], numbers: &mut Vec<u64>) -> Result<(), TarFault> {
    for pair in field.chunks_exact(24) {
        if pair[0] == 0 {
            break;
        }
        for half in pair.chunks_exact(12) {
            numbers.push(u64::try_from(number(half)?).map_err(|_| TarFault::Number)?);
        }
    }
    Ok(())
}
