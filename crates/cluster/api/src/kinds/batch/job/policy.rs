//! When pods' failures fail a job, and when successes are enough.

use super::super::super::field::{At, Report};
use super::super::super::name;
use super::indexes;
use crate::{Cause, CauseKind};

const ACTIONS: &[&str] = &["Count", "FailIndex", "FailJob", "Ignore"];
const MAX_RULES: usize = 20;
const MAX_CODES: usize = 255;
const MAX_INDEXES_BYTES: usize = 64 * 1024;

/// `Invalid value: why`, without the value.
pub fn invalid_whole(at: &At, why: &str, report: &mut Report) {
    let message = format!("Invalid value: {why}");
    report.add(Cause { reason: CauseKind::FieldValueInvalid, message, field: at.to_string() });
}

fn listed(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    format!("valid values: [{}]", words.join(" "))
}

fn word(at: &At, words: &[&str], report: &mut Report) {
    if at.is_empty() {
        report.required(at, &listed(words));
    } else {
        report.maybe_one_of(at, words);
    }
}

/// `podFailurePolicy`.
pub fn failure(spec: &At, policy: &At, report: &mut Report) {
    let rules = policy.get("rules");
    if rules.len() > MAX_RULES {
        report.too_many(&rules, MAX_RULES);
    }
    for rule in rules.items() {
        let action = rule.get("action");
        if action.str() == "FailIndex" {
            if !spec.get("backoffLimitPerIndex").is_set() {
                report.invalid(&action, "requires the backoffLimitPerIndex to be set");
            }
        } else {
            word(&action, ACTIONS, report);
        }
        let (codes, conditions) = (rule.get("onExitCodes"), rule.get("onPodConditions"));
        if codes.is_set() {
            exit_codes(spec, &codes, report);
        }
        if conditions.len() > MAX_RULES {
            report.too_many(&conditions, MAX_RULES);
        }
        for pattern in conditions.items() {
            let kind = pattern.get("type");
            report.each(&kind, name::qualified(kind.str()));
            word(&pattern.get("status"), &["False", "True", "Unknown"], report);
        }
        match (codes.is_set(), conditions.has_items()) {
            (true, true) => {
                let why = "specifying both OnExitCodes and OnPodConditions is not supported";
                invalid_whole(&rule, why, report);
            }
            (false, false) => {
                let why = "specifying one of OnExitCodes and OnPodConditions is required";
                invalid_whole(&rule, why, report);
            }
            _ => {}
        }
    }
}

fn exit_codes(spec: &At, codes: &At, report: &mut Report) {
    let operator = codes.get("operator");
    word(&operator, &["In", "NotIn"], report);
    let own = codes.get("containerName");
    let lists = ["containers", "initContainers"];
    let known = lists.iter().any(|list| {
        let template = spec.get("template.spec");
        template.get(list).items().any(|container| container.text("name") == own.str())
    });
    if own.is_set() && !known {
        let why = "must be one of the container or initContainer names in the pod template";
        report.invalid(&own, why);
    }
    let values = codes.get("values");
    if values.is_empty() {
        report.invalid_as(&values, serde_json::json!([]), "at least one value is required");
    } else if values.len() > MAX_CODES {
        report.too_many(&values, MAX_CODES);
    }
    let mut seen: Vec<i64> = Vec::new();
    for value in values.items() {
        if operator.str() == "In" && value.int() == 0 {
            report.invalid_as(&value, 0, "must not be 0 for the In operator");
        }
        if seen.contains(&value.int()) {
            report.duplicate(&value);
        }
        seen.push(value.int());
    }
    if !seen.is_sorted() {
        report.invalid(&values, "must be ordered");
    }
}

/// `successPolicy`.
pub fn success(spec: &At, policy: &At, report: &mut Report) {
    let rules = policy.get("rules");
    if rules.is_empty() {
        let why = "at least one rules must be specified when the successPolicy is specified";
        report.required(&rules, why);
    }
    if rules.len() > MAX_RULES {
        report.too_many(&rules, MAX_RULES);
    }
    let completions = spec.get("completions").int();
    for rule in rules.items() {
        let (count, list) = (rule.get("succeededCount"), rule.get("succeededIndexes"));
        if !count.is_set() && !list.is_set() {
            let why = "at least one of succeededCount or succeededIndexes must be specified";
            report.required(&rule, why);
        }
        let mut total = 0;
        if list.is_set() {
            if list.str().len() > MAX_INDEXES_BYTES {
                report.too_long(&list, MAX_INDEXES_BYTES);
            }
            match indexes::total(list.str(), completions) {
                Ok(number) => total = number,
                Err(why) => {
                    report.invalid(&list, format!("error parsing succeededIndexes: {why}"));
                }
            }
        }
        report.non_negative(&count);
        if count.int() > completions {
            let why = format!(
                "must be less than or equal to {completions} (the number of specified completions)"
            );
            report.invalid(&count, why);
        }
        if list.is_set() && count.int() > total {
            let why = format!(
                "must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
            );
            report.invalid(&count, why);
        }
    }
}
