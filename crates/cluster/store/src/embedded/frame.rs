//! A batch of records as it stands in a segment of the log: one frame, one checksum.
//!
//! A batch is one frame because a write that was cut short may have any of its sectors: were it
//! many frames, a lost one before a whole one could not be told from damage. The checksum is seeded
//! with the segment's salt, so that no bytes that a client stored can pass for a frame, and with
//! the batch's number, so that no frame can stand in another's place. All numbers little endian.

/// Before every batch: mark, length, number, checksum, four bytes of zero.
pub const HEADER_BYTES: usize = 24;
/// Frames begin at its multiples.
pub const ALIGN_BYTES: usize = 8;

const MARK: [u8; 4] = *b"TEUb";

/// The bytes that a payload takes in the log.
pub fn length(payload_bytes: usize) -> usize {
    (HEADER_BYTES + payload_bytes).next_multiple_of(ALIGN_BYTES)
}

fn checksum(salt: u64, batch: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(&batch.to_le_bytes());
    hasher.update(&(payload.len() as u64).to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// Appends a frame.
pub fn put(out: &mut Vec<u8>, salt: u64, batch: u64, payload: &[u8]) {
    let end = out.len() + length(payload.len());
    let size = u32::try_from(payload.len()).expect("batches are bounded far below 4 GiB");
    out.extend_from_slice(&MARK);
    out.extend_from_slice(&size.to_le_bytes());
    out.extend_from_slice(&batch.to_le_bytes());
    out.extend_from_slice(&checksum(salt, batch, payload).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
    out.resize(end, 0);
}

/// A whole frame at the beginning of these bytes: its batch, its payload.
pub fn get(bytes: &[u8], salt: u64) -> Option<(u64, &[u8])> {
    let (header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
    if header[..4] != MARK {
        return None;
    }
    let size = u32::from_le_bytes(header[4..8].try_into().ok()?);
    let batch = u64::from_le_bytes(header[8..16].try_into().ok()?);
    let sum = u32::from_le_bytes(header[16..20].try_into().ok()?);
    let payload = rest.get(..usize::try_from(size).ok()?)?;
    (checksum(salt, batch, payload) == sum).then_some((batch, payload))
}

/// Where what is not zero ends, rounded up: most of a segment was never written.
pub fn used(bytes: &[u8]) -> usize {
    static ZERO: [u8; 4096] = [0; 4096];
    let mut end = bytes.len();
    while end > 0 {
        let start = (end - 1) / ZERO.len() * ZERO.len();
        if bytes[start..end] != ZERO[..end - start] {
            break;
        }
        end = start;
    }
    end
}

/// The first offset at or behind `from` where a whole frame stands.
pub fn find(bytes: &[u8], from: usize, salt: u64) -> Option<usize> {
    let first = from.next_multiple_of(ALIGN_BYTES);
    (first..used(bytes)).step_by(ALIGN_BYTES).find(|at| get(&bytes[*at..], salt).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames() {
        let mut bytes = Vec::new();
        put(&mut bytes, 7, 1, b"first");
        let second = bytes.len();
        put(&mut bytes, 7, 2, b"");
        assert_eq!(bytes.len(), length(5) + length(0));
        assert_eq!(get(&bytes, 7), Some((1, &b"first"[..])));
        assert_eq!(get(&bytes[second..], 7), Some((2, &b""[..])));
        assert_eq!(get(&bytes, 8), None, "another segment's");
        assert_eq!(find(&bytes, 1, 7), Some(second));
        let mut padded = bytes.clone();
        padded.resize(10_000, 0);
        assert_eq!((used(&padded), used(&bytes), used(&[0; 5])), (4096, bytes.len(), 0));
        assert_eq!(find(&padded, second + 1, 7), None);
        for at in (0..second).filter(|at| *at < 20 || (24..29).contains(at)) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(get(&damaged, 7), None, "byte {at}");
        }
        assert_eq!(get(&bytes[..length(5) - 4], 7), None, "cut short");
    }
}
