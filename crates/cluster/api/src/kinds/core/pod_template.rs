//! `PodTemplate`.

use super::super::field::At;
use super::super::kind::Kind;
use super::super::{labels, pod_spec, print};
use serde_json::Value;

pub const RULES: Kind = Kind {
    default: pod_spec::template::fill,
    check: |object, report| pod_spec::template::check(&object.get("template"), report),
    warn: |object, _| pod_spec::warn::check(&At::root(object).get("template")),
    prepare: |object, old, _| {
        let template = |object: &Value| At::root(object).get("template").value.clone();
        Some(!super::super::equal::same(&template(object), &template(old)))
    },
    columns: "Name,Containers,Images,Pod Labels",
    cells,
    generation: true,
    ..Kind::namespaced()
};

fn cells(object: &Value, _now: i64) -> Vec<Value> {
    let at = At::root(object);
    let (names, images) = print::containers(&at.get("template.spec"));
    let own = labels::shown_map(at.get("template.metadata.labels").value);
    vec![print::name(object), names, images, own.into()]
}
