//! A range of a file as a body.
//!
//! The kernel is asked with `RWF_NOWAIT` first: what the page cache has is copied on the spot, at
//! the speed of memory; only what must come from disk goes to a blocking thread. Buffers come from
//! one pool of the process and go back when the connection has sent them; when many slow clients
//! hold them all, pieces become small instead of more.

use bytes::Bytes;
use rustix::io::{Errno, ReadWriteFlags};
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::task::JoinHandle;

/// Bytes of a piece.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces of that size that exist at a time in the process.
const POOL_PIECES: usize = 128;
/// Bytes of a piece when all of them are in use.
const SMALL_BYTES: usize = 16 << 10;
/// Unused pieces that are kept for the next reader.
const SPARE_PIECES: usize = 16;

#[derive(Debug)]
pub(super) struct FileBody {
    file: Arc<File>,
    left: Range<u64>,
    reading: Option<JoinHandle<(Buffer, io::Result<usize>)>>,
    /// The file system does not know `RWF_NOWAIT`.
    must_block: bool,
}

impl FileBody {
    pub(super) fn new(file: Arc<File>, range: Range<u64>) -> Self {
        Self { file, left: range, reading: None, must_block: false }
    }

    pub(super) fn left_bytes(&self) -> u64 {
        self.left.end.saturating_sub(self.left.start)
    }

    pub(super) fn poll_piece(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            if let Some(task) = &mut self.reading {
                let Poll::Ready(answer) = Pin::new(task).poll(context) else {
                    return Poll::Pending;
                };
                self.reading = None;
                let (buffer, read) = match answer {
                    Ok(answer) => answer,
                    Err(failed) => return Poll::Ready(Some(Err(io::Error::other(failed)))),
                };
                return Poll::Ready(Some(read.and_then(|length| self.take(buffer, length))));
            }
            let left = self.left_bytes();
            if left == 0 {
                return Poll::Ready(None);
            }
            let mut buffer = Buffer::new(usize::try_from(left).unwrap_or(usize::MAX));
            if !self.must_block {
                match read_cached(&self.file, &mut buffer, self.left.start) {
                    Ok(length) => return Poll::Ready(Some(self.take(buffer, length))),
                    Err(Errno::AGAIN | Errno::INTR) => {}
                    Err(Errno::OPNOTSUPP) => self.must_block = true,
                    Err(errno) => return Poll::Ready(Some(Err(errno.into()))),
                }
            }
            let (file, at) = (self.file.clone(), self.left.start);
            self.reading = Some(tokio::task::spawn_blocking(move || {
                let read = std::os::unix::fs::FileExt::read_at(&*file, buffer.as_mut(), at);
                (buffer, read)
            }));
        }
    }

    fn take(&mut self, mut buffer: Buffer, length: usize) -> io::Result<Bytes> {
        if length == 0 {
            let message = "the file became shorter while it was sent";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        self.left.start += length as u64;
        buffer.length = length;
        Ok(Bytes::from_owner(buffer))
    }
}

fn read_cached(file: &File, buffer: &mut Buffer, at: u64) -> rustix::io::Result<usize> {
    let mut slices = [IoSliceMut::new(buffer.as_mut())];
    rustix::io::preadv2(file, &mut slices, at, ReadWriteFlags::NOWAIT)
}

/// Bytes from the pool, or a few of their own.
#[derive(Debug)]
struct Buffer {
    bytes: Vec<u8>,
    length: usize,
}

static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
static IN_USE: AtomicUsize = AtomicUsize::new(0);

impl Buffer {
    fn new(wanted: usize) -> Self {
        if wanted <= SMALL_BYTES {
            return Self { bytes: vec![0; wanted], length: wanted };
        }
        if IN_USE.fetch_add(1, Ordering::Relaxed) >= POOL_PIECES {
            IN_USE.fetch_sub(1, Ordering::Relaxed);
            return Self { bytes: vec![0; SMALL_BYTES], length: SMALL_BYTES };
        }
        let spare = SPARE.lock().ok().and_then(|mut spare| spare.pop());
        let bytes = spare.unwrap_or_else(|| vec![0; PIECE_BYTES]);
        Self { bytes, length: wanted.min(PIECE_BYTES) }
    }

    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.bytes.len() != PIECE_BYTES {
            return;
        }
        IN_USE.fetch_sub(1, Ordering::Relaxed);
        if let Ok(mut spare) = SPARE.lock()
            && spare.len() < SPARE_PIECES
        {
            spare.push(std::mem::take(&mut self.bytes));
        }
    }
}
