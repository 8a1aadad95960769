//! Names of repositories and tags, as the distribution specification allows them, and no others.
//!
//! A name becomes part of a file's name (with `+` for `/`), so nothing but these characters may ever
//! get through. Distribution-spec 1.1, "Pulling manifests".

use std::fmt;

/// Bytes of a repository's name; its file has some more.
pub const NAME_BYTES: usize = 200;
/// Bytes of a tag.
pub const TAG_BYTES: usize = 128;

/// The name of a repository: `library/busybox`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

impl Name {
    /// Takes a text that is a name.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.len() <= NAME_BYTES && text.split('/').all(is_component);
        fits.then(|| Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as one component of a path.
    pub fn file(&self) -> String {
        self.0.replace('/', "+")
    }

    /// The name that a file's name stands for.
    pub fn from_file(file: &str) -> Option<Self> {
        Self::parse(&file.replace('+', "/"))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut rest = text.as_bytes();
    loop {
        let plain = rest.iter().take_while(|b| is_plain(**b)).count();
        if plain == 0 {
            return false;
        }
        rest = &rest[plain..];
        let separator = rest.iter().take_while(|b| !is_plain(**b)).count();
        match &rest[..separator] {
            [] => return true,
            b"." | b"_" | b"__" => {}
            dashes if dashes.iter().all(|b| *b == b'-') => {}
            _ => return false,
        }
        rest = &rest[separator..];
    }
}

/// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`
pub fn is_tag(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= TAG_BYTES
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|b| is_word(b) || matches!(b, b'.' | b'-'))
}

#[cfg(test)]
mod tests;
