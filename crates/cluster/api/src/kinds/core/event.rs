//! `Event`, in the forms of core/v1 (which is stored) and events.k8s.io/v1.

use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, name, print};
use serde_json::Value;

const SHORT_BYTES: usize = 128;
const MESSAGE_BYTES: usize = 1024;

/// Core's form.
pub const RULES: Kind = Kind {
    name: name::path_segment,
    check,
    create_on_update: true,
    selectable: &[
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ],
    field,
    columns: "Last Seen,Type,Reason,Object,+Subobject,+Source,Message,+First Seen,+Count:integer,+Name",
    cells,
    ..Kind::namespaced()
};

/// The form of events.k8s.io.
pub const NEW_RULES: Kind = Kind {
    name: name::subdomain_name,
    check: |object, report| check(&At::root(&to_core(object.value)), report),
    check_new: |object, report| check_strictly(&At::root(&to_core(object.value)), report),
    change: |object, old, report| {
        let (object, old) = (to_core(object.value), to_core(old.value));
        change_strictly(&At::root(&object), &At::root(&old), report);
    },
    selectable: &[
        "regarding.kind",
        "regarding.namespace",
        "regarding.name",
        "regarding.uid",
        "regarding.apiVersion",
        "regarding.resourceVersion",
        "regarding.fieldPath",
        "reason",
        "reportingController",
        "type",
    ],
    field: |event, field| new_field(event, field),
    cells: |object, now| cells(&to_core(object), now),
    ..RULES
};

/// Names of fields in core's form and in that of events.k8s.io.
const NAMES: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

fn renamed(event: &Value, name: impl Fn(&str) -> Option<&'static str>, version: &str) -> Value {
    let mut fields = serde_json::Map::new();
    for (field, value) in event.as_object().into_iter().flatten() {
        let field = name(field).unwrap_or(field);
        fields.insert(field.to_owned(), value.clone());
    }
    let mut event = Value::Object(fields);
    fill::set(&mut event, "apiVersion", version);
    event
}

/// An event of events.k8s.io in core's form.
pub fn to_core(event: &Value) -> Value {
    let name = |field: &str| NAMES.iter().find(|(_, new)| *new == field).map(|(core, _)| *core);
    renamed(event, name, "v1")
}

/// An event of core in the form of events.k8s.io.
pub fn from_core(event: &Value) -> Value {
    let name = |field: &str| NAMES.iter().find(|(core, _)| *core == field).map(|(_, new)| *new);
    renamed(event, name, "events.k8s.io/v1")
}

fn field(event: &Value, field: &str) -> Option<String> {
    let at = At::root(event);
    match field {
        "source" => {
            let component = at.text("source.component");
            let other = at.text("reportingComponent");
            Some(if component.is_empty() { other } else { component }.to_owned())
        }
        _ => None,
    }
}

/// Of an event in either form, as it is stored in core's.
fn new_field(event: &Value, field: &str) -> Option<String> {
    let (first, rest) = field.split_once('.').unwrap_or((field, ""));
    let (core, _) = NAMES.iter().find(|(_, new)| *new == first)?;
    let is_core = event.get(*core).is_some();
    let event = At::root(event);
    let at = event.get(if is_core { core } else { first });
    Some(if rest.is_empty() { at.str() } else { at.text(rest) }.to_owned())
}

fn check(event: &At, report: &mut Report) {
    let namespace = event.text("metadata.namespace");
    let about = event.get("involvedObject.namespace");
    let differs = "does not match event.namespace";
    if !event.get("eventTime").is_set() {
        let right = match about.str() {
            "" => ["", "default"].contains(&namespace),
            other => other == namespace,
        };
        if !right {
            report.invalid(&about, differs);
        }
    } else {
        if about.is_empty() && !["default", "kube-system"].contains(&namespace) {
            report.invalid(&about, differs);
        }
        let controller = event.get("reportingComponent");
        let controller = event.called("reportingController", controller.value);
        if controller.is_empty() {
            report.required(&controller, "");
        }
        report.each(&controller, name::qualified(controller.str()));
        for field in ["reportingInstance", "action", "reason"] {
            let at = event.get(field);
            if at.is_empty() {
                report.required(&at, "");
            }
            if at.str().len() > SHORT_BYTES {
                report.invalid_as(&at, "", format!("can have at most {SHORT_BYTES} characters"));
            }
        }
        let message = event.get("message");
        if message.str().len() > MESSAGE_BYTES {
            report.invalid_as(&message, "", format!("can have at most {MESSAGE_BYTES} characters"));
        }
    }
}

fn check_series(event: &At, report: &mut Report) {
    let series = event.get("series");
    if series.is_set() {
        if series.get("count").int() < 2 {
            report.invalid_as(&series.get("count"), "", "should be at least 2");
        }
        if !series.get("lastObservedTime").is_set() {
            report.required(&series.get("lastObservedTime"), "");
        }
    }
}

fn check_strictly(event: &At, report: &mut Report) {
    check_series(event, report);
    if !event.get("eventTime").is_set() {
        report.required(&event.get("eventTime"), "");
    }
    let kind = event.get("type");
    if !["Normal", "Warning"].contains(&kind.str()) {
        report.invalid_as(&kind, "", format!("has invalid value: {}", kind.str()));
    }
    for field in ["firstTimestamp", "lastTimestamp", "count", "source"] {
        let at = event.get(field);
        if !at.is_empty() {
            report.invalid_as(&at, "", "needs to be unset");
        }
    }
}

fn change_strictly(event: &At, old: &At, report: &mut Report) {
    if event.get("series").value != old.get("series").value {
        check_series(event, report);
    }
    for field in [
        "involvedObject",
        "reason",
        "message",
        "source",
        "firstTimestamp",
        "lastTimestamp",
        "count",
        "type",
        "eventTime",
        "action",
        "related",
        "reportingInstance",
    ] {
        report.immutable(&event.get(field), &old.get(field));
    }
    let controller = event.get("reportingComponent");
    let controller = event.called("reportingController", controller.value);
    report.immutable(&controller, &old.get("reportingComponent"));
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let event = At::root(object);
    let about = event.get("involvedObject");
    let mut target = about.text("kind").to_lowercase();
    if !about.text("name").is_empty() {
        target = format!("{target}/{}", about.text("name"));
    }
    let time = |fields: &[&str]| {
        let texts = fields.iter().map(|field| event.text(field));
        print::since(texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default(), now)
    };
    let first = time(&["firstTimestamp", "eventTime"]);
    let series = event.get("series");
    let (last, count) = if series.is_set() {
        (print::since(series.text("lastObservedTime"), now), series.get("count").int())
    } else {
        let last = time(&["lastTimestamp", "firstTimestamp", "eventTime"]);
        (last, event.get("count").int().max(1))
    };
    let either = |own: &'static str, new: &'static str| match event.text(own) {
        "" => event.text(new).to_owned(),
        text => text.to_owned(),
    };
    let component = either("source.component", "reportingComponent");
    let host = either("source.host", "reportingInstance");
    let source = if host.is_empty() { component } else { format!("{component}, {host}") };
    vec![
        last.into(),
        event.text("type").into(),
        event.text("reason").into(),
        target.into(),
        about.text("fieldPath").into(),
        source.into(),
        event.text("message").trim().into(),
        first.into(),
        count.into(),
        print::name(object),
    ]
}
