//! Checkpoints and snapshots: everything as of one batch, in one stream.
//!
//! The same format is the file `base-<batch>` beside the log and what `snapshot save` gives. Blocks
//! of records, each with a checksum over its number and bytes; the last block counts what came, so
//! that a stream cut short is seen. It is written while the store goes on: a few keys at a time are
//! taken under the lock, and versions that came later are left out (a checkpoint leaves them to the
//! log). While it is written nothing is forgotten, however far the store is compacted meanwhile.

use super::record::{Reader, put_kv, put_number};
use super::state::{Lease, State};
use crate::kv::{KeyValue, Revision};
use bytes::Bytes;
use std::io::{self, Read, Write};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

const MARK: [u8; 8] = *b"TEUBASE1";
/// A block is closed when it has so many bytes.
const BLOCK_BYTES: usize = 256 << 10;
/// No block is larger: one block plus the largest key and value.
const MAX_BLOCK_BYTES: usize = 4 << 20;
/// Revisions forgotten under one hold of the lock.
const PRUNE_AT_ONCE: usize = 1024;
/// Keys taken under one hold of the lock.
const KEYS_AT_ONCE: usize = 512;

const META: u8 = b'M';
const KEYS: u8 = b'K';
const END: u8 = b'E';

/// Why a stream is not a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The reader failed.
    #[error("reading failed")]
    Io(#[from] io::Error),
    /// The bytes are not right.
    #[error("{what} (block {block})")]
    Damaged {
        /// What is wrong.
        what: &'static str,
        /// The block's number.
        block: u64,
    },
}

/// The name of a checkpoint.
pub fn name(batch: u64) -> String {
    format!("base-{batch:016x}")
}

/// The batch in a checkpoint's name.
pub fn number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("base-").filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok()
}

struct Blocks<'a> {
    out: &'a mut dyn Write,
    count: u64,
    bytes: u64,
}

impl Blocks<'_> {
    fn put(&mut self, block: &[u8]) -> io::Result<()> {
        let size = u32::try_from(block.len()).map_err(io::Error::other)?;
        self.out.write_all(&size.to_le_bytes())?;
        self.out.write_all(&checksum(self.count, block).to_le_bytes())?;
        self.out.write_all(block)?;
        self.count += 1;
        self.bytes += 8 + block.len() as u64;
        Ok(())
    }
}

fn checksum(number: u64, block: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(block);
    hasher.finalize()
}

/// Keeps history from being forgotten while it is written.
struct Reading<'a>(&'a RwLock<State>);

impl<'a> Reading<'a> {
    fn begin(state: &'a RwLock<State>) -> Self {
        state.write().unwrap_or_else(PoisonError::into_inner).readers += 1;
        Self(state)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let state = || self.0.write().unwrap_or_else(PoisonError::into_inner);
        state().readers -= 1;
        while state().prune(PRUNE_AT_ONCE) {}
    }
}

/// Writes everything that is there now; answers the batch and revision it stands for, and its size.
pub fn write(
    state: &RwLock<State>,
    now: Duration,
    out: &mut dyn Write,
) -> io::Result<(u64, Revision, u64)> {
    let _reading = Reading::begin(state);
    let mut block = vec![META];
    let (batch, revision) = {
        let state = state.read().unwrap_or_else(PoisonError::into_inner);
        for number in [state.revision, state.compacted, state.batch, state.last_lease] {
            put_number(&mut block, number);
        }
        put_number(&mut block, state.leases.len() as u64);
        for (id, lease) in &state.leases {
            let left = lease.ends.saturating_sub(now).as_secs().clamp(1, lease.seconds.max(1));
            for number in [*id, lease.seconds, left] {
                put_number(&mut block, number);
            }
        }
        (state.batch, state.revision)
    };
    out.write_all(&MARK)?;
    let mut blocks = Blocks { out, count: 0, bytes: MARK.len() as u64 };
    blocks.put(&block)?;
    block.truncate(0);
    block.push(KEYS);
    let mut count = 0_u64;
    let mut from = Some(Bytes::new());
    let mut kvs = Vec::new();
    while let Some(key) = from {
        from = {
            let state = state.read().unwrap_or_else(PoisonError::into_inner);
            state.versions(&key, revision, KEYS_AT_ONCE, &mut kvs)
        };
        count += kvs.len() as u64;
        for kv in kvs.drain(..) {
            put_kv(&mut block, &kv);
            if block.len() >= BLOCK_BYTES {
                blocks.put(&block)?;
                block.truncate(1);
            }
        }
    }
    if block.len() > 1 {
        blocks.put(&block)?;
    }
    let mut end = vec![END];
    put_number(&mut end, count);
    blocks.put(&end)?;
    Ok((batch, revision, blocks.bytes))
}

