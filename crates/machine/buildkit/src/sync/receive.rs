//! fsutil's receiving side: a directory becomes what the client has.
//!
//! The client lists its files, we compare them with what is here and ask for those that differ; what
//! it does not have goes. A file is the same if kind, size, permissions and modification time are.
//! The client is not trusted: its paths are relative, in order, each within a directory it has listed
//! before, and opened beneath the directory without following any link.
//! Protocol: `fsutil` (`types/wire.proto`), `moby.filesync.v1.FileSync/DiffCopy`.

use crate::wire::session::{Packet, PacketType, Stat, mode};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};
use teu_builder::beneath;

/// Files of one context.
const ENTRY_LIMIT: usize = 4_000_000;
/// Bytes of a path or a link's target.
const PATH_LIMIT_BYTES: usize = 4096;
/// Files of which a part has come.
const OPEN_LIMIT: usize = 64;
/// What a file is called until all of it has come: no client can list this name.
const PARTIAL: &str = ".teu-partial-";

/// Why a transfer failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused something.
    #[error("cannot {verb} {path:?} in the copy of the context: {source}")]
    Io {
        /// What was being done.
        verb: &'static str,
        /// To what, relative to the context.
        path: String,
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
    /// The client does not keep to the protocol.
    #[error("the client sent {what}: {path:?}")]
    Protocol {
        /// What is wrong.
        what: &'static str,
        /// With which path.
        path: String,
    },
    /// The client failed.
    #[error("{0}")]
    Client(String),
    /// Too much.
    #[error("the context has more than {ENTRY_LIMIT} files: add some to .dockerignore")]
    TooMany,
}

/// What to do after a packet.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Wait for the next.
    Wait,
    /// Ask for these files, by number.
    Request(Vec<u32>),
    /// Say that everything has come.
    Finish,
    /// It is over.
    End,
}

/// A transfer.
#[derive(Debug)]
pub struct Receiver {
    root: OwnedFd,
    stats: Vec<Stat>,
    directories: HashSet<String>,
    /// Asked for and not all here.
    wanted: HashSet<u32>,
    open: HashMap<u32, File>,
    size_bytes: u64,
}

