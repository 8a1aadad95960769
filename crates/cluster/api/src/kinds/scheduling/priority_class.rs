//! `PriorityClass`.

use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, print};

const MOST: i64 = 1_000_000_000;
/// Classes that the system has, with their values.
const SYSTEM: &[(&str, i64)] =
    &[("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];

pub const RULES: Kind = Kind {
    default: |class| fill::missing(class, "preemptionPolicy", "PreemptLowerPriority"),
    check,
    change: |class, old, report| {
        let value = class.get("value");
        if value.int() != old.get("value").int() {
            report.forbidden(&value, "may not be changed in an update.");
        }
        report.immutable(&class.get("preemptionPolicy"), &old.get("preemptionPolicy"));
    },
    columns: "Name,Value:integer,Global-Default:boolean,Age,PreemptionPolicy",
    cells: |object, now| {
        let class = At::root(object);
        vec![
            print::name(object),
            class.get("value").int().into(),
            class.get("globalDefault").bool().into(),
            print::age(object, now),
            class.text("preemptionPolicy").into(),
        ]
    },
    ..Kind::cluster()
};

fn check(class: &At, report: &mut Report) {
    let (own, value) = (class.get("metadata.name"), class.get("value"));
    if own.str().starts_with("system-") {
        let why = match SYSTEM.iter().find(|(name, _)| *name == own.str()) {
            None => Some(format!("{} is not a known system priority class", own.str())),
            Some((name, right)) if value.int() != *right => {
                Some(format!("value of {name} PriorityClass must be {right}"))
            }
            Some((name, _)) if class.get("globalDefault").bool() => {
                Some(format!("globalDefault of {name} PriorityClass must be false"))
            }
            Some(_) => None,
        };
        if let Some(why) = why {
            let reserved = "priority class names with 'system-' prefix are reserved for system use only. error: ";
            report.forbidden(&own, &format!("{reserved}{why}"));
        }
    } else if value.int() > MOST {
        let why = format!("maximum allowed value of a user defined priority is {MOST}");
        report.forbidden(&value, &why);
    }
    let preempts = class.get("preemptionPolicy");
    if preempts.is_set() {
        report.one_of(&preempts, &["Never", "PreemptLowerPriority"]);
    }
}
