//! `CSIDriver`.

use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, print};
use serde_json::{Value, json};

pub const RULES: Kind = Kind {
    default: |driver| {
        let spec = fill::child(driver, "spec");
        fill::missing(spec, "attachRequired", true);
        fill::missing(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
        for flag in ["podInfoOnMount", "requiresRepublish", "seLinuxMount", "storageCapacity"] {
            fill::missing(spec, flag, false);
        }
        fill::zero(spec, "volumeLifecycleModes", json!(["Persistent"]));
    },
    check: |driver, report| check_spec(&driver.get("spec"), report),
    change: |driver, old, report| {
        let (spec, before) = (driver.get("spec"), old.get("spec"));
        let attach = spec.called("attachedRequired", spec.get("attachRequired").value);
        report.immutable(&attach, &before.get("attachRequired"));
        let modes = "volumeLifecycleModes";
        report.immutable(&spec.get(modes), &before.get(modes));
    },
    generation: true,
    unconditional_update: false,
    columns: "Name,AttachRequired:boolean,PodInfoOnMount:boolean,StorageCapacity:boolean,TokenRequests,RequiresRepublish:boolean,Modes,Age",
    cells,
    ..Kind::cluster()
};

fn check_spec(spec: &At, report: &mut Report) {
    let policy = spec.get("fsGroupPolicy");
    report.maybe_one_of(&policy, &["File", "None", "ReadWriteOnceWithFSType"]);
    check_tokens(&spec.get("tokenRequests"), report);
    let modes = spec.get("volumeLifecycleModes");
    for mode in modes.items() {
        report.maybe_one_of(&modes.called_as(mode.value), &["Persistent", "Ephemeral"]);
    }
    let period = spec.get("nodeAllocatableUpdatePeriodSeconds");
    if period.is_set() && period.int() < 10 {
        report.invalid(&period, "must be greater than or equal to 10 seconds");
    }
}

fn check_tokens(tokens: &At, report: &mut Report) {
    let mut seen: Vec<&str> = Vec::new();
    for token in tokens.items() {
        let audience = token.get("audience");
        if seen.contains(&audience.str()) {
            report.duplicate_as(&audience, audience.str());
            continue;
        }
        seen.push(audience.str());
        let seconds = token.get("expirationSeconds");
        if seconds.is_set() && seconds.int() < 600 {
            report.invalid(&seconds, "may not specify a duration less than 10 minutes");
        }
        if seconds.int() > 1 << 32 {
            report.invalid(&seconds, "may not specify a duration larger than 2^32 seconds");
        }
    }
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let driver = At::root(object);
    let spec = driver.get("spec");
    let flag = |name: &str, missing: bool| match spec.get(name).value {
        Value::Bool(flag) => Value::from(*flag),
        _ => Value::from(missing),
    };
    let (tokens, modes) = (spec.get("tokenRequests"), spec.get("volumeLifecycleModes"));
    let tokens: Vec<&str> = tokens.items().map(|token| token.text("audience")).collect();
    let modes: Vec<&str> = modes.strings().collect();
    vec![
        print::name(object),
        flag("attachRequired", true),
        flag("podInfoOnMount", false),
        flag("storageCapacity", false),
        print::or(&tokens.join(","), "<unset>"),
        flag("requiresRepublish", false),
        print::or(&modes.join(","), "<none>"),
        print::age(object, now),
    ]
}
