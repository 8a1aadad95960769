//! Defaults of structural schemas: filled in for requests and for what comes from the store.

use super::node::Node;
use serde_json::Value;

/// Fills in what is not there. Null is not there where it may not be and a default is.
pub fn fill(value: &mut Value, node: &Node) {
    match value {
        Value::Object(fields) => {
            for (name, child) in &node.properties {
                let Some(default) = &child.default else { continue };
                let is_missing = fields.get(name).is_none_or(|it| it.is_null() && !child.nullable);
                if is_missing {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (name, value) in fields.iter_mut() {
                let Some(child) = node.child(name) else { continue };
                if let (true, false, Some(default)) =
                    (value.is_null(), child.nullable, &child.default)
                {
                    *value = default.clone();
                }
                fill(value, child);
            }
        }
        Value::Array(items) => {
            let Some(child) = node.items.as_deref() else { return };
            for value in items {
                if let (true, false, Some(default)) =
                    (value.is_null(), child.nullable, &child.default)
                {
                    *value = default.clone();
                }
                fill(value, child);
            }
        }
        _ => {}
    }
}
