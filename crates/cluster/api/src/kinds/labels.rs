//! `metav1.LabelSelector`: whether it is well formed, whether it selects, and how it is printed.

use super::field::{At, Report};
use super::meta;
use crate::selector::label_value_errors;
use serde_json::Value;

/// A label selector as a field.
pub fn check(at: &At, report: &mut Report) {
    meta::labels(&at.get("matchLabels"), report);
    let expressions = at.get("matchExpressions");
    for expression in expressions.items() {
        let values = expression.get("values");
        let operator = expression.get("operator");
        match operator.str() {
            "In" | "NotIn" => {
                if values.is_empty() {
                    let why = "must be specified when `operator` is 'In' or 'NotIn'";
                    report.required(&values, why);
                }
            }
            "Exists" | "DoesNotExist" => {
                if values.has_items() {
                    let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                    report.forbidden(&values, why);
                }
            }
            _ => report.invalid(&operator, "not a valid selector operator"),
        }
        meta::label_key(&expression.get("key"), report);
        for value in values.items() {
            report.each(&value, label_value_errors(value.str()));
        }
    }
}

/// Whether it selects everything.
pub fn is_empty(selector: &Value) -> bool {
    let at = At::root(selector);
    at.get("matchLabels").is_empty() && at.get("matchExpressions").is_empty()
}

/// Whether it selects an object with these labels.
pub fn selects(selector: &Value, labels: &Value) -> bool {
    let at = At::root(selector);
    let label = |key: &str| labels.get(key).and_then(Value::as_str);
    let all_labels =
        at.get("matchLabels").entries().all(|(key, value)| label(key) == Some(value.str()));
    all_labels
        && at.get("matchExpressions").items().all(|expression| {
            let value = label(expression.text("key"));
            let values = expression.get("values");
            let listed = value.is_some_and(|value| values.strings().any(|item| item == value));
            match expression.text("operator") {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

/// As the printers write it: `a=b,c in (d,e)`.
pub fn shown(selector: &Value) -> String {
    if selector.is_null() {
        return "<none>".to_owned();
    }
    let at = At::root(selector);
    let mut parts: Vec<(String, String)> = Vec::new();
    for (key, value) in at.get("matchLabels").entries() {
        parts.push((key.to_owned(), format!("{key}={}", value.str())));
    }
    for expression in at.get("matchExpressions").items() {
        let key = expression.text("key");
        let mut values: Vec<&str> = expression.get("values").strings().collect();
        values.sort_unstable();
        let values = values.join(",");
        let text = match expression.text("operator") {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            _ => format!("!{key}"),
        };
        parts.push((key.to_owned(), text));
    }
    if parts.is_empty() {
        return "<none>".to_owned();
    }
    parts.sort();
    parts.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(",")
}

/// A map of labels as the printers write it.
pub fn shown_map(labels: &Value) -> String {
    let at = At::root(labels);
    let mut parts: Vec<String> =
        at.entries().map(|(key, value)| format!("{key}={}", value.str())).collect();
    parts.sort();
    if parts.is_empty() { "<none>".to_owned() } else { parts.join(",") }
}
