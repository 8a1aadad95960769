//! An autoscaler as it is listed.

use super::super::field::At;
use super::super::print;
use serde_json::Value;

const MOST: usize = 2;

/// The cells of its columns.
pub fn cells(object: &Value, now: i64) -> Vec<Value> {
    let scaler = At::root(object);
    let spec = scaler.get("spec");
    let reference = spec.get("scaleTargetRef");
    let least = match spec.get("minReplicas").opt_int() {
        Some(least) => least.to_string(),
        None => "<unset>".to_owned(),
    };
    vec![
        print::name(object),
        format!("{}/{}", reference.text("kind"), reference.text("name")).into(),
        targets(&spec.get("metrics"), &scaler.get("status.currentMetrics")).into(),
        least.into(),
        spec.get("maxReplicas").int().to_string().into(),
        scaler.get("status.currentReplicas").int().into(),
        print::age(object, now),
    ]
}

/// `cpu: 10%/80%, 5/10 + 1 more...`
fn targets(metrics: &At, statuses: &At) -> String {
    if metrics.is_empty() {
        return "<none>".to_owned();
    }
    let texts: Vec<String> =
        metrics.items().zip(0..).map(|(metric, at)| target(&metric, &statuses.index(at))).collect();
    let first = texts.iter().take(MOST).map(String::as_str).collect::<Vec<&str>>().join(", ");
    match texts.len().saturating_sub(MOST) {
        0 => first,
        more => format!("{first} + {more} more..."),
    }
}

fn target(metric: &At, status: &At) -> String {
    let source = match metric.text("type") {
        "External" => "external",
        "Pods" => "pods",
        "Object" => "object",
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        _ => return "<unknown type>".to_owned(),
    };
    let (wanted, current) = (metric.get(source), status.get(source));
    let (target, current) = (wanted.get("target"), current.get("current"));
    let pair = |field: &str, empty: &str, unit: &str| {
        let text = |at: &At, empty: &str| match at.get(field).value {
            Value::Null => empty.to_owned(),
            value => format!("{}{unit}", print::int_or_string(value)),
        };
        format!("{}/{}", text(&current, "<unknown>"), text(&target, empty))
    };
    let average = target.get("averageValue").is_set();
    match source {
        "pods" => pair("averageValue", "<unknown>", ""),
        "external" | "object" if average => format!("{} (avg)", pair("averageValue", "", "")),
        "external" | "object" => pair("value", "<unknown>", ""),
        _ if average => format!("{}: {}", wanted.text("name"), pair("averageValue", "", "")),
        _ => format!("{}: {}", wanted.text("name"), pair("averageUtilization", "<auto>", "%")),
    }
}
