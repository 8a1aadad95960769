//! Strategic merge patch: like a merge patch, but lists are merged as the schema says, and the patch
//! may carry directives: `$patch`, `$retainKeys`, `$setElementOrder/<list>`,
//! `$deleteFromPrimitiveList/<list>`.
//!
//! The order of a merged list: what the patch names stands in the patch's (or the declared) order,
//! what only the server has stands where the live list puts it between them.

mod list;
#[cfg(test)]
mod tests;

use super::{PatchError, go, printed};
use list::Merge;
use serde_json::{Map, Value};
use teu_kubernetes::{PatchRule, Schema, Shape};

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const ELEMENT_ORDER: &str = "$setElementOrder/";
const DELETE_FROM_LIST: &str = "$deleteFromPrimitiveList/";

type Fields = Map<String, Value>;

/// Merges a patch into a document of this schema.
pub fn strategic(document: Value, patch: Value, schema: &Schema) -> Result<Value, PatchError> {
    let Value::Object(patch) = patch else {
        return Err(PatchError::NotAnObject(match patch {
            Value::Array(_) => "array",
            Value::String(_) => "string",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            _ => "null",
        }));
    };
    let Value::Object(document) = document else {
        return Err(PatchError::NotAnObject("object"));
    };
    merge_fields(document, patch, Some(schema)).map(Value::Object)
}

/// What the schema says of a field: its own schema and how it is patched.
fn look_up<'a>(schema: Option<&'a Schema>, name: &str) -> (Option<&'a Schema>, PatchRule) {
    let Some(schema) = schema else { return (None, PatchRule::default()) };
    match &schema.resolve().shape {
        Shape::Struct(shape) => match shape.field(name) {
            Some(field) => (Some(&field.schema), field.patch.clone()),
            None => (None, PatchRule::default()),
        },
        Shape::Map(shape) => (Some(&shape.value), PatchRule::default()),
        _ => (None, PatchRule::default()),
    }
}

fn item_of(schema: Option<&Schema>) -> Option<&Schema> {
    match &schema?.resolve().shape {
        Shape::List(shape) => Some(&shape.item),
        _ => None,
    }
}

fn merge_fields(
    mut original: Fields,
    mut patch: Fields,
    schema: Option<&Schema>,
) -> Result<Fields, PatchError> {
    if let Some(directive) = patch.shift_remove(DIRECTIVE) {
        match directive.as_str() {
            Some("replace") => return Ok(cleaned_fields(patch)),
            Some("delete") => return Ok(Fields::new()),
            Some("merge") => {}
            _ => return Err(unknown_directive(&directive, patch)),
        }
    }
    retain_keys(&mut original, &mut patch)?;
    merge_ordered_lists(&mut original, &mut patch, schema)?;
    for (name, change) in patch {
        let (name, is_delete_list) = match name.strip_prefix(DELETE_FROM_LIST) {
            Some(name) => (name.to_owned(), true),
            None if name == DELETE_FROM_LIST.trim_end_matches('/') => {
                return Err(PatchError::DeleteList);
            }
            None => (name, false),
        };
        if change.is_null() {
            original.shift_remove(&name);
            continue;
        }
        let Some(present) = original.get_mut(&name) else {
            if !is_delete_list {
                original.insert(name, cleaned(change));
            }
            continue;
        };
        let (schema, rule) = look_up(schema, &name);
        let merged = match (present.take(), change) {
            (Value::Object(present), Value::Object(change)) if !rule.replace => {
                Value::Object(merge_fields(present, change, schema)?)
            }
            (Value::Array(present), Value::Array(change)) => {
                let merge = Merge { rule: &rule, item: item_of(schema), is_delete_list };
                Value::Array(merge.lists(present, change)?)
            }
            (present, _) if is_delete_list => present,
            (_, change) => cleaned(change),
        };
        if let Some(present) = original.get_mut(&name) {
            *present = merged;
        }
    }
    Ok(original)
}

