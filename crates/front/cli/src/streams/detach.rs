//! The keys that leave a container running: `ctrl-p,ctrl-q` unless `--detach-keys` says otherwise.

use crate::options::OptionError;

/// A sequence of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetachKeys(Vec<u8>);

impl DetachKeys {
    /// Docker's syntax: single characters or `ctrl-` and one of `a-z@[\]^_`, joined by commas.
    pub fn parse(text: &str) -> Result<Self, OptionError> {
        let key = |key: &str| match key.as_bytes() {
            [byte] => Some(*byte),
            _ => match key.strip_prefix("ctrl-").map(str::as_bytes) {
                Some([letter @ b'a'..=b'z']) => Some(letter - b'a' + 1),
                Some([letter @ (b'@' | b'[' | b'\\' | b']' | b'^' | b'_')]) => Some(letter - b'@'),
                _ => None,
            },
        };
        let keys: Option<Vec<u8>> = text.split(',').map(key).collect();
        keys.map(Self).ok_or_else(|| {
            OptionError::value("detach-keys", text, format!("invalid detach keys ({text})"))
        })
    }
}

impl Default for DetachKeys {
    fn default() -> Self {
        Self(vec![16, 17])
    }
}

/// Looks for the keys in what is typed. Keys that might begin the sequence are held back until the
/// next one decides.
#[derive(Debug)]
pub struct Scan {
    keys: DetachKeys,
    matched: usize,
}

impl Scan {
    /// Nothing typed yet.
    pub fn new(keys: DetachKeys) -> Self {
        Self { keys, matched: 0 }
    }

    /// What goes on to the container, and whether the sequence was completed.
    pub fn feed(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let keys = &self.keys.0;
        let mut out = Vec::with_capacity(typed.len() + keys.len());
        for &byte in typed {
            if keys.get(self.matched) == Some(&byte) {
                self.matched += 1;
                if self.matched == keys.len() {
                    return (out, true);
                }
                continue;
            }
            out.extend_from_slice(&keys[..self.matched]);
            self.matched = usize::from(keys.first() == Some(&byte));
            if self.matched == 0 {
                out.push(byte);
            }
        }
        (out, false)
    }
}

#[cfg(test)]
mod tests;
