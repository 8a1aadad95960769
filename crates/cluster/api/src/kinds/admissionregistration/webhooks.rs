//! `ValidatingWebhookConfiguration` and `MutatingWebhookConfiguration`.

use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, labels, name, print};
use super::expressions;
use super::matching::{FAILURE, MATCH, check_conditions, check_rule, fill_rules};
use crate::admission::webhook::Webhook;
use serde_json::{Value, json};

const REVIEWS: &[&str] = &["v1", "v1beta1"];
const NO_EFFECTS: &[&str] = &["None", "NoneOnDryRun"];
const EFFECTS: &[&str] = &["None", "NoneOnDryRun", "Some", "Unknown"];

/// Those that answer yes or no.
pub const VALIDATING: Kind = Kind {
    default: |webhooks| default(webhooks),
    check: |webhooks, report| check(webhooks, &Strict::NEW, report),
    recheck: false,
    change: |webhooks, old, report| check(webhooks, &Strict::after(old), report),
    generation: true,
    columns: "Name,Webhooks:integer,Age",
    cells: |object, now| {
        let count = At::root(object).get("webhooks").len();
        vec![print::name(object), count.into(), print::age(object, now)]
    },
    ..Kind::cluster()
};

/// Those that may change what they are asked about.
pub const MUTATING: Kind = Kind {
    default: |webhooks| {
        default(webhooks);
        for hook in fill::items(webhooks, "webhooks") {
            fill::missing(hook, "reinvocationPolicy", "Never");
        }
    },
    ..VALIDATING
};

fn default(webhooks: &mut Value) {
    for hook in fill::items(webhooks, "webhooks") {
        fill::missing(hook, "failurePolicy", "Fail");
        fill::missing(hook, "matchPolicy", "Equivalent");
        fill::missing(hook, "namespaceSelector", json!({}));
        fill::missing(hook, "objectSelector", json!({}));
        fill::missing(hook, "timeoutSeconds", 10);
        if let Some(service) = fill::at(hook, "clientConfig.service") {
            fill::missing(service, "port", 443);
        }
        fill_rules(hook, "rules");
    }
}

/// What is asked only of objects that had it before.
struct Strict {
    effects: bool,
    reviews: bool,
    names: bool,
}

impl Strict {
    const NEW: Self = Self { effects: true, reviews: true, names: true };

    fn after(old: &At) -> Self {
        let hooks = old.get("webhooks");
        let knows = |hook: &At| {
            let reviews = hook.get("admissionReviewVersions");
            reviews.is_empty() || reviews.strings().any(|one| REVIEWS.contains(&one))
        };
        let mut names: Vec<&str> = hooks.items().map(|hook| hook.text("name")).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        Self {
            effects: hooks.items().all(|hook| NO_EFFECTS.contains(&hook.text("sideEffects"))),
            reviews: hooks.items().all(|hook| knows(&hook)),
            names: names.len() == count,
        }
    }
}

fn check(webhooks: &At, strict: &Strict, report: &mut Report) {
    let mut seen: Vec<&str> = Vec::new();
    for hook in webhooks.get("webhooks").items() {
        check_hook(&hook, strict, report);
        check_reviews(&hook.get("admissionReviewVersions"), strict, report);
        let own = hook.get("name");
        if strict.names && !own.is_empty() && seen.contains(&own.str()) {
            report.duplicate(&own);
        }
        seen.push(own.str());
    }
}