impl Receiver {
    /// Into this directory.
    pub fn new(path: &Path) -> Result<Self, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, path, flags, Mode::empty())
            .map_err(|errno| io("open", "/", errno))?;
        let (directories, wanted, open) = Default::default();
        Ok(Self { root, stats: Vec::new(), directories, wanted, open, size_bytes: 0 })
    }

    /// Bytes of all files the client has.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Takes one packet.
    pub fn packet(&mut self, packet: Packet) -> Result<Next, Error> {
        match PacketType::try_from(packet.kind) {
            Ok(PacketType::Stat) => match packet.stat {
                Some(stat) => self.listed(stat).map(|()| Next::Wait),
                None => self.compare(),
            },
            Ok(PacketType::Data) => self.data(packet.id, &packet.data),
            Ok(PacketType::Fin) => Ok(Next::End),
            Ok(PacketType::Err) => {
                Err(Error::Client(String::from_utf8_lossy(&packet.data).into_owned()))
            }
            Ok(PacketType::Req) | Err(_) => Err(wrong("a packet that only we send", "")),
        }
    }

    fn listed(&mut self, stat: Stat) -> Result<(), Error> {
        let path = &stat.path;
        if self.stats.len() >= ENTRY_LIMIT {
            return Err(Error::TooMany);
        }
        if path.len() > PATH_LIMIT_BYTES || stat.linkname.len() > PATH_LIMIT_BYTES {
            let start: String = path.chars().take(64).collect();
            return Err(wrong("a path of more than 4096 bytes", &start));
        }
        let plain = |part| matches!(part, Component::Normal(_));
        let parts = Path::new(path).components();
        let name = Path::new(path).file_name().unwrap_or_default();
        if path.contains('\0') || name.is_empty() || !parts.clone().all(plain) {
            return Err(wrong("a path that is not within the context", path));
        }
        let clean: Vec<_> = parts.map(|part| part.as_os_str().as_bytes()).collect();
        if clean.join(&b'/') != path.as_bytes() || name.as_bytes().starts_with(PARTIAL.as_bytes()) {
            return Err(wrong("a path that is not clean", path));
        }
        if let Some((parent, _)) = path.rsplit_once('/')
            && !self.directories.contains(parent)
        {
            return Err(wrong("a file before its directory", path));
        }
        if stat.mode & mode::DIRECTORY != 0 && !self.directories.insert(path.clone()) {
            return Err(wrong("a directory twice", path));
        }
        if stat.mode & mode::KIND == 0 {
            let bytes = u64::try_from(stat.size).unwrap_or(0);
            self.size_bytes = self.size_bytes.saturating_add(bytes);
        }
        self.stats.push(stat);
        Ok(())
    }

    /// Makes everything but the content of files as the client has it.
    fn compare(&mut self) -> Result<Next, Error> {
        self.remove_others()?;
        let stats = std::mem::take(&mut self.stats);
        let mut wanted = Vec::new();
        for (stat, number) in stats.iter().zip(0u32..) {
            if self.shape(stat)? {
                wanted.push(number);
            }
        }
        self.stats = stats;
        self.wanted = wanted.iter().copied().collect();
        if wanted.is_empty() {
            self.settle()?;
            return Ok(Next::Finish);
        }
        Ok(Next::Request(wanted))
    }

    /// Makes a directory or link; says whether a file's content is needed.
    fn shape(&self, stat: &Stat) -> Result<bool, Error> {
        let (parent, name) = self.parent(&stat.path)?;
        let here = match rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(here) => Some(here),
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(io("look at", &stat.path, errno)),
        };
        let kind = here.as_ref().map(|here| FileType::from_raw_mode(here.st_mode));
        let wanted = kind_of(stat);
        if kind.is_some() && kind != Some(wanted) {
            self.remove(&parent, name.as_bytes(), &stat.path)?;
        }
        let fail = |errno| io("make", &stat.path, errno);
        match wanted {
            FileType::Directory => {
                if kind != Some(FileType::Directory) {
                    rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o700)).map_err(fail)?;
                }
                Ok(false)
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&parent, name, Vec::new());
                if target.is_ok_and(|target| target.to_bytes() == stat.linkname.as_bytes()) {
                    return Ok(false);
                }
                if kind == Some(FileType::Symlink) {
                    self.remove(&parent, name.as_bytes(), &stat.path)?;
                }
                rustix::fs::symlinkat(&stat.linkname, &parent, name).map_err(fail)?;
                let times = times(stat);
                rustix::fs::utimensat(&parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(fail)?;
                Ok(false)
            }
            FileType::RegularFile if !stat.linkname.is_empty() => Ok(false),
            FileType::RegularFile => Ok(!here.is_some_and(|here| is_same(stat, &here))),
            kind => {
                // A build says of these that they cannot be copied, if it is asked to copy them.
                if here.is_none() {
                    let mode = Mode::from_raw_mode(0o600);
                    rustix::fs::mknodat(&parent, name, kind, mode, 0).map_err(fail)?;
                }
                Ok(false)
            }
        }
    }

    fn data(&mut self, number: u32, bytes: &[u8]) -> Result<Next, Error> {
        if !self.wanted.contains(&number) {
            return Err(wrong("a file that nobody asked for", &number.to_string()));
        }
        let stat =
            self.stats.get(number as usize).ok_or_else(|| wrong("no such file", ""))?.clone();
        if !self.open.contains_key(&number) {
            if self.open.len() >= OPEN_LIMIT {
                return Err(wrong("too many files at the same time", &stat.path));
            }
            let (parent, _) = self.parent(&stat.path)?;
            let flags = OFlags::WRONLY
                | OFlags::CREATE
                | OFlags::TRUNC
                | OFlags::NOFOLLOW
                | OFlags::CLOEXEC;
            let name = format!("{PARTIAL}{number}");
            let file = rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(0o600))
                .map_err(|errno| io("write", &stat.path, errno))?;
            self.open.insert(number, File::from(file));
        }
        if !bytes.is_empty() {
            if let Some(file) = self.open.get_mut(&number) {
                file.write_all(bytes).map_err(|source| io("write", &stat.path, source))?;
            }
            return Ok(Next::Wait);
        }
        let file = self.open.remove(&number);
        self.wanted.remove(&number);
        if let Some(file) = file {
            self.complete(&stat, number, &file)?;
        }
        if !self.wanted.is_empty() {
            return Ok(Next::Wait);
        }
        self.settle()?;
        Ok(Next::Finish)
    }

    /// All of a file has come: it takes its place.
    fn complete(&self, stat: &Stat, number: u32, file: &File) -> Result<(), Error> {
        let (parent, name) = self.parent(&stat.path)?;
        rustix::fs::fchmod(file, permissions(stat))
            .and_then(|()| rustix::fs::futimens(file, &times(stat)))
            .and_then(|()| {
                rustix::fs::renameat(&parent, format!("{PARTIAL}{number}"), &parent, name)
            })
            .map_err(|errno| io("write", &stat.path, errno))
    }

    /// Everything is here: hard links, then what directories say of themselves.
    fn settle(&self) -> Result<(), Error> {
        for stat in &self.stats {
            if kind_of(stat) == FileType::RegularFile && !stat.linkname.is_empty() {
                self.link(stat)?;
            }
        }
        for stat in self.stats.iter().rev().filter(|stat| stat.mode & mode::DIRECTORY != 0) {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            beneath::open_plain(&self.root, Path::new(&stat.path), flags)
                .and_then(|directory| {
                    rustix::fs::fchmod(&directory, permissions(stat))?;
                    rustix::fs::futimens(&directory, &times(stat))
                })
                .map_err(|errno| io("finish", &stat.path, errno))?;
        }
        Ok(())
    }

    fn link(&self, stat: &Stat) -> Result<(), Error> {
        let fail = |errno| io("link", &stat.path, errno);
        let (target_parent, target) = self.parent(&stat.linkname)?;
        let (parent, name) = self.parent(&stat.path)?;
        let look = |at: &OwnedFd, name: &str| {
            rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| stat.st_ino)
        };
        let wanted = look(&target_parent, target).map_err(fail)?;
        match look(&parent, name) {
            Ok(inode) if inode == wanted => return Ok(()),
            Ok(_) => self.remove(&parent, name.as_bytes(), &stat.path)?,
            Err(_) => {}
        }
        rustix::fs::linkat(&target_parent, target, &parent, name, AtFlags::empty()).map_err(fail)
    }

    /// Removes what the client does not have.
    fn remove_others(&self) -> Result<(), Error> {
        let listed: HashSet<&str> = self.stats.iter().map(|stat| stat.path.as_str()).collect();
        let mut pending = vec![String::new()];
        while let Some(path) = pending.pop() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            let directory = beneath::open_plain(&self.root, Path::new(&path), flags)
                .map_err(|errno| io("read", &path, errno))?;
            let entries =
                rustix::fs::Dir::read_from(&directory).map_err(|errno| io("read", &path, errno))?;
            for entry in entries {
                let entry = entry.map_err(|errno| io("read", &path, errno))?;
                let name = entry.file_name();
                if matches!(name.to_bytes(), b"." | b"..") {
                    continue;
                }
                let text = name.to_string_lossy();
                let child =
                    if path.is_empty() { text.into_owned() } else { format!("{path}/{text}") };
                if !listed.contains(child.as_str()) {
                    self.remove(&directory, name.to_bytes(), &child)?;
                } else if entry.file_type() == FileType::Directory
                    && self.directories.contains(&child)
                {
                    pending.push(child);
                }
            }
        }
        Ok(())
    }

    fn remove(&self, parent: &OwnedFd, name: &[u8], path: &str) -> Result<(), Error> {
        teu_images::tree::remove_at(parent.as_fd(), name).map_err(|errno| io("remove", path, errno))
    }

    /// The directory that a listed path is in, and the path's last part.
    fn parent<'p>(&self, path: &'p str) -> Result<(OwnedFd, &'p str), Error> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        if name.is_empty() || !(parent.is_empty() || self.directories.contains(parent)) {
            return Err(wrong("a path that is not within the context", path));
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let directory = beneath::open_plain(&self.root, Path::new(parent), flags)
            .map_err(|errno| io("open", parent, errno))?;
        Ok((directory, name))
    }
}

