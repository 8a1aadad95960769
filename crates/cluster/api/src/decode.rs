//! Bytes become an object: JSON or YAML, bounded, then made to fit its schema.
//!
//! Two steps. [`json`] and [`yaml`] read a document and remember fields that were said twice. [`fit`]
//! makes it what the schema says: what no field is for goes and is remembered, nulls go, and a value
//! of another type is an error in the words of the real server's decoder. What was remembered is an
//! error, a warning or nothing, by the request's `fieldValidation` ([`Decoded::judge`]).

mod fit;
mod go;
mod json;
mod scalar;
#[cfg(test)]
mod tests;
mod yaml;

pub use fit::fit;
pub use json::json;
pub use yaml::yaml;

use crate::status::Status;
use serde_json::Value;
use teu_kubernetes::Schema;

/// Bytes of one document.
pub const MAX_BYTES: usize = 8 << 20;

/// Levels of objects and arrays; readers recurse.
pub const MAX_DEPTH: usize = crate::patch::MAX_DEPTH;

/// Faults of fields that are remembered; the real decoder stops there too.
pub const MAX_FAULTS: usize = 100;

/// A document that has been read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decoded {
    /// What it says; of a field said twice the last.
    pub value: Value,
    /// What a strict reader minds, in order: `duplicate field "spec.x"`, `unknown field "spec.y"`.
    pub faults: Vec<String>,
}

/// Why a document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Too long.
    #[error("the document has more than {MAX_BYTES} bytes")]
    TooLong,
    /// Too deep.
    #[error("exceeded max depth: more than {MAX_DEPTH} levels at line {line}")]
    TooDeep {
        /// Where.
        line: usize,
    },
    /// Too much of it once its aliases are written out.
    #[error("yaml: document contains excessive aliasing")]
    Aliases,
    /// Not JSON.
    #[error("{0}")]
    Json(String),
    /// Not YAML.
    #[error("yaml: line {line}: {reason}")]
    Yaml {
        /// Where.
        line: usize,
        /// Why.
        reason: String,
    },
    /// A value of another type than the schema's.
    #[error("{0}")]
    Type(String),
}

/// `fieldValidation` of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strictness {
    /// Nothing is said.
    Ignore,
    /// Warnings are.
    #[default]
    Warn,
    /// It is refused.
    Strict,
}

impl Strictness {
    /// Reads the parameter; empty is the default.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "" | "Warn" => Self::Warn,
            "Ignore" => Self::Ignore,
            "Strict" => Self::Strict,
            _ => return None,
        })
    }
}

impl Decoded {
    /// What becomes of the faults: warnings, or the refusal of an object of this version and kind.
    pub fn judge(&self, how: Strictness, version: &str, kind: &str) -> Result<Vec<String>, Status> {
        match how {
            Strictness::Strict if !self.faults.is_empty() => {
                let text = format!("strict decoding error: {}", self.faults.join(", "));
                Err(refusal(version, kind, &text))
            }
            Strictness::Warn => Ok(self.faults.clone()),
            _ => Ok(Vec::new()),
        }
    }

    fn fault(&mut self, text: String) {
        if self.faults.len() < MAX_FAULTS && !self.faults.contains(&text) {
            self.faults.push(text);
        }
    }
}

/// A document as an object of this schema, and the warnings it earns.
pub fn object(
    mut decoded: Decoded,
    schema: &Schema,
    how: Strictness,
    (version, kind): (&str, &str),
) -> Result<(Value, Vec<String>), Status> {
    // What there is not is told before what is there twice.
    let twice = std::mem::take(&mut decoded.faults);
    fit(&mut decoded, schema).map_err(|error| refusal(version, kind, &error.to_string()))?;
    twice.into_iter().for_each(|fault| decoded.fault(fault));
    let warnings = decoded.judge(how, version, kind)?;
    tidy_metadata(&mut decoded.value);
    Ok((decoded.value, warnings))
}

/// 400 in the real server's words.
pub fn refusal(version: &str, kind: &str, why: &str) -> Status {
    Status::bad_request(format!(
        "{kind} in version {version:?} cannot be handled as a {kind}: {why}"
    ))
}

/// Leaves nothing empty in `metadata`, as Go prints it, but an empty list of owners, which is a request:
/// that they are forgotten. A single empty owner asks for the same.
pub fn tidy_metadata(object: &mut Value) {
    let Some(Value::Object(metadata)) = object.get_mut("metadata") else { return };
    if let Some(Value::Array(owners)) = metadata.get_mut("managedFields")
        && let [Value::Object(only)] = owners.as_slice()
        && only.is_empty()
    {
        owners.clear();
    }
    metadata.retain(|name, value| match value {
        Value::Null => false,
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty() || name == "managedFields",
        Value::String(text) => !text.is_empty(),
        _ => true,
    });
}
