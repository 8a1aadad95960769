//! One step of a path through an object: a field, an item told apart by keys or by its value, or an
//! index. Written as FieldsV1 does (`f:spec`, `k:{"name":"web"}`, `v:"x"`, `i:0`) and as messages do
//! (`.spec`, `[name="web"]`, `[="x"]`, `[0]`).

use serde_json::{Map, Value};
use std::cmp::Ordering;
use std::fmt;

/// A step.
#[derive(Debug, Clone)]
pub enum Element {
    /// A field of a struct or a key of a map.
    Field(String),
    /// An item of a list whose items are told apart by fields; by name of field.
    Key(Vec<(String, Value)>),
    /// An item of a set.
    Value(Value),
    /// An item by its place.
    Index(i64),
}

impl Element {
    /// An item's step by keys.
    pub fn key(mut fields: Vec<(String, Value)>) -> Self {
        fields.sort_by(|one, other| one.0.cmp(&other.0));
        Self::Key(fields)
    }

    /// Reads FieldsV1's form. `Ok(None)` for one of a kind that is not known.
    pub fn parse(text: &str) -> Result<Option<Self>, ElementError> {
        let malformed = || ElementError { text: text.to_owned() };
        let (kind, rest) = text.split_once(':').ok_or_else(malformed)?;
        Ok(match kind {
            "f" => Some(Self::Field(rest.to_owned())),
            "v" => Some(Self::Value(serde_json::from_str(rest).map_err(|_| malformed())?)),
            "k" => {
                let fields: Map<String, Value> =
                    serde_json::from_str(rest).map_err(|_| malformed())?;
                Some(Self::key(fields.into_iter().collect()))
            }
            "i" => Some(Self::Index(rest.parse().map_err(|_| malformed())?)),
            _ => None,
        })
    }

    /// Writes it.
    pub fn to_text(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Value(value) => format!("v:{value}"),
            Self::Index(at) => format!("i:{at}"),
            Self::Key(fields) => {
                let fields: Map<String, Value> = fields.iter().cloned().collect();
                format!("k:{}", Value::Object(fields))
            }
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Field(_) => 0,
            Self::Key(_) => 1,
            Self::Value(_) => 2,
            Self::Index(_) => 3,
        }
    }
}

/// What is no step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed path element {text:?}")]
pub struct ElementError {
    text: String,
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(at) => write!(f, "[{at}]"),
            Self::Key(fields) => {
                f.write_str("[")?;
                for (at, (name, value)) in fields.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "," };
                    write!(f, "{comma}{name}={value}")?;
                }
                f.write_str("]")
            }
        }
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Element {}

impl PartialOrd for Element {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Element {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Field(one), Self::Field(other)) => one.cmp(other),
            (Self::Key(one), Self::Key(other)) => {
                let each = one.iter().zip(other).map(|((name, value), (name2, value2))| {
                    name.cmp(name2).then_with(|| compare(value, value2))
                });
                each.into_iter()
                    .find(|order| order.is_ne())
                    .unwrap_or_else(|| one.len().cmp(&other.len()))
            }
            (Self::Value(one), Self::Value(other)) => compare(one, other),
            (Self::Index(one), Self::Index(other)) => one.cmp(other),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

/// An order of all values: numbers, texts, booleans, lists, maps, null.
pub(super) fn compare(one: &Value, other: &Value) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    };
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.as_f64().unwrap_or(0.0).total_cmp(&b.as_f64().unwrap_or(0.0)),
        },
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let each = a.iter().zip(b).map(|(a, b)| compare(a, b)).find(|order| order.is_ne());
            each.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        (Value::Object(a), Value::Object(b)) => {
            let sorted = |map: &Map<String, Value>| {
                let mut fields: Vec<_> =
                    map.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
                fields.sort_by(|one, other| one.0.cmp(&other.0));
                fields
            };
            Element::Key(sorted(a)).cmp(&Element::Key(sorted(b)))
        }
        _ => rank(one).cmp(&rank(other)),
    }
}
