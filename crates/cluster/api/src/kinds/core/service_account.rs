//! `ServiceAccount`.

use super::super::field::At;
use super::super::kind::Kind;
use super::super::print;
use serde_json::Value;

pub const RULES: Kind =
    Kind { create: only_names, columns: "Name,Secrets:integer,Age", cells, ..Kind::namespaced() };

/// Of its secrets only names are kept.
fn only_names(object: &mut Value) {
    for secret in super::super::fill::items(object, "secrets") {
        if let Some(fields) = secret.as_object_mut() {
            fields.retain(|field, _| field == "name");
        }
    }
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let secrets = At::root(object).get("secrets").len();
    vec![print::name(object), secrets.into(), print::age(object, now)]
}
