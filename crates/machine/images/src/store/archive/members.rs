//! The members of an archive by name, wherever their bytes are.

use crate::error::{ArchiveFault, Error, Result};
use crate::limits::Limits;
use crate::store::Store;
use crate::store::blob::Ingest;
use crate::tar::{Entry, Kind, Reader};
use crate::unpack::normal;
use rustix::fs::{OFlags, ResolveFlags};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// A member up to this size is kept in memory, as long as all of them together fit.
const SMALL_BYTES: u64 = 1 << 20;
const MEMORY_BYTES: u64 = 64 << 20;
const LINK_HOPS: usize = 10;
const BUFFER_BYTES: usize = 512 << 10;

/// A table of an archive's members.
pub(super) struct Members {
    place: Place,
    contents: HashMap<Vec<u8>, Content>,
}

enum Place {
    Nowhere,
    File(File),
    Directory(PathBuf),
}

enum Content {
    Memory(Vec<u8>),
    /// Where it lies in the archive's file.
    Range {
        offset: u64,
        size: u64,
    },
    /// Set aside while the stream was read.
    Staged(Mutex<Option<Ingest>>),
    Link(Vec<u8>),
}

impl Members {
    /// Reads only the headers of an archive in a plain file.
    pub(super) fn of_file(store: &Store, archive: &File) -> Result<Self> {
        let failed = |e| Error::stream("read the archive", e);
        let size_bytes = archive.metadata().map_err(failed)?.len();
        let file = archive.try_clone().map_err(failed)?;
        let mut reader =
            Reader::new(BufReader::with_capacity(BUFFER_BYTES, archive), store.limits());
        let mut contents = HashMap::new();
        while let Some(entry) = reader.next_entry()? {
            let Some(name) = name(&entry, store.limits())? else { continue };
            let content = match link(&entry, &name, store.limits())? {
                Some(link) => Content::Link(link),
                None => {
                    let (offset, size) = (reader.offset_bytes(), entry.size_bytes);
                    if offset.checked_add(size).is_none_or(|end| end > size_bytes) {
                        let reason = crate::error::TarFault::Truncated;
                        return Err(Error::Tar { offset, reason });
                    }
                    reader.skip_with(|file, bytes| {
                        file.seek_relative(i64::try_from(bytes).unwrap_or(i64::MAX))
                    })?;
                    Content::Range { offset, size }
                }
            };
            contents.insert(name, content);
        }
        Ok(Self { place: Place::File(file), contents })
    }

    /// Sets the members of a stream aside, small ones in memory.
    pub(super) fn of_stream(store: &Store, stream: impl Read) -> Result<Self> {
        let mut reader =
            Reader::new(BufReader::with_capacity(BUFFER_BYTES, stream), store.limits());
        let mut contents = HashMap::new();
        let (mut in_memory, mut total) = (0, 0u64);
        while let Some(entry) = reader.next_entry()? {
            let Some(name) = name(&entry, store.limits())? else { continue };
            total = total.saturating_add(entry.size_bytes);
            if total > store.limits().layer_bytes {
                let limit = store.limits().layer_bytes;
                return Err(Error::Limit { what: "the archive", limit, unit: "bytes" });
            }
            let content = match link(&entry, &name, store.limits())? {
                Some(link) => Content::Link(link),
                None if entry.size_bytes <= SMALL_BYTES && in_memory < MEMORY_BYTES => {
                    in_memory += entry.size_bytes;
                    Content::Memory(reader.read_all(SMALL_BYTES, "a member of the archive")?)
                }
                None => Content::Staged(Mutex::new(Some(stage(store, &mut reader)?))),
            };
            contents.insert(name, content);
        }
        reader.drain()?;
        Ok(Self { place: Place::Nowhere, contents })
    }

    /// The files of a directory, opened when they are asked for.
    pub(super) fn of_directory(dir: &Path) -> Self {
        Self { place: Place::Directory(dir.to_path_buf()), contents: HashMap::new() }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        match &self.place {
            Place::Directory(dir) => open_in(dir, name).is_ok(),
            _ => self.find(name).is_some(),
        }
    }

    /// Reads a small member.
    pub(super) fn read(&self, name: &str, limit_bytes: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open(name)?
            .take(limit_bytes + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| Error::stream("read the archive", e))?;
        if bytes.len() as u64 > limit_bytes {
            let what = "a document of the archive";
            return Err(Error::Limit { what, limit: limit_bytes, unit: "bytes" });
        }
        Ok(bytes)
    }

