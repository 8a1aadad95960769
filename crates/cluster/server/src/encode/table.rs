//! Tables: what `kubectl get` prints.

use super::{Include, Look, partial};
use serde_json::{Map, Value, json};
use teu_api::Rules;

/// A table of objects; `metadata` is the list's.
pub fn table(rules: &dyn Rules, objects: &[Value], metadata: Value, look: &Look) -> Value {
    let columns: Vec<Value> = rules
        .columns()
        .into_iter()
        .map(|column| {
            json!({
                "name": column.name, "type": column.kind, "format": column.format,
                "description": column.description, "priority": column.priority,
            })
        })
        .collect();
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let mut row = Map::new();
            row.insert("cells".to_owned(), rules.cells(object, look.now).into());
            match look.include {
                Include::None => {}
                Include::Metadata => drop(row.insert("object".to_owned(), partial(object))),
                Include::Whole => drop(row.insert("object".to_owned(), object.clone())),
            }
            row.into()
        })
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": columns, "rows": rows,
    })
}
