//! Files of variables, `.env` and `env_file`: Compose's syntax, which is a shell's in part.
//!
//! ```text
//! # a comment
//! PLAIN=a value with $VARIABLES  # and a comment behind a space
//! SINGLE='taken as it is'
//! DOUBLE="with \n, $VARIABLES and
//! more lines"
//! export EXPORTED=too
//! YAML: style
//! BARE
//! ```
//! A bare name takes its value from outside, or is left out. Variables come from outside first, then
//! from the lines above.

use crate::interpolate::{InterpolateError, Variables, interpolate};
use std::collections::HashMap;

/// Largest file, in bytes.
pub const FILE_LIMIT_BYTES: usize = 8 << 20;

/// Why a file was not understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DotenvError {
    /// A name with something else than letters, digits, `_`, `.`, `-`.
    #[error("line {line}: unexpected character {found:?} in variable name {near:?}")]
    Name {
        /// From 1.
        line: usize,
        /// The character.
        found: char,
        /// Around it.
        near: String,
    },
    /// A quote that does not end.
    #[error("line {line}: unterminated quoted value {near}")]
    Quote {
        /// From 1.
        line: usize,
        /// Its beginning.
        near: String,
    },
    /// Characters behind a quoted value.
    #[error("line {line}: unexpected characters {near:?} behind a quoted value")]
    Behind {
        /// From 1.
        line: usize,
        /// Them.
        near: String,
    },
    /// No text.
    #[error("line {line}: not valid UTF-8")]
    Encoding {
        /// From 1.
        line: usize,
    },
    /// Too much.
    #[error("larger than {FILE_LIMIT_BYTES} bytes")]
    Large,
    /// A value's variables.
    #[error("line {line}: {source}")]
    Interpolate {
        /// From 1.
        line: usize,
        /// Why.
        #[source]
        source: InterpolateError,
    },
}

/// The variables of a file, in order; a later one of the same name wins.
pub fn parse(
    bytes: &[u8],
    outside: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<(String, String)>, DotenvError> {
    if bytes.len() > FILE_LIMIT_BYTES {
        return Err(DotenvError::Large);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| DotenvError::Encoding {
        line: 1 + bytes[..error.valid_up_to()].iter().filter(|&&b| b == b'\n').count(),
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let mut reader =
        Reader { rest: &text, line: 1, outside, known: HashMap::new(), out: Vec::new() };
    while reader.statement()? {}
    Ok(reader.out)
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    outside: &'a dyn Fn(&str) -> Option<String>,
    known: HashMap<String, usize>,
    out: Vec<(String, String)>,
}

impl Variables for Reader<'_> {
    fn get(&self, name: &str) -> Option<String> {
        (self.outside)(name).or_else(|| {
            self.known.get(name).and_then(|&at| self.out.get(at)).map(|(_, v)| v.clone())
        })
    }
    fn missing(&self, _: &str) {}
}

fn excerpt(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(40).collect()
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    /// One line, or what its quotes span; `false` at the end.
    fn statement(&mut self) -> Result<bool, DotenvError> {
        let blank = self.rest.find(|c: char| !c.is_whitespace()).unwrap_or(self.rest.len());
        self.take(blank);
        if self.rest.is_empty() {
            return Ok(false);
        }
        let line_end = self.rest.find('\n').unwrap_or(self.rest.len());
        if self.rest.starts_with('#') {
            self.take(line_end);
            return Ok(true);
        }
        if let Some(behind) = self.rest.strip_prefix("export")
            && behind.starts_with([' ', '\t'])
        {
            let skip = behind.find(|c| c != ' ' && c != '\t').unwrap_or(behind.len());
            self.take("export".len() + skip);
        }
        let line = &self.rest[..self.rest.find('\n').unwrap_or(self.rest.len())];
        let Some(end) = line.find(['=', ':']) else {
            return self.bare(line);
        };
        let name = line[..end].trim_end();
        self.check_name(name, line)?;
        let name = name.to_owned();
        self.take(end + 1);
        let skip = self.rest.find(|c| c != ' ' && c != '\t').unwrap_or(self.rest.len());
        self.take(skip);
        let value = self.value()?;
        self.set(name, value);
        Ok(true)
    }

    fn set(&mut self, name: String, value: String) {
        match self.known.get(&name) {
            Some(&at) => self.out[at].1 = value,
            None => {
                self.known.insert(name.clone(), self.out.len());
                self.out.push((name, value));
            }
        }
    }

    /// A name alone.
    fn bare(&mut self, line: &'a str) -> Result<bool, DotenvError> {
        let name = line.split(" #").next().unwrap_or_default().trim_end();
        self.check_name(name, line)?;
        if let Some(value) = (self.outside)(name) {
            self.set(name.to_owned(), value);
        }
        self.take(line.len());
        Ok(true)
    }

    fn check_name(&self, name: &str, line: &str) -> Result<(), DotenvError> {
        let good = |c: char| c.is_alphanumeric() || "_.-[]".contains(c);
        let found = match name.chars().find(|&c| !good(c)) {
            Some(found) => found,
            None if name.is_empty() => line.chars().next().unwrap_or('='),
            None => return Ok(()),
        };
        Err(DotenvError::Name { line: self.line, found, near: excerpt(line) })
    }

    fn value(&mut self) -> Result<String, DotenvError> {
        match self.rest.chars().next() {
            Some(quote @ ('\'' | '"')) => self.quoted(quote),
            _ => {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                let line = self.line;
                let text = self.take(end);
                let text = match text.starts_with('#') {
                    true => "",
                    false => [" #", "\t#"]
                        .iter()
                        .filter_map(|comment| text.find(comment))
                        .min()
                        .map_or(text, |at| &text[..at]),
                };
                interpolate(text.trim(), self)
                    .map_err(|source| DotenvError::Interpolate { line, source })
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, DotenvError> {
        let line = self.line;
        let inside = &self.rest[1..];
        let mut escaped = false;
        let end = inside.find(|c: char| {
            let ends = c == quote && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let Some(end) = end else {
            return Err(DotenvError::Quote { line, near: excerpt(self.rest) });
        };
        let text = &inside[..end];
        self.take(end + 2);
        let behind = &self.rest[..self.rest.find('\n').unwrap_or(self.rest.len())];
        let trimmed = behind.trim_start();
        if !trimmed.is_empty() && !trimmed.starts_with('#') {
            let near = excerpt(trimmed);
            return Err(DotenvError::Behind { line: self.line, near });
        }
        self.take(behind.len());
        match quote {
            '\'' => Ok(text.replace("\\'", "'")),
            _ => interpolate(&unescape(text), self)
                .map_err(|source| DotenvError::Interpolate { line, source }),
        }
    }
}

/// `\n`, `\t` and friends of double quotes; `\$` is a dollar that begins nothing.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match characters.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('$') => out.push_str("$$"),
            Some(c @ ('"' | '\\' | '\'')) => out.push(c),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests;
