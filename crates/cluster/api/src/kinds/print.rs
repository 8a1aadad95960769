//! Cells of `kubectl get`: durations, ages, and columns written briefly.

use super::field::At;
use crate::row::Column;
use serde_json::Value;
use std::borrow::Cow;

fn make(name: &'static str, kind: &'static str, priority: i32) -> Column {
    let format = if name == "Name" { "name" } else { "" };
    let description = describe(name);
    Column { name: name.into(), kind: kind.into(), format: format.into(), description, priority }
}

fn describe(name: &'static str) -> Cow<'static, str> {
    match name {
        "Name" => "The name, unique within the namespace or the cluster.".into(),
        "Age" => "How long ago the object was made.".into(),
        "Containers" => "Names of each container in the template.".into(),
        "Images" => "Images referenced by each container in the template.".into(),
        "Selector" => "Which objects are selected.".into(),
        other => format!("{other} of the object.").into(),
    }
}

/// Columns from names, with commas between. A name may say its type, `Ready:integer`; one that
/// begins with `+` is of `-o wide`.
pub fn columns(names: &'static str) -> Vec<Column> {
    let each = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    each.map(|name| {
        let (name, priority) = match name.strip_prefix('+') {
            Some(name) => (name, 1),
            None => (name, 0),
        };
        let (name, kind) = name.split_once(':').unwrap_or((name, "string"));
        make(name, kind, priority)
    })
    .collect()
}

/// `5m3s`, `2d4h`: two units at most, the fewer the longer it is.
pub fn duration(seconds: i64) -> String {
    let two = |first: i64, unit: &str, second: i64, smaller: &str| {
        if second == 0 {
            format!("{first}{unit}")
        } else {
            format!("{first}{unit}{second}{smaller}")
        }
    };
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1..0 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(hours / 24, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{}d", hours / 24),
        63_072_000..252_288_000 => two(hours / 24 / 365, "y", hours / 24 % 365, "d"),
        _ => format!("{}y", hours / 24 / 365),
    }
}

/// How long ago that was; `<unknown>` if nobody knows.
pub fn since(time: &str, now: i64) -> String {
    match crate::time::parse(time) {
        Some(then) => duration(now - then),
        None => "<unknown>".to_owned(),
    }
}

/// An object's age.
pub fn age(object: &Value, now: i64) -> Value {
    let made = crate::object::text(object, &["metadata", "creationTimestamp"]);
    since(made.unwrap_or_default(), now).into()
}

/// An object's name.
pub fn name(object: &Value) -> Value {
    crate::object::name(object).into()
}

/// Columns of kinds without any of their own, whose cells are [`created`].
pub const CREATED: &str = "Name,Created At:date";

/// Name and time of creation.
pub fn created(object: &Value, _now: i64) -> Vec<Value> {
    let made = crate::object::text(object, &["metadata", "creationTimestamp"]);
    vec![name(object), made.unwrap_or_default().into()]
}

/// A text or, where there is none, `<none>`.
pub fn or_none(text: &str) -> Value {
    or(text, "<none>")
}

/// A text or, where there is none, another.
pub fn or(text: &str, nothing: &str) -> Value {
    if text.is_empty() { nothing.into() } else { text.into() }
}

/// Names and images of a pod template's containers.
pub fn containers(spec: &At) -> (Value, Value) {
    let list = |field: &str| {
        let containers = spec.get("containers");
        let texts: Vec<&str> = containers.items().map(|container| container.text(field)).collect();
        texts.join(",")
    };
    (list("name").into(), list("image").into())
}

/// A number or text as text.
pub fn int_or_string(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The cells of what keeps a number of pods.
pub fn replicas(object: &Value, now: i64, selector: String) -> Vec<Value> {
    let at = At::root(object);
    let (names, images) = containers(&at.get("spec.template.spec"));
    vec![
        name(object),
        at.get("spec.replicas").int().into(),
        at.get("status.replicas").int().into(),
        at.get("status.readyReplicas").int().into(),
        age(object, now),
        names,
        images,
        selector.into(),
    ]
}
