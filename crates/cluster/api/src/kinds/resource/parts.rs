//! What claims, classes and slices have in common.

use super::super::field::{At, Report};
use super::super::{fill, name, pod_spec};
use serde_json::Value;

const MOST_SELECTORS: usize = 32;
const MOST_EXPRESSION: usize = 10 * 1024;
const MOST_PARAMETERS: usize = 10 * 1024;
const MOST_POOL: usize = 253;

/// Items that are not too many, and each once (by a field, or the text that they are).
pub fn set<'v>(
    list: &At<'v, '_>,
    most: usize,
    key: &str,
    report: &mut Report,
    mut check: impl FnMut(&At<'v, '_>, &mut Report),
) {
    if list.len() > most {
        report.too_many(list, most);
    }
    let mut seen: Vec<&str> = Vec::new();
    for item in list.items() {
        check(&item, report);
        let own = if key.is_empty() { item.str() } else { item.text(key) };
        if seen.contains(&own) {
            if key.is_empty() {
                report.duplicate(&item);
            } else {
                report.duplicate(&item.get(key));
            }
        }
        seen.push(own);
    }
}

/// A label that must be there.
pub fn check_label(at: &At, report: &mut Report) {
    if at.is_empty() {
        report.required(at, "");
    } else {
        report.each(at, name::label(at.str()));
    }
}

/// The name of a driver.
pub fn check_driver(at: &At, report: &mut Report) {
    pod_spec::csi_driver(at, report);
}

/// The name of a pool.
pub fn check_pool(at: &At, report: &mut Report) {
    if at.is_empty() {
        return report.required(at, "");
    }
    if at.str().len() > MOST_POOL {
        report.too_long(at, MOST_POOL);
    }
    for part in at.str().split('/') {
        for why in name::subdomain(part) {
            report.invalid_as(at, part, why);
        }
    }
}

/// Selectors of devices.
pub fn check_selectors(selectors: &At, report: &mut Report) {
    if selectors.len() > MOST_SELECTORS {
        report.too_many(selectors, MOST_SELECTORS);
    }
    for selector in selectors.items() {
        let cel = selector.get("cel");
        let expression = cel.get("expression");
        if !cel.is_set() {
            report.required(&cel, "");
        } else if expression.str().len() > MOST_EXPRESSION {
            report.too_long(&expression, MOST_EXPRESSION);
        }
    }
}

/// What is handed to a driver.
pub fn check_configuration(config: &At, report: &mut Report) {
    let opaque = config.get("opaque");
    if !opaque.is_set() {
        return report.required(&opaque, "");
    }
    check_driver(&opaque.get("driver"), report);
    let parameters = opaque.get("parameters");
    match parameters.value {
        Value::Null => report.required(&parameters, ""),
        Value::Object(_) if parameters.value.to_string().len() > MOST_PARAMETERS => {
            report.too_long(&parameters, MOST_PARAMETERS);
        }
        Value::Object(_) => {}
        _ => report.invalid_as(&parameters, "<value omitted>", "must be a valid JSON object"),
    }
}

/// Fills in one kind of request.
pub fn fill_request(request: &mut Value) {
    fill::zero(request, "allocationMode", "ExactCount");
    if fill::text(request, "allocationMode") == "ExactCount" {
        fill::zero(request, "count", 1);
    }
    for toleration in fill::items(request, "tolerations") {
        fill::zero(toleration, "operator", "Equal");
    }
}

/// What a request wants of one class.
pub fn check_request(request: &At, report: &mut Report) {
    let class = request.get("deviceClassName");
    if class.is_empty() {
        report.required(&class, "");
    } else {
        report.each(&class, name::subdomain(class.str()));
    }
    check_selectors(&request.get("selectors"), report);
    let (mode, count) = (request.get("allocationMode"), request.get("count"));
    match mode.str() {
        "All" if count.int() != 0 => {
            report.invalid(&count, "must not be specified when allocationMode is 'All'");
        }
        "All" => {}
        "ExactCount" if count.int() <= 0 => {
            report.invalid_as(&count, count.int(), "must be greater than zero");
        }
        "ExactCount" => {}
        _ => report.unsupported(&mode, &["All", "ExactCount"]),
    }
}

/// `example.com/name`.
pub fn check_full_name(at: &At, report: &mut Report) {
    let Some((domain, own)) = at.str().split_once('/') else {
        let why = "a fully qualified name must be a domain and a name separated by a slash";
        return if at.is_empty() { report.required(at, "") } else { report.invalid(at, why) };
    };
    for why in name::subdomain(domain).into_iter().chain(name::c_identifier(own)) {
        report.invalid(at, why);
    }
}
