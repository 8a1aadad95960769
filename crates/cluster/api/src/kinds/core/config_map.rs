//! `ConfigMap`.

use super::super::equal::same;
use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{name, print};
use serde_json::Value;

/// Bytes of all values together, of a ConfigMap and of a Secret.
pub const MAX_BYTES: usize = 1024 * 1024;

pub const RULES: Kind = Kind {
    check,
    change,
    columns: "Name,Data:integer,Age",
    cells,
    create_on_update: false,
    ..Kind::namespaced()
};

/// Bytes behind a base64 text.
pub fn decoded_bytes(text: &str) -> usize {
    let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

fn check(object: &At, report: &mut Report) {
    let (data, binary) = (object.get("data"), object.get("binaryData"));
    let mut bytes = 0;
    for (key, value) in data.entries() {
        for why in name::config_key(key) {
            report.invalid_as(&value, key, why);
        }
        if binary.key(key).is_set() {
            report.invalid_as(&value, key, "duplicate of key present in binaryData");
        }
        bytes += value.str().len();
    }
    for (key, value) in binary.entries() {
        for why in name::config_key(key) {
            report.invalid_as(&value, key, why);
        }
        bytes += decoded_bytes(value.str());
    }
    if bytes > MAX_BYTES {
        // The object as a whole, as the original writes it.
        report.add(crate::Cause::too_long("[]", MAX_BYTES));
    }
}

fn change(object: &At, old: &At, report: &mut Report) {
    unchanged_if_immutable(object, old, &["data", "binaryData"], report);
}

/// What `immutable: true` forbids.
pub fn unchanged_if_immutable(object: &At, old: &At, fields: &[&str], report: &mut Report) {
    const WHY: &str = "field is immutable when `immutable` is set";
    if !old.get("immutable").bool() {
        return;
    }
    if !object.get("immutable").bool() {
        report.forbidden(&object.get("immutable"), WHY);
    }
    for field in fields {
        if !same(object.get(field).value, old.get(field).value) {
            report.forbidden(&object.get(field), WHY);
        }
    }
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let at = At::root(object);
    let keys = at.get("data").len() + at.get("binaryData").len();
    vec![print::name(object), keys.into(), print::age(object, now)]
}
