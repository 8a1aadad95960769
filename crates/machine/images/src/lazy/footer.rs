//! The last 51 bytes of an eStargz layer: an empty gzip member whose extra field says where the
//! table of contents begins. Pure.

/// Bytes of a footer.
pub const FOOTER_BYTES: usize = 51;
const HEAD: [u8; 16] = [
    0x1f, 0x8b, 0x08, 0x04, 0, 0, 0, 0, 0,
    0xff, // gzip with an extra field, of an unknown system
    26, 0, b'S', b'G', 22, 0, // 26 bytes of extra field: one subfield of 22
];
const WORD: &[u8] = b"STARGZ";
/// An empty stored block that is the last one, and checksum and size of nothing.
const TAIL: [u8; 13] = [0x01, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];

/// The footer for a table that begins at this byte.
pub fn write(offset: u64) -> [u8; FOOTER_BYTES] {
    let mut footer = [0; FOOTER_BYTES];
    footer[..16].copy_from_slice(&HEAD);
    footer[16..32].copy_from_slice(format!("{offset:016x}").as_bytes());
    footer[32..38].copy_from_slice(WORD);
    footer[38..].copy_from_slice(&TAIL);
    footer
}

/// Where the table begins, if this is a footer.
pub fn read(footer: &[u8]) -> Option<u64> {
    let digits = footer.get(16..32)?;
    let is_footer = footer.len() == FOOTER_BYTES
        && footer[..4] == HEAD[..4]
        && footer[10..16] == HEAD[10..]
        && &footer[32..38] == WORD;
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_footer)?;
    let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::{FOOTER_BYTES, read, write};
    use std::io::Read as _;

    #[test]
    fn there_and_back() {
        let footer = write(0x1234_5678_9abc);
        assert_eq!(read(&footer), Some(0x1234_5678_9abc));
        let mut nothing = Vec::new();
        let mut gzip = flate2::read::GzDecoder::new(&footer[..]);
        gzip.read_to_end(&mut nothing).expect("it is gzip");
        assert!(nothing.is_empty());
        for broken in [16, 30, 35, 12] {
            let mut footer = footer;
            footer[broken] = b'+';
            assert_eq!(read(&footer), None, "{broken}");
        }
        assert_eq!(read(&footer[..FOOTER_BYTES - 1]), None);
        assert_eq!(read(&[]), None);
    }
}
