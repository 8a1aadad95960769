//! OpenAPI definitions: which types and fields there are, and how they merge.
//!
//! Taken are the types that a stable version's kinds are made of.

use super::table::{Field, Type, Types};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeSet;

/// Types that are values, and what they are called in shapes.
const SCALARS: &[(&str, &str)] = &[
    ("io.k8s.apimachinery.pkg.api.resource.Quantity", "quantity"),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime", "microtime"),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.Time", "time"),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.Duration", "duration"),
    ("io.k8s.apimachinery.pkg.util.intstr.IntOrString", "int-or-string"),
];

/// Types of stable versions and all that they refer to.
pub fn read(document: &Value) -> Result<Types> {
    let all = document.get("$defs").and_then(Value::as_object).context("no $defs")?;
    let mut wait: Vec<&str> = all
        .iter()
        .filter(|(name, definition)| {
            definition.get("x-kubernetes-group-version-kind").is_some() && is_stable(name)
        })
        .map(|(name, _)| name.as_str())
        .chain(["io.k8s.apimachinery.pkg.version.Info"])
        .collect();
    let mut types = Types::new();
    while let Some(name) = wait.pop() {
        if types.contains_key(name) || SCALARS.iter().any(|(scalar, _)| *scalar == name) {
            continue;
        }
        let (name, definition) = all.get_key_value(name).with_context(|| format!("no {name}"))?;
        let mut names = BTreeSet::new();
        let made = one(name, definition, &mut names)?;
        types.insert(name.clone(), made);
        wait.extend(
            names
                .iter()
                .filter_map(|name| all.get_key_value(name.as_str()))
                .map(|(k, _)| k.as_str()),
        );
    }
    Ok(types)
}

/// `…v1.Pod` and `…v2.Pod`, not `…v1beta1.Pod`.
fn is_stable(name: &str) -> bool {
    name.rsplit('.').nth(1).is_some_and(|version| {
        version.strip_prefix('v').is_some_and(|number| number.parse::<u8>().is_ok())
    })
}

fn one(name: &str, definition: &Value, names: &mut BTreeSet<String>) -> Result<Type> {
    let mut made = Type::default();
    let properties = definition.get("properties").and_then(Value::as_object);
    let short = name.rsplit('.').next().unwrap_or_default();
    match short {
        "JSON"
        | "JSONSchemaPropsOrArray"
        | "JSONSchemaPropsOrBool"
        | "JSONSchemaPropsOrStringArray"
        | "FieldsV1"
        | "RawExtension"
        | "Patch" => made.flags.push(short.to_ascii_lowercase()),
        _ if definition.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic") => {
            made.flags.push("atomic".into());
        }
        _ => {}
    }
    let required: Vec<&str> = definition
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (field, schema) in properties.into_iter().flatten() {
        let shape = shape(schema, names).with_context(|| format!("{name}.{field}"))?;
        let mut flags = Vec::new();
        if required.contains(&field.as_str()) {
            flags.push("required".to_owned());
        }
        flags.extend(merging(schema));
        made.fields.insert(field.clone(), Field { numbers: Vec::new(), shape, flags });
    }
    Ok(made)
}

fn shape(schema: &Value, names: &mut BTreeSet<String>) -> Result<String> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = reference.rsplit('/').next().unwrap_or_default();
        if let Some((_, scalar)) = SCALARS.iter().find(|(scalar, _)| *scalar == name) {
            return Ok((*scalar).to_owned());
        }
        names.insert(name.to_owned());
        return Ok(format!("@{name}"));
    }
    let kind = match schema.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or_default()
        }
        _ => bail!("no type in {schema}"),
    };
    let format = schema.get("format").and_then(Value::as_str);
    Ok(match (kind, format) {
        ("array", _) => format!("[]{}", shape(schema.get("items").context("no items")?, names)?),
        ("object", _) => match schema.get("additionalProperties") {
            Some(values) => format!("map:{}", shape(values, names)?),
            None => bail!("an object without fields: {schema}"),
        },
        ("string", Some("byte")) => "bytes".into(),
        ("string", None) => "string".into(),
        ("boolean", _) => "bool".into(),
        ("integer", Some("int32")) => "int32".into(),
        ("integer", _) => "int64".into(),
        ("number", _) => "double".into(),
        other => bail!("unknown type {other:?}"),
    })
}

fn merging(schema: &Value) -> Vec<String> {
    let text = |name: &str| schema.get(name).and_then(Value::as_str);
    let mut flags = Vec::new();
    match text("x-kubernetes-list-type") {
        Some("map") => {
            let keys: Vec<&str> = schema
                .get("x-kubernetes-list-map-keys")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            flags.push(format!("map={}", keys.join(",")));
        }
        Some(kind) => flags.push(kind.to_owned()),
        None => {}
    }
    flags.extend(text("x-kubernetes-map-type").map(str::to_owned));
    let strategy = text("x-kubernetes-patch-strategy").unwrap_or_default();
    if strategy.split(',').any(|part| part == "merge") {
        flags.push(match text("x-kubernetes-patch-merge-key") {
            Some(key) => format!("merge={key}"),
            None => "merge".into(),
        });
    }
    if strategy.split(',').any(|part| part == "retainKeys") {
        flags.push("retain".into());
    }
    if strategy == "replace" {
        flags.push("replace".into());
    }
    flags
}

/// Whether a type's objects have no number for `apiVersion` and `kind`: no type does.
pub fn is_type_meta(field: &str) -> bool {
    matches!(field, "apiVersion" | "kind")
}
