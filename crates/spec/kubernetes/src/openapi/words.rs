//! What types and fields mean in words, as `build.rs` collected them.
//!
//! A megabyte of text, kept compressed in the binary and unpacked only while a document is made.

use flate2::read::GzDecoder;
use std::io::Read;

const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/words.gz"));

/// The words, unpacked.
pub(super) struct Words {
    text: String,
    /// Where each type's begin, by its number.
    starts: Vec<usize>,
}

impl Words {
    pub(super) fn load() -> Self {
        let mut text = String::new();
        // Our own bytes: if they were damaged, documents would have no words, which is not worth dying for.
        if GzDecoder::new(PACKED).read_to_string(&mut text).is_err() {
            text.clear();
        }
        let ends = text.match_indices('\x1e').map(|(at, _)| at + 1);
        let starts = std::iter::once(0).chain(ends).collect();
        Self { text, starts }
    }

    fn of(&self, number: u16) -> impl Iterator<Item = &str> {
        let at = usize::from(number);
        let range = self.starts.get(at).zip(self.starts.get(at + 1));
        let text =
            range.and_then(|(start, end)| self.text.get(*start..end - 1)).unwrap_or_default();
        text.split('\x1f')
    }

    /// What a type is.
    pub(super) fn of_type(&self, number: u16) -> &str {
        self.of(number).next().unwrap_or_default()
    }

    /// What its fields are, in order of names.
    pub(super) fn of_fields(&self, number: u16) -> impl Iterator<Item = &str> {
        self.of(number).skip(1)
    }
}
