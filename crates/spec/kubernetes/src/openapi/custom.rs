//! A custom resource's own schema, as documents publish it.
//!
//! Version 3 takes it as it is. Version 2 cannot say everything, and kubectl trips over some of the
//! rest: what it would misread is left out, which is what a real server does too.

use super::Dialect;
use super::schema::Schemas;
use serde_json::{Map, Value, json};

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
/// What every document says of `metadata`.
const METADATA: &str = "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";
/// Levels of a schema that are followed; deeper ones are refused where they come in.
const DEPTH: usize = 128;

/// The schema of one object.
pub(super) fn object(schemas: &mut Schemas, own: Option<&Value>) -> Map<String, Value> {
    let bare = || Map::from_iter([("type".to_owned(), Value::from("object"))]);
    let Some(Value::Object(own)) = own else { return bare() };
    let v2 = schemas.dialect() == Dialect::V2;
    if v2 && is_true(own, "x-kubernetes-preserve-unknown-fields") {
        // Even `metadata` here would make kubectl refuse every other field.
        return bare();
    }
    let mut out = own.clone();
    if v2 {
        simplify(&mut out, 0);
    }
    let metadata = schemas.reference(OBJECT_META);
    let metadata = schemas.described(metadata, METADATA);
    let [version, kind] = schemas.type_meta();
    let meta = [("apiVersion", version), ("kind", kind), ("metadata", metadata)];
    add(&mut out, &meta);
    if let Some(Value::Object(fields)) = out.get_mut("properties") {
        for (name, field) in fields {
            if !meta.iter().any(|(meta, _)| meta == name) {
                embed(field, &meta, v2, 0);
            }
        }
    }
    out
}

fn is_true(schema: &Map<String, Value>, name: &str) -> bool {
    schema.get(name).and_then(Value::as_bool) == Some(true)
}

fn add(schema: &mut Map<String, Value>, fields: &[(&str, Value)]) {
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    if let Some(properties) = properties.as_object_mut() {
        for (name, field) in fields {
            properties.insert((*name).to_owned(), field.clone());
        }
    }
}

/// Whole objects within: they too have a kind and metadata.
fn embed(schema: &mut Value, meta: &[(&str, Value)], v2: bool, depth: usize) {
    let Value::Object(schema) = schema else { return };
    if depth > DEPTH {
        return;
    }
    for inner in children(schema) {
        embed(inner, meta, v2, depth + 1);
    }
    let open = v2 && is_true(schema, "x-kubernetes-preserve-unknown-fields");
    if open || !is_true(schema, "x-kubernetes-embedded-resource") {
        return;
    }
    add(schema, meta);
    let required = schema.entry("required").or_insert_with(|| json!([]));
    if let Some(required) = required.as_array_mut() {
        for name in ["kind", "apiVersion"] {
            if !required.iter().any(|each| each == name) {
                required.push(name.into());
            }
        }
    }
}

/// Schemas directly below this one.
fn children(schema: &mut Map<String, Value>) -> Vec<&mut Value> {
    let mut all = Vec::new();
    for (name, value) in schema {
        match (name.as_str(), value) {
            ("properties", Value::Object(fields)) => {
                all.extend(fields.iter_mut().map(|(_, field)| field));
            }
            ("items" | "additionalProperties", value @ Value::Object(_)) => all.push(value),
            _ => {}
        }
    }
    all
}

/// Leaves out what version 2 has no words for.
fn simplify(schema: &mut Map<String, Value>, depth: usize) {
    if depth > DEPTH {
        return;
    }
    for junctor in ["allOf", "oneOf", "anyOf", "not"] {
        schema.shift_remove(junctor);
    }
    let nullable = is_true(schema, "nullable");
    let open = is_true(schema, "x-kubernetes-preserve-unknown-fields");
    schema.shift_remove("nullable");
    // kubectl reads an untyped value only without items and fields.
    if nullable || open {
        schema.shift_remove("items");
        schema.shift_remove("properties");
    }
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    let bare_list = kind == "array" && !schema.contains_key("items");
    if nullable || bare_list || (open && kind == "object") {
        schema.shift_remove("type");
    }
    drop_required(schema);
    for inner in children(schema) {
        if let Value::Object(inner) = inner {
            simplify(inner, depth + 1);
        }
    }
}

/// A field that may be null is not required in version 2.
fn drop_required(schema: &mut Map<String, Value>) {
    let may_be_null = |schema: &Value| schema.get("nullable") == Some(&Value::Bool(true));
    let fields = schema.get("properties").and_then(Value::as_object);
    let nullable: Vec<String> = fields
        .into_iter()
        .flatten()
        .filter(|(_, field)| may_be_null(field))
        .map(|(name, _)| name.clone())
        .collect();
    let values = schema.get("additionalProperties").is_some_and(may_be_null);
    let Some(Value::Array(required)) = schema.get_mut("required") else { return };
    required.retain(|name| {
        !values && !nullable.iter().any(|each| name.as_str() == Some(each.as_str()))
    });
    if required.is_empty() {
        schema.shift_remove("required");
    }
}
