//! `FlowSchema`.

use super::super::field::{At, Report};
use super::super::kind::{Kind, empty_status};
use super::super::{fill, meta, name, print};
use super::check_conditions;
use serde_json::Value;

const MOST: i64 = 10_000;
const VERBS: &[&str] =
    &["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];

pub const RULES: Kind = Kind {
    default: |schema| fill::zero(fill::child(schema, "spec"), "matchingPrecedence", 1000),
    status: Some(empty_status),
    prepare: meta::status_alone,
    check: |schema, report| {
        check_spec(schema, report);
        check_conditions(schema, report);
    },
    change_part: |_, schema, _, report| check_conditions(schema, report),
    generation: true,
    unconditional_update: false,
    columns: "Name,PriorityLevel,MatchingPrecedence:integer,DistinguisherMethod,Age,MissingPL",
    cells,
    ..Kind::cluster()
};

fn check_spec(schema: &At, report: &mut Report) {
    let spec = schema.get("spec");
    let precedence = spec.get("matchingPrecedence");
    match precedence.int() {
        ..1 => report.invalid_as(&precedence, precedence.int(), "must be a positive value"),
        1 if schema.text("metadata.name") != "exempt" => {
            let why = "only the schema named 'exempt' may have matchingPrecedence 1";
            report.invalid(&precedence, why);
        }
        number if number > MOST => {
            report.invalid(&precedence, format!("must not be greater than {MOST}"));
        }
        _ => {}
    }
    let method = spec.get("distinguisherMethod");
    if method.is_set() && !["ByNamespace", "ByUser"].contains(&method.text("type")) {
        report.unsupported(&method.get("type"), &["ByNamespace", "ByUser"]);
    }
    let level = spec.get("priorityLevelConfiguration.name");
    if level.is_empty() {
        report.required(&level, "must reference a priority level");
    } else {
        report.each(&level, name::subdomain(level.str()));
    }
    for rule in spec.get("rules").items() {
        check_rule(&rule, report);
    }
}

fn check_rule(rule: &At, report: &mut Report) {
    let subjects = rule.get("subjects");
    if subjects.is_empty() {
        report.required(&subjects, "subjects must contain at least one value");
    }
    for subject in subjects.items() {
        check_subject(&subject, report);
    }
    let (resources, others) = (rule.get("resourceRules"), rule.get("nonResourceRules"));
    if resources.is_empty() && others.is_empty() {
        let why = "at least one of resourceRules and nonResourceRules has to be non-empty";
        report.required(rule, why);
    }
    for resource in resources.items() {
        check_resource(&resource, report);
    }
    for other in others.items() {
        check_verbs(&other.get("verbs"), report);
        let urls = other.get("nonResourceURLs");
        if urls.is_empty() {
            report.required(&urls, "nonResourceURLs must contain at least one value");
        }
        if !alone(&urls, "non-resource URLs", report) {
            for url in urls.items() {
                check_url(&url, report);
            }
        }
    }
}

/// Whether there is a `*`, which must be the only one.
fn alone(list: &At, what: &str, report: &mut Report) -> bool {
    let has = list.strings().any(|one| one == "*");
    if has && list.len() > 1 {
        report.invalid(list, format!("if '*' is present, must not specify other {what}"));
    }
    has
}

fn check_verbs(verbs: &At, report: &mut Report) {
    if verbs.is_empty() {
        return report.required(verbs, "verbs must contain at least one value");
    }
    if !alone(verbs, "verbs", report) && verbs.strings().any(|verb| !VERBS.contains(&verb)) {
        report.unsupported(verbs, VERBS);
    }
}

fn check_resource(rule: &At, report: &mut Report) {
    check_verbs(&rule.get("verbs"), report);
    for (field, one, others) in
        [("apiGroups", "api group", "api groups"), ("resources", "resource", "resources")]
    {
        let list = rule.get(field);
        if list.is_empty() {
            let why = format!("resource rules must supply at least one {one}");
            report.required(&list, &why);
        }
        alone(&list, others, report);
    }
    let namespaces = rule.get("namespaces");
    if namespaces.is_empty() && !rule.get("clusterScope").bool() {
        let why = "resource rules that are not cluster scoped must supply at least one namespace";
        return report.required(&namespaces, why);
    }
    if !alone(&namespaces, "namespaces", report) {
        for namespace in namespaces.items() {
            for why in name::label(namespace.str()) {
                let intro = "each member of this list must be '*' or a DNS-1123 label; ";
                report.invalid(&namespace, format!("{intro}{why}"));
            }
        }
    }
}

fn check_url(url: &At, report: &mut Report) {
    let path = url.str();
    let why = if path.is_empty() {
        "must not be empty"
    } else if !path.starts_with('/') {
        "must start with slash"
    } else if path.contains(' ') {
        "must not contain white-space"
    } else if path.contains("//") {
        "must not contain double slash"
    } else if path.matches('*').count() > 1 || (path.contains('*') && !path.ends_with("/*")) {
        "wildcard can only do suffix matching"
    } else {
        return;
    };
    report.invalid(url, why);
}

fn check_subject(subject: &At, report: &mut Report) {
    let kinds = [("ServiceAccount", "serviceAccount"), ("User", "user"), ("Group", "group")];
    let kind = subject.get("kind");
    let Some((kind, own)) = kinds.iter().find(|(name, _)| *name == kind.str()) else {
        return report.unsupported(&kind, &["Group", "ServiceAccount", "User"]);
    };
    let at = subject.get(own);
    if !at.is_set() {
        let why = format!("{own} is required when subject kind is '{kind}'");
        report.required(&at, &why);
    } else if at.text("name").is_empty() {
        report.required(&at.get("name"), "");
    }
    if *kind == "ServiceAccount" && at.is_set() {
        let (own, namespace) = (at.get("name"), at.get("namespace"));
        if !own.is_empty() && own.str() != "*" {
            report.each(&own, name::subdomain(own.str()));
        }
        if namespace.is_empty() {
            report.required(&namespace, "must specify namespace for service account");
        } else {
            report.each(&namespace, name::label(namespace.str()));
        }
    }
    for (name, field) in kinds.iter().filter(|(name, _)| name != kind) {
        if subject.get(field).is_set() {
            let why = format!("{field} is forbidden when subject kind is not '{name}'");
            report.forbidden(&subject.get(field), &why);
        }
    }
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let schema = At::root(object);
    let spec = schema.get("spec");
    let conditions = schema.get("status.conditions");
    let dangling = conditions.items().find(|one| one.text("type") == "Dangling");
    let dangling =
        dangling.map_or("?", |one| one.value.get("status").and_then(Value::as_str).unwrap_or("?"));
    vec![
        print::name(object),
        spec.text("priorityLevelConfiguration.name").into(),
        spec.get("matchingPrecedence").int().into(),
        print::or_none(spec.text("distinguisherMethod.type")),
        print::age(object, now),
        dangling.into(),
    ]
}
