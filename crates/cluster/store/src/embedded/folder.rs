//! A real folder as the store's disk.
//!
//! Log blocks go past the page cache (`O_DIRECT`) and are durable when `pwrite` returns
//! (`O_DSYNC`): one request and one flush of the device, with no writeback of pages to wait for.
//! Where the file system knows no direct writes (some FUSE, old tmpfs) they are buffered, equally
//! durable. The folder is taken with `flock` on a file in it.

use super::disk::{BLOCK_BYTES, Disk, InPlace, Sequential};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The file that is locked.
const LOCK: &str = "lock";

/// A folder by its path.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    fd: OwnedFd,
}

impl Folder {
    /// Opens it, and makes it (for the owner only) if it is not there.
    pub fn open(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())?;
        rustix::fs::fchmod(&fd, Mode::RWXU)?;
        Ok(Self { path: path.to_owned(), fd })
    }

    fn file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        Ok(rustix::fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR)?.into())
    }
}

impl Disk for Folder {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn lock(&self) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let file = self.file(LOCK, OFlags::RDWR | OFlags::CREATE)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            if let Ok(name) = entry?.file_name().into_string()
                && name != LOCK
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file(name, OFlags::RDONLY)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(self.file(name, OFlags::RDONLY)?))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Sequential>> {
        Ok(Box::new(self.file(name, OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC)?))
    }

    fn open_log(&self, name: &str) -> io::Result<Box<dyn InPlace>> {
        let flags = OFlags::WRONLY | OFlags::DSYNC;
        match self.file(name, flags | OFlags::DIRECT) {
            Ok(file) => Ok(Box::new(Direct { file, buffer: Vec::new() })),
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                Ok(Box::new(Buffered(self.file(name, flags)?)))
            }
            Err(error) => Err(error),
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.fd, from, &self.fd, to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.fd, name, rustix::fs::AtFlags::empty())?)
    }

    fn sync_names(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.fd)?)
    }

    fn random(&self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
        Ok(u64::from_le_bytes(bytes))
    }
}

impl Sequential for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Blocks past the page cache. The buffer is aligned as direct writes want it: it is larger by a
/// block than what it holds, and never moves while it does.
struct Direct {
    file: File,
    buffer: Vec<u8>,
}

impl InPlace for Direct {
    fn write(&mut self, at: u64, blocks: &[u8]) -> io::Result<()> {
        let need = blocks.len() + BLOCK_BYTES;
        if self.buffer.len() < need {
            self.buffer = vec![0; need.next_power_of_two()];
        }
        let start = self.buffer.as_ptr().align_offset(BLOCK_BYTES);
        let aligned = &mut self.buffer[start..start + blocks.len()];
        aligned.copy_from_slice(blocks);
        let written = self.file.write_all_at(aligned, at);
        // A large batch must not keep its memory.
        if self.buffer.len() > 64 * BLOCK_BYTES {
            self.buffer = Vec::new();
        }
        written
    }
}

/// Blocks through the page cache, durable by `O_DSYNC`.
struct Buffered(File);

impl InPlace for Buffered {
    fn write(&mut self, at: u64, blocks: &[u8]) -> io::Result<()> {
        self.0.write_all_at(blocks, at)
    }
}
