//! `LimitRange`.

use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, name, print, quantities};
use crate::quantity::Quantity;
use serde_json::Value;
use std::collections::BTreeSet;

pub const RULES: Kind =
    Kind { default, check, columns: print::CREATED, cells: print::created, ..Kind::namespaced() };

/// Lists of amounts in a limit.
const LISTS: [&str; 5] = ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"];

fn default(range: &mut Value) {
    let Some(spec) = fill::field(range, "spec") else { return };
    for limit in fill::items(spec, "limits") {
        for list in LISTS {
            if let Some(list) = fill::field(limit, list) {
                quantities::fill_list(list);
            }
        }
        if fill::text(limit, "type") == "Container" {
            fill_from(limit, "max", "default");
            fill_from(limit, "default", "defaultRequest");
            fill_from(limit, "min", "defaultRequest");
        }
    }
}

/// Amounts of one list that another has not.
fn fill_from(limit: &mut Value, from: &str, to: &str) {
    let amounts = limit.get(from).cloned().unwrap_or(Value::Null);
    let Some(amounts) = amounts.as_object().filter(|amounts| !amounts.is_empty()) else { return };
    let target = fill::child(limit, to);
    for (resource, amount) in amounts {
        fill::missing(target, resource, amount.clone());
    }
}

fn check(range: &At, report: &mut Report) {
    let mut kinds: Vec<&str> = Vec::new();
    for limit in range.get("spec.limits").items() {
        check_limit(&limit, &mut kinds, report);
    }
}

fn check_limit<'v>(limit: &At<'v, '_>, kinds: &mut Vec<&'v str>, report: &mut Report) {
    let kind = limit.get("type");
    let standard = ["Pod", "Container", "PersistentVolumeClaim"].contains(&kind.str());
    report.each(&kind, name::qualified(kind.str()));
    if !kind.str().contains('/') && !standard {
        report.invalid(&kind, "must be a standard limit type or fully qualified");
    }
    if kinds.contains(&kind.str()) {
        report.duplicate(&kind);
    }
    kinds.push(kind.str());
    let mut resources: BTreeSet<&str> = BTreeSet::new();
    for field in LISTS {
        let list = limit.get(field);
        if kind.str() == "Pod" && field.starts_with("default") {
            if list.has_items() {
                report.forbidden(&list, "may not be specified when `type` is 'Pod'");
            }
            continue;
        }
        for (resource, at) in list.entries() {
            resources.insert(resource);
            check_resource(&at, kind.str(), resource, report);
        }
    }
    let stores = |field: &str| limit.get(field).key("storage").is_set();
    if kind.str() == "PersistentVolumeClaim" && !stores("min") && !stores("max") {
        let why = "either minimum or maximum storage value is required, but neither was provided";
        report.required(&limit.get("limits"), why);
    }
    for resource in resources {
        check_amounts(limit, resource, report);
    }
}

fn check_resource(at: &At, kind: &str, resource: &str, report: &mut Report) {
    if ["Pod", "Container"].contains(&kind) {
        quantities::check_container_name(at, resource, report);
    } else {
        quantities::check_name(at, resource, report);
    }
}

fn check_amounts(limit: &At, resource: &str, report: &mut Report) {
    let [max, min, default, request, ratio] =
        LISTS.map(|list| quantities::amount(&limit.get(list), resource));
    let mut compare = |list: &str,
                       (low, low_name): (Option<Quantity>, &str),
                       high: (Option<Quantity>, &str),
                       shown: Option<Quantity>| {
        if let (Some(low), Some(high_amount), Some(shown)) = (low, high.0, shown)
            && low > high_amount
        {
            let why =
                format!("{low_name} value {low} is greater than {} value {high_amount}", high.1);
            report.invalid_as(&limit.get(list).key(resource), shown.to_string(), why);
        }
    };
    compare("min", (min, "min"), (max, "max"), min);
    compare("defaultRequest", (min, "min"), (request, "default request"), request);
    compare("defaultRequest", (request, "default request"), (max, "max"), request);
    compare("defaultRequest", (request, "default request"), (default, "default limit"), request);
    compare("default", (min, "min"), (default, "default"), min);
    compare("default", (default, "default"), (max, "max"), max);
    let whole = (ratio, min, max);
    if let (Some(ratio), ..) = whole
        && ratio < Quantity::parse("1").unwrap_or_default()
    {
        let at = limit.get("maxLimitRequestRatio");
        report.invalid_as(
            &at.key(resource),
            ratio.to_string(),
            format!("ratio {ratio} is less than 1"),
        );
    }
    if let (Some(ratio), Some(min), Some(max)) = whole {
        let most = max.approximate() / min.approximate();
        if ratio.approximate() > most {
            let why = format!("ratio {ratio} is greater than max/min = {most:.6}");
            let at = limit.get("maxLimitRequestRatio");
            report.invalid_as(&at.key(resource), ratio.to_string(), why);
        }
    }
    if let (Some(default), Some(request)) = (default, request)
        && !quantities::may_overcommit(resource)
        && default != request
    {
        let why = format!(
            "default value {default} must equal to defaultRequest value {request} in {resource}"
        );
        report.invalid_as(&limit.get("defaultRequest").key(resource), request.to_string(), why);
    }
}
