//! The log: what is written before a write is answered.
//!
//! Segments `log-<number>` of full length, zeroed and synced before they are used, so that a batch
//! is one write of whole blocks in place and changes no metadata of the file system. The last,
//! partly filled block is written again with the next batch: its old bytes stay the same, so a torn
//! write cannot hurt them. A segment's first block says who it is: mark, number, salt, first batch,
//! checksum; a first block of zeros says that it was not used yet.
//!
//! Invariant: batches are numbered without gaps over all segments.

use super::disk::{BLOCK_BYTES, Disk, InPlace};
use super::frame;
use super::keeper::Spares;
use super::open::{OpenError, damaged, io_error};
use std::io;
use std::sync::Arc;

/// Bytes of a segment, and of the very first, which the first start waits for.
pub const SEGMENT_BYTES: usize = 4 << 20;
const FIRST_BYTES: usize = 256 << 10;

const MARK: [u8; 8] = *b"TEULOG1\n";
const HEADER_BYTES: usize = 8 + 8 + 8 + 8 + 4;

/// A segment that has batches.
#[derive(Debug)]
struct Segment {
    number: u64,
    last_batch: u64,
    bytes: u64,
}

/// Where the next batch goes.
struct Tail {
    file: Box<dyn InPlace>,
    salt: u64,
    size: usize,
    /// The next frame's offset.
    at: usize,
    /// What already stands in the block of `at`, or the whole header block before the first batch.
    begun: Vec<u8>,
}

/// The open log.
pub struct Log {
    disk: Arc<dyn Disk>,
    spares: Spares,
    /// Segments behind the tail's, oldest first.
    full: Vec<Segment>,
    number: u64,
    tail: Tail,
    batch: u64,
}

/// Why a batch was not made durable.
#[derive(Debug)]
pub enum AppendError {
    /// There is no segment for it; nothing was written and the next may succeed.
    NoRoom(io::Error),
    /// The write failed: how much of it the disk has, nobody knows.
    Failed(io::Error),
}

/// The name of a segment.
pub fn name(number: u64) -> String {
    format!("log-{number:016x}")
}

/// The number in a segment's name.
pub fn number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("log-").filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok()
}

/// Makes a segment that can be used: zeroed, durable, with a durable name.
pub fn prepare(disk: &dyn Disk, number: u64, size: usize) -> io::Result<()> {
    static PIECE: [u8; 64 << 10] = [0; 64 << 10];
    let mut file = disk.create(&name(number))?;
    let mut left = size;
    while left > 0 {
        let piece = left.min(PIECE.len());
        file.write_all(&PIECE[..piece])?;
        left -= piece;
    }
    file.sync()?;
    disk.sync_names()
}

fn header(number: u64, salt: u64, first_batch: u64) -> Vec<u8> {
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    block.extend_from_slice(&MARK);
    for word in [number, salt, first_batch] {
        block.extend_from_slice(&word.to_le_bytes());
    }
    let sum = crc32fast::hash(&block);
    block.extend_from_slice(&sum.to_le_bytes());
    block.resize(BLOCK_BYTES, 0);
    block
}

