//! One entry of the log, and its frame: length, CRC-32 of the rest, then kind, time, revisions, key and
//! bytes, all numbers little-endian.

use bytes::Bytes;

/// Bytes before a frame's content.
pub const HEAD_BYTES: usize = 8;
/// Bytes of a content; an object has at most 1.5 MiB.
pub const MAX_CONTENT_BYTES: usize = 4 << 20;
const FIXED_BYTES: usize = 1 + 8 + 8;

/// What the log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// From here on nothing is missing; before, something may be.
    Begun {
        /// Milliseconds since 1970.
        ms: u64,
        /// The store's revision.
        revision: u64,
    },
    /// Nothing is missing up to here.
    Seen {
        /// See there.
        ms: u64,
        /// See there.
        revision: u64,
    },
    /// A version ended.
    Ended(Ended),
}

/// A version that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// When, in milliseconds since 1970.
    pub ms: u64,
    /// By which revision.
    pub revision: u64,
    /// The revision that had made the object.
    pub created: u64,
    /// Whether the object ended with it.
    pub is_deleted: bool,
    /// The object's key in the store.
    pub key: Bytes,
    /// The version as it was stored.
    pub value: Bytes,
}

impl Record {
    /// When, and as of which revision.
    pub fn at(&self) -> (u64, u64) {
        match self {
            Self::Begun { ms, revision } | Self::Seen { ms, revision } => (*ms, *revision),
            Self::Ended(ended) => (ended.ms, ended.revision),
        }
    }

    /// Appends its frame.
    pub fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; HEAD_BYTES]);
        let (ms, revision) = self.at();
        out.push(match self {
            Self::Begun { .. } => b'B',
            Self::Seen { .. } => b'S',
            Self::Ended(ended) if ended.is_deleted => b'D',
            Self::Ended(_) => b'C',
        });
        out.extend_from_slice(&ms.to_le_bytes());
        out.extend_from_slice(&revision.to_le_bytes());
        if let Self::Ended(ended) = self {
            out.extend_from_slice(&ended.created.to_le_bytes());
            let length = u32::try_from(ended.key.len()).unwrap_or(0);
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(&ended.key);
            out.extend_from_slice(&ended.value);
        }
        let content = out.get(start + HEAD_BYTES..).unwrap_or_default();
        let length = u32::try_from(content.len()).unwrap_or(u32::MAX).to_le_bytes();
        let sum = crc32fast::hash(content).to_le_bytes();
        if let Some(head) = out.get_mut(start..start + HEAD_BYTES) {
            head[..4].copy_from_slice(&length);
            head[4..].copy_from_slice(&sum);
        }
    }

    /// The first of some bytes, and how many it took; `None` where there is no whole one.
    pub fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let length = usize::try_from(u32_at(bytes, 0)?).ok()?;
        if !(FIXED_BYTES..=MAX_CONTENT_BYTES).contains(&length) {
            return None;
        }
        let content = bytes.get(HEAD_BYTES..HEAD_BYTES + length)?;
        if crc32fast::hash(content) != u32_at(bytes, 4)? {
            return None;
        }
        let (ms, revision) = (u64_at(content, 1)?, u64_at(content, 9)?);
        let record = match content[0] {
            b'B' => Self::Begun { ms, revision },
            b'S' => Self::Seen { ms, revision },
            kind @ (b'C' | b'D') => {
                let created = u64_at(content, FIXED_BYTES)?;
                let key_bytes = usize::try_from(u32_at(content, FIXED_BYTES + 8)?).ok()?;
                let rest = content.get(FIXED_BYTES + 12..)?;
                let (key, value) = rest.split_at_checked(key_bytes)?;
                let (key, value) = (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
                Self::Ended(Ended { ms, revision, created, is_deleted: kind == b'D', key, value })
            }
            _ => return None,
        };
        Some((record, HEAD_BYTES + length))
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let ended = Ended {
            ms: 3,
            revision: 4,
            created: 2,
            is_deleted: true,
            key: Bytes::from_static(b"/registry/a/b"),
            value: Bytes::from_static(b"{}"),
        };
        let records = [
            Record::Begun { ms: 1, revision: 2 },
            Record::Ended(ended.clone()),
            Record::Ended(Ended { is_deleted: false, value: Bytes::new(), ..ended }),
            Record::Seen { ms: 5, revision: 6 },
        ];
        let mut bytes = Vec::new();
        records.iter().for_each(|record| record.write(&mut bytes));
        let mut rest = &bytes[..];
        for record in &records {
            let (read, used) = Record::read(rest).expect("a record");
            assert_eq!(&read, record);
            // Cut short or changed anywhere, it is none.
            assert!((0..used).all(|length| Record::read(&rest[..length]).is_none()));
            for at in 0..used {
                let mut changed = rest[..used].to_vec();
                changed[at] ^= 0x40;
                assert_eq!(Record::read(&changed), None, "byte {at}");
            }
            rest = &rest[used..];
        }
        assert!(rest.is_empty());
    }
}