/// Reads a whole stream into a state.
pub fn read(input: &mut dyn Read, now: Duration) -> Result<State, ReadError> {
    let mut mark = [0; 8];
    let damaged = |what, block| ReadError::Damaged { what, block };
    input.read_exact(&mut mark).map_err(|error| cut_short(error, 0))?;
    if mark != MARK {
        return Err(damaged("it is not a store's checkpoint or snapshot", 0));
    }
    let mut number = 0;
    let mut state: Option<State> = None;
    let mut kvs: Vec<Arc<KeyValue>> = Vec::new();
    loop {
        let block = read_block(input, number)?;
        let (kind, rest) = block.split_first().ok_or_else(|| damaged("an empty block", number))?;
        let mut reader = Reader(rest);
        match (kind, &mut state) {
            (&META, None) => {
                state = Some(
                    meta(&mut reader, now).ok_or_else(|| damaged("a bad first block", number))?,
                );
            }
            (&KEYS, Some(state)) => {
                while !reader.is_empty() {
                    let kv = reader.kv().ok_or_else(|| damaged("a bad version", number))?;
                    let last = kvs.last().map(|last| (&last.key, last.modified));
                    if kv.modified > state.revision || last >= Some((&kv.key, kv.modified)) {
                        return Err(damaged("versions out of order", number));
                    }
                    kvs.push(Arc::new(kv));
                }
            }
            (&END, Some(_)) if reader.number() == Some(kvs.len() as u64) => break,
            _ => return Err(damaged("a block out of place", number)),
        }
        number += 1;
    }
    let mut state = state.ok_or_else(|| damaged("no first block", 0))?;
    state.restore(kvs);
    Ok(state)
}

fn cut_short(error: io::Error, block: u64) -> ReadError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::Damaged { what: "it is cut short", block },
        _ => ReadError::Io(error),
    }
}

fn read_block(input: &mut dyn Read, number: u64) -> Result<Vec<u8>, ReadError> {
    let mut header = [0; 8];
    input.read_exact(&mut header).map_err(|error| cut_short(error, number))?;
    let [a, b, c, d, sum @ ..] = header;
    let size = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    if size > MAX_BLOCK_BYTES {
        return Err(ReadError::Damaged { what: "a block is too large", block: number });
    }
    let mut block = vec![0; size];
    input.read_exact(&mut block).map_err(|error| cut_short(error, number))?;
    if checksum(number, &block).to_le_bytes() != sum {
        return Err(ReadError::Damaged { what: "a checksum does not fit", block: number });
    }
    Ok(block)
}

fn meta(reader: &mut Reader<'_>, now: Duration) -> Option<State> {
    let mut state = State::default();
    state.revision = reader.number()?;
    state.compacted = reader.number()?;
    state.batch = reader.number()?;
    state.last_lease = reader.number()?;
    for _ in 0..reader.number()? {
        let (id, seconds) = (reader.number()?, reader.number()?);
        let ends = now.checked_add(Duration::from_secs(reader.number()?))?;
        state.leases.insert(id, Lease { seconds, ends, keys: Default::default() });
    }
    (state.compacted <= state.revision).then_some(state)
}
