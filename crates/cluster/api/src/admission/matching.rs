//! Whether a webhook or a policy is asked about a request: rules of operations and resources, selectors
//! of namespaces and objects.

use super::Request;
use crate::kinds::labels;
use serde_json::Value;

/// Whether one of the rules is about a request. With `matchPolicy: Equivalent` any version of the
/// resource will do: all versions of an object have one shape here.
pub fn matches_rules(rules: &Value, request: &Request<'_>, is_equivalent: bool) -> bool {
    let rules = rules.as_array().map(Vec::as_slice).unwrap_or_default();
    rules.iter().any(|rule| matches_rule(rule, request, is_equivalent))
}

fn matches_rule(rule: &Value, request: &Request<'_>, is_equivalent: bool) -> bool {
    let has = |name: &str, wanted: &str| {
        let words = rule[name].as_array().map(Vec::as_slice).unwrap_or_default();
        words.iter().any(|word| word == "*" || word == wanted)
    };
    let names = rule["resourceNames"].as_array().map(Vec::as_slice).unwrap_or_default();
    has("operations", request.operation.word())
        && has("apiGroups", request.group)
        && (is_equivalent || has("apiVersions", request.version))
        && matches_scope(rule, request)
        && matches_resource(rule, request)
        && (names.is_empty() || names.iter().any(|name| name == request.name))
}

fn matches_scope(rule: &Value, request: &Request<'_>) -> bool {
    // A namespace is an object of the cluster though its requests name a namespace.
    let is_namespaced = !request.namespace.is_empty() && request.resource != "namespaces";
    match rule["scope"].as_str() {
        Some("Namespaced") => is_namespaced,
        Some("Cluster") => !is_namespaced,
        _ => true,
    }
}

fn matches_resource(rule: &Value, request: &Request<'_>) -> bool {
    let words = rule["resources"].as_array().map(Vec::as_slice).unwrap_or_default();
    words.iter().filter_map(Value::as_str).any(|word| {
        let (resource, part) = word.split_once('/').unwrap_or((word, ""));
        let is_all = word == "*/*";
        let part_fits = part == request.subresource || part == "*" && word.contains('/');
        is_all || (resource == "*" || resource == request.resource) && part_fits
    })
}

/// Whether a selector takes the request's namespace. Requests without one are taken, but for those
/// about namespaces, which are judged by their own labels.
pub fn matches_namespace(
    selector: &Value,
    request: &Request<'_>,
    namespace: Option<&Value>,
) -> bool {
    if labels::is_empty(selector) {
        return true;
    }
    let labelled = if request.resource == "namespaces" && request.group.is_empty() {
        request.object.or(request.old)
    } else if request.namespace.is_empty() {
        return true;
    } else {
        namespace
    };
    labels::selects(selector, labelled.map_or(&Value::Null, labels_of))
}

/// Whether a selector takes the new or the old object.
pub fn matches_object(selector: &Value, request: &Request<'_>) -> bool {
    let takes = |object: &Value| labels::selects(selector, labels_of(object));
    labels::is_empty(selector)
        || request.object.is_some_and(takes)
        || request.old.is_some_and(takes)
}

/// Whether a policy's `matchConstraints` or a binding's `matchResources` takes a request; no
/// constraints take all.
pub fn matches_constraints(
    constraints: &Value,
    request: &Request<'_>,
    namespace: Option<&Value>,
) -> bool {
    if !constraints.is_object() {
        return true;
    }
    let is_equivalent = constraints["matchPolicy"].as_str() != Some("Exact");
    let rules = &constraints["resourceRules"];
    let is_limited = rules.as_array().is_some_and(|rules| !rules.is_empty());
    matches_namespace(&constraints["namespaceSelector"], request, namespace)
        && matches_object(&constraints["objectSelector"], request)
        && !matches_rules(&constraints["excludeResourceRules"], request, is_equivalent)
        && (!is_limited || matches_rules(rules, request, is_equivalent))
}

/// Whether a request may not be stopped by what it configures: a policy that forbids its own removal
/// could never be taken away.
pub fn is_exempt(request: &Request<'_>) -> bool {
    request.group == "admissionregistration.k8s.io"
        && matches!(
            request.resource,
            "validatingwebhookconfigurations"
                | "mutatingwebhookconfigurations"
                | "validatingadmissionpolicies"
                | "validatingadmissionpolicybindings"
                | "mutatingadmissionpolicies"
                | "mutatingadmissionpolicybindings"
        )
}

fn labels_of(object: &Value) -> &Value {
    crate::object::at(object, &["metadata", "labels"]).unwrap_or(&Value::Null)
}
