//! What an autoscaler looks at.

use super::super::field::{At, Report};
use super::super::{name, quantities};
use super::pod_autoscaler::check_reference;
use serde_json::{Value, json};

const KINDS: &[&str] = &["ContainerResource", "External", "Object", "Pods", "Resource"];
/// Fields of a metric that say where it comes from, in the order in which they are looked at.
pub const SOURCES: [&str; 5] = ["object", "external", "pods", "resource", "containerResource"];

/// The use of processors, in percent of what is requested.
pub fn processors(percent: i64) -> Value {
    json!({"type": "Resource", "resource": {"name": "cpu",
        "target": {"type": "Utilization", "averageUtilization": percent}}})
}

/// All metrics of an autoscaler.
pub fn check(metrics: &At, least_pods: Option<i64>, report: &mut Report) {
    for metric in metrics.items() {
        check_one(&metric, report);
    }
    let from_outside = |metric: At| ["Object", "External"].contains(&metric.text("type"));
    if least_pods == Some(0) && !metrics.items().any(from_outside) {
        let why = "must specify at least one Object or External metric to support scaling to zero replicas";
        report.forbidden(metrics, why);
    }
}

fn check_one(metric: &At, report: &mut Report) {
    let kind = metric.get("type");
    if kind.is_empty() {
        report.required(&kind, "must specify a metric source type");
    }
    if !KINDS.contains(&kind.str()) {
        report.unsupported(&kind, KINDS);
    }
    let present: Vec<&str> =
        SOURCES.into_iter().filter(|source| metric.get(source).is_set()).collect();
    if let Some(first) = present.first() {
        check_source(first, &metric.get(first), report);
    }
    let expected = SOURCES.into_iter().find(|source| {
        let (first, rest) = source.split_at(1);
        kind.str().strip_prefix(&first.to_uppercase()) == Some(rest)
    });
    if let Some(expected) = expected
        && !metric.get(expected).is_set()
    {
        let why = "must populate information for the given metric source";
        report.required(&metric.get(expected), why);
    }
    if present.len() != 1 {
        for other in present.iter().filter(|source| Some(**source) != expected) {
            report.forbidden(&metric.get(other), "must populate the given metric source only");
        }
    }
}

fn check_source(kind: &str, source: &At, report: &mut Report) {
    let target = source.get("target");
    let (value, average) = (target.get("value"), target.get("averageValue"));
    match kind {
        "object" => {
            check_reference(&source.get("describedObject"), report);
            check_metric(&source.get("metric"), report);
            check_target(&target, report);
            if !value.is_set() && !average.is_set() {
                report.required(&average, "must set either a target value or averageValue");
            }
        }
        "external" => {
            check_metric(&source.get("metric"), report);
            check_target(&target, report);
            if !value.is_set() && !average.is_set() {
                let why = "must set either a target value for metric or a per-pod target";
                report.required(&average, why);
            }
            if value.is_set() && average.is_set() {
                let why = "may not set both a target value for metric and a per-pod target";
                report.forbidden(&value, why);
            }
        }
        "pods" => {
            check_metric(&source.get("metric"), report);
            check_target(&target, report);
            if !average.is_set() {
                report.required(&average, "must specify a positive target averageValue");
            }
        }
        _ => check_resource(source, kind == "containerResource", report),
    }
}

fn check_resource(source: &At, of_container: bool, report: &mut Report) {
    let own = source.get("name");
    if own.is_empty() {
        report.required(&own, "must specify a resource name");
    } else if of_container {
        quantities::check_container_name(&own, own.str(), report);
    }
    if of_container {
        let container = source.get("container");
        if container.is_empty() {
            report.required(&container, "must specify a container");
        } else {
            report.each(&container, name::label(container.str()));
        }
    }
    let target = source.get("target");
    check_target(&target, report);
    let (percent, average) = (target.get("averageUtilization"), target.get("averageValue"));
    if !percent.is_set() && !average.is_set() {
        report.required(&percent, "must set either a target raw value or a target utilization");
    }
    if percent.is_set() && average.is_set() {
        let why = "may not set both a target raw value and a target utilization";
        report.forbidden(&average, why);
    }
}

fn check_metric(metric: &At, report: &mut Report) {
    let own = metric.get("name");
    if own.is_empty() {
        report.required(&own, "must specify a metric name");
    } else {
        report.each(&own, name::path_segment(own.str(), false));
    }
}

fn check_target(target: &At, report: &mut Report) {
    let kind = target.get("type");
    if kind.is_empty() {
        report.required(&kind, "must specify a metric target type");
    }
    if !["Utilization", "Value", "AverageValue"].contains(&kind.str()) {
        report.invalid(&kind, "must be either Utilization, Value, or AverageValue");
    }
    for field in ["value", "averageValue"] {
        let at = target.get(field);
        if at.is_set() && quantities::read(&at).sign() <= 0 {
            report.invalid(&at, "must be positive");
        }
    }
    let percent = target.get("averageUtilization");
    if percent.is_set() && percent.int() < 1 {
        report.invalid(&percent, "must be greater than 0");
    }
}