fn unknown_directive(directive: &Value, mut patch: Fields) -> PatchError {
    patch.insert(DIRECTIVE.to_owned(), directive.clone());
    PatchError::Directive { directive: printed(directive), map: printed(&Value::Object(patch)) }
}

/// `$retainKeys`: fields that it does not name go; the patch may not set others.
fn retain_keys(original: &mut Fields, patch: &mut Fields) -> Result<(), PatchError> {
    let Some(keys) = patch.shift_remove(RETAIN_KEYS) else { return Ok(()) };
    let Value::Array(keys) = keys else { return Err(PatchError::RetainKeys) };
    let is_kept = |name: &str| keys.iter().any(|key| key == name);
    for (name, change) in patch.iter() {
        let is_directive = name.starts_with(DELETE_FROM_LIST) || name.starts_with(ELEMENT_ORDER);
        if !change.is_null() && !is_directive && !is_kept(name) {
            return Err(PatchError::RetainKeys);
        }
    }
    original.retain(|name, _| is_kept(name));
    Ok(())
}

/// `$setElementOrder/<list>`: merges that list and puts it in order.
fn merge_ordered_lists(
    original: &mut Fields,
    patch: &mut Fields,
    schema: Option<&Schema>,
) -> Result<(), PatchError> {
    if patch.contains_key(ELEMENT_ORDER.trim_end_matches('/')) {
        return Err(PatchError::ElementOrder);
    }
    let orders: Vec<String> =
        patch.keys().filter(|name| name.starts_with(ELEMENT_ORDER)).cloned().collect();
    for directive in orders {
        let Some(order) = patch.shift_remove(&directive) else { continue };
        let name = directive[ELEMENT_ORDER.len()..].to_owned();
        let order = as_list(order)?;
        let (schema, rule) = look_up(schema, &name);
        let live = original.get(&name).cloned().map(as_list).transpose()?;
        let change = patch.get(&name).cloned().map(as_list).transpose()?;
        let merge = Merge { rule: &rule, item: item_of(schema), is_delete_list: false };
        merge.check_order(change.as_deref().unwrap_or_default(), &order)?;
        let live_order = live.clone().unwrap_or_default();
        let merged = match (live, change) {
            (None, None) => continue,
            (Some(live), None) => live,
            (None, Some(change)) => cleaned_items(change),
            (Some(live), Some(change)) => merge.lists(live, change)?,
        };
        let ordered = merge.in_order(merged, &order, &live_order)?;
        original.insert(name.clone(), Value::Array(ordered));
        patch.shift_remove(&name);
    }
    Ok(())
}

fn as_list(value: Value) -> Result<Vec<Value>, PatchError> {
    match value {
        Value::Array(items) => Ok(items),
        other => Err(PatchError::BadType {
            expected: "[]interface {}",
            actual: go::kind(&other),
            value: printed(&other),
        }),
    }
}

/// A patch's value where nothing is to be merged with: without nulls and directives.
fn cleaned(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(cleaned_fields(fields)),
        Value::Array(items) => Value::Array(cleaned_items(items)),
        other => other,
    }
}

fn cleaned_fields(mut fields: Fields) -> Fields {
    if fields.get(DIRECTIVE).is_some_and(|directive| directive == "delete") {
        return Fields::new();
    }
    fields.retain(|name, value| {
        !value.is_null()
            && name != DIRECTIVE
            && name != RETAIN_KEYS
            && !name.starts_with(ELEMENT_ORDER)
            && !name.starts_with(DELETE_FROM_LIST)
    });
    fields.into_iter().map(|(name, value)| (name, cleaned(value))).collect()
}

fn cleaned_items(items: Vec<Value>) -> Vec<Value> {
    let is_marker = |item: &Value| {
        let directive = item.get(DIRECTIVE).and_then(Value::as_str);
        directive == Some("delete")
            || directive.is_some() && item.as_object().is_some_and(|fields| fields.len() == 1)
    };
    items.into_iter().filter(|item| !is_marker(item)).map(cleaned).collect()
}
