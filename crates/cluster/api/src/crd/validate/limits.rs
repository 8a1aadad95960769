//! Smallest and largest, shortest and longest, fewest and most; patterns.

use super::{Found, in_body};
use crate::crd::node::Node;
use crate::status::{Cause, CauseKind};
use serde_json::Value;

pub(super) fn check(value: &Value, node: &Node, path: &str, found: &mut Found) {
    match value {
        Value::Number(_) => number(value, node, path, found),
        Value::String(text) => string(text, value, node, path, found),
        Value::Array(items) => {
            count(
                items.len(),
                (node.limits.min_items, node.limits.max_items),
                "items",
                (path, value),
                found,
            );
        }
        Value::Object(fields) => {
            let limits = (node.limits.min_properties, node.limits.max_properties);
            count(fields.len(), limits, "properties", (path, value), found);
        }
        _ => {}
    }
}

fn number(value: &Value, node: &Node, path: &str, found: &mut Found) {
    let actual = value.as_f64().unwrap_or(0.0);
    let mut refuse = |why: String| {
        found.add(Cause::invalid(path, value, format!("{} should be {why}", in_body(path))));
    };
    match node.limits.minimum {
        Some((least, true)) if actual <= least => refuse(format!("greater than {least}")),
        Some((least, false)) if actual < least => {
            refuse(format!("greater than or equal to {least}"))
        }
        _ => {}
    }
    match node.limits.maximum {
        Some((most, true)) if actual >= most => refuse(format!("less than {most}")),
        Some((most, false)) if actual > most => refuse(format!("less than or equal to {most}")),
        _ => {}
    }
    if let Some(step) = node.limits.multiple_of {
        let times = actual / step;
        if step <= 0.0 || (times - times.round()).abs() > 1e-9 {
            refuse(format!("a multiple of {step}"));
        }
    }
}

fn string(text: &str, value: &Value, node: &Node, path: &str, found: &mut Found) {
    let length = text.chars().count() as u64;
    if let Some(least) = node.limits.min_length.filter(|least| length < *least) {
        let why = format!("{} should be at least {least} chars long", in_body(path));
        found.add(Cause::invalid(path, value, why));
    }
    if let Some(most) = node.limits.max_length.filter(|most| length > *most) {
        found.add(Cause::too_long(path, usize::try_from(most).unwrap_or(usize::MAX)));
    }
    if let Some((written, pattern)) = &node.limits.pattern
        && !pattern.is_match(text)
    {
        let why = format!("{} should match '{written}'", in_body(path));
        found.add(Cause::invalid(path, value, why));
    }
}

fn count(
    actual: usize,
    (least, most): (Option<u64>, Option<u64>),
    what: &str,
    (path, value): (&str, &Value),
    found: &mut Found,
) {
    if let Some(least) = least.filter(|least| (actual as u64) < *least) {
        let why = format!("{} should have at least {least} {what}", in_body(path));
        found.add(Cause::invalid(path, value, why));
    }
    if let Some(most) = most.filter(|most| actual as u64 > *most) {
        let message = format!("Too many: {actual}: must have at most {most} {what}");
        let reason = CauseKind::FieldValueTooMany;
        found.add(Cause { reason, message, field: path.to_owned() });
    }
}
