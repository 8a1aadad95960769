//! Where pods may and would rather run: node selectors, affinities, spreading, tolerations.

use super::super::field::{At, Report};
use super::super::{labels, meta, name};
use crate::selector::label_value_errors;

const POSITIVE: &str = "must be greater than zero";

/// `nodeSelectorTerms`; label values of preferences may be anything.
pub fn node_selector(at: &At, report: &mut Report) {
    let terms = at.get("nodeSelectorTerms");
    if terms.is_empty() {
        return report.required(&terms, "must have at least one node selector term");
    }
    for term in terms.items() {
        node_term(&term, true, report);
    }
}

fn node_term(term: &At, check_values: bool, report: &mut Report) {
    for expression in term.get("matchExpressions").items() {
        let (operator, values) = (expression.get("operator"), expression.get("values"));
        match operator.str() {
            "In" | "NotIn" if values.is_empty() => {
                let why = "must be specified when `operator` is 'In' or 'NotIn'";
                report.required(&values, why);
            }
            "Exists" | "DoesNotExist" if values.has_items() => {
                let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                report.forbidden(&values, why);
            }
            "Gt" | "Lt" if values.len() != 1 => {
                let why = "must be specified single value when `operator` is 'Lt' or 'Gt'";
                report.required(&values, why);
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
            _ => report.invalid(&operator, "not a valid selector operator"),
        }
        meta::label_key(&expression.get("key"), report);
        for value in values.items().filter(|_| check_values) {
            report.each(&value, label_value_errors(value.str()));
        }
    }
    for field in term.get("matchFields").items() {
        let (operator, values) = (field.get("operator"), field.get("values"));
        match operator.str() {
            "In" | "NotIn" if values.len() != 1 => {
                let why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                report.required(&values, why);
            }
            "In" | "NotIn" => {}
            _ => report.invalid(&operator, "not a valid selector operator"),
        }
        if field.text("key") == "metadata.name" {
            for value in values.items() {
                report.each(&value, name::subdomain(value.str()));
            }
        } else {
            report.invalid(&field.get("key"), "not a valid field selector key");
        }
    }
}

/// `affinity`.
pub fn check(affinity: &At, report: &mut Report) {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    let nodes = affinity.get("nodeAffinity");
    if nodes.get(REQUIRED).is_set() {
        node_selector(&nodes.get(REQUIRED), report);
    }
    for term in nodes.get(PREFERRED).items() {
        weight(&term.get("weight"), report);
        node_term(&term.get("preference"), false, report);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let pods = affinity.get(kind);
        for term in pods.get(REQUIRED).items() {
            pod_term(&term, report);
        }
        for term in pods.get(PREFERRED).items() {
            weight(&term.get("weight"), report);
            pod_term(&term.get("podAffinityTerm"), report);
        }
    }
}

fn weight(at: &At, report: &mut Report) {
    if !(1..=100).contains(&at.int()) {
        report.invalid_as(at, at.int(), "must be in the range 1-100");
    }
}

fn pod_term(term: &At, report: &mut Report) {
    labels::check(&term.get("labelSelector"), report);
    labels::check(&term.get("namespaceSelector"), report);
    for namespace in term.get("namespaces").items() {
        let at = term.called("namespace", namespace.value);
        report.each(&at, name::label(namespace.str()));
    }
    label_keys(term, report);
    let key = term.get("topologyKey");
    if key.is_empty() {
        report.required(&key, "can not be empty");
    }
    meta::label_key(&key, report);
}

fn label_keys(term: &At, report: &mut Report) {
    let selector = term.get("labelSelector");
    for field in ["matchLabelKeys", "mismatchLabelKeys"] {
        let keys = term.get(field);
        if keys.has_items() && !selector.is_set() {
            report.forbidden(&keys, "must not be specified when labelSelector is not set");
            continue;
        }
        for key in keys.items() {
            meta::label_key(&key, report);
        }
    }
    let (keys, not) = (term.get("matchLabelKeys"), term.get("mismatchLabelKeys"));
    let mut known: Vec<&str> = selector.get("matchLabels").entries().map(|(key, _)| key).collect();
    for expression in selector.get("matchExpressions").items() {
        let key = expression.text("key");
        if let Some(at) = keys.strings().position(|one| one == key)
            && known.contains(&key)
        {
            let why = "exists in both matchLabelKeys and labelSelector";
            report.invalid_as(&term.index(at), key, why);
        }
        known.push(key);
    }
    for key in keys.items() {
        if not.strings().any(|other| other == key.str()) {
            report.invalid(&key, "exists in both matchLabelKeys and mismatchLabelKeys");
        }
    }
}

/// `tolerations`.
pub fn tolerations(list: &At, report: &mut Report) {
    for toleration in list.items() {
        let (key, operator) = (toleration.get("key"), toleration.get("operator"));
        let (effect, value) = (toleration.get("effect"), toleration.text("value"));
        if !key.is_empty() {
            meta::label_key(&key, report);
        }
        if key.is_empty() && operator.str() != "Exists" {
            let why = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            report.invalid(&operator, why);
        }
        if toleration.get("tolerationSeconds").is_set() && effect.str() != "NoExecute" {
            let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            report.invalid(&effect, why);
        }
        match operator.str() {
            "Equal" | "" => {
                let errors = label_value_errors(value);
                if !errors.is_empty() {
                    report.invalid_as(&operator, value, errors.join(";"));
                }
            }
            "Exists" if !value.is_empty() => {
                let why = "value must be empty when `operator` is 'Exists'";
                report.invalid_as(&operator, value, why);
            }
            "Exists" => {}
            _ => report.unsupported(&operator, &["Equal", "Exists"]),
        }
        if !effect.is_empty() {
            report.maybe_one_of(&effect, &["NoSchedule", "PreferNoSchedule", "NoExecute"]);
        }
    }
}

/// `topologySpreadConstraints`.
pub fn spread(list: &At, report: &mut Report) {
    let pairs: Vec<(&str, &str)> =
        list.items().map(|one| (one.text("topologyKey"), one.text("whenUnsatisfiable"))).collect();
    for (at, constraint) in list.items().enumerate() {
        let skew = constraint.get("maxSkew");
        if skew.int() <= 0 {
            report.invalid_as(&skew, skew.int(), POSITIVE);
        }
        let key = constraint.get("topologyKey");
        if key.is_empty() {
            report.required(&key, "can not be empty");
        }
        let action = constraint.get("whenUnsatisfiable");
        if !["DoNotSchedule", "ScheduleAnyway"].contains(&action.str()) {
            report.unsupported(&action, &["DoNotSchedule", "ScheduleAnyway"]);
        }
        let pair = (key.str(), action.str());
        if pairs.iter().skip(at + 1).any(|other| *other == pair) {
            let place = constraint.get("{topologyKey, whenUnsatisfiable}");
            report.duplicate_as(&place, format!("{{{}, {}}}", pair.0, pair.1));
        }
        let domains = constraint.get("minDomains");
        if domains.is_set() {
            if domains.int() <= 0 {
                report.invalid(&domains, POSITIVE);
            }
            if action.str() != "DoNotSchedule" {
                let why = format!(
                    "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {}",
                    action.str()
                );
                report.invalid(&domains, why);
            }
        }
        for policy in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            report.maybe_one_of(&constraint.get(policy), &["Honor", "Ignore"]);
        }
        spread_keys(&constraint, report);
        labels::check(&constraint.get("labelSelector"), report);
    }
}

fn spread_keys(constraint: &At, report: &mut Report) {
    let (keys, selector) = (constraint.get("matchLabelKeys"), constraint.get("labelSelector"));
    if keys.has_items() && !selector.is_set() {
        report.forbidden(&keys, "must not be specified when labelSelector is not set");
    }
    for key in keys.items() {
        meta::label_key(&key, report);
        if selector.get("matchLabels").key(key.str()).is_set() {
            report.invalid(&key, "exists in both matchLabelKeys and labelSelector");
        }
    }
}
