//! A tar that is written by a thread while it is read.

use super::path::{Source, SourceKind};
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::OwnedFd;
use std::thread::JoinHandle;
use teu_images::tree::{TreeOptions, write_entry, write_tree};

/// Room between writer and reader.
const PIPE_BYTES: usize = 1 << 20;

/// A tar stream of what is copied out. Its last read fails where writing it failed, so that half a
/// tar is not taken for a whole one.
#[derive(Debug)]
pub struct TarStream {
    pipe: File,
    writer: Option<JoinHandle<Result<(), teu_images::Error>>>,
}

impl TarStream {
    /// Starts writing. `keep` lives until the writer has ended (a mount namespace, a lock).
    pub(crate) fn start<K, F>(keep: K, write: F) -> io::Result<Self>
    where
        K: Send + 'static,
        F: FnOnce(&K, &mut dyn io::Write) -> Result<(), teu_images::Error> + Send + 'static,
    {
        let (read, written) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let _ = rustix::pipe::fcntl_setpipe_size(&written, PIPE_BYTES);
        let writer = std::thread::Builder::new().name("teu-tar".to_owned()).spawn(move || {
            let mut out = io::BufWriter::with_capacity(256 << 10, File::from(written));
            write(&keep, &mut out)?;
            out.flush().map_err(|source| teu_images::Error::stream("write the tar", source))
        })?;
        Ok(Self { pipe: File::from(read), writer: Some(writer) })
    }
}

impl Read for TarStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.pipe.read(buffer)?;
        if count == 0
            && !buffer.is_empty()
            && let Some(writer) = self.writer.take()
        {
            match writer.join() {
                Ok(result) => result.map_err(io::Error::from)?,
                Err(_) => return Err(io::Error::other("the writer of the tar has failed")),
            }
        }
        Ok(count)
    }
}

/// Writes what was found under the name that it gets; `None` for what is in a directory only.
pub(super) fn write_source(
    source: &Source,
    name: Option<&str>,
    out: &mut dyn io::Write,
) -> Result<(), teu_images::Error> {
    let prefix = name.map(|name| name.as_bytes().to_vec());
    let with_root = name.is_some();
    let options = TreeOptions { prefix, with_root, subseconds: true, ..TreeOptions::default() };
    match &source.kind {
        SourceKind::Directory(dir) => write_tree(borrow(dir), &options, out).map(drop),
        SourceKind::Entry { dir, name } => write_entry(borrow(dir), name, &options, out).map(drop),
    }
}

fn borrow(fd: &OwnedFd) -> std::os::fd::BorrowedFd<'_> {
    std::os::fd::AsFd::as_fd(fd)
}
