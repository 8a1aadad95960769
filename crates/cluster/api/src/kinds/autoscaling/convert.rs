//! Autoscalers of v1 as v2 and back. What v1 cannot say is in annotations of it, as text.

use super::super::field::At;
use super::super::fill;
use super::metrics::{SOURCES, processors};
use serde_json::{Map, Value, json};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const STATUSES: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// The names that v1 gives to what v2 has under another, for a source and its target (`now`: its
/// current value): v1, v2.
fn names(source: &str, now: bool) -> Vec<(&'static str, &'static str)> {
    let inner = |target, current| if now { current } else { target };
    let value = inner("targetValue", "currentValue");
    let average = inner("targetAverageValue", "currentAverageValue");
    let percent = inner("targetAverageUtilization", "currentAverageUtilization");
    let (at_value, at_average, at_percent) = if now {
        ("current.value", "current.averageValue", "current.averageUtilization")
    } else {
        ("target.value", "target.averageValue", "target.averageUtilization")
    };
    match source {
        "object" => vec![
            ("target", "describedObject"),
            ("metricName", "metric.name"),
            ("selector", "metric.selector"),
            (value, at_value),
            ("averageValue", at_average),
        ],
        "pods" => vec![
            ("metricName", "metric.name"),
            ("selector", "metric.selector"),
            (average, at_average),
        ],
        "external" => vec![
            ("metricName", "metric.name"),
            ("metricSelector", "metric.selector"),
            (value, at_value),
            (average, at_average),
        ],
        _ => vec![
            ("name", "name"),
            ("container", "container"),
            (percent, at_percent),
            (average, at_average),
        ],
    }
}

/// The form that something is wanted in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Old,
    New,
}

/// One metric or its status in the other form.
fn metric(from: &Value, form: Form, now: bool) -> Value {
    let to_new = form == Form::New;
    let at = At::root(from);
    let mut made = json!({"type": at.text("type")});
    for source in SOURCES {
        let old = at.get(source);
        if !old.is_set() {
            continue;
        }
        let mut fields = Value::Object(Map::new());
        for (own, new) in names(source, now) {
            let (read, write) = if to_new { (own, new) } else { (new, own) };
            let value = old.get(read).value;
            if !value.is_null() {
                match write.split_once('.') {
                    Some((part, name)) => {
                        fill::set(fill::child(&mut fields, part), name, value.clone());
                    }
                    None => fill::set(&mut fields, write, value.clone()),
                }
            }
        }
        if to_new && !now {
            let target = fill::child(&mut fields, "target");
            let kind = if target.get("averageUtilization").is_some() {
                "Utilization"
            } else if target.get("averageValue").is_some() {
                "AverageValue"
            } else {
                "Value"
            };
            fill::set(target, "type", kind);
        }
        fill::set(&mut made, source, fields);
    }
    made
}

fn is_processors(metric: &Value) -> bool {
    metric.pointer("/resource/name").and_then(Value::as_str) == Some("cpu")
}

fn list(value: Option<Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

/// Takes an annotation out of an object.
fn take(object: &mut Value, key: &str) -> Option<Value> {
    let metadata = object.get_mut("metadata")?;
    let annotations = metadata.get_mut("annotations")?.as_object_mut()?;
    let text = annotations.shift_remove(key)?;
    if annotations.is_empty() {
        fill::remove(metadata, "annotations");
    }
    serde_json::from_str(text.as_str()?).ok()
}

fn note(object: &mut Value, key: &str, value: &Value) {
    let annotations = fill::child(fill::child(object, "metadata"), "annotations");
    fill::set(annotations, key, value.to_string());
}

/// One of v1 as it is stored: as v2.
pub fn to_stored(scaler: &Value) -> Value {
    let mut made = scaler.clone();
    fill::set(&mut made, "apiVersion", "autoscaling/v2");
    let metrics = list(take(&mut made, METRICS));
    let mut metrics: Vec<Value> = metrics.iter().map(|own| metric(own, Form::New, false)).collect();
    let statuses = list(take(&mut made, STATUSES));
    let mut statuses: Vec<Value> =
        statuses.iter().map(|own| metric(own, Form::New, true)).collect();
    let behavior = take(&mut made, BEHAVIOR);
    let conditions = take(&mut made, CONDITIONS);
    let at = At::root(scaler);
    if let Some(percent) = at.get("spec.targetCPUUtilizationPercentage").opt_int() {
        metrics.insert(0, processors(percent));
    }
    if metrics.is_empty() {
        metrics.push(processors(80));
    }
    let spec = fill::child(&mut made, "spec");
    fill::remove(spec, "targetCPUUtilizationPercentage");
    fill::set(spec, "metrics", metrics);
    if let Some(behavior) = behavior {
        fill::set(spec, "behavior", behavior);
    }
    if let Some(percent) = at.get("status.currentCPUUtilizationPercentage").opt_int() {
        let current = json!({"averageUtilization": percent});
        let own = json!({"type": "Resource", "resource": {"name": "cpu", "current": current}});
        if !statuses.iter().any(is_processors) {
            statuses.insert(0, own);
        }
    }
    if let Some(status) = fill::field(&mut made, "status") {
        fill::remove(status, "currentCPUUtilizationPercentage");
        if !statuses.is_empty() {
            fill::set(status, "currentMetrics", statuses);
        }
        if let Some(conditions) = conditions {
            fill::set(status, "conditions", conditions);
        }
    }
    made
}

/// A stored one as v1.
pub fn from_stored(scaler: &Value) -> Value {
    let mut made = scaler.clone();
    fill::set(&mut made, "apiVersion", "autoscaling/v1");
    let at = At::root(scaler);
    let spec = fill::child(&mut made, "spec");
    fill::remove(spec, "metrics");
    fill::remove(spec, "behavior");
    let percent_of = |metric: &At| {
        let own = metric.get("resource.target.averageUtilization").opt_int();
        own.filter(|_| is_processors(metric.value))
    };
    let metrics = at.get("spec.metrics");
    let mut others: Vec<Value> = Vec::new();
    let mut percent = None;
    for own in metrics.items() {
        match percent_of(&own) {
            Some(found) => percent = Some(found),
            None => others.push(metric(own.value, Form::Old, false)),
        }
    }
    if let Some(percent) = percent {
        fill::set(spec, "targetCPUUtilizationPercentage", percent);
    }
    if !others.is_empty() {
        note(&mut made, METRICS, &Value::Array(others));
    }
    let behavior = at.get("spec.behavior");
    if behavior.is_set() {
        note(&mut made, BEHAVIOR, behavior.value);
    }
    status_from_stored(&mut made, &at.get("status"));
    made
}

fn status_from_stored(made: &mut Value, stored: &At) {
    let current = stored.get("currentMetrics");
    let percent = current
        .items()
        .filter(|own| is_processors(own.value))
        .find_map(|own| own.get("resource.current.averageUtilization").opt_int());
    if let Some(status) = fill::field(made, "status") {
        fill::remove(status, "currentMetrics");
        fill::remove(status, "conditions");
        fill::missing(status, "currentReplicas", 0);
        if let Some(percent) = percent {
            fill::set(status, "currentCPUUtilizationPercentage", percent);
        }
    }
    if !current.is_empty() {
        let old: Vec<Value> =
            current.items().map(|own| metric(own.value, Form::Old, true)).collect();
        note(made, STATUSES, &Value::Array(old));
    }
    let conditions = stored.get("conditions");
    if !conditions.is_empty() {
        note(made, CONDITIONS, conditions.value);
    }
}
