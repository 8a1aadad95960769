//! The built-in rows: the words of `teu-kubernetes` with the rules of `teu-api`.

use crate::crd::Definitions;
use std::sync::Arc;
use teu_api::row::WithStatus;
use teu_api::{Row, Rules, kinds};
use teu_kubernetes::{Resource, Schema, resources, type_schema};

/// All that are stored.
pub fn builtin() -> Vec<Row> {
    resources().iter().map(row).collect()
}

fn row(resource: &Resource) -> Row {
    let (group, version, kind) = (&*resource.group, &*resource.version, &*resource.kind);
    let has_status = resource.subresources.iter().any(|below| below.name == "status");
    let rules: Arc<dyn Rules> = match kinds::rules(group, version, kind) {
        rules if has_status && !rules.has_status() => {
            drop(rules);
            Arc::new(WithStatus)
        }
        rules => rules,
    };
    let rules = match kind {
        "CustomResourceDefinition" => Arc::new(Definitions(rules)),
        _ => rules,
    };
    Row {
        schema: Arc::new(type_schema(&resource.type_name).unwrap_or_else(Schema::any)),
        storage: resource.storage(),
        resource: resource.clone(),
        rules,
    }
}
