//! `HorizontalPodAutoscaler`.

use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, name, quantities, workload};
use super::convert::to_stored;
use super::{metrics, shown};
use serde_json::{Value, json};

const MOST_PERIOD: i64 = 1800;
const MOST_WINDOW: i64 = 3600;

/// v2.
pub const RULES: Kind = Kind {
    status: Some(|_| json!({"desiredReplicas": 0})),
    default,
    check: |scaler, report| check(scaler, 1, report),
    recheck: false,
    change: |scaler, old, report| {
        let had_none = old.get("spec.minReplicas").opt_int() == Some(0);
        check(scaler, i64::from(!had_none), report);
    },
    change_part: |_, scaler, _, report| {
        workload::counts(&scaler.get("status"), &["currentReplicas", "desiredReplicas"], report);
    },
    columns: "Name,Reference,Targets,MinPods,MaxPods,Replicas:integer,Age",
    cells: shown::cells,
    ..Kind::namespaced()
};

/// v1.
pub const OLD: Kind = Kind {
    status: Some(|_| json!({"currentReplicas": 0, "desiredReplicas": 0})),
    default: |scaler| fill::missing(fill::child(scaler, "spec"), "minReplicas", 1),
    check: |scaler, report| check(&At::root(&to_stored(scaler.value)), 1, report),
    change: |scaler, old, report| {
        let had_none = old.get("spec.minReplicas").opt_int() == Some(0);
        check(&At::root(&to_stored(scaler.value)), i64::from(!had_none), report);
    },
    cells: |scaler, now| shown::cells(&to_stored(scaler), now),
    ..RULES
};

fn default(scaler: &mut Value) {
    let spec = fill::child(scaler, "spec");
    fill::missing(spec, "minReplicas", 1);
    for metric in fill::items(spec, "metrics") {
        for source in metrics::SOURCES {
            let target = format!("{source}.target");
            for field in ["value", "averageValue"] {
                if let Some(target) = fill::at(metric, &target)
                    && let Some(amount) = fill::field(target, field)
                {
                    quantities::fill_one(amount);
                }
            }
        }
    }
    fill::zero(spec, "metrics", json!([metrics::processors(80)]));
    if spec.get("behavior").is_some_and(|behavior| !behavior.is_null()) {
        let behavior = fill::child(spec, "behavior");
        let percent = json!({"type": "Percent", "value": 100, "periodSeconds": 15});
        let pods = json!({"type": "Pods", "value": 4, "periodSeconds": 15});
        let up = fill::child(behavior, "scaleUp");
        fill::missing(up, "stabilizationWindowSeconds", 0);
        fill::missing(up, "selectPolicy", "Max");
        fill::missing(up, "policies", json!([pods, percent]));
        let down = fill::child(behavior, "scaleDown");
        fill::missing(down, "selectPolicy", "Max");
        fill::missing(down, "policies", json!([percent]));
    }
}

fn check(scaler: &At, least: i64, report: &mut Report) {
    let spec = scaler.get("spec");
    let (min, max) = (spec.get("minReplicas"), spec.get("maxReplicas"));
    if min.is_set() && min.int() < least {
        report.invalid(&min, format!("must be greater than or equal to {least}"));
    }
    if max.int() < 1 {
        report.invalid_as(&max, max.int(), "must be greater than 0");
    }
    if min.is_set() && max.int() < min.int() {
        report.invalid_as(&max, max.int(), "must be greater than or equal to `minReplicas`");
    }
    check_reference(&spec.get("scaleTargetRef"), report);
    metrics::check(&spec.get("metrics"), min.opt_int(), report);
    for direction in ["scaleUp", "scaleDown"] {
        let behavior = spec.get("behavior");
        let rules = behavior.get(direction);
        if rules.is_set() {
            check_rules(&rules, report);
        }
    }
}

/// Names an object of any version.
pub fn check_reference(at: &At, report: &mut Report) {
    for field in ["kind", "name"] {
        let text = at.get(field);
        if text.is_empty() {
            report.required(&text, "");
        } else {
            report.each(&text, name::path_segment(text.str(), false));
        }
    }
}

fn check_rules(rules: &At, report: &mut Report) {
    let window = rules.get("stabilizationWindowSeconds");
    if window.int() < 0 {
        report.invalid(&window, "must be greater than or equal to zero");
    }
    if window.int() > MOST_WINDOW {
        report.invalid(&window, format!("must be less than or equal to {MOST_WINDOW}"));
    }
    report.maybe_one_of(&rules.get("selectPolicy"), &["Disabled", "Max", "Min"]);
    let policies = rules.get("policies");
    if policies.is_empty() {
        report.required(&policies, "must specify at least one Policy");
    }
    for policy in policies.items() {
        let kind = policy.get("type");
        if !["Percent", "Pods"].contains(&kind.str()) {
            report.unsupported(&kind, &["Percent", "Pods"]);
        }
        for field in ["value", "periodSeconds"] {
            let at = policy.get(field);
            if at.int() <= 0 {
                report.invalid_as(&at, at.int(), "must be greater than zero");
            }
        }
        let period = policy.get("periodSeconds");
        if period.int() > MOST_PERIOD {
            report.invalid(&period, format!("must be less than or equal to {MOST_PERIOD}"));
        }
    }
}