fn check_hook(hook: &At, strict: &Strict, report: &mut Report) {
    check_name(&hook.get("name"), report);
    for rule in hook.get("rules").items() {
        check_rule(&rule, report);
    }
    report.maybe_one_of(&hook.get("failurePolicy"), FAILURE);
    report.maybe_one_of(&hook.get("matchPolicy"), MATCH);
    let allowed = if strict.effects { NO_EFFECTS } else { EFFECTS };
    let effects = hook.get("sideEffects");
    if effects.is_set() {
        report.maybe_one_of(&effects, allowed);
    } else {
        report.required(&effects, &format!("must specify one of {}", allowed.join(", ")));
    }
    let timeout = hook.get("timeoutSeconds");
    if timeout.is_set() && !(1..=30).contains(&timeout.int()) {
        report.invalid(&timeout, "the timeout value must be between 1 and 30 seconds");
    }
    for selector in ["namespaceSelector", "objectSelector"] {
        labels::check(&hook.get(selector), report);
    }
    report.maybe_one_of(&hook.get("reinvocationPolicy"), &["IfNeeded", "Never"]);
    let client = hook.get("clientConfig");
    let (url, service) = (client.get("url"), client.get("service"));
    match (url.is_set(), service.is_set()) {
        (true, false) => check_url(&url, report),
        (false, true) => check_service(&service, report),
        _ => report.required(&client, "exactly one of url or service is required"),
    }
    check_conditions(&hook.get("matchConditions"), report);
    expressions::check(hook, &Webhook::read(hook.value).faults(), report);
}

fn check_name(at: &At, report: &mut Report) {
    if at.is_empty() {
        return report.required(at, "");
    }
    let faults = name::subdomain(at.str());
    if !faults.is_empty() {
        report.each(at, faults);
    } else if at.str().split('.').count() < 3 {
        report.invalid(at, "should be a domain with at least three segments separated by dots");
    }
}

fn check_reviews(versions: &At, strict: &Strict, report: &mut Report) {
    let known = REVIEWS.join(", ");
    if versions.is_empty() {
        return report.required(versions, &format!("must specify one of {known}"));
    }
    let mut seen: Vec<&str> = Vec::new();
    for version in versions.items() {
        if seen.contains(&version.str()) {
            report.invalid(&version, "duplicate version");
            continue;
        }
        seen.push(version.str());
        report.each(&version, name::label_1035(version.str()));
    }
    if strict.reviews && !seen.iter().any(|version| REVIEWS.contains(version)) {
        report.invalid(versions, format!("must include at least one of {known}"));
    }
}

const FORM: &str = "; desired format: https://host[/path]";

/// The address of a webhook.
pub fn check_url(at: &At, report: &mut Report) {
    let text = at.str();
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let rest_from = |separator: char| rest.split_once(separator).map(|(_, after)| after);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, host) =
        host.rsplit_once('@').map_or((None, host), |(user, host)| (Some(user), host));
    if scheme != "https" {
        report.invalid_as(at, scheme, format!("'https' is the only allowed URL scheme{FORM}"));
    }
    if host.is_empty() || scheme.is_empty() {
        report.invalid_as(at, "", format!("host must be provided{FORM}"));
    }
    if let Some(user) = user {
        report.invalid_as(at, user, "user information is not permitted in the URL");
    }
    if let Some(fragment) = rest_from('#').filter(|fragment| !fragment.is_empty()) {
        report.invalid_as(at, fragment, "fragments are not permitted in the URL");
    }
    let query = rest.split('#').next().and_then(|rest| rest.split_once('?'));
    if let Some((_, query)) = query.filter(|(_, query)| !query.is_empty()) {
        report.invalid_as(at, query, "query parameters are not permitted in the URL");
    }
}

/// The service of a webhook.
pub fn check_service(service: &At, report: &mut Report) {
    for field in ["name", "namespace"] {
        let at = service.get(field);
        if at.is_empty() {
            report.required(&at, &format!("service {field} is required"));
        }
    }
    let port = service.get("port");
    let faults = name::port_number(port.int());
    if !faults.is_empty() {
        report.invalid_as(&port, port.int(), format!("port is not valid: {}", faults.join(", ")));
    }
    let path = service.get("path");
    if path.is_empty() || path.str() == "/" {
        return;
    }
    let Some(steps) = path.str().strip_prefix('/') else {
        return report.invalid(&path, "must start with a '/'");
    };
    for (place, step) in steps.strip_suffix('/').unwrap_or(steps).split('/').enumerate() {
        if step.is_empty() {
            report.invalid(&path, format!("segment[{place}] may not be empty"));
            continue;
        }
        for why in name::subdomain(step) {
            report.invalid(&path, format!("segment[{place}]: {why}"));
        }
    }
}