    /// Opens a member for reading from its start; may be done several times, also at once.
    pub(super) fn open(&self, name: &str) -> Result<Box<dyn Read + Send + '_>> {
        let absent =
            || Error::Archive { reason: ArchiveFault::Member(name.chars().take(200).collect()) };
        if let Place::Directory(dir) = &self.place {
            return Ok(Box::new(open_in(dir, name).map_err(|_| absent())?));
        }
        match self.find(name).ok_or_else(absent)? {
            Content::Memory(bytes) => Ok(Box::new(bytes.as_slice())),
            Content::Range { offset, size } => {
                let Place::File(file) = &self.place else { return Err(absent()) };
                Ok(Box::new(Range { file: Positioned(file), at: *offset, left: *size }))
            }
            Content::Staged(staged) => {
                let guard = staged.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                let file = guard.as_ref().ok_or_else(absent)?.reopen()?;
                let left = file.metadata().map_err(|e| Error::stream("read the archive", e))?.len();
                Ok(Box::new(Range { file, at: 0, left }))
            }
            Content::Link(_) => Err(absent()),
        }
    }

    /// A member that was set aside as a file, to become a blob without being written again.
    pub(super) fn take_staged(&self, name: &str) -> Option<Ingest> {
        match self.find(name)? {
            Content::Staged(staged) => staged.lock().ok()?.take(),
            _ => None,
        }
    }

    /// Follows links from member to member.
    fn find(&self, name: &str) -> Option<&Content> {
        let limits = Limits::DEFAULT;
        let mut key = normal(name.as_bytes(), &limits).ok()?;
        for _ in 0..LINK_HOPS {
            match self.contents.get(&key)? {
                Content::Link(target) => key.clone_from(target),
                other => return Some(other),
            }
        }
        None
    }
}

fn stage(store: &Store, reader: &mut Reader<impl io::BufRead>) -> Result<Ingest> {
    let mut ingest = store.ingest()?;
    loop {
        let piece = reader.piece()?;
        if piece.is_empty() {
            return Ok(ingest);
        }
        ingest.write_all(piece).map_err(|e| Error::stream("write to the image store", e))?;
        let length = piece.len();
        reader.consume(length);
    }
}

/// The name a member is found by; `None` of what has no content.
fn name(entry: &Entry, limits: &Limits) -> Result<Option<Vec<u8>>> {
    match entry.kind {
        Kind::File | Kind::HardLink | Kind::Symlink => normal(&entry.path, limits).map(Some),
        _ => Ok(None),
    }
}

/// Where a link leads, within the archive's own names.
fn link(entry: &Entry, name: &[u8], limits: &Limits) -> Result<Option<Vec<u8>>> {
    match entry.kind {
        Kind::HardLink => normal(&entry.link, limits).map(Some),
        Kind::Symlink => {
            let mut path: Vec<&[u8]> = name.split(|&b| b == b'/').collect();
            path.pop();
            for component in entry.link.split(|&b| b == b'/') {
                match component {
                    b"" | b"." => {}
                    b".." => {
                        path.pop();
                    }
                    other => path.push(other),
                }
            }
            Ok(Some(path.join(&b'/')))
        }
        _ => Ok(None),
    }
}

fn open_in(dir: &Path, name: &str) -> io::Result<File> {
    let dir = File::open(dir)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let file = File::from(teu_sys::beneath::openat2(&dir, name, flags, resolve)?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::from(io::ErrorKind::NotFound)),
    }
}

trait ReadAt {
    fn read_at_offset(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

struct Positioned<'a>(&'a File);

impl ReadAt for Positioned<'_> {
    fn read_at_offset(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }
}

impl ReadAt for File {
    fn read_at_offset(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read_at(buffer, offset)
    }
}

/// A part of a file, read without moving the file's own position.
struct Range<F> {
    file: F,
    at: u64,
    left: u64,
}

impl<F: ReadAt> Read for Range<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let length = self.file.read_at_offset(&mut buffer[..wanted], self.at)?;
        if length == 0 && wanted > 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        self.at += length as u64;
        self.left -= length as u64;
        Ok(length)
    }
}
