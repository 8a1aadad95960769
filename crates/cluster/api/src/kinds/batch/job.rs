//! `Job`.

mod indexes;
mod policy;
mod spec;
mod status;

pub use spec::{check_template, fill_policies};

use super::super::equal::same;
use super::super::field::{At, Report};
use super::super::kind::{Kind, empty_status};
use super::super::{fill, labels, name, pod_spec, print, workload};
use crate::object;
use serde_json::{Value, json};

const UID: &str = "batch.kubernetes.io/controller-uid";
const NAME: &str = "batch.kubernetes.io/job-name";
const OLD_UID: &str = "controller-uid";
const OLD_NAME: &str = "job-name";

pub const RULES: Kind = Kind {
    default,
    status: Some(empty_status),
    create: generate_selector,
    check,
    change,
    change_part: |_, job, old, report| status::check(job, old, report),
    warn,
    selectable: &["status.successful"],
    field: |job, field| {
        let succeeded = At::root(job).get("status.succeeded").int();
        (field == "status.successful").then(|| succeeded.to_string())
    },
    columns: "Name,Status,Completions,Duration,Age,+Containers,+Images,+Selector",
    cells,
    generation: true,
    ..Kind::namespaced()
};

/// A job without labels has those of its template.
fn take_labels(job: &mut Value) {
    let labels = At::root(job).get("spec.template.metadata.labels").value.clone();
    let metadata = fill::child(job, "metadata");
    let own = metadata.get("labels").and_then(Value::as_object);
    let is_bare = own.is_none_or(serde_json::Map::is_empty);
    if is_bare && labels.as_object().is_some_and(|labels| !labels.is_empty()) {
        fill::set(metadata, "labels", labels);
    }
}

fn default(job: &mut Value) {
    take_labels(job);
    let spec = fill::child(job, "spec");
    if At::root(spec).get("completions").opt_int().is_none()
        && At::root(spec).get("parallelism").opt_int().is_none()
    {
        fill::set(spec, "completions", 1);
    }
    fill::missing(spec, "parallelism", 1);
    let by_index = At::root(spec).get("backoffLimitPerIndex").is_set();
    fill::missing(spec, "backoffLimit", if by_index { i64::from(i32::MAX) } else { 6 });
    fill::missing(spec, "completionMode", "NonIndexed");
    fill::missing(spec, "suspend", false);
    fill::missing(spec, "manualSelector", false);
    fill_policies(spec);
    let replaced = At::root(spec).get("podFailurePolicy").is_set();
    let policy = if replaced { "Failed" } else { "TerminatingOrFailed" };
    fill::missing(spec, "podReplacementPolicy", policy);
    pod_spec::template::fill(spec);
}

/// A job selects the pods that have its UID, and labels its template so. Name and UID are known by
/// then.
fn generate_selector(job: &mut Value) {
    if At::root(job).get("spec.manualSelector").bool() {
        return;
    }
    let (uid, name) = (object::uid(job).to_owned(), object::name(job).to_owned());
    let spec = fill::child(job, "spec");
    let metadata = fill::child(fill::child(spec, "template"), "metadata");
    let labels = fill::child(metadata, "labels");
    for (key, value) in [(OLD_NAME, &name), (NAME, &name), (OLD_UID, &uid), (UID, &uid)] {
        fill::missing(labels, key, value.as_str());
    }
    let selector = fill::child(fill::child(spec, "selector"), "matchLabels");
    fill::missing(selector, UID, uid);
    take_labels(job);
}

fn generated_selector(job: &At, report: &mut Report) {
    let selector = job.get("spec.selector");
    if job.get("spec.manualSelector").bool() || !selector.is_set() {
        return;
    }
    let (uid, name) = (job.text("metadata.uid"), job.text("metadata.name"));
    if uid.is_empty() {
        report.required(&job.get("metadata.uid"), "");
    }
    let metadata = job.get("spec.template.metadata");
    let labels_at = metadata.get("labels");
    let wanted = [(OLD_UID, uid), (OLD_NAME, name), (UID, uid), (NAME, name)];
    for (key, value) in wanted {
        let at = labels_at.key(key);
        if !at.is_set() {
            report.required(&at, &format!("must be '{value}'"));
        } else if at.str() != value {
            report.invalid_as(&at, labels_at.value.clone(), format!("must be '{value}'"));
        }
    }
    let expected: Value =
        wanted.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    if !labels::selects(selector.value, &expected) {
        report.invalid(&selector, "`selector` not auto-generated");
    }
}

