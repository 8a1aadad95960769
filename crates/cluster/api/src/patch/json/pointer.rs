//! JSON pointers (RFC 6901): `/spec/containers/0`, with `~1` for a slash and `~0` for a tilde.

use super::super::PatchError;
use serde_json::Value;
use std::fmt;

/// Where in a document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pointer(Vec<String>);

impl Pointer {
    /// Reads one; nothing if it does not begin with a slash (or is empty, which is the document).
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::default());
        }
        let unescape = |part: &str| part.replace("~1", "/").replace("~0", "~");
        Some(Self(text.strip_prefix('/')?.split('/').map(unescape).collect()))
    }

    /// How many steps.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// All steps but the last, and the last.
    pub(super) fn split(&self) -> Option<(&[String], &String)> {
        self.0.split_last().map(|(last, parent)| (parent, last))
    }

    /// Whether it leads further than another.
    pub(super) fn is_inside(&self, other: &Self) -> bool {
        self.0.len() > other.0.len() && self.0.starts_with(&other.0)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            write!(f, "/{}", part.replace('~', "~0").replace('/', "~1"))?;
        }
        Ok(())
    }
}

/// What is there.
pub(super) fn get<'a>(
    document: &'a Value,
    path: &Pointer,
    operation: &'static str,
) -> Result<&'a Value, PatchError> {
    path.0
        .iter()
        .try_fold(document, |value, step| match value {
            Value::Object(fields) => fields.get(step),
            Value::Array(items) => items.get(index(step, items.len())?),
            _ => None,
        })
        .ok_or_else(|| PatchError::Missing { operation, path: path.to_string() })
}

/// What is there, to be changed.
pub(super) fn get_mut<'a>(
    document: &'a mut Value,
    path: &Pointer,
    operation: &'static str,
) -> Result<&'a mut Value, PatchError> {
    walk_mut(document, &path.0, path, operation)
}

/// What some steps lead to; the whole path is for the message.
pub(super) fn walk_mut<'a>(
    document: &'a mut Value,
    steps: &[String],
    path: &Pointer,
    operation: &'static str,
) -> Result<&'a mut Value, PatchError> {
    steps
        .iter()
        .try_fold(document, |value, step| match value {
            Value::Object(fields) => fields.get_mut(step),
            Value::Array(items) => {
                let at = index(step, items.len())?;
                items.get_mut(at)
            }
            _ => None,
        })
        .ok_or_else(|| PatchError::Missing { operation, path: path.to_string() })
}

/// The index of an item that is there.
pub(super) fn index(step: &str, length: usize) -> Option<usize> {
    let at = number(step)?;
    let at = if at < 0 { at + length as i64 } else { at };
    usize::try_from(at).ok().filter(|at| *at < length)
}

/// The index where an item may be put.
pub(super) fn place(step: &str, length: usize) -> Option<usize> {
    if step == "-" {
        return Some(length);
    }
    let at = number(step)?;
    let at = if at < 0 { at + length as i64 + 1 } else { at };
    usize::try_from(at).ok().filter(|at| *at <= length)
}

fn number(step: &str) -> Option<i64> {
    let digits = step.strip_prefix('-').unwrap_or(step);
    let plain = digits == "0" || !digits.starts_with('0');
    (plain && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| step.parse().ok())?
}
