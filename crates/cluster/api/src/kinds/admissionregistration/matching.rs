//! What requests a webhook or a policy is for.

use super::super::field::{At, Report};
use super::super::{fill, labels, name};
use serde_json::{Value, json};

const OPERATIONS: &[&str] = &["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
pub const FAILURE: &[&str] = &["Fail", "Ignore"];
pub const MATCH: &[&str] = &["Equivalent", "Exact"];
const MOST_CONDITIONS: usize = 64;

/// Rules are for both scopes if they do not say it.
pub fn fill_rules(object: &mut Value, list: &str) {
    for rule in fill::items(object, list) {
        fill::missing(rule, "scope", "*");
    }
}

/// Fills in `matchConstraints` or `matchResources`.
pub fn fill_resources(resources: &mut Value) {
    fill::missing(resources, "matchPolicy", "Equivalent");
    fill::missing(resources, "namespaceSelector", json!({}));
    fill::missing(resources, "objectSelector", json!({}));
    fill_rules(resources, "resourceRules");
    fill_rules(resources, "excludeResourceRules");
}

/// Reports what is wrong with them.
pub fn check_resources(at: &At, report: &mut Report) {
    if !at.is_set() {
        return;
    }
    report.one_of(&at.get("matchPolicy"), MATCH);
    for selector in ["namespaceSelector", "objectSelector"] {
        let selector = at.get(selector);
        if selector.is_set() {
            labels::check(&selector, report);
        } else {
            report.required(&selector, "");
        }
    }
    for list in ["resourceRules", "excludeResourceRules"] {
        for rule in at.get(list).items() {
            let mut seen: Vec<&str> = Vec::new();
            for own in rule.get("resourceNames").items() {
                report.each(&own, name::path_segment(own.str(), false));
                if seen.contains(&own.str()) {
                    report.duplicate(&own);
                }
                seen.push(own.str());
            }
            check_rule(&rule, report);
        }
    }
}

/// Whether there is a `*`.
fn is_wild(list: &At) -> bool {
    list.strings().any(|one| one == "*")
}

/// Reports what is wrong with a rule.
pub fn check_rule(rule: &At, report: &mut Report) {
    for (field, what) in
        [("operations", "operations"), ("apiGroups", "API groups"), ("apiVersions", "API versions")]
    {
        let list = rule.get(field);
        if list.is_empty() {
            report.required(&list, "");
        }
        if list.len() > 1 && is_wild(&list) {
            report.invalid(&list, format!("if '*' is present, must not specify other {what}"));
        }
        for one in list.items() {
            match field {
                "operations" if !OPERATIONS.contains(&one.str()) => {
                    report.unsupported(&one, OPERATIONS);
                }
                "apiVersions" if one.is_empty() => report.required(&one, ""),
                _ => {}
            }
        }
    }
    check_names(&rule.get("resources"), report);
    report.maybe_one_of(&rule.get("scope"), &["*", "Cluster", "Namespaced"]);
}

/// Resources with their subresources.
fn check_names(resources: &At, report: &mut Report) {
    if resources.is_empty() {
        report.required(resources, "");
    }
    let (mut all_of, mut all_with): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    let mut has_plain = false;
    for one in resources.items() {
        let text = one.str();
        if text.is_empty() {
            report.required(&one, "");
            continue;
        }
        let Some((resource, sub)) = text.split_once('/') else {
            has_plain = text != "*";
            continue;
        };
        if all_of.contains(&resource) {
            let why = format!("if '{resource}/*' is present, must not specify {text}");
            report.invalid(&one, why);
        }
        if all_with.contains(&sub) {
            report.invalid(&one, format!("if '*/{sub}' is present, must not specify {text}"));
        }
        if sub == "*" {
            all_of.push(resource);
        }
        if resource == "*" {
            all_with.push(sub);
        }
    }
    if resources.len() > 1 && resources.strings().any(|one| one == "*/*") {
        report.invalid(resources, "if '*/*' is present, must not specify other resources");
    }
    if is_wild(resources) && has_plain {
        let why = "if '*' is present, must not specify other resources without subresources";
        report.invalid(resources, why);
    }
}

/// Conditions that a request must meet.
pub fn check_conditions(conditions: &At, report: &mut Report) {
    if conditions.len() > MOST_CONDITIONS {
        report.too_many(conditions, MOST_CONDITIONS);
    }
    let mut seen: Vec<&str> = Vec::new();
    for condition in conditions.items() {
        if condition.text("expression").trim().is_empty() {
            report.required(&condition.get("expression"), "");
        }
        let own = condition.get("name");
        if own.is_empty() {
            report.required(&own, "");
            continue;
        }
        report.each(&own, name::qualified(own.str()));
        if seen.contains(&own.str()) {
            report.duplicate(&own);
        }
        seen.push(own.str());
    }
}
