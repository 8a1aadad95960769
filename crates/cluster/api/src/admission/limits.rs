//! LimitRange: what containers are given that ask for nothing, and what may be asked for.

use crate::object::{at, child_mut, metadata_mut};
use crate::quantity::Quantity;
use serde_json::Value;
use std::collections::BTreeMap;

type Amounts = BTreeMap<String, Quantity>;

const ANNOTATION: &str = "kubernetes.io/limit-ranger";

/// Amounts by resource.
pub(super) fn amounts(list: Option<&Value>) -> Amounts {
    let entries = list.and_then(Value::as_object).into_iter().flatten();
    entries
        .filter_map(|(name, value)| Some((name.clone(), Quantity::from_value(value).ok()?)))
        .collect()
}

fn limits_of<'a>(ranges: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    let all =
        ranges.iter().filter_map(|range| at(range, &["spec", "limits"])?.as_array()).flatten();
    all.filter(move |limit| limit["type"] == kind)
}

/// Fills in what a pod's containers do not ask for, and says so in an annotation.
pub fn fill_pod(pod: &mut Value, ranges: &[Value]) {
    let merged = |name: &str| {
        let mut amounts = serde_json::Map::new();
        for limit in limits_of(ranges, "Container") {
            for (resource, amount) in limit[name].as_object().into_iter().flatten() {
                amounts.insert(resource.clone(), amount.clone());
            }
        }
        amounts
    };
    let (requests, limits) = (merged("defaultRequest"), merged("default"));
    let mut told = Vec::new();
    for (list, word) in [("containers", "container"), ("initContainers", "init container")] {
        let containers = pod.get_mut("spec").and_then(|spec| spec.get_mut(list));
        for container in containers.and_then(Value::as_array_mut).into_iter().flatten() {
            let name = container["name"].as_str().unwrap_or_default().to_owned();
            let resources = child_mut(container, "resources");
            for (what, defaults) in [("limits", &limits), ("requests", &requests)] {
                let mut set = Vec::new();
                for (resource, amount) in defaults {
                    let amounts = resources
                        .entry(what)
                        .or_insert_with(|| Value::Object(serde_json::Map::new()));
                    let Some(amounts) = amounts.as_object_mut() else { continue };
                    if !amounts.contains_key(resource) {
                        amounts.insert(resource.clone(), amount.clone());
                        set.push(resource.as_str());
                    }
                }
                if !set.is_empty() {
                    set.sort_unstable();
                    let what = what.trim_end_matches('s');
                    told.push(format!("{} {what} for {word} {name}", set.join(", ")));
                }
            }
        }
    }
    if !told.is_empty() {
        let metadata = metadata_mut(pod);
        let annotations =
            metadata.entry("annotations").or_insert_with(|| Value::Object(serde_json::Map::new()));
        if let Some(annotations) = annotations.as_object_mut() {
            let text = format!("LimitRanger plugin set: {}", told.join("; "));
            annotations.insert(ANNOTATION.to_owned(), text.into());
        }
    }
}

/// What is wrong with a pod; empty if nothing is.
pub fn check_pod(pod: &Value, ranges: &[Value]) -> Vec<String> {
    let mut faults = Vec::new();
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    let lists = ["containers", "initContainers"];
    let containers = lists.iter().filter_map(|list| spec[*list].as_array()).flatten();
    for limit in limits_of(ranges, "Container") {
        for container in containers.clone() {
            let resources = &container["resources"];
            let (requests, limits) =
                (amounts(resources.get("requests")), amounts(resources.get("limits")));
            check(limit, "Container", &requests, &limits, &mut faults);
        }
    }
    for limit in limits_of(ranges, "Pod") {
        let (requests, limits) = (pod_amounts(spec, "requests"), pod_amounts(spec, "limits"));
        check(limit, "Pod", &requests, &limits, &mut faults);
    }
    faults
}

