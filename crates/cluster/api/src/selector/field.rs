//! Field selectors: `metadata.name=web,status.phase!=Running`.
//!
//! Kubernetes' rules (`fields.ParseSelector`): terms between commas, each a field, `=`, `==` or `!=`,
//! and a value in which `\`, `,` and `=` are escaped by a backslash. Which fields there are is the
//! resource's matter.

use super::MAX_SELECTOR_BYTES;
use std::fmt;

/// Why a text is not a field selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// A term without an operator.
    #[error("invalid selector: '{selector}'; can't understand '{term}'")]
    NoOperator {
        /// All of it.
        selector: String,
        /// The term.
        term: String,
    },
    /// A backslash before what needs none, or before nothing.
    #[error("invalid field selector: invalid escape sequence: {sequence}")]
    Escape {
        /// What stands there.
        sequence: String,
    },
    /// A separator that is not escaped.
    #[error("invalid field selector: unescaped character in value: {}", u32::from(*character))]
    Unescaped {
        /// Which.
        character: char,
    },
    /// Too long to be looked at.
    #[error("the selector has more than {limit_bytes} bytes")]
    TooLong {
        /// The limit.
        limit_bytes: usize,
    },
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldTerm {
    /// The field.
    pub field: String,
    /// Its value.
    pub value: String,
    /// Whether it has to be this value, or another.
    pub equal: bool,
}

/// Conditions that all have to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldSelector {
    /// In the order of their text.
    pub terms: Vec<FieldTerm>,
}

impl FieldSelector {
    /// Reads a selector.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        if text.len() > MAX_SELECTOR_BYTES {
            return Err(FieldError::TooLong { limit_bytes: MAX_SELECTOR_BYTES });
        }
        let mut terms = Vec::new();
        for term in split(text).into_iter().filter(|term| !term.is_empty()) {
            let (field, equal, value) = cut(term).ok_or_else(|| FieldError::NoOperator {
                selector: text.to_owned(),
                term: term.to_owned(),
            })?;
            terms.push(FieldTerm { field: field.to_owned(), value: unescape(value)?, equal });
        }
        Ok(Self { terms })
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether it selects an object with these fields; one that is not there is empty.
    pub fn matches<'a>(&self, field: impl Fn(&str) -> Option<&'a str>) -> bool {
        let holds =
            |term: &FieldTerm| (field(&term.field).unwrap_or_default() == term.value) == term.equal;
        self.terms.iter().all(holds)
    }

    /// The value that a field must have, if the selector says so.
    pub fn exact(&self, field: &str) -> Option<&str> {
        let term = self.terms.iter().find(|term| term.field == field)?;
        term.equal.then_some(&*term.value)
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, term) in self.terms.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let operator = if term.equal { "=" } else { "!=" };
            write!(f, "{comma}{}{operator}", term.field)?;
            for character in term.value.chars() {
                if matches!(character, '\\' | ',' | '=') {
                    f.write_str("\\")?;
                }
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

/// At the commas that are not escaped.
fn split(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                terms.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms
}

/// Field, whether equal, escaped value: at the first operator.
fn cut(term: &str) -> Option<(&str, bool, &str)> {
    term.char_indices().find_map(|(at, _)| {
        let rest = &term[at..];
        [("!=", false), ("==", true), ("=", true)]
            .into_iter()
            .find_map(|(operator, equal)| Some((&term[..at], equal, rest.strip_prefix(operator)?)))
    })
}

fn unescape(text: &str) -> Result<String, FieldError> {
    let mut value = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(escaped @ ('\\' | ',' | '=')) => value.push(escaped),
                other => {
                    let sequence = ['\\'].into_iter().chain(other).collect();
                    return Err(FieldError::Escape { sequence });
                }
            },
            ',' | '=' => return Err(FieldError::Unescaped { character }),
            other => value.push(other),
        }
    }
    Ok(value)
}

#[cfg(test)]
mod tests;
