//! Definitions and objects of them: what is wrong, what is filled in, what is served.

mod definitions;
mod objects;
mod served;

use serde_json::{Value, json};

/// A definition of crontabs with this schema of `spec`.
pub(super) fn crontabs(spec: Value) -> Value {
    let mut definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "crontabs.stable.example.com"},
        "spec": {
            "group": "stable.example.com", "scope": "Namespaced",
            "names": {"plural": "crontabs", "kind": "CronTab", "shortNames": ["ct"], "categories": ["all"]},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
            }],
        },
    });
    super::fill(&mut definition);
    definition
}

pub(super) fn version(definition: &mut Value) -> &mut Value {
    &mut definition["spec"]["versions"][0]
}
