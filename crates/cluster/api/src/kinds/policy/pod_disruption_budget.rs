//! `PodDisruptionBudget`.

use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{labels, meta, print, workload};
use serde_json::{Value, json};

pub const RULES: Kind = Kind {
    status: Some(
        |_| json!({"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}),
    ),
    check,
    change_part: |_, budget, _, report| {
        let status = budget.get("status");
        meta::conditions(&status.get("conditions"), report);
        let counts = ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"];
        workload::counts(&status, &counts, report);
    },
    generation: true,
    unconditional_update: false,
    columns: "Name,Min Available,Max Unavailable,Allowed Disruptions:integer,Age",
    cells,
    ..Kind::namespaced()
};

fn check(budget: &At, report: &mut Report) {
    let spec = budget.get("spec");
    let amounts = [spec.get("minAvailable"), spec.get("maxUnavailable")];
    if amounts.iter().all(At::is_set) {
        report.invalid(&spec, "minAvailable and maxUnavailable cannot be both set");
    }
    for amount in amounts.iter().filter(|amount| amount.is_set()) {
        workload::number_or_percent(amount, report);
        workload::at_most_all(amount, report);
    }
    labels::check(&spec.get("selector"), report);
    let evicts = spec.get("unhealthyPodEvictionPolicy");
    report.maybe_one_of(&evicts, &["AlwaysAllow", "IfHealthyBudget"]);
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let budget = At::root(object);
    let amount = |field: &str| match budget.get(field).value {
        Value::Null => Value::from("N/A"),
        amount => print::int_or_string(amount).into(),
    };
    vec![
        print::name(object),
        amount("spec.minAvailable"),
        amount("spec.maxUnavailable"),
        budget.get("status.disruptionsAllowed").int().into(),
        print::age(object, now),
    ]
}
