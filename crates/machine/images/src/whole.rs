//! A file that is there when it is whole, and not before: whatever ends the process while it is
//! written, nothing of it is left.
//!
//! It has no name until then (`O_TMPFILE`); where a file system cannot do that, it has one beside its
//! place, which goes when the value goes.

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// A file that is being written.
#[derive(Debug)]
pub struct WholeFile {
    file: File,
    place: PathBuf,
    /// Its name meanwhile, where it needs one.
    beside: Option<PathBuf>,
}

impl WholeFile {
    /// Begins a file that will be at `place`, instead of what is there.
    pub fn create(place: &Path) -> io::Result<Self> {
        let folder = match place.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let place = place.to_path_buf();
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        match rustix::fs::openat(CWD, folder, flags, Mode::from_raw_mode(0o666)) {
            Ok(file) => Ok(Self { file: file.into(), place, beside: None }),
            // What file systems and kernels without it answer.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR) => {
                let beside = beside(&place);
                let file = File::options().write(true).create_new(true).open(&beside)?;
                Ok(Self { file, place, beside: Some(beside) })
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// The file; what is written there need not be on disk.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Puts it in its place, in one step.
    pub fn put(mut self) -> io::Result<()> {
        let named = match self.beside.take() {
            Some(beside) => beside,
            None => {
                let named = beside(&self.place);
                let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                rustix::fs::linkat(CWD, own, CWD, &named, AtFlags::SYMLINK_FOLLOW)?;
                named
            }
        };
        std::fs::rename(&named, &self.place).inspect_err(|_| {
            let _ = std::fs::remove_file(&named);
        })
    }
}

/// A name that nothing else has: of this process and its count.
fn beside(place: &Path) -> PathBuf {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    place.with_file_name(format!(".{name}.new-{}-{number}", std::process::id()))
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if let Some(beside) = &self.beside {
            let _ = std::fs::remove_file(beside);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::WholeFile;
    use std::io::Write;

    #[test]
    fn it_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("out.tar");
        let names = || {
            let entries = std::fs::read_dir(dir.path()).unwrap();
            entries.map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>()
        };
        for content in ["first", "second"] {
            let mut file = WholeFile::create(&place).unwrap();
            file.write_all(content.as_bytes()).unwrap();
            file.put().unwrap();
            assert_eq!(std::fs::read_to_string(&place).unwrap(), content);
        }
        let mut given_up = WholeFile::create(&place).unwrap();
        given_up.write_all(b"third").unwrap();
        assert_eq!(names(), ["out.tar"]);
        drop(given_up);
        assert_eq!((names().len(), std::fs::read_to_string(&place).unwrap()), (1, "second".into()));
        assert!(WholeFile::create(&dir.path().join("nowhere/x")).is_err());
    }
}
