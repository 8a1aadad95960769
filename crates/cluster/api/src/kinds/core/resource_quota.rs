//! `ResourceQuota`.

use super::super::field::{At, Report};
use super::super::kind::{Kind, empty_status};
use super::super::{fill, print, quantities};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub const RULES: Kind = Kind {
    default: |quota| {
        for list in ["spec.hard", "status.hard", "status.used"] {
            if let Some(list) = fill::at(quota, list) {
                quantities::fill_list(list);
            }
        }
    },
    status: Some(empty_status),
    check: |quota, report| {
        let spec = quota.get("spec");
        check_amounts(&spec.get("hard"), report);
        check_scopes(&spec, report);
        check_selector(&spec, report);
    },
    change: |quota, old, report| {
        let set =
            |at: &At| at.get("spec.scopes").strings().map(str::to_owned).collect::<BTreeSet<_>>();
        if set(quota) != set(old) {
            report.invalid(&quota.get("spec.scopes"), "field is immutable");
        }
    },
    change_part: |_, quota, _, report| {
        for list in ["status.hard", "status.used"] {
            check_amounts(&quota.get(list), report);
        }
    },
    columns: "Name,Request,Limit,Age",
    cells,
    ..Kind::namespaced()
};

const TERMINATING: [&str; 2] = ["Terminating", "NotTerminating"];
const BEST: [&str; 2] = ["BestEffort", "NotBestEffort"];

fn is_scope(scope: &str) -> bool {
    let others = ["PriorityClass", "CrossNamespacePodAffinity", "VolumeAttributesClass"];
    TERMINATING.contains(&scope) || BEST.contains(&scope) || others.contains(&scope)
}

fn check_amounts(list: &At, report: &mut Report) {
    for (resource, at) in list.entries() {
        quantities::check_quota_name(&at, resource, report);
        quantities::check_amount(&at, resource, report);
    }
}

/// Whether a scope says something about a resource.
fn is_for(scope: &str, resource: &str) -> bool {
    let compute =
        ["cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];
    match scope {
        "BestEffort" => resource == "pods",
        "VolumeAttributesClass" => {
            ["persistentvolumeclaims", "requests.storage"].contains(&resource)
        }
        scope if is_scope(scope) => resource == "pods" || compute.contains(&resource),
        _ => true,
    }
}

fn check_applies(at: &At, spec: &At, scope: &str, report: &mut Report) {
    for (resource, _) in spec.get("hard").entries() {
        if quantities::QUOTA.contains(&resource) && !is_for(scope, resource) {
            report.invalid(at, "unsupported scope applied to resource");
        }
    }
}

fn check_conflicts(at: &At, scopes: &[&str], report: &mut Report) {
    for pair in [BEST, TERMINATING] {
        if pair.iter().all(|scope| scopes.contains(scope)) {
            report.invalid(at, "conflicting scopes");
        }
    }
}

fn check_scopes(spec: &At, report: &mut Report) {
    let at = spec.get("scopes");
    let scopes: Vec<&str> = at.strings().collect();
    for scope in &scopes {
        if !is_scope(scope) {
            report.invalid(&at, "unsupported scope");
        }
        check_applies(&at, spec, scope, report);
    }
    check_conflicts(&at, &scopes, report);
}

const ONLY_EXISTS: &str = "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";

fn check_selector(spec: &At, report: &mut Report) {
    let selector = spec.get("scopeSelector");
    if !selector.is_set() {
        return;
    }
    let at = selector.get("matchExpressions");
    let mut scopes: Vec<&str> = Vec::new();
    for requirement in at.items() {
        // the real paths leave out which of them it is
        let here = at.called_as(requirement.value);
        let (scope, operator) = (here.get("scopeName"), here.get("operator"));
        scopes.push(scope.str());
        if !is_scope(scope.str()) {
            report.invalid(&scope, "unsupported scope");
        }
        let whole = selector.called("matchExpressions", selector.value);
        check_applies(&whole, spec, scope.str(), report);
        let values_allowed = ["PriorityClass", "VolumeAttributesClass"].contains(&scope.str());
        if is_scope(scope.str()) && !values_allowed && operator.str() != "Exists" {
            report.invalid(&operator, ONLY_EXISTS);
        }
        let values = here.get("values");
        match operator.str() {
            "In" | "NotIn" if values.is_empty() => report.required(
                &values,
                "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
            ),
            "In" | "NotIn" => {}
            "Exists" | "DoesNotExist" if !values.is_empty() => report.invalid(
                &values,
                "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
            ),
            "Exists" | "DoesNotExist" => {}
            _ => report.invalid(&operator, "not a valid selector operator"),
        }
    }
    check_conflicts(&at, &scopes, report);
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let quota = At::root(object);
    let (hard, used) = (quota.get("status.hard"), quota.get("status.used"));
    let sorted: BTreeMap<&str, At> = hard.entries().collect();
    let (mut requests, mut limits): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for (resource, most) in sorted {
        let amount = quantities::amount(&used, resource).unwrap_or_default();
        let text = format!("{resource}: {amount}/{}", quantities::read(&most));
        let column = if resource.starts_with("limits") { &mut limits } else { &mut requests };
        column.push(text);
    }
    let (requests, limits) = (requests.join(", "), limits.join(", "));
    vec![print::name(object), requests.into(), limits.into(), print::age(object, now)]
}