fn check(job: &At, report: &mut Report) {
    generated_selector(job, report);
    let spec = job.get("spec");
    spec::check(&spec, report);
    let selector = spec.get("selector");
    if selector.is_set() {
        labels::check(&selector, report);
        let own = spec.get("template.metadata.labels");
        if !labels::selects(selector.value, own.value) {
            workload::not_selected(&own, report);
        }
    } else {
        report.required(&selector, "");
    }
    let completions = spec.get("completions").int();
    if spec.text("completionMode") == "Indexed" && completions > 0 {
        let own = job.get("metadata.name");
        let host = format!("{}-{}", own.str(), completions - 1);
        if !name::label(&host).is_empty() {
            let why = format!("will not able to create pod with invalid DNS label: {host}");
            report.invalid(&own, why);
        }
    }
}

fn change(job: &At, old: &At, report: &mut Report) {
    let (spec, before) = (job.get("spec"), old.get("spec"));
    let completions = spec.get("completions");
    if spec.text("completionMode") != "Indexed" {
        report.immutable(&completions, &before.get("completions"));
    } else if completions.value != before.get("completions").value
        && completions.int() != spec.get("parallelism").int()
    {
        let why = "can only be modified in tandem with spec.parallelism";
        report.invalid(&completions, why);
    }
    report.immutable(&spec.get("selector"), &before.get("selector"));
    let (template, was) = (spec.get("template"), before.get("template"));
    let waits = before.get("suspend").bool() && !old.get("status.startTime").is_set();
    let mut was_value = was.value.clone();
    if waits {
        unchange_directives(&mut was_value, template.value);
    }
    if !same(template.value, &was_value) {
        report.invalid(&template, "field is immutable");
    }
    for field in
        ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"]
    {
        report.immutable(&spec.get(field), &before.get(field));
    }
}

/// A job that has not begun may still be told where its pods run.
fn unchange_directives(was: &mut Value, template: &Value) {
    let new = At::root(template);
    for field in ["labels", "annotations"] {
        fill::keep(fill::child(was, "metadata"), new.get("metadata").value, field);
    }
    let spec = fill::child(was, "spec");
    for field in ["nodeSelector", "tolerations", "schedulingGates"] {
        fill::keep(spec, new.get("spec").value, field);
    }
    let affinity = fill::child(spec, "affinity");
    fill::keep(affinity, new.get("spec.affinity").value, "nodeAffinity");
}

fn warn(job: &Value, old: Option<&Value>) -> Vec<String> {
    let at = At::root(job);
    let mut warnings = Vec::new();
    let errors = name::label(at.text("metadata.name"));
    if !errors.is_empty() && old.is_none() {
        warnings.push(format!(
            "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [{}]",
            errors.join(" ")
        ));
    }
    warnings.extend(workload::warn(job, old));
    warnings
}

fn has_condition(job: &At, kind: &str) -> bool {
    let conditions = job.get("status.conditions");
    conditions.items().any(|one| one.text("type") == kind && one.text("status") == "True")
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let job = At::root(object);
    let (spec, status) = (job.get("spec"), job.get("status"));
    let succeeded = status.get("succeeded").int();
    let parallelism = spec.get("parallelism").int();
    let completions = match spec.get("completions").opt_int() {
        Some(wanted) => format!("{succeeded}/{wanted}"),
        None if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        None => format!("{succeeded}/1"),
    };
    let time = |field: &str| crate::time::parse(status.text(field));
    let duration = time("startTime")
        .map(|start| print::duration(time("completionTime").unwrap_or(now) - start));
    let state = if has_condition(&job, "Complete") {
        "Complete"
    } else if has_condition(&job, "Failed") {
        "Failed"
    } else if job.get("metadata.deletionTimestamp").is_set() {
        "Terminating"
    } else if has_condition(&job, "Suspended") {
        "Suspended"
    } else if has_condition(&job, "FailureTarget") {
        "FailureTarget"
    } else if has_condition(&job, "SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    };
    let (names, images) = print::containers(&spec.get("template.spec"));
    vec![
        print::name(object),
        state.into(),
        completions.into(),
        duration.unwrap_or_default().into(),
        print::age(object, now),
        names,
        images,
        labels::shown(spec.get("selector").value).into(),
    ]
}
