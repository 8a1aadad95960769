//! `ControllerRevision`: what a controller's object was, kept as it is.

use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::print;
use serde_json::Value;

pub const RULES: Kind = Kind {
    check,
    change: |object, old, report| report.immutable(&object.get("data"), &old.get("data")),
    columns: "Name,Controller,Revision,Age",
    cells,
    ..Kind::namespaced()
};

fn check(object: &At, report: &mut Report) {
    if !object.get("data").is_set() {
        report.required(&object.get("data"), "data is mandatory");
    }
    report.non_negative(&object.get("revision"));
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let at = At::root(object);
    let owners = at.get("metadata.ownerReferences");
    let controller = owners.items().find(|owner| owner.get("controller").bool());
    let shown = controller.map(|owner| {
        let group = owner.text("apiVersion").split_once('/').map_or("", |(group, _)| group);
        let dot = if group.is_empty() { "" } else { "." };
        format!("{}{dot}{group}/{}", owner.text("kind").to_lowercase(), owner.text("name"))
    });
    vec![
        print::name(object),
        print::or_none(&shown.unwrap_or_default()),
        at.get("revision").int().into(),
        print::age(object, now),
    ]
}
