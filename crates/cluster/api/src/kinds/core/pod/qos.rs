//! The class of service of a pod, by what it asks for and is limited to.

use super::super::super::field::At;
use super::super::super::quantities;
use crate::Quantity;
use serde_json::Value;
use std::collections::BTreeMap;

type Amounts = BTreeMap<&'static str, Quantity>;

/// `Guaranteed`, `Burstable` or `BestEffort`.
pub fn class(pod: &Value) -> &'static str {
    let pod = At::root(pod);
    let spec = pod.get("spec");
    let (mut requests, mut limits) = (Amounts::new(), Amounts::new());
    let mut guaranteed = true;
    let own = spec.get("resources");
    let mut count = |resources: &At| {
        let mut limited = 0;
        for resource in ["cpu", "memory"] {
            let lists = [("requests", &mut requests), ("limits", &mut limits)];
            for (list, sums) in lists {
                let amount = quantities::amount(&resources.get(list), resource).unwrap_or_default();
                if amount.sign() > 0 {
                    let sum = sums.entry(resource).or_default();
                    *sum = sum.add(amount);
                    limited += usize::from(list == "limits");
                }
            }
        }
        guaranteed &= limited == 2;
    };
    if own.get("requests").has_items() || own.get("limits").has_items() {
        count(&own);
    } else {
        for list in ["containers", "initContainers"] {
            for container in spec.get(list).items() {
                count(&container.get("resources"));
            }
        }
    }
    if requests.is_empty() && limits.is_empty() {
        "BestEffort"
    } else if guaranteed && requests == limits {
        "Guaranteed"
    } else {
        "Burstable"
    }
}
