//! The files of one log: opened safely, told apart by inode.

use crate::{Error, Result};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// More rotated files than this are not looked for.
const FILE_LIMIT: u32 = 10_000;

/// A container's directory.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
    pub(super) path: PathBuf,
}

/// An open file of a log.
#[derive(Debug)]
pub(super) struct LogFile {
    pub(super) file: File,
    pub(super) inode: u64,
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(Error::sys("open", path))?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// The file with that number, 0 for the present one.
    pub(super) fn file(&self, number: u32) -> Result<Option<LogFile>> {
        let name = match number {
            0 => "container.log".to_owned(),
            number => format!("container.log.{number}"),
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let failed = |errno: Errno| Error::sys("open", &self.path.join(&name))(errno);
        let fd = match rustix::fs::openat(&self.fd, &name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(failed(errno)),
        };
        let stat = rustix::fs::fstat(&fd).map_err(failed)?;
        if !FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(failed(Errno::INVAL));
        }
        Ok(Some(LogFile { file: File::from(fd), inode: stat.st_ino }))
    }

    /// All files younger than the one with this inode, oldest first; all when it is gone or `None`.
    /// They are opened from the youngest on, so a rotation meanwhile shows a file twice, not never.
    pub(super) fn newer_than(&self, inode: Option<u64>) -> Result<Vec<LogFile>> {
        let mut files: Vec<LogFile> = Vec::new();
        for number in 0..FILE_LIMIT {
            match self.file(number)? {
                Some(file) if Some(file.inode) == inode => break,
                Some(file) if files.iter().any(|known| known.inode == file.inode) => {}
                Some(file) => files.push(file),
                // Between rename and creation there is no present file.
                None if number == 0 => {}
                None => break,
            }
        }
        files.reverse();
        Ok(files)
    }
}
