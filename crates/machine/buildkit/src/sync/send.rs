//! fsutil's sending side: a directory of ours goes to the client, file by file as it asks.
//!
//! Only what a build has exported is sent, from a directory that nobody else writes to; still no
//! link is followed.

use crate::wire::session::{Packet, PacketType, Stat, mode};
use bytes::Bytes;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use teu_builder::beneath;

/// Files that may be sent.
const ENTRY_LIMIT: usize = 4_000_000;
/// Bytes in one packet.
const CHUNK_BYTES: usize = 32 << 10;

/// Why a directory cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused something.
    #[error("cannot {verb} {path:?} of the result: {source}")]
    Io {
        /// What was being done.
        verb: &'static str,
        /// To what, relative to the result.
        path: String,
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
    /// The client asks for something else than the files it was told of.
    #[error("the client asked for file {0}, which there is not")]
    Request(u32),
    /// Too much.
    #[error("the result has more than {ENTRY_LIMIT} files: use --output type=tar")]
    TooMany,
}

/// A directory to be sent.
#[derive(Debug)]
pub struct Sender {
    root: OwnedFd,
    /// In the order in which they are listed; `None` where nothing can be asked for.
    files: Vec<Option<PathBuf>>,
}

/// A file on its way: packets, the last one empty.
#[derive(Debug)]
pub struct Content {
    number: u32,
    file: Option<File>,
    path: PathBuf,
}

impl Sender {
    /// Walks a directory: what there is, and what to tell the client of it.
    pub fn new(path: &Path) -> Result<(Self, Vec<Packet>), Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, path, flags, Mode::empty())
            .map_err(|errno| io("open", path, errno))?;
        let mut sender = Self { root, files: Vec::new() };
        let mut packets = Vec::new();
        sender.walk(PathBuf::new(), &mut packets)?;
        packets.push(Packet::plain(PacketType::Stat, 0));
        Ok((sender, packets))
    }

    /// Lists a directory and all in it, each directory before what it holds, by name.
    fn walk(&mut self, directory: PathBuf, packets: &mut Vec<Packet>) -> Result<(), Error> {
        let fail = |errno| io("read", &directory, errno);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let open = beneath::open_plain(&self.root, &directory, flags).map_err(fail)?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&open).map_err(fail)? {
            let name = entry.map_err(fail)?.file_name().to_owned();
            // A name that is no text cannot be said in this protocol.
            if let Ok(name) = name.into_string()
                && name != "."
                && name != ".."
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        for name in names {
            let path = directory.join(&name);
            let here = rustix::fs::statat(&open, &name, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|errno| io("look at", &path, errno))?;
            let kind = FileType::from_raw_mode(here.st_mode);
            let mut stat = stat(&path, &here);
            match kind {
                FileType::Symlink => {
                    let target = rustix::fs::readlinkat(&open, &name, Vec::new())
                        .map_err(|errno| io("read", &path, errno))?;
                    stat.linkname = target.to_string_lossy().into_owned();
                }
                FileType::RegularFile | FileType::Directory => {}
                // The client could make no device, and has no use for our sockets.
                _ => continue,
            }
            if self.files.len() >= ENTRY_LIMIT {
                return Err(Error::TooMany);
            }
            self.files.push(Some(path.clone()).filter(|_| kind == FileType::RegularFile));
            packets.push(Packet { stat: Some(stat), ..Packet::plain(PacketType::Stat, 0) });
            if kind == FileType::Directory {
                self.walk(path, packets)?;
            }
        }
        Ok(())
    }

    /// The file of this number.
    pub fn open(&self, number: u32) -> Result<Content, Error> {
        let path = self.files.get(number as usize).cloned().flatten();
        let path = path.ok_or(Error::Request(number))?;
        let file = beneath::open_plain(&self.root, &path, OFlags::RDONLY)
            .map_err(|errno| io("open", &path, errno))?;
        Ok(Content { number, file: Some(File::from(file)), path })
    }
}

impl Content {
    /// The next packet; `None` behind the last.
    pub fn packet(&mut self) -> Result<Option<Packet>, Error> {
        let Some(file) = &mut self.file else { return Ok(None) };
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        file.take(CHUNK_BYTES as u64)
            .read_to_end(&mut chunk)
            .map_err(|source| io("read", &self.path, source))?;
        if chunk.is_empty() {
            self.file = None;
        }
        let packet = Packet::plain(PacketType::Data, self.number);
        Ok(Some(Packet { data: Bytes::from(chunk), ..packet }))
    }
}

fn stat(path: &Path, here: &rustix::fs::Stat) -> Stat {
    let kind = match FileType::from_raw_mode(here.st_mode) {
        FileType::Directory => mode::DIRECTORY,
        FileType::Symlink => mode::SYMLINK,
        _ => 0,
    };
    let special = [(0o4000, mode::SETUID), (0o2000, mode::SETGID), (0o1000, mode::STICKY)];
    let special = special.iter().filter(|(raw, _)| here.st_mode & raw != 0).map(|(_, bit)| bit);
    let nanoseconds = i64::try_from(here.st_mtime_nsec).unwrap_or(0);
    Stat {
        path: path.to_string_lossy().into_owned(),
        mode: kind | here.st_mode & 0o777 | special.sum::<u32>(),
        uid: here.st_uid,
        gid: here.st_gid,
        size: if kind == 0 { here.st_size } else { 0 },
        mod_time: here.st_mtime.saturating_mul(1_000_000_000).saturating_add(nanoseconds),
        ..Stat::default()
    }
}

fn io(verb: &'static str, path: &Path, source: impl Into<std::io::Error>) -> Error {
    Error::Io { verb, path: path.to_string_lossy().into_owned(), source: source.into() }
}
