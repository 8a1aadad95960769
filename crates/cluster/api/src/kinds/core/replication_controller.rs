//! `ReplicationController`.

use super::super::apps;
use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, labels, pod_spec, print, workload};
use crate::status::Status;
use serde_json::{Value, json};

pub const RULES: Kind = Kind {
    default,
    status: Some(|_| json!({"replicas": 0})),
    check,
    change_part: |_, object, _, report| {
        apps::check_replica_status(&object.get("status"), report);
    },
    warn: workload::warn,
    selectable: &["status.replicas"],
    field: |object, field| {
        let replicas = At::root(object).get("status.replicas").int();
        (field == "status.replicas").then(|| replicas.to_string())
    },
    columns: "Name,Desired:integer,Current:integer,Ready:integer,Age,+Containers,+Images,+Selector",
    cells,
    generation: true,
    read_part: |object, part| match part {
        "scale" => {
            let selector = At::root(object).get("spec.selector").value;
            Ok(workload::scale(object, &labels::shown_map(selector)))
        }
        _ => Err(Status::not_found_path(part)),
    },
    write_part: workload::write_part,
    ..Kind::namespaced()
};

fn default(object: &mut Value) {
    let labels = At::root(object).get("spec.template.metadata.labels").value.clone();
    let is_empty = |value: Option<&Value>| {
        value.and_then(Value::as_object).is_none_or(serde_json::Map::is_empty)
    };
    let spec = fill::child(object, "spec");
    if fill::field(spec, "template").is_some() {
        pod_spec::template::fill(spec);
    }
    fill::missing(spec, "replicas", 1);
    if labels.is_object() {
        if is_empty(spec.get("selector")) {
            fill::set(spec, "selector", labels.clone());
        }
        let metadata = fill::child(object, "metadata");
        if is_empty(metadata.get("labels")) {
            fill::set(metadata, "labels", labels);
        }
    }
    if let Some(status) = fill::field(object, "status") {
        fill::missing(status, "replicas", 0);
    }
}

fn check(object: &At, report: &mut Report) {
    let spec = object.get("spec");
    workload::counts(&spec, &["minReadySeconds", "replicas"], report);
    let (selector, template) = (spec.get("selector"), spec.get("template"));
    if selector.is_empty() {
        report.required(&selector, "");
    }
    if !template.is_set() {
        return report.required(&template, "");
    }
    let own = template.get("metadata.labels");
    let selected = selector.entries().all(|(key, value)| own.key(key).value == value.value);
    if !selected {
        workload::not_selected(&own, report);
    }
    workload::template(&spec, "ReplicationController", report);
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let selector = labels::shown_map(At::root(object).get("spec.selector").value);
    print::replicas(object, now, selector)
}
