//! Randomness: UIDs and the ends of generated names.

use ring::rand::{SecureRandom, SystemRandom};
use std::fmt::Write as _;

/// Letters of generated names: no vowels, so that no words come out, and none that look alike.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// Characters behind a `generateName`.
const SUFFIX: usize = 5;
/// Bytes of a name with its suffix.
const NAME_BYTES: usize = 63;

/// A random UUID (version 4).
pub fn uid() -> String {
    let mut bytes = random::<16>();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A name with this prefix.
pub fn generated_name(prefix: &str) -> String {
    let mut name = prefix.to_owned();
    let mut end = name.len().min(NAME_BYTES - SUFFIX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.truncate(end);
    // 256 is no multiple of 27; the slight preference harms nobody.
    name.extend(
        random::<SUFFIX>().map(|byte| char::from(LETTERS[usize::from(byte) % LETTERS.len()])),
    );
    name
}

/// Random bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // The kernel's generator does not fail once it is seeded, which it is when servers start.
    while SystemRandom::new().fill(&mut bytes).is_err() {
        std::thread::yield_now();
    }
    bytes
}

#[cfg(test)]
mod tests {
    #[test]
    fn forms() {
        let uid = super::uid();
        assert_eq!((uid.len(), uid.as_bytes()[14]), (36, b'4'));
        assert_eq!(super::generated_name("web-").len(), 9);
        assert_eq!(super::generated_name(&"é".repeat(40)).len(), 63);
    }
}
