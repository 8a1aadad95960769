//! Amounts of resources: their names, what may be asked for and limited, and how lists are filled in.

use super::field::{At, Report};
use super::{fill, name};
use crate::quantity::Quantity;
use serde_json::Value;

const NEGATIVE: &str = "must be greater than or equal to 0";
const NOT_WHOLE: &str = "must be an integer";

/// A field as a quantity; nothing if it is none.
pub fn read(at: &At) -> Quantity {
    Quantity::from_value(at.value).unwrap_or_default()
}

/// A list's amount of a resource, if it has one.
pub fn amount(list: &At, resource: &str) -> Option<Quantity> {
    let at = list.key(resource);
    at.is_set().then(|| read(&at))
}

/// An amount in canonical form.
pub fn fill_one(amount: &mut Value) {
    if let Ok(quantity) = Quantity::from_value(amount) {
        *amount = quantity.to_string().into();
    }
}

/// Amounts in canonical form, no finer than thousandths.
pub fn fill_list(list: &mut Value) {
    for amount in list.as_object_mut().into_iter().flatten().map(|(_, amount)| amount) {
        if let Ok(quantity) = Quantity::from_value(amount) {
            *amount = quantity.round_up_to_milli().to_string().into();
        }
    }
}

/// Canonical amounts of `limits` and `requests`.
pub fn fill_requirements(resources: &mut Value) {
    for list in ["limits", "requests"] {
        if let Some(list) = fill::field(resources, list) {
            fill_list(list);
        }
    }
}

/// Whether it is one of Kubernetes' own resources.
pub fn is_native(resource: &str) -> bool {
    !resource.contains('/') || resource.contains("kubernetes.io/")
}

/// Pages of memory of one size.
pub fn is_huge_page(resource: &str) -> bool {
    resource.starts_with("hugepages-")
}

/// Whether limits may be above requests.
pub fn may_overcommit(resource: &str) -> bool {
    is_native(resource) && !is_huge_page(resource)
}

fn is_standard_for_containers(resource: &str) -> bool {
    ["cpu", "memory", "ephemeral-storage"].contains(&resource) || is_huge_page(resource)
}

/// Names that a quota can limit.
pub const QUOTA: &[&str] = &[
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
];

fn is_standard(resource: &str) -> bool {
    let others = ["storage", "requests.hugepages-", "attachable-volumes-"];
    QUOTA.contains(&resource)
        || is_huge_page(resource)
        || resource == others[0]
        || resource.starts_with(others[1])
}

/// Names that count whole things.
fn is_whole(resource: &str) -> bool {
    let counted = [
        "pods",
        "services",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    ];
    counted.contains(&resource) || is_extended(resource)
}

/// A resource that a device plugin or somebody else brings.
pub fn is_extended(resource: &str) -> bool {
    !is_native(resource)
        && !resource.starts_with("requests.")
        && name::qualified(&format!("requests.{resource}")).is_empty()
}

/// A resource's name as such; whether it was found wrong.
pub fn check_name(at: &At, resource: &str, report: &mut Report) -> bool {
    let errors = name::qualified(resource);
    let wrong = !errors.is_empty();
    for why in errors {
        report.invalid_as(at, resource, why);
    }
    if !wrong && !resource.contains('/') && !is_standard(resource) {
        report.invalid_as(at, resource, "must be a standard resource type or fully qualified");
        return true;
    }
    wrong
}

/// A resource's name in a container.
pub fn check_container_name(at: &At, resource: &str, report: &mut Report) {
    check_name(at, resource, report);
    if !resource.contains('/') {
        if !is_standard_for_containers(resource) {
            report.invalid_as(at, resource, "must be a standard resource for containers");
        }
    } else if !is_native(resource) && !is_extended(resource) {
        report.invalid_as(at, resource, "doesn't follow extended resource name standard");
    }
}

/// A resource's name in a quota.
pub fn check_quota_name(at: &At, resource: &str, report: &mut Report) {
    check_name(at, resource, report);
    let huge = is_huge_page(resource) || resource.starts_with("requests.hugepages-");
    if !resource.contains('/') && !QUOTA.contains(&resource) && !huge {
        report.invalid_as(at, resource, "must be a standard resource for quota");
    }
}

