//! On which nodes a daemon set's pods are to be. Pure.

use serde_json::{Value, json};
use teu_api::kinds::field::At;
use teu_api::object;

/// Taints that every daemon bears: node trouble does not drive it away.
const BORNE: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];
const NETWORK: (&str, &str) = ("node.kubernetes.io/network-unavailable", "NoSchedule");

/// What a pod bears beyond its template.
pub fn tolerations(spec: &Value) -> Vec<Value> {
    let mut all = spec["tolerations"].as_array().cloned().unwrap_or_default();
    let on_host = spec["hostNetwork"] == true;
    for (key, effect) in BORNE.into_iter().chain(on_host.then_some(NETWORK)) {
        let toleration = json!({ "key": key, "operator": "Exists", "effect": effect });
        if !all.contains(&toleration) {
            all.push(toleration);
        }
    }
    all
}

/// Whether a node is to have a pod of this spec, and whether one that is there may stay.
pub fn fits(spec: &Value, node: &Value) -> (bool, bool) {
    let at = At::root(spec);
    let name = at.text("nodeName");
    if !(name.is_empty() || name == object::name(node)) || !is_selected(&at, node) {
        return (false, false);
    }
    let tolerations = tolerations(spec);
    let node = At::root(node);
    let taints = node.get("spec.taints");
    let refused = |effects: &[&str]| {
        taints.items().any(|taint| {
            effects.contains(&taint.text("effect"))
                && !tolerations.iter().any(|one| tolerates(one, &taint))
        })
    };
    (!refused(&["NoSchedule", "NoExecute"]), !refused(&["NoExecute"]))
}

fn tolerates(toleration: &Value, taint: &At) -> bool {
    let at = At::root(toleration);
    let fits = |field: &str| at.text(field).is_empty() || at.text(field) == taint.text(field);
    fits("effect")
        && fits("key")
        && (at.text("operator") == "Exists"
            || !at.text("key").is_empty() && at.text("value") == taint.text("value"))
}

/// By its node selector, and what its affinity demands.
fn is_selected(spec: &At, node: &Value) -> bool {
    let wanted = spec.get("nodeSelector");
    let labels = wanted.entries().all(|(key, value)| object::label(node, key) == Some(value.str()));
    let terms = spec.get(
        "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms",
    );
    labels && (!terms.is_set() || terms.items().any(|term| is_met(&term, node)))
}

/// A term without a requirement is met by none.
fn is_met(term: &At, node: &Value) -> bool {
    let (labels, fields) = (term.get("matchExpressions"), term.get("matchFields"));
    let own = |key: &str| (key == "metadata.name").then(|| object::name(node));
    (labels.has_items() || fields.has_items())
        && labels.items().all(|it| requires(&it, object::label(node, it.text("key"))))
        && fields.items().all(|it| requires(&it, own(it.text("key"))))
}

fn requires(requirement: &At, value: Option<&str>) -> bool {
    let values = requirement.get("values");
    let listed = value.is_some_and(|value| values.strings().any(|one| one == value));
    let number = |text: &str| text.parse::<i64>().ok();
    let bound = values.strings().next().and_then(number);
    let both = value.and_then(number).zip(bound);
    match requirement.text("operator") {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => both.is_some_and(|(value, bound)| value > bound),
        "Lt" => both.is_some_and(|(value, bound)| value < bound),
        _ => false,
    }
}

/// Binds a pod to a node by its affinity, so that the scheduler still decides whether there is room.
pub fn pin(spec: &mut Value, node: &str) {
    let field = json!({ "key": "metadata.name", "operator": "In", "values": [node] });
    let required =
        &mut spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    match required.get_mut("nodeSelectorTerms").and_then(Value::as_array_mut) {
        Some(terms) if !terms.is_empty() => {
            for term in terms {
                term["matchFields"] = json!([field]);
            }
        }
        _ => *required = json!({ "nodeSelectorTerms": [{ "matchFields": [field] }] }),
    }
}

/// The node that a pod is on, or is meant for.
pub fn of_pod(pod: &Value) -> Option<&str> {
    let at = At::root(pod);
    let name = at.get("spec.nodeName").value.as_str().filter(|name| !name.is_empty());
    name.or_else(|| {
        let path = [
            "spec",
            "affinity",
            "nodeAffinity",
            "requiredDuringSchedulingIgnoredDuringExecution",
            "nodeSelectorTerms",
        ];
        let terms = object::at(pod, &path)?.as_array()?;
        let field = terms.iter().find_map(|term| term["matchFields"].as_array()?.first())?;
        field["values"][0].as_str().filter(|_| field["key"] == "metadata.name")
    })
}
