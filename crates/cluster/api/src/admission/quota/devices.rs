//! How many devices of each class a claim may get at most.

use super::Usage;
use crate::object::{at, text};
use crate::quantity::{Format, Quantity};
use serde_json::Value;
use std::collections::BTreeMap;

/// What one request gets at most when it asks for all there are.
const MOST: i64 = 32;

/// Adds them. Of alternatives the dearest counts, for each class.
pub fn add(claim: &Value, usage: &mut Usage) {
    let requests = at(claim, &["spec", "devices", "requests"]).and_then(Value::as_array);
    let mut total: BTreeMap<&str, i64> = BTreeMap::new();
    for request in requests.into_iter().flatten() {
        let alternatives = request.get("firstAvailable").and_then(Value::as_array);
        let mut dearest: BTreeMap<&str, i64> = BTreeMap::new();
        for choice in request.get("exactly").into_iter().chain(alternatives.into_iter().flatten()) {
            let Some((class, count)) = devices(choice) else { continue };
            let known = dearest.entry(class).or_insert(0);
            *known = count.max(*known);
        }
        for (class, count) in dearest {
            *total.entry(class).or_insert(0) += count;
        }
    }
    for (class, count) in total {
        let name = format!("{class}.deviceclass.resource.k8s.io/devices");
        usage.insert(name, Quantity::new(count, Format::DecimalSi));
    }
}

fn devices(request: &Value) -> Option<(&str, i64)> {
    let class = text(request, &["deviceClassName"])?;
    let count = match text(request, &["allocationMode"]) {
        Some("All") => MOST,
        _ => request.get("count").and_then(Value::as_i64).unwrap_or(1),
    };
    Some((class, count))
}

#[cfg(test)]
mod tests {
    use super::super::{kind_of, usage};
    use serde_json::json;

    #[test]
    fn devices_are_counted_by_class() {
        let exactly = |class: &str, count: i64| json!({ "deviceClassName": class, "allocationMode": "ExactCount", "count": count });
        let claim = json!({ "spec": { "devices": { "requests": [
            { "name": "a", "exactly": exactly("gpu", 2) },
            { "name": "b", "exactly": { "deviceClassName": "nic", "allocationMode": "All" } },
            { "name": "c", "firstAvailable": [exactly("gpu", 1), exactly("gpu", 4), exactly("fpga", 3)] },
        ] } } });
        let used = usage("resource.k8s.io", "resourceclaims", &claim);
        let of = |class: &str| {
            used.get(&format!("{class}.deviceclass.resource.k8s.io/devices"))
                .map(ToString::to_string)
        };
        let expected = ["6", "32", "3"].map(|text| Some(text.to_owned()));
        assert_eq!([of("gpu"), of("nic"), of("fpga")], expected);
        assert_eq!(used["count/resourceclaims.resource.k8s.io"].to_string(), "1");
        let name = "gpu.deviceclass.resource.k8s.io/devices";
        assert_eq!(kind_of(name), ("resource.k8s.io", "resourceclaims"));
    }
}
