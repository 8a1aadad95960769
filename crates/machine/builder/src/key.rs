//! What a step's layer depends on, as one hash. Fields are named and length-prefixed, so that no
//! two different lists of inputs can run into each other.

use sha2::{Digest as _, Sha256};

/// Bumped when what a step does changes: old records are not found any more.
const VERSION: &[u8] = b"teu-build-1";

/// A hash in the making.
#[derive(Clone, Debug)]
pub struct Key(Sha256);

impl Key {
    /// Of a kind of step.
    pub fn new(kind: &str) -> Self {
        Self(Sha256::new()).field("version", VERSION).field("kind", kind)
    }

    /// One input.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.put(name, value.as_ref());
        self
    }

    /// An input that may be absent, which differs from an empty one.
    #[must_use]
    pub fn optional(self, name: &str, value: Option<impl AsRef<[u8]>>) -> Self {
        match value {
            Some(value) => self.field(name, value),
            None => self.field(name, []).field("absent", name),
        }
    }

    /// A list, its length included.
    #[must_use]
    pub fn list<T: AsRef<[u8]>>(mut self, name: &str, values: impl IntoIterator<Item = T>) -> Self {
        let mut count: u64 = 0;
        for value in values {
            self.put(name, value.as_ref());
            count += 1;
        }
        self.field("count", count.to_le_bytes())
    }

    /// A number.
    #[must_use]
    pub fn number(self, name: &str, value: impl Into<i128>) -> Self {
        self.field(name, value.into().to_le_bytes())
    }

    /// Adds an input in place.
    pub fn put(&mut self, name: &str, value: &[u8]) {
        self.0.update((name.len() as u64).to_le_bytes());
        self.0.update(name);
        self.0.update((value.len() as u64).to_le_bytes());
        self.0.update(value);
    }

    /// The key: 64 hex digits.
    pub fn hex(self) -> String {
        teu_oci::Digest::from_sha256(self.0.finalize().into()).hex().to_owned()
    }
}

#[cfg(test)]
mod tests;
