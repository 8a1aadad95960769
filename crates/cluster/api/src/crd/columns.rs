//! Columns of `kubectl get` for custom objects.

use super::path::JsonPath;
use crate::kinds::print;
use crate::row::Column;
use serde_json::Value;

/// A column and where its cells are.
#[derive(Debug, Clone)]
pub struct Printer {
    column: Column,
    path: Option<JsonPath>,
}

/// Columns of a version: those it declares, or the age.
pub fn printers(version: &Value) -> Vec<Printer> {
    let declared = version.get("additionalPrinterColumns").and_then(Value::as_array);
    match declared.filter(|columns| !columns.is_empty()) {
        Some(columns) => columns.iter().map(Printer::read).collect(),
        None => vec![Printer {
            column: Column {
                name: "Age".into(),
                kind: "date".into(),
                format: "".into(),
                description: "How long ago the object was made.".into(),
                priority: 0,
            },
            path: JsonPath::parse(".metadata.creationTimestamp"),
        }],
    }
}

/// Headings, the name first.
pub fn headings(printers: &[Printer]) -> Vec<Column> {
    let name = Column {
        name: "Name".into(),
        kind: "string".into(),
        format: "name".into(),
        description: "Name of the object, unique within its namespace.".into(),
        priority: 0,
    };
    std::iter::once(name).chain(printers.iter().map(|it| it.column.clone())).collect()
}

/// One object's cells.
pub fn cells(printers: &[Printer], object: &Value, now: i64) -> Vec<Value> {
    let name = crate::object::name(object).into();
    std::iter::once(name).chain(printers.iter().map(|it| it.cell(object, now))).collect()
}

impl Printer {
    fn read(column: &Value) -> Self {
        let text =
            |name: &str| column.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let priority = column.get("priority").and_then(Value::as_i64).unwrap_or(0);
        Self {
            path: JsonPath::parse(&text("jsonPath")),
            column: Column {
                name: text("name").into(),
                kind: text("type").into(),
                format: text("format").into(),
                description: text("description").into(),
                priority: i32::try_from(priority).unwrap_or(0),
            },
        }
    }

    fn cell(&self, object: &Value, now: i64) -> Value {
        let Some(value) = self.path.as_ref().and_then(|path| path.find(object).into_iter().next())
        else {
            return Value::Null;
        };
        match (&*self.column.kind, value) {
            (_, Value::Null) => Value::Null,
            ("integer", Value::Number(number)) => match number.as_i64() {
                Some(whole) => whole.into(),
                None => (number.as_f64().unwrap_or(0.0) as i64).into(),
            },
            ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => value.clone(),
            ("date", Value::String(text)) => match crate::time::parse(text) {
                Some(_) => print::since(text, now).into(),
                None => "<invalid>".into(),
            },
            ("string", Value::String(text)) => text.as_str().into(),
            ("string", other) => other.to_string().into(),
            _ => Value::Null,
        }
    }
}
