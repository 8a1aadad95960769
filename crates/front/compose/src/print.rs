//! What `config` prints: the canonical model as Docker's Compose writes it, and the hashes that tell
//! whether a service has changed.

use crate::node::Node;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// Texts so that reading them again gives the same: a dollar is doubled.
pub fn doubled(text: &str) -> String {
    text.replace('$', "$$")
}

/// The model as YAML.
pub fn yaml(tree: &Node) -> String {
    let mut value = tree.to_json();
    each(&mut value, "services", limits);
    crate::yaml::emit(&value)
}

/// The model as JSON: sections in the order of the alphabet, extensions only at the top.
pub fn json(tree: &Node) -> String {
    let mut value = json_value(tree);
    if let Value::Object(map) = &mut value {
        let own = tree.as_map().into_iter().flatten().filter(|(key, _)| key.starts_with("x-"));
        map.extend(own.map(|(key, node)| {
            let mut extension = node.to_json();
            extension.sort_all_objects();
            (key.clone(), extension)
        }));
        map.sort_keys();
    }
    let text = serde_json::to_string_pretty(&value).unwrap_or_default();
    escaped(&text)
}

fn json_value(tree: &Node) -> Value {
    let mut value = tree.to_json();
    plain(&mut value);
    each(&mut value, "services", service_json);
    each(&mut value, "networks", |network| filled(network, "ipam", "external"));
    value
}

/// A service as Go's encoder writes it.
fn service_json(service: &mut Value) {
    nulls(service);
    limits(service);
    modes(service);
    if let Some(deploy) = service.get_mut("deploy") {
        filled(deploy, "resources", "restart_policy");
        filled(deploy, "placement", "endpoint_mode");
    }
    let watched = service.pointer_mut("/develop/watch").and_then(Value::as_array_mut);
    for trigger in watched.into_iter().flatten().filter_map(Value::as_object_mut) {
        if !trigger.contains_key("exec") {
            let later = |key: &String| ["include", "ignore", "initial_sync"].contains(&&**key);
            let place = trigger.keys().position(later).unwrap_or(trigger.len());
            trigger.shift_insert(place, "exec".to_owned(), json!({"command": null}));
        }
    }
}

/// The mode of a secret or config is a number there.
fn modes(service: &mut Value) {
    for section in ["secrets", "configs"] {
        let uses = service.get_mut(section).and_then(Value::as_array_mut);
        for mode in uses.into_iter().flatten().filter_map(|one| one.get_mut("mode")) {
            let number = mode.as_str().and_then(|text| u32::from_str_radix(text, 8).ok());
            if let Some(number) = number {
                *mode = number.into();
            }
        }
    }
}

/// A struct that is never left out, in its place: before `next`, or at its place from behind.
fn filled(value: &mut Value, key: &str, next: &str) {
    let Value::Object(map) = value else { return };
    if map.contains_key(key) {
        return;
    }
    let later: &[&str] = match key {
        "ipam" => &["external", "internal", "attachable", "labels", "enable_ipv4", "enable_ipv6"],
        "resources" => &["restart_policy", "placement", "endpoint_mode"],
        _ => &[next],
    };
    let place = map.keys().position(|key| later.contains(&key.as_str())).unwrap_or(map.len());
    map.shift_insert(place, key.to_owned(), json!({}));
}

/// In JSON `command` and `entrypoint` are always there: `null` is the image's, `[]` is none.
fn nulls(service: &mut Value) {
    let Value::Object(map) = service else { return };
    let order: Vec<&str> = crate::schema::SERVICE.fields.iter().map(|field| field.name).collect();
    let rank = |key: &str| order.iter().position(|name| *name == key).unwrap_or(usize::MAX);
    for key in ["command", "entrypoint"] {
        if !map.contains_key(key) {
            let own = rank(key);
            let place = map.keys().position(|key| rank(key) > own).unwrap_or(map.len());
            map.shift_insert(place, key.to_owned(), Value::Null);
        }
    }
}

/// A limit with one value is that value.
fn limits(service: &mut Value) {
    let single = |ulimits: Option<&mut Value>| {
        let Some(Value::Object(map)) = ulimits else { return };
        for limit in map.values_mut() {
            if let Some(value) = limit.get("single") {
                *limit = value.clone();
            }
        }
    };
    single(service.get_mut("ulimits"));
    if let Some(build) = service.get_mut("build") {
        single(build.get_mut("ulimits"));
    }
}

/// Without `x-…`.
fn plain(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !key.starts_with("x-"));
            map.values_mut().for_each(plain);
        }
        Value::Array(list) => list.iter_mut().for_each(plain),
        _ => {}
    }
}

fn each(value: &mut Value, section: &str, act: impl FnMut(&mut Value)) {
    if let Some(Value::Object(map)) = value.get_mut(section) {
        map.values_mut().for_each(act);
    }
}

/// Go's encoder writes these as escapes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}

/// The hash of a service: of all that makes its containers what they are.
pub fn service_hash(service: &Node) -> String {
    hash_without(service, &["build", "pull_policy", "scale", "depends_on", "profiles"])
}

/// Whether a hash is this service's: ours, or one of those that earlier Compose v2 made of the same
/// (up to 2.26 what it depends on counted, and later still its profiles).
pub fn is_hash_of(service: &Node, hash: &str) -> bool {
    hash == service_hash(service)
        || hash == hash_without(service, &["build", "pull_policy", "scale", "depends_on"])
        || hash == hash_without(service, &["build", "pull_policy", "scale"])
}

fn hash_without(service: &Node, keys: &[&str]) -> String {
    let mut value = service.to_json();
    plain(&mut value);
    if let Value::Object(map) = &mut value {
        for key in keys {
            map.shift_remove(*key);
        }
        if let Some(Value::Object(deploy)) = map.get_mut("deploy") {
            deploy.shift_remove("replicas");
        }
    }
    service_json(&mut value);
    hash(&value)
}

/// The hash of a network.
pub fn network_hash(network: &Node) -> String {
    let mut value = network.to_json();
    plain(&mut value);
    filled(&mut value, "ipam", "external");
    hash(&value)
}

/// The hash of a volume.
pub fn volume_hash(volume: &Node) -> String {
    let mut value = volume.to_json();
    plain(&mut value);
    if let Value::Object(map) = &mut value
        && !map.contains_key("driver")
    {
        let place = usize::from(map.contains_key("name"));
        map.shift_insert(place, "driver".to_owned(), Value::from("local"));
    }
    hash(&value)
}

fn hash(value: &Value) -> String {
    hex(&Sha256::digest(escaped(&value.to_string()).as_bytes()))
}

/// Bytes in hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// An object of JSON, for callers that build one.
pub type Object = Map<String, Value>;
