//! A version 2 document as gnostic's protobuf (`openapi.v2`), which kubectl asks for.
//!
//! Only what our own documents contain is known; whatever else is in a custom resource's schema goes
//! as an extension if it is one, and is left out otherwise.

use crate::wire::Writer;
use serde_json::{Map, Value};

/// Levels of a schema that are followed.
const DEPTH: usize = 128;

/// The document's bytes.
pub fn encode(document: &Value) -> Vec<u8> {
    let mut out = Writer::default();
    out.text(1, text(document, "swagger"));
    out.message(2, |out| {
        let info = document.get("info").unwrap_or(&Value::Null);
        out.text(1, text(info, "title"));
        out.text(2, text(info, "version"));
    });
    out.message(8, |out| {
        named(out, 2, document.get("paths"), path_item);
    });
    out.message(9, |out| {
        named(out, 1, document.get("definitions"), |out, schema_| schema(out, schema_, 0));
    });
    for requirement in list(document, "security") {
        out.message(12, |out| named(out, 1, Some(requirement), |_, _| {}));
    }
    out.message(13, |out| {
        named(out, 1, document.get("securityDefinitions"), |out, key| {
            out.message(2, |out| {
                for (field, name) in [(1, "type"), (2, "name"), (3, "in"), (4, "description")] {
                    out.text(field, text(key, name));
                }
            });
        });
    });
    out.0
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn texts<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a str> {
    list(value, name).iter().filter_map(Value::as_str)
}

/// An object as a list of name and value.
fn named(
    out: &mut Writer,
    field: u16,
    object: Option<&Value>,
    mut write: impl FnMut(&mut Writer, &Value),
) {
    for (name, value) in object.and_then(Value::as_object).into_iter().flatten() {
        out.message(field, |out| {
            out.text(1, name);
            out.message(2, |out| write(out, value));
        });
    }
}

/// Any value: as YAML, of which JSON is a part.
fn any(out: &mut Writer, field: u16, value: &Value) {
    out.message(field, |out| out.text(2, &format!("{value}\n")));
}

fn extensions(out: &mut Writer, field: u16, object: &Map<String, Value>) {
    for (name, value) in object.iter().filter(|(name, _)| name.starts_with("x-")) {
        out.message(field, |out| {
            out.text(1, name);
            any(out, 2, value);
        });
    }
}

fn path_item(out: &mut Writer, path: &Value) {
    let methods = [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (8, "patch")];
    for (field, method) in methods {
        if let Some(found) = path.get(method) {
            out.message(field, |out| operation(out, found));
        }
    }
    for each in list(path, "parameters") {
        out.message(9, |out| parameter(out, each));
    }
}

fn operation(out: &mut Writer, value: &Value) {
    for tag in texts(value, "tags") {
        out.text(1, tag);
    }
    out.text(3, text(value, "description"));
    out.text(5, text(value, "operationId"));
    for (field, name) in [(6, "produces"), (7, "consumes")] {
        for kind in texts(value, name) {
            out.text(field, kind);
        }
    }
    for each in list(value, "parameters") {
        out.message(8, |out| parameter(out, each));
    }
    out.message(9, |out| {
        named(out, 1, value.get("responses"), |out, response| {
            out.message(1, |out| {
                out.text(1, text(response, "description"));
                if let Some(found) = response.get("schema") {
                    out.message(2, |out| out.message(1, |out| schema(out, found, 0)));
                }
            });
        });
    });
    for scheme in texts(value, "schemes") {
        out.text(10, scheme);
    }
    if let Value::Object(value) = value {
        extensions(out, 13, value);
    }
}

/// `ParametersItem`: of the body, the query, or the path.
fn parameter(out: &mut Writer, value: &Value) {
    let required = value.get("required") == Some(&Value::Bool(true));
    out.message(1, |out| match text(value, "in") {
        "body" => out.message(1, |out| {
            out.text(2, text(value, "name"));
            out.text(3, "body");
            if required {
                out.number(4, 1);
            }
            if let Some(found) = value.get("schema") {
                out.message(5, |out| schema(out, found, 0));
            }
        }),
        place => {
            let (which, kind, unique) = if place == "path" { (4, 5, 19) } else { (3, 6, 20) };
            out.message(2, |out| {
                out.message(which, |out| {
                    if required {
                        out.number(1, 1);
                    }
                    out.text(2, place);
                    out.text(3, text(value, "description"));
                    out.text(4, text(value, "name"));
                    out.text(kind, text(value, "type"));
                    out.number(unique, 1);
                });
            });
        }
    });
}

fn schema(out: &mut Writer, value: &Value, depth: usize) {
    let Value::Object(fields) = value else { return };
    if depth > DEPTH {
        return;
    }
    scalars(out, fields);
    match fields.get("additionalProperties") {
        Some(Value::Bool(allowed)) => {
            out.message(21, |out| out.number(2, i64::from(*allowed)));
        }
        Some(values) => out.message(21, |out| out.message(1, |out| schema(out, values, depth + 1))),
        None => {}
    }
    match fields.get("type") {
        Some(Value::String(kind)) => out.message(22, |out| out.text(1, kind)),
        Some(Value::Array(_)) => out.message(22, |out| {
            for kind in texts(value, "type") {
                out.text(1, kind);
            }
        }),
        _ => {}
    }
    if let Some(items) = fields.get("items") {
        out.message(23, |out| out.message(1, |out| schema(out, items, depth + 1)));
    }
    for each in list(value, "allOf") {
        out.message(24, |out| schema(out, each, depth + 1));
    }
    if let Some(properties) = fields.get("properties") {
        out.message(25, |out| {
            named(out, 1, Some(properties), |out, field| schema(out, field, depth + 1));
        });
    }
    if let Some(example) = fields.get("example") {
        any(out, 30, example);
    }
    extensions(out, 31, fields);
}

/// What a schema says in single values.
fn scalars(out: &mut Writer, fields: &Map<String, Value>) {
    let known = [(1, "$ref"), (2, "format"), (3, "title"), (4, "description"), (13, "pattern")];
    for (field, name) in known {
        if let Some(value) = fields.get(name).and_then(Value::as_str) {
            out.text(field, value);
        }
    }
    if let Some(default) = fields.get("default") {
        any(out, 5, default);
    }
    for (field, name) in [(6, "multipleOf"), (7, "maximum"), (9, "minimum")] {
        if let Some(value) = fields.get(name).and_then(Value::as_f64) {
            out.double(field, value);
        }
    }
    for (field, name) in [(8, "exclusiveMaximum"), (10, "exclusiveMinimum"), (16, "uniqueItems")] {
        if fields.get(name) == Some(&Value::Bool(true)) {
            out.number(field, 1);
        }
    }
    let counts = [
        (11, "maxLength"),
        (12, "minLength"),
        (14, "maxItems"),
        (15, "minItems"),
        (17, "maxProperties"),
        (18, "minProperties"),
    ];
    for (field, name) in counts {
        if let Some(value) = fields.get(name).and_then(Value::as_i64) {
            out.number(field, value);
        }
    }
    for required in fields.get("required").and_then(Value::as_array).into_iter().flatten() {
        out.text(19, required.as_str().unwrap_or_default());
    }
    for value in fields.get("enum").and_then(Value::as_array).into_iter().flatten() {
        any(out, 20, value);
    }
}