fn kind_of(stat: &Stat) -> FileType {
    let has = |bit| stat.mode & bit != 0;
    if has(mode::DIRECTORY) {
        FileType::Directory
    } else if has(mode::SYMLINK) {
        FileType::Symlink
    } else if stat.mode & mode::KIND == 0 {
        FileType::RegularFile
    } else {
        FileType::Fifo
    }
}

fn permissions(stat: &Stat) -> Mode {
    let special = [(mode::SETUID, 0o4000), (mode::SETGID, 0o2000), (mode::STICKY, 0o1000)];
    let special = special.iter().filter(|(bit, _)| stat.mode & bit != 0).map(|(_, raw)| raw);
    Mode::from_raw_mode(stat.mode & 0o777 | special.sum::<u32>())
}

fn times(stat: &Stat) -> Timestamps {
    let at = Timespec {
        tv_sec: stat.mod_time.div_euclid(1_000_000_000),
        tv_nsec: stat.mod_time.rem_euclid(1_000_000_000) as _,
    };
    Timestamps { last_access: at, last_modification: at }
}

fn is_same(stat: &Stat, here: &rustix::fs::Stat) -> bool {
    let times = times(stat).last_modification;
    FileType::from_raw_mode(here.st_mode) == FileType::RegularFile
        && here.st_size == stat.size
        && here.st_mode & 0o7777 == permissions(stat).as_raw_mode()
        && here.st_mtime == times.tv_sec
        && i64::try_from(here.st_mtime_nsec).unwrap_or(-1) == times.tv_nsec
}

fn io(verb: &'static str, path: &str, source: impl Into<std::io::Error>) -> Error {
    Error::Io { verb, path: path.to_owned(), source: source.into() }
}

fn wrong(what: &'static str, path: &str) -> Error {
    Error::Protocol { what, path: path.to_owned() }
}

#[cfg(test)]
mod tests;