/// Number, salt and first batch of a header block.
fn read_header(bytes: &[u8]) -> Option<(u64, u64, u64)> {
    let (text, sum) = bytes.get(..HEADER_BYTES)?.split_at(HEADER_BYTES - 4);
    let word = |at: usize| Some(u64::from_le_bytes(text.get(at..at + 8)?.try_into().ok()?));
    let whole = text[..8] == MARK && crc32fast::hash(text).to_le_bytes() == *sum;
    if whole { Some((word(8)?, word(16)?, word(24)?)) } else { None }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

impl Log {
    /// Reads all segments, hands every batch behind `batch` to `take`, and stands ready to append.
    pub fn open(
        disk: &Arc<dyn Disk>,
        spares: Spares,
        mut batch: u64,
        take: &mut dyn FnMut(u64, &[u8]) -> Option<()>,
    ) -> Result<Self, OpenError> {
        let names = disk.names().map_err(|error| io_error(&**disk, "", error))?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| number(name)).collect();
        numbers.sort_unstable();
        let mut full: Vec<Segment> = Vec::new();
        let mut last = None;
        for number in &numbers {
            let name = name(*number);
            let bytes = disk.read(&name).map_err(|error| io_error(&**disk, &name, error))?;
            let Some((_, salt, first)) = read_header(&bytes).filter(|found| found.0 == *number)
            else {
                if !is_zero(&bytes[..bytes.len().min(512)]) {
                    return Err(damaged(&**disk, &name, 0, "its first block is not one"));
                }
                disk.remove(&name).map_err(|error| io_error(&**disk, &name, error))?;
                continue;
            };
            if first > batch + 1 {
                return Err(damaged(&**disk, &name, 0, "batches before it are missing"));
            }
            let (end, end_batch) = replay(&**disk, &name, (&bytes, salt, first), &mut batch, take)?;
            full.push(Segment {
                number: *number,
                last_batch: end_batch,
                bytes: bytes.len() as u64,
            });
            last = Some((bytes, salt, end));
        }
        let next = numbers.last().map_or(1, |number| number + 1);
        let (number, tail) = match last {
            // A log that ends before the checkpoint is not continued: its numbers would have a gap.
            Some((bytes, salt, end))
                if full.last().is_some_and(|last| last.last_batch == batch) =>
            {
                let segment = full.pop();
                let number = segment.map_or(0, |segment| segment.number);
                (number, Tail::resume(&**disk, &name(number), (bytes, salt, end))?)
            }
            _ => prepare(&**disk, next, FIRST_BYTES)
                .and_then(|()| Tail::fresh(&**disk, next, FIRST_BYTES, batch + 1))
                .map(|tail| (next, tail))
                .map_err(|error| io_error(&**disk, &name(next), error))?,
        };
        let mut spares = spares;
        spares.ask(next.max(number + 1));
        Ok(Self { disk: Arc::clone(disk), spares, full, number, tail, batch })
    }

    /// Makes a batch durable.
    pub fn append(&mut self, payload: &[u8]) -> Result<u64, AppendError> {
        let need = frame::length(payload.len());
        if self.tail.at + need > self.tail.size {
            self.rotate(need).map_err(AppendError::NoRoom)?;
        }
        let batch = self.batch + 1;
        let tail = &mut self.tail;
        let start = tail.at - tail.begun.len();
        let mut blocks = std::mem::take(&mut tail.begun);
        frame::put(&mut blocks, tail.salt, batch, payload);
        tail.at += need;
        let used = blocks.len();
        blocks.resize(used.next_multiple_of(BLOCK_BYTES), 0);
        tail.file.write(start as u64, &blocks).map_err(AppendError::Failed)?;
        let keep = used / BLOCK_BYTES * BLOCK_BYTES;
        tail.begun = blocks[keep..used].to_vec();
        self.batch = batch;
        Ok(batch)
    }

    /// Goes on in the next segment.
    fn rotate(&mut self, need: usize) -> io::Result<()> {
        let size = SEGMENT_BYTES;
        if need > size - BLOCK_BYTES {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a batch exceeds a segment"));
        }
        let number = self.spares.take()?;
        let tail = Tail::fresh(&*self.disk, number, size, self.batch + 1)?;
        let bytes = self.tail.size as u64;
        self.full.push(Segment { number: self.number, last_batch: self.batch, bytes });
        self.number = number;
        self.tail = tail;
        self.spares.ask(number + 1);
        Ok(())
    }

    /// Begins another segment, if this one has something: so that the next checkpoint lets go of all that
    /// was written before it.
    pub fn turn(&mut self) -> io::Result<()> {
        if self.tail.at > BLOCK_BYTES { self.rotate(0) } else { Ok(()) }
    }

    /// Removes segments whose batches all stand in a checkpoint.
    pub fn forget(&mut self, batch: u64) -> io::Result<()> {
        while let Some(segment) = self.full.first().filter(|segment| segment.last_batch <= batch) {
            self.disk.remove(&name(segment.number))?;
            self.full.remove(0);
        }
        Ok(())
    }

    /// Bytes of full segments: what a start would have to read beside the checkpoint.
    pub fn bytes(&self) -> u64 {
        self.full.iter().map(|segment| segment.bytes).sum::<u64>() + self.tail.at as u64
    }
}

/// Walks the frames of one segment; answers where they end, and the last batch.
fn replay(
    disk: &dyn Disk,
    name: &str,
    (bytes, salt, first): (&[u8], u64, u64),
    batch: &mut u64,
    take: &mut dyn FnMut(u64, &[u8]) -> Option<()>,
) -> Result<(usize, u64), OpenError> {
    let mut at = BLOCK_BYTES;
    let mut next = first;
    while let Some((found, payload)) = bytes.get(at..).and_then(|bytes| frame::get(bytes, salt)) {
        if found != next {
            return Err(damaged(disk, name, at, "its batches are out of order"));
        }
        if found > *batch {
            take(found, payload).ok_or_else(|| {
                damaged(disk, name, at, "a batch with a good checksum makes no sense")
            })?;
            *batch = found;
        }
        next += 1;
        at += frame::length(payload.len());
    }
    // What follows is zeros, or a write that was cut short and never answered. A whole frame
    // behind it would have been written only after it was: then it is damage.
    if let Some(later) = frame::find(bytes, at, salt) {
        return Err(damaged(
            disk,
            name,
            at,
            &format!("unreadable from here, but a whole batch follows at byte {later}"),
        ));
    }
    Ok((at, next - 1))
}

impl Tail {
    /// The beginning of a prepared segment.
    fn fresh(disk: &dyn Disk, number: u64, size: usize, first_batch: u64) -> io::Result<Self> {
        let salt = disk.random()?;
        let file = disk.open_log(&name(number))?;
        let begun = header(number, salt, first_batch);
        Ok(Self { file, salt, size, at: BLOCK_BYTES, begun })
    }

    /// The end of a used segment, with what a torn write left behind it wiped out.
    fn resume(
        disk: &dyn Disk,
        name: &str,
        (bytes, salt, at): (Vec<u8>, u64, usize),
    ) -> Result<Self, OpenError> {
        let size = bytes.len() / BLOCK_BYTES * BLOCK_BYTES;
        let mut file = disk.open_log(name).map_err(|error| io_error(disk, name, error))?;
        let start = at / BLOCK_BYTES * BLOCK_BYTES;
        let begun = bytes[start..at].to_vec();
        let dirty = frame::used(&bytes);
        if bytes[at..dirty.max(at)].iter().any(|byte| *byte != 0) {
            let mut blocks = begun.clone();
            blocks.resize((dirty - start).next_multiple_of(BLOCK_BYTES), 0);
            file.write(start as u64, &blocks).map_err(|error| io_error(disk, name, error))?;
        }
        Ok(Self { file, salt, size, at, begun })
    }
}
