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

/// Days since 1970 of a date.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a day since 1970.
pub fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted - era * 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Seconds since 1970 of an RFC 3339 time; none if it is not one. Fractions are dropped.
pub fn seconds(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let rest = text.get(19..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match rest.as_bytes().first()? {
        b'Z' | b'z' => 0,
        sign @ (b'+' | b'-') => {
            let hours = rest.get(1..3)?.parse::<i64>().ok()?;
            let minutes = rest.get(4..6)?.parse::<i64>().ok()?;
            let seconds = hours * 3600 + minutes * 60;
            if *sign == b'+' { seconds } else { -seconds }
        }
        _ => return None,
    };
    let valid = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60;
    valid.then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset)
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
    match seconds(time) {
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
