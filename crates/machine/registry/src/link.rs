//! Queries and pages: `?n=&last=`, and the `Link` that leads to the next page. RFC 3986, RFC 8288.

use std::fmt::Write;

/// Entries of a page at most; who asks for more gets a page and a link.
pub const PAGE_ENTRIES: usize = 1000;

/// A query, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

/// Parameters of a query; no request of the protocol has ten.
const PARAMETERS: usize = 32;

impl Query {
    /// Reads what follows the `?`; what is no text any more when it is decoded is left out.
    pub fn parse(text: &str) -> Self {
        let pair = |part: &str| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            Some((decode(key, Plus::IsSpace)?, decode(value, Plus::IsSpace)?))
        };
        let parts = text.split('&').filter(|part| !part.is_empty()).take(PARAMETERS);
        Self(parts.filter_map(pair).collect())
    }

    /// The first value of a parameter.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| &**value)
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| &**value)
    }
}

/// What a `+` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plus {
    /// Itself: in a path.
    IsPlus,
    /// A space: in a query.
    IsSpace,
}

/// Decodes `%XX`; `None` where it is broken or the result is no text.
pub fn decode(text: &str, plus: Plus) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                bytes.push(u8::try_from(high << 4 | low).ok()?);
            }
            b'+' if plus == Plus::IsSpace => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

/// Encodes all but what is unreserved.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                encoded.push(char::from(byte));
            }
            // Writing to a String does not fail.
            _ => _ = write!(encoded, "%{byte:02X}"),
        }
    }
    encoded
}

/// What part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// So many entries at most.
    pub entries: usize,
    /// After this one.
    pub last: Option<String>,
}

impl Page {
    /// Reads `n` and `last`; `None` if `n` is no number.
    pub fn of(query: &Query) -> Option<Self> {
        let entries = match query.get("n").filter(|n| !n.is_empty()) {
            None => PAGE_ENTRIES,
            Some(n) if n.bytes().all(|b| b.is_ascii_digit()) => {
                n.parse().unwrap_or(usize::MAX).min(PAGE_ENTRIES)
            }
            Some(_) => return None,
        };
        let last = query.get("last").filter(|last| !last.is_empty()).map(str::to_owned);
        Some(Self { entries, last })
    }

    /// Takes the page out of what follows `last` in order; says whether there is more.
    pub fn cut<'a>(&self, after_last: impl Iterator<Item = &'a str>) -> (Vec<&'a str>, bool) {
        if self.entries == 0 {
            return (Vec::new(), false);
        }
        let mut page: Vec<&str> = after_last.take(self.entries.saturating_add(1)).collect();
        let has_more = page.len() > self.entries;
        page.truncate(self.entries);
        (page, has_more)
    }

    /// The `Link` to the page after the one that ends with `last`.
    pub fn next(&self, path: &str, last: &str) -> String {
        format!("<{path}?n={}&last={}>; rel=\"next\"", self.entries, encode(last))
    }
}

#[cfg(test)]
mod tests;