/// An amount of a resource.
pub fn check_amount(at: &At, resource: &str, report: &mut Report) {
    let quantity = read(at);
    if quantity.sign() < 0 {
        report.invalid_as(at, quantity.to_string(), NEGATIVE);
    }
    if is_whole(resource) && !quantity.is_whole() {
        report.invalid_as(at, quantity.to_string(), NOT_WHOLE);
    }
}

/// An amount above nothing.
pub fn check_positive(at: &At, report: &mut Report) {
    let quantity = read(at);
    if quantity.sign() <= 0 {
        report.invalid_as(at, quantity.to_string(), "must be greater than zero");
    }
}

fn check_huge_page(at: &At, resource: &str, report: &mut Report) {
    let page = resource.strip_prefix("hugepages-").and_then(|size| Quantity::parse(size).ok());
    let (quantity, page) = (read(at), page.map_or(0, Quantity::value));
    if page <= 0 || quantity.value() < 0 || quantity.value() % page != 0 {
        let why = format!("{quantity} is not positive integer multiple of {resource}");
        report.invalid_as(at, quantity.to_string(), why);
    }
}

/// How names are checked.
pub type NameCheck = fn(&At, &str, &mut Report);

/// `limits` and `requests` of a container or a pod, and `claims` among the pod's.
pub fn check_requirements(
    resources: &At,
    names: NameCheck,
    claims: Option<&[&str]>,
    report: &mut Report,
) {
    let (limits, requests) = (resources.get("limits"), resources.get("requests"));
    for list in [&limits, &requests] {
        for (resource, at) in list.entries() {
            names(&at, resource, report);
            check_amount(&at, resource, report);
            if is_huge_page(resource) {
                check_huge_page(&at, resource, report);
            }
        }
    }
    for (resource, at) in requests.entries() {
        check_against_limit(&requests, &limits, (resource, read(&at)), report);
    }
    let has = |test: fn(&str) -> bool| {
        limits.entries().chain(requests.entries()).any(|(resource, _)| test(resource))
    };
    if has(is_huge_page) && !has(|resource| ["cpu", "memory"].contains(&resource)) {
        report.forbidden(resources, "HugePages require cpu or memory");
    }
    check_claims(&resources.get("claims"), claims.unwrap_or_default(), report);
}

fn check_against_limit(
    requests: &At,
    limits: &At,
    (resource, asked): (&str, Quantity),
    report: &mut Report,
) {
    match amount(limits, resource) {
        Some(limit) if asked != limit && !may_overcommit(resource) => {
            let why = format!("must be equal to {resource} limit of {limit}");
            report.invalid_as(requests, asked.to_string(), why);
        }
        Some(limit) if asked > limit => {
            let why = format!("must be less than or equal to {resource} limit of {limit}");
            report.invalid_as(requests, asked.to_string(), why);
        }
        None if !may_overcommit(resource) => {
            report.required(limits, "Limit must be set for non overcommitable resources");
        }
        _ => {}
    }
}

fn check_claims(claims: &At, of_pod: &[&str], report: &mut Report) {
    let mut seen: Vec<String> = Vec::new();
    for claim in claims.items() {
        let (name_, request) = (claim.text("name"), claim.get("request"));
        if name_.is_empty() {
            report.required(&claim, "");
            continue;
        }
        let mut key = name_.to_owned();
        if !request.is_empty() {
            report.each(&request, name::label(request.str()));
            key = format!("{name_}/{}", request.str());
        }
        let whole =
            request.is_empty() && seen.iter().any(|other| other.split('/').next() == Some(name_));
        if seen.iter().any(|other| *other == key || other == name_) || whole {
            report.duplicate_as(&claim, key.clone());
        }
        seen.push(key);
        if !of_pod.contains(&name_) {
            let mut names = of_pod.to_vec();
            names.sort_unstable();
            let listed = if names.is_empty() {
                " which is empty".to_owned()
            } else {
                format!(": {}", names.join(", "))
            };
            let mut cause =
                crate::Cause::not_found(claim.to_string(), &Value::String(name_.to_owned()));
            cause.message +=
                &format!(": must be one of the names in pod.spec.resourceClaims{listed}");
            report.add(cause);
        }
    }
}
