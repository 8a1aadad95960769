//! A layer's bytes on their one way through: read, decompressed, hashed, stored and unpacked, each on
//! a thread of its own, in pieces that are passed on and never copied.

use super::blob::{Hasher, Ingest};
use crate::compression::{Decoder, Format, peek, recognise};
use crate::error::{Error, Result};
use crate::limits::Limits;
use std::io::{self, BufRead, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use teu_oci::Digest;

/// Bytes of a piece; as many as fit a processor's cache beside what works on them.
const PIECE_BYTES: usize = 512 << 10;
/// Pieces under way between two threads.
const QUEUE_PIECES: usize = 8;

/// Where a layer comes from and what is to be kept of it.
pub(super) struct Flow<'a> {
    /// The layer as it was stored or sent.
    pub(super) source: &'a mut (dyn Read + Send),
    /// Takes the bytes as they come.
    pub(super) raw: Option<Ingest>,
    /// Takes the decompressed bytes.
    pub(super) plain: Option<Ingest>,
    /// Bounds of the decompression.
    pub(super) limits: Limits,
}

/// What came through.
#[derive(Debug)]
pub(super) struct Flowed<T> {
    pub(super) raw_digest: Digest,
    pub(super) raw_bytes: u64,
    pub(super) raw: Option<Ingest>,
    pub(super) diff_id: Digest,
    pub(super) plain: Option<Ingest>,
    pub(super) format: Format,
    /// What the consumer made of it.
    pub(super) answer: T,
}

impl Flow<'_> {
    /// Runs the whole stream through `consume`, which must read to the end or fail.
    pub(super) fn run<T>(
        self,
        consume: impl FnOnce(&mut dyn BufRead) -> Result<T>,
    ) -> Result<Flowed<T>> {
        let Self { source, raw, mut plain, limits } = self;
        let read = |e| Error::stream("read the layer", e);
        let start = peek(source).map_err(read)?;
        let format = recognise(&start);
        let hasher = (format != Format::Plain).then(Hasher::sha256);
        let source = io::Cursor::new(start).chain(source);
        let mut raw = Raw { source, ingest: raw, hasher, bytes: 0 };
        let (to_hash, hash_queue) = sync_channel(QUEUE_PIECES);
        let (to_reader, read_queue) = sync_channel(QUEUE_PIECES);
        let (answer, hashed, produced) = std::thread::scope(|scope| {
            let producer = scope.spawn(|| {
                let outputs = [to_hash, to_reader];
                produce(&mut raw, format, &limits, &outputs)
            });
            let plain = plain.as_mut();
            let hash = scope.spawn(move || hash_all(&hash_queue, plain));
            let answer = {
                // Dropped at the end, so that a consumer that failed stops the producer.
                let mut pieces = Pieces { queue: read_queue, current: None, at: 0 };
                consume(&mut pieces)
            };
            (answer, joined(hash), joined(producer))
        });
        // The first cause: a reader's error reaches the consumer, too, but with less to say.
        let answer = match (produced, answer) {
            (Err(error), Err(_)) if !is_hang_up(&error) => return Err(read(error)),
            (_, Err(error)) => return Err(error),
            (Err(error), Ok(_)) => return Err(read(error)),
            (Ok(()), Ok(answer)) => answer,
        };
        let diff_id = hashed.map_err(|e| Error::stream("write to the image store", e))?;
        Ok(Flowed {
            raw_digest: raw.hasher.map_or_else(|| diff_id.clone(), Hasher::finish),
            raw_bytes: raw.bytes,
            raw: raw.ingest,
            diff_id,
            plain,
            format,
            answer,
        })
    }
}

fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, io::Result<T>>) -> io::Result<T> {
    thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread of the layer's flow panicked")))
}

/// The stream as it comes, kept and hashed on its way.
struct Raw<R> {
    source: R,
    ingest: Option<Ingest>,
    hasher: Option<Hasher>,
    bytes: u64,
}

impl<R: Read> Read for Raw<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        let piece = &buffer[..length];
        if let Some(ingest) = &mut self.ingest {
            ingest.write_unhashed(piece)?;
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(piece);
        }
        self.bytes += length as u64;
        Ok(length)
    }
}

type Pool = Arc<Mutex<Vec<Vec<u8>>>>;

/// A piece of the plain stream; its memory goes back to the pool when nobody reads it any more.
struct Piece {
    bytes: Vec<u8>,
    length: usize,
    pool: Pool,
}

impl Drop for Piece {
    fn drop(&mut self) {
        if let Ok(mut pool) = self.pool.lock() {
            pool.push(std::mem::take(&mut self.bytes));
        }
    }
}

type Message = io::Result<Arc<Piece>>;

