//! What stands in a batch of the log and in a block of a checkpoint: plain records, varints, no
//! schema. The reader believes nothing: lengths are checked against what is there, and what does
//! not fit is refused.

use crate::kv::{KeyValue, LeaseId, Revision};
use bytes::Bytes;

/// One thing that became durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A transaction with its events; they share the revision.
    Commit {
        /// Its number.
        revision: Revision,
        /// The versions it made.
        kvs: Vec<KeyValue>,
    },
    /// History was forgotten.
    Compact(Revision),
    /// A lease began.
    Grant {
        /// Its number.
        id: LeaseId,
        /// Its length.
        seconds: u64,
    },
    /// A lease ended; its keys' deletion is a commit of its own.
    Revoke(LeaseId),
}

const COMMIT: u8 = 1;
const COMPACT: u8 = 2;
const GRANT: u8 = 3;
const REVOKE: u8 = 4;

/// Writes a number, seven bits a byte, lowest first.
pub fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// Writes bytes with their length.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Writes a version without its revision.
fn put_version(out: &mut Vec<u8>, kv: &KeyValue) {
    put_bytes(out, &kv.key);
    put_number(out, kv.created);
    put_number(out, kv.lease);
    put_bytes(out, &kv.value);
}

/// Writes a commit; borrowed, because the versions live on in memory.
pub fn put_commit<'a>(
    out: &mut Vec<u8>,
    revision: Revision,
    kvs: impl ExactSizeIterator<Item = &'a KeyValue>,
) {
    out.push(COMMIT);
    put_number(out, revision);
    put_number(out, kvs.len() as u64);
    for kv in kvs {
        put_version(out, kv);
    }
}

/// Writes any record.
pub fn put_record(out: &mut Vec<u8>, record: &Record) {
    match record {
        Record::Commit { revision, kvs } => put_commit(out, *revision, kvs.iter()),
        Record::Compact(revision) => {
            out.push(COMPACT);
            put_number(out, *revision);
        }
        Record::Grant { id, seconds } => {
            out.push(GRANT);
            put_number(out, *id);
            put_number(out, *seconds);
        }
        Record::Revoke(id) => {
            out.push(REVOKE);
            put_number(out, *id);
        }
    }
}

/// Writes a version with its revision, as it stands in a checkpoint.
pub fn put_kv(out: &mut Vec<u8>, kv: &KeyValue) {
    put_number(out, kv.modified);
    put_version(out, kv);
}

/// Reads what the functions above wrote. `None` is: this is not it.
#[derive(Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A number.
    pub fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// Bytes with their length.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn version(&mut self, modified: Revision) -> Option<KeyValue> {
        let key = Bytes::copy_from_slice(self.bytes()?);
        let created = self.number()?;
        let lease = self.number()?;
        let value = Bytes::copy_from_slice(self.bytes()?);
        (created <= modified).then_some(KeyValue { key, value, created, modified, lease })
    }

    /// A version with its revision.
    pub fn kv(&mut self) -> Option<KeyValue> {
        let modified = self.number()?;
        self.version(modified)
    }

    /// A record.
    pub fn record(&mut self) -> Option<Record> {
        match self.byte()? {
            COMMIT => {
                let revision = self.number()?;
                let count = self.number()?;
                let mut kvs = Vec::new();
                for _ in 0..count {
                    kvs.push(self.version(revision)?);
                }
                Some(Record::Commit { revision, kvs })
            }
            COMPACT => Some(Record::Compact(self.number()?)),
            GRANT => Some(Record::Grant { id: self.number()?, seconds: self.number()? }),
            REVOKE => Some(Record::Revoke(self.number()?)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let kv = |key: &'static str, created, value: &'static str| KeyValue {
            key: key.into(),
            value: value.into(),
            created,
            modified: 300,
            lease: 7,
        };
        let records = [
            Record::Commit { revision: 300, kvs: vec![kv("a", 300, ""), kv("bb", 0, "x")] },
            Record::Compact(u64::MAX),
            Record::Grant { id: 128, seconds: 0 },
            Record::Revoke(127),
        ];
        let mut bytes = Vec::new();
        records.iter().for_each(|record| put_record(&mut bytes, record));
        put_kv(&mut bytes, &kv("c", 1, "y"));
        let mut reader = Reader(&bytes);
        for record in records {
            assert_eq!(reader.record(), Some(record));
        }
        assert_eq!(reader.kv(), Some(kv("c", 1, "y")));
        assert!(reader.is_empty());
    }

    #[test]
    fn nonsense_is_refused() {
        let check = |bytes: &[u8]| assert_eq!(Reader(bytes).record(), None, "{bytes:?}");
        check(&[]);
        check(&[9]);
        check(&[COMMIT, 1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
        check(&[COMMIT, 1, 1, 200, 1, b'a']);
        check(&[COMMIT, 1, 1, 1, b'a', 2, 0, 0]);
        check(&[COMPACT, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2]);
    }
}