/// What is wrong with a claim of storage.
pub fn check_claim(claim: &Value, ranges: &[Value]) -> Vec<String> {
    let mut faults = Vec::new();
    let requests = amounts(at(claim, &["spec", "resources", "requests"]));
    for limit in limits_of(ranges, "PersistentVolumeClaim") {
        for (resource, least) in amounts(limit.get("min")) {
            faults.extend(least_fault("PersistentVolumeClaim", &resource, least, &requests, None));
        }
        for (resource, most) in amounts(limit.get("max")) {
            let asked = requests.get(&resource).filter(|asked| **asked > most);
            faults.extend(asked.map(|asked| {
                format!("maximum {resource} usage per PersistentVolumeClaim is {most}, but request is {asked}")
            }));
        }
    }
    faults
}

fn check(
    limit: &Value,
    kind: &str,
    requests: &Amounts,
    limits: &Amounts,
    faults: &mut Vec<String>,
) {
    for (resource, least) in amounts(limit.get("min")) {
        faults.extend(least_fault(kind, &resource, least, requests, Some(limits)));
    }
    for (resource, most) in amounts(limit.get("max")) {
        let (asked, limited) = (requests.get(&resource), limits.get(&resource));
        let per = format!("maximum {resource} usage per {kind} is {most}");
        match (limited, asked) {
            (None, _) => faults.push(format!("{per}.  No limit is specified")),
            (Some(limited), _) if *limited > most => {
                faults.push(format!("{per}, but limit is {limited}"));
            }
            (_, Some(asked)) if *asked > most => {
                faults.push(format!("{per}, but request is {asked}"))
            }
            _ => {}
        }
    }
    for (resource, ratio) in amounts(limit.get("maxLimitRequestRatio")) {
        let per = format!("{resource} max limit to request ratio per {kind} is {ratio}");
        let (asked, limited) = (requests.get(&resource), limits.get(&resource));
        match (asked.filter(|it| !it.is_zero()), limited.filter(|it| !it.is_zero())) {
            (None, _) => faults.push(format!("{per}, but no request is specified or request is 0")),
            (_, None) => faults.push(format!("{per}, but no limit is specified or limit is 0")),
            (Some(asked), Some(limited)) => {
                let actual = limited.approximate() / asked.approximate();
                if actual > ratio.approximate() {
                    faults.push(format!("{per}, but provided ratio is {actual:.6}"));
                }
            }
        }
    }
}

fn least_fault(
    kind: &str,
    resource: &str,
    least: Quantity,
    requests: &Amounts,
    limits: Option<&Amounts>,
) -> Option<String> {
    let per = format!("minimum {resource} usage per {kind} is {least}");
    let Some(asked) = requests.get(resource) else {
        return Some(format!("{per}.  No request is specified"));
    };
    if *asked < least {
        return Some(format!("{per}, but request is {asked}"));
    }
    let limited = limits.and_then(|limits| limits.get(resource)).filter(|it| **it < least)?;
    Some(format!("{per}, but limit is {limited}"))
}

/// What a pod asks for: its containers together, or the largest of its init containers; those that
/// run beside the others (restart `Always`) count with them.
pub(super) fn pod_amounts(spec: &Value, what: &str) -> Amounts {
    let of = |container: &Value| amounts(container["resources"].get(what));
    let mut sum = Amounts::new();
    let add = |sum: &mut Amounts, more: Amounts| {
        for (resource, amount) in more {
            let before = sum.get(&resource).copied().unwrap_or_default();
            sum.insert(resource, before.add(amount));
        }
    };
    for container in spec["containers"].as_array().into_iter().flatten() {
        add(&mut sum, of(container));
    }
    let (mut beside, mut largest) = (Amounts::new(), Amounts::new());
    for container in spec["initContainers"].as_array().into_iter().flatten() {
        let mut needed = of(container);
        if container["restartPolicy"] == "Always" {
            add(&mut sum, needed.clone());
            add(&mut beside, needed);
            needed = beside.clone();
        } else {
            add(&mut needed, beside.clone());
        }
        for (resource, amount) in needed {
            let most = largest.get(&resource).copied().unwrap_or_default().max(amount);
            largest.insert(resource, most);
        }
    }
    for (resource, amount) in largest {
        let now = sum.get(&resource).copied().unwrap_or_default();
        if amount > now {
            sum.insert(resource, amount);
        }
    }
    // Amounts of the pod as a whole replace those of its containers.
    for (resource, amount) in amounts(at(spec, &["resources", what])) {
        sum.insert(resource, amount);
    }
    add(&mut sum, amounts(spec.get("overhead")));
    sum
}