fn produce<R: Read + Send>(
    raw: &mut Raw<R>,
    format: Format,
    limits: &Limits,
    outputs: &[SyncSender<Message>; 2],
) -> io::Result<()> {
    let result = pump(raw, format, limits, outputs);
    if let Err(error) = &result
        && !is_hang_up(error)
    {
        // Whoever waits must not take the silence for the end.
        for output in outputs {
            let _ = output.send(Err(io::Error::new(error.kind(), error.to_string())));
        }
    }
    result
}

fn pump<R: Read + Send>(
    raw: &mut Raw<R>,
    format: Format,
    limits: &Limits,
    outputs: &[SyncSender<Message>; 2],
) -> io::Result<()> {
    let pool = Pool::default();
    let mut decoder = Decoder::of(format, &mut *raw, limits)?;
    loop {
        let spare = pool.lock().ok().and_then(|mut pool| pool.pop());
        let mut bytes = spare.unwrap_or_else(|| vec![0; PIECE_BYTES]);
        let length = fill(&mut decoder, &mut bytes)?;
        if length == 0 {
            break;
        }
        let piece = Arc::new(Piece { bytes, length, pool: pool.clone() });
        for output in outputs {
            output.send(Ok(piece.clone())).map_err(|_| hang_up())?;
        }
    }
    drop(decoder);
    // What follows the compressed stream belongs to the digest.
    let mut rest = vec![0; PIECE_BYTES];
    while raw.read(&mut rest)? > 0 {}
    Ok(())
}

fn hang_up() -> io::Error {
    io::Error::from(io::ErrorKind::BrokenPipe)
}

fn is_hang_up(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe && error.get_ref().is_none()
}

fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn hash_all(queue: &Receiver<Message>, mut ingest: Option<&mut Ingest>) -> io::Result<Digest> {
    let mut hasher = Hasher::sha256();
    // A queue that ends without an error has ended well.
    while let Ok(message) = queue.recv() {
        let piece = message?;
        let bytes = &piece.bytes[..piece.length];
        hasher.update(bytes);
        if let Some(ingest) = ingest.as_deref_mut() {
            ingest.write_unhashed(bytes)?;
        }
    }
    Ok(hasher.finish())
}

/// The plain stream on the consumer's side.
struct Pieces {
    queue: Receiver<Message>,
    current: Option<Arc<Piece>>,
    at: usize,
}

impl BufRead for Pieces {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let is_read = self.current.as_ref().is_none_or(|piece| self.at >= piece.length);
        if is_read {
            self.current = self.queue.recv().ok().transpose()?;
            self.at = 0;
        }
        Ok(self.current.as_ref().map_or(&[], |piece| &piece.bytes[self.at..piece.length]))
    }

    fn consume(&mut self, bytes: usize) {
        self.at += bytes;
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = self.fill_buf()?;
        let length = piece.len().min(buffer.len());
        buffer[..length].copy_from_slice(&piece[..length]);
        self.consume(length);
        Ok(length)
    }
}

/// Stores what `produce` writes as a blob, hashing it on another thread.
pub(super) fn store<T>(
    mut ingest: Ingest,
    produce: impl FnOnce(&mut dyn Write) -> Result<T>,
) -> Result<(Ingest, Digest, T)> {
    let (sender, queue) = sync_channel(QUEUE_PIECES);
    let (answer, hashed) = std::thread::scope(|scope| {
        let hash = scope.spawn(|| {
            let queue = queue;
            hash_all(&queue, Some(&mut ingest))
        });
        let mut writer = PieceWriter { sender, pool: Pool::default(), bytes: Vec::new() };
        let answer = produce(&mut writer).and_then(|answer| {
            writer.send().map(|()| answer).map_err(|e| Error::stream("write", e))
        });
        drop(writer);
        (answer, joined(hash))
    });
    // A full disk is the writer's error; the producer only sees that nobody listens.
    let digest = hashed.map_err(|e| Error::stream("write to the image store", e))?;
    Ok((ingest, digest, answer?))
}

struct PieceWriter {
    sender: SyncSender<Message>,
    pool: Pool,
    bytes: Vec<u8>,
}

impl PieceWriter {
    fn send(&mut self) -> io::Result<()> {
        let length = self.bytes.len();
        if length == 0 {
            return Ok(());
        }
        let spare = self.pool.lock().ok().and_then(|mut pool| pool.pop()).unwrap_or_default();
        let bytes = std::mem::replace(&mut self.bytes, spare);
        self.bytes.clear();
        let piece = Piece { bytes, length, pool: self.pool.clone() };
        self.sender.send(Ok(Arc::new(piece))).map_err(|_| hang_up())
    }
}

impl Write for PieceWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > PIECE_BYTES {
            self.send()?;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
