//! JSON values become CEL's, as their schema sees them, and back.

use super::{CelError, Program, Variables, kind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube_cel::cel::Value as CelValue;
use kube_cel::cel::objects::{Key, Map};
use serde_json::{Map as Fields, Number, Value};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use teu_kubernetes::{Scalar, Schema, Shape};

/// A value for an expression.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// As it is.
    Plain(&'a Value),
    /// As its schema sees it: times are times, names of fields are escaped where CEL could not say them.
    Typed(&'a Value, &'a Schema),
}

impl Input<'_> {
    /// CEL's value.
    pub fn to_cel(self) -> CelValue {
        static ANYTHING: Schema = Schema::any();
        match self {
            Self::Plain(value) => typed(value, &ANYTHING),
            Self::Typed(value, schema) => typed(value, schema),
        }
    }
}

fn typed(value: &Value, schema: &Schema) -> CelValue {
    static ANYTHING: Schema = Schema::any();
    let shape = &schema.resolve().shape;
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(it) => CelValue::Bool(*it),
        Value::Number(number) => number_of(number, shape),
        Value::String(text) => text_of(text, shape),
        Value::Array(items) => {
            let item = match shape {
                Shape::List(shape) => &shape.item,
                _ => &ANYTHING,
            };
            CelValue::List(Arc::new(items.iter().map(|value| typed(value, item)).collect()))
        }
        Value::Object(fields) => {
            let mut map = HashMap::with_capacity(fields.len());
            for (name, value) in fields {
                let (name, schema) = match shape {
                    Shape::Struct(shape) => match shape.field(name) {
                        Some(field) => (escaped(name), &field.schema),
                        None => (name.clone(), &ANYTHING),
                    },
                    Shape::Map(shape) => (name.clone(), &shape.value),
                    _ => (name.clone(), &ANYTHING),
                };
                map.insert(Key::String(Arc::new(name)), typed(value, schema));
            }
            CelValue::Map(Map { map: Arc::new(map) })
        }
    }
}

fn number_of(number: &Number, shape: &Shape) -> CelValue {
    if *shape == Shape::Scalar(Scalar::Double) {
        return CelValue::Float(number.as_f64().unwrap_or(0.0));
    }
    match number.as_i64() {
        Some(whole) => CelValue::Int(whole),
        None => CelValue::Float(number.as_f64().unwrap_or(0.0)),
    }
}

/// The engine's own reading of times and durations.
type Reader = LazyLock<Option<Program>>;

static TIMESTAMP: Reader = LazyLock::new(|| Program::compile("timestamp(it)", &["it"]).ok());
static DURATION: Reader = LazyLock::new(|| Program::compile("duration(it)", &["it"]).ok());

fn text_of(text: &str, shape: &Shape) -> CelValue {
    let plain = || CelValue::String(Arc::new(text.to_owned()));
    let read = |program: &Reader| {
        let mut variables = Variables::default();
        variables.put("it", plain());
        program.as_ref()?.run(&variables).ok()
    };
    match shape {
        Shape::Scalar(Scalar::Time | Scalar::MicroTime) => read(&TIMESTAMP).unwrap_or_else(plain),
        Shape::Scalar(Scalar::Duration) => read(&DURATION).unwrap_or_else(plain),
        Shape::Scalar(Scalar::Bytes) => match STANDARD.decode(text) {
            Ok(bytes) => CelValue::Bytes(Arc::new(bytes)),
            Err(_) => plain(),
        },
        _ => plain(),
    }
}

/// Words of the language, which nothing can be called.
pub(crate) const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// A field's name as expressions say it: `__dot__` for a dot and so on, `__in__` for a reserved word.
pub(crate) fn escaped(name: &str) -> String {
    let is_inner = matches!(name, "__not_strictly_false__" | "__loop__");
    if is_inner || RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    name.replace("__", "__underscores__")
        .replace('.', "__dot__")
        .replace('-', "__dash__")
        .replace('/', "__slash__")
}

/// A field's name from what an expression says.
fn unescaped(name: &str) -> String {
    name.replace("__slash__", "/")
        .replace("__dash__", "-")
        .replace("__dot__", ".")
        .replace("__underscores__", "__")
}

/// Back to JSON.
pub(super) fn to_json(value: &CelValue) -> Result<Value, CelError> {
    let actual = || CelError::Type { expected: "a JSON value", actual: kind(value) };
    Ok(match value {
        CelValue::Null => Value::Null,
        CelValue::Bool(it) => (*it).into(),
        CelValue::Int(it) => (*it).into(),
        CelValue::UInt(it) => (*it).into(),
        CelValue::Float(it) => Number::from_f64(*it).map(Value::Number).ok_or_else(actual)?,
        CelValue::String(text) => text.as_str().into(),
        CelValue::Bytes(bytes) => STANDARD.encode(bytes.as_slice()).into(),
        CelValue::List(items) => Value::Array(items.iter().map(to_json).collect::<Result<_, _>>()?),
        CelValue::Map(map) => {
            let mut entries: Vec<(String, &CelValue)> = Vec::with_capacity(map.map.len());
            for (key, value) in map.map.iter() {
                let Key::String(name) = key else { return Err(actual()) };
                entries.push((unescaped(name), value));
            }
            entries.sort_by(|one, other| one.0.cmp(&other.0));
            let mut fields = Fields::new();
            for (name, value) in entries {
                fields.insert(name, to_json(value)?);
            }
            Value::Object(fields)
        }
        CelValue::Timestamp(time) => time.to_rfc3339().replace("+00:00", "Z").into(),
        CelValue::Duration(duration) => {
            format!("{}s", duration.num_milliseconds() as f64 / 1000.0).into()
        }
        CelValue::Function(..) | CelValue::Opaque(_) => return Err(actual()),
    })
}
