//! `Secret`: `stringData` becomes `data`, types have their keys.

use super::super::base64;
use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, name, print};
use super::config_map::{MAX_BYTES, decoded_bytes, unchanged_if_immutable};
use crate::row::Target;
use serde_json::{Map, Value};

const ACCOUNT: &str = "kubernetes.io/service-account.name";

pub const RULES: Kind = Kind {
    default,
    prepare,
    check,
    change,
    selectable: &["type"],
    columns: "Name,Type,Data:integer,Age",
    cells,
    ..Kind::namespaced()
};

fn default(object: &mut Value) {
    fill::zero(object, "type", "Opaque");
    let Some(Value::Object(texts)) = object.get("stringData").cloned() else { return };
    fill::remove(object, "stringData");
    let data = fill::child(object, "data");
    for (key, text) in texts {
        let encoded = base64::encode(text.as_str().unwrap_or_default().as_bytes());
        fill::set(data, &key, encoded);
    }
}

fn prepare(object: &mut Value, old: &Value, target: Target<'_>) -> Option<bool> {
    if target == Target::Object && fill::text(object, "type").is_empty() {
        fill::keep(object, old, "type");
    }
    None
}

fn check(object: &At, report: &mut Report) {
    let data = object.get("data");
    let mut bytes = 0;
    for (key, value) in data.entries() {
        for why in name::config_key(key) {
            report.invalid_as(&value, key, why);
        }
        bytes += decoded_bytes(value.str());
    }
    if bytes > MAX_BYTES {
        report.too_long(&data, MAX_BYTES);
    }
    let has = |key: &str| data.key(key).is_set();
    match object.text("type") {
        "kubernetes.io/service-account-token" => {
            let annotations = object.get("metadata.annotations");
            if annotations.key(ACCOUNT).is_empty() {
                report.required(&annotations.key(ACCOUNT), "");
            }
        }
        "kubernetes.io/dockercfg" => check_json(&data.key(".dockercfg"), report),
        "kubernetes.io/dockerconfigjson" => check_json(&data.key(".dockerconfigjson"), report),
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            report.required(&data.key("username"), "");
            report.required(&data.key("password"), "");
        }
        "kubernetes.io/ssh-auth" if data.key("ssh-privatekey").is_empty() => {
            report.required(&data.key("ssh-privatekey"), "");
        }
        "kubernetes.io/tls" => {
            for key in ["tls.crt", "tls.key"] {
                if !has(key) {
                    report.required(&data.key(key), "");
                }
            }
        }
        _ => {}
    }
}

fn check_json(at: &At, report: &mut Report) {
    if !at.is_set() {
        return report.required(at, "");
    }
    let bytes = base64::decode(at.str()).unwrap_or_default();
    if let Err(why) = serde_json::from_slice::<Map<String, Value>>(&bytes) {
        let why = if bytes.is_empty() {
            "unexpected end of JSON input".to_owned()
        } else {
            why.to_string()
        };
        report.invalid_as(at, "<secret contents redacted>", why);
    }
}

fn change(object: &At, old: &At, report: &mut Report) {
    report.immutable(&object.get("type"), &old.get("type"));
    unchanged_if_immutable(object, old, &["data"], report);
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let at = At::root(object);
    vec![
        print::name(object),
        at.text("type").into(),
        at.get("data").len().into(),
        print::age(object, now),
    ]
}
