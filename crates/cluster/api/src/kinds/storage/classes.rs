//! `StorageClass` and `VolumeAttributesClass`.

use super::super::equal::same;
use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, meta, name, print};
use serde_json::{Value, json};

const MOST_PARAMETERS: usize = 512;
const MOST_BYTES: usize = 256 << 10;

/// `StorageClass`.
pub const STORAGE: Kind = Kind {
    default: |class| {
        fill::missing(class, "reclaimPolicy", "Delete");
        fill::missing(class, "volumeBindingMode", "Immediate");
    },
    check: check_class,
    change: |class, old, report| {
        for field in ["parameters", "provisioner", "reclaimPolicy"] {
            fixed(class, old, field, report);
        }
        report.immutable(&class.get("volumeBindingMode"), &old.get("volumeBindingMode"));
    },
    columns: "Name,Provisioner,ReclaimPolicy,VolumeBindingMode,AllowVolumeExpansion:boolean,Age",
    cells,
    ..Kind::cluster()
};

/// `VolumeAttributesClass`.
pub const ATTRIBUTES: Kind = Kind {
    check: |class, report| {
        check_provisioner(&class.get("driverName"), report);
        check_parameters(&class.get("parameters"), report);
        if class.get("parameters").is_empty() {
            let why = "must contain at least one key/value pair";
            report.required(&class.get("parameters"), why);
        }
    },
    change: |class, old, report| {
        for field in ["driverName", "parameters"] {
            fixed(class, old, field, report);
        }
    },
    columns: "Name,DriverName,Age",
    cells: |object, now| {
        let driver = At::root(object).text("driverName").into();
        vec![print::name(object), driver, print::age(object, now)]
    },
    ..Kind::cluster()
};

fn fixed(class: &At, old: &At, field: &str, report: &mut Report) {
    let at = class.get(field);
    if !same(at.value, old.get(field).value) {
        report.forbidden(&at, &format!("updates to {field} are forbidden."));
    }
}

fn check_class(class: &At, report: &mut Report) {
    check_provisioner(&class.get("provisioner"), report);
    check_parameters(&class.get("parameters"), report);
    let reclaim = class.get("reclaimPolicy");
    if !reclaim.is_empty() {
        report.maybe_one_of(&reclaim, &["Delete", "Retain"]);
    }
    let binding = class.get("volumeBindingMode");
    if binding.is_set() {
        report.maybe_one_of(&binding, &["Immediate", "WaitForFirstConsumer"]);
    } else {
        report.required(&binding, "");
    }
    let mut seen: Vec<Value> = Vec::new();
    for term in class.get("allowedTopologies").items() {
        let expressions = term.get("matchLabelExpressions");
        let mut keys = json!({});
        for expression in expressions.items() {
            check_expression(&expression, &keys, report);
            let mut values: Vec<&str> = expression.get("values").strings().collect();
            values.sort_unstable();
            fill::set(&mut keys, expression.text("key"), values);
        }
        if seen.contains(&keys) {
            report.duplicate_as(&expressions, "");
        }
        seen.push(keys);
    }
}

fn check_expression(expression: &At, keys: &Value, report: &mut Report) {
    let (key, values) = (expression.get("key"), expression.get("values"));
    if values.is_empty() {
        report.required(&values, "");
    }
    let mut seen: Vec<&str> = Vec::new();
    for value in values.items() {
        if seen.contains(&value.str()) {
            report.duplicate(&value);
        }
        seen.push(value.str());
    }
    meta::label_key(&key, report);
    if keys.get(key.str()).is_some() {
        report.duplicate(&key);
    }
}

fn check_provisioner(at: &At, report: &mut Report) {
    if at.is_empty() {
        return report.required(at, "");
    }
    let lower = at.str().to_lowercase();
    for why in name::qualified(&lower) {
        report.invalid_as(at, lower.clone(), why);
    }
}

fn check_parameters(parameters: &At, report: &mut Report) {
    if parameters.len() > MOST_PARAMETERS {
        return report.too_long(parameters, MOST_PARAMETERS);
    }
    let mut bytes = 0;
    for (key, value) in parameters.entries() {
        if key.is_empty() {
            report.invalid_as(parameters, key, "field can not be empty.");
        }
        bytes += key.len() + value.str().len();
    }
    if bytes > MOST_BYTES {
        report.too_long(parameters, MOST_BYTES);
    }
}

/// A name that says whether it is the default of its kind.
fn shown_name(object: &Value) -> Value {
    let annotations = [
        "storageclass.kubernetes.io/is-default-class",
        "storageclass.beta.kubernetes.io/is-default-class",
    ];
    let is_default = annotations.iter().any(|key| meta::annotation(object, key) == Some("true"));
    let name = At::root(object).text("metadata.name");
    if is_default { format!("{name} (default)").into() } else { name.into() }
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let class = At::root(object);
    vec![
        shown_name(object),
        class.text("provisioner").into(),
        class.text("reclaimPolicy").into(),
        class.text("volumeBindingMode").into(),
        class.get("allowVolumeExpansion").bool().into(),
        print::age(object, now),
    ]
}
