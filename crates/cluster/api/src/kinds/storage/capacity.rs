//! `CSIStorageCapacity`.

use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, labels, name, print, quantities};
use serde_json::Value;

pub const RULES: Kind = Kind {
    default: |capacity| {
        for field in ["capacity", "maximumVolumeSize"] {
            if let Some(amount) = fill::field(capacity, field) {
                quantities::fill_one(amount);
            }
        }
    },
    check,
    change: |capacity, old, report| {
        for field in ["nodeTopology", "storageClassName"] {
            report.immutable(&capacity.get(field), &old.get(field));
        }
    },
    columns: "Name,StorageClassName,Capacity",
    cells,
    ..Kind::namespaced()
};

fn check(capacity: &At, report: &mut Report) {
    labels::check(&capacity.get("nodeTopology"), report);
    let class = capacity.get("storageClassName");
    report.each(&class, name::subdomain(class.str()));
    let amount = capacity.get("capacity");
    if quantities::read(&amount).sign() < 0 {
        report.invalid(&amount, "must be greater than or equal to 0");
    }
}

fn cells(object: &Value, _now: i64) -> Vec<Value> {
    let capacity = At::root(object);
    let class = capacity.text("storageClassName").into();
    vec![print::name(object), class, print::or(capacity.text("capacity"), "<unset>")]
}
