//! One version of a definition: its schema, subresources, columns, selectable fields.

use super::schema;
use crate::crd::JsonPath;
use crate::status::Cause;
use serde_json::Value;

const COLUMN_TYPES: [&str; 5] = ["integer", "number", "string", "boolean", "date"];
const MAX_SELECTABLE: usize = 8;

pub(super) fn check(version: &Value, path: &str, causes: &mut Vec<Cause>) {
    let schema = version.pointer("/schema/openAPIV3Schema");
    match schema {
        None | Some(Value::Null) => {
            let why = "schemas are required";
            causes.push(Cause::required(format!("{path}.schema.openAPIV3Schema"), why));
        }
        Some(schema) => schema::check(schema, &format!("{path}.schema.openAPIV3Schema"), causes),
    }
    if let Some(scale) = version.pointer("/subresources/scale").filter(|it| it.is_object()) {
        check_scale(scale, &format!("{path}.subresources.scale"), causes);
    }
    let columns = version["additionalPrinterColumns"].as_array();
    for (at, column) in columns.into_iter().flatten().enumerate() {
        check_column(column, &format!("{path}.additionalPrinterColumns[{at}]"), causes);
    }
    let fields = version["selectableFields"].as_array().map(Vec::as_slice).unwrap_or_default();
    let field_path = format!("{path}.selectableFields");
    if fields.len() > MAX_SELECTABLE {
        causes.push(Cause::too_many(field_path.clone(), fields.len(), MAX_SELECTABLE));
    }
    for (at, field) in fields.iter().enumerate() {
        check_selectable(
            &field["jsonPath"],
            schema,
            &format!("{field_path}[{at}].jsonPath"),
            causes,
        );
        if fields[..at].contains(field) {
            causes
                .push(Cause::duplicate(format!("{field_path}[{at}].jsonPath"), &field["jsonPath"]));
        }
    }
}

fn check_scale(scale: &Value, path: &str, causes: &mut Vec<Cause>) {
    let mut one = |name: &str, under: &[&str], is_required: bool, why: &str| {
        let field = format!("{path}.{name}");
        match scale[name].as_str().filter(|text| !text.is_empty()) {
            None if is_required => causes.push(Cause::required(field, "")),
            None => {}
            Some(text) => {
                let simple = JsonPath::parse(text).is_some_and(|path| path.fields().is_some());
                if !simple || !under.iter().any(|prefix| text.starts_with(prefix)) {
                    causes.push(Cause::invalid(field, &text.into(), why));
                }
            }
        }
    };
    one("specReplicasPath", &[".spec."], true, "should be a json path under .spec");
    one("statusReplicasPath", &[".status."], true, "should be a json path under .status");
    let why = "should be a json path under either .status or .spec";
    one("labelSelectorPath", &[".status.", ".spec."], false, why);
}

fn check_column(column: &Value, path: &str, causes: &mut Vec<Cause>) {
    if column["name"].as_str().is_none_or(str::is_empty) {
        causes.push(Cause::required(format!("{path}.name"), ""));
    }
    match column["type"].as_str().unwrap_or_default() {
        "" => {
            let why = format!("must be one of {}", COLUMN_TYPES.join(","));
            causes.push(Cause::required(format!("{path}.type"), &why));
        }
        kind if !COLUMN_TYPES.contains(&kind) => {
            let why = format!("must be one of {}", COLUMN_TYPES.join(","));
            causes.push(Cause::invalid(format!("{path}.type"), &kind.into(), why));
        }
        _ => {}
    }
    match column["jsonPath"].as_str().filter(|text| !text.is_empty()) {
        None => causes.push(Cause::required(format!("{path}.jsonPath"), "")),
        Some(text) if JsonPath::parse(text).is_none() => {
            let why = "must be a simple json path";
            causes.push(Cause::invalid(format!("{path}.jsonPath"), &text.into(), why));
        }
        Some(_) => {}
    }
}

/// A field that is a scalar of the schema.
fn check_selectable(value: &Value, schema: Option<&Value>, path: &str, causes: &mut Vec<Cause>) {
    let text = value.as_str().unwrap_or_default();
    let parsed = JsonPath::parse(text);
    let Some(fields) = parsed.as_ref().and_then(JsonPath::fields).filter(|it| !it.is_empty())
    else {
        let why = "must be a simple json path";
        causes.push(Cause::invalid(path, value, why));
        return;
    };
    if fields.first() == Some(&"metadata") {
        causes.push(Cause::invalid(path, value, "must not point to fields in metadata"));
        return;
    }
    let found = fields
        .iter()
        .try_fold(schema.unwrap_or(&Value::Null), |node, name| node.get("properties")?.get(name));
    match found.and_then(|node| node["type"].as_str()) {
        Some("string" | "boolean" | "integer") => {}
        None if found.is_none() => {
            causes.push(Cause::invalid(path, value, "does not refer to a valid field"));
        }
        _ => {
            let why = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
            causes.push(Cause::invalid(path, value, why));
        }
    }
}
