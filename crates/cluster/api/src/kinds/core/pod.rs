//! `Pod`.

mod binding;
mod change;
mod prepare;
mod print;
mod qos;
mod status;
#[cfg(test)]
mod tests;

pub use print::sidecars;
pub use qos::class as qos_class;

use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, name, pod_spec, quantities};
use crate::status::Status;
use serde_json::{Value, json};

pub const RULES: Kind = Kind {
    default,
    status: Some(|pod| json!({"phase": "Pending", "qosClass": qos::class(pod)})),
    create: prepare::create,
    prepare: prepare::update,
    check,
    check_new,
    change: change::object,
    change_part: |part, pod, old, report| match part {
        "status" => status::check(pod, old, report),
        "ephemeralcontainers" => change::ephemeral(pod, old, report),
        "resize" => change::resize(pod, old, report),
        _ => {}
    },
    warn,
    selectable: &[
        "spec.nodeName",
        "spec.host",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.podIPs",
        "status.nominatedNodeName",
    ],
    field,
    columns: "Name,Ready,Status,Restarts,Age,+IP,+Node,+Nominated Node,+Readiness Gates",
    cells: print::cells,
    generation: true,
    grace: |pod, asked| Some(grace(pod, asked)),
    write_part: |pod, part, sent| match part {
        "binding" => binding::bind(pod, sent),
        _ => Err(Status::not_found_path(part)),
    },
    stamp: |pod, now| {
        if let Some(status) = fill::field(pod, "status") {
            for condition in fill::items(status, "conditions") {
                if fill::text(condition, "type") == "PodScheduled" {
                    fill::missing(condition, "lastTransitionTime", now);
                }
            }
        }
    },
    ..Kind::namespaced()
};

fn default(pod: &mut Value) {
    let spec = fill::child(pod, "spec");
    pod_spec::fill(spec);
    let host_network = spec["hostNetwork"] == json!(true);
    for list in ["containers", "initContainers"] {
        for container in fill::items(spec, list) {
            ask_for_limits(&mut container["resources"]);
            for port in fill::items(container, "ports").filter(|_| host_network) {
                if let Some(own) = port.get("containerPort").cloned() {
                    fill::zero(port, "hostPort", own);
                }
            }
        }
    }
    if spec.get("hostNetwork").is_some_and(Value::is_null) {
        fill::remove(spec, "hostNetwork");
    }
    if let Some(resources) = fill::field(spec, "resources") {
        ask_for_limits(resources);
    }
    fill::missing(spec, "enableServiceLinks", true);
    if let Some(status) = fill::field(pod, "status") {
        addresses(status, "podIP", "podIPs");
        addresses(status, "hostIP", "hostIPs");
        for list in ["containerStatuses", "initContainerStatuses"] {
            for container in fill::items(status, list) {
                if let Some(resources) = fill::field(container, "resources") {
                    quantities::fill_requirements(resources);
                }
            }
        }
    }
}

/// What is limited and not asked for is asked for up to its limit.
fn ask_for_limits(resources: &mut Value) {
    let Some(Value::Object(limits)) = resources.get("limits").cloned() else { return };
    let requests = fill::child(resources, "requests");
    for (resource, limit) in limits {
        fill::missing(requests, &resource, limit);
    }
}

/// One address and several say the same: the first of the several is the one.
fn addresses(status: &mut Value, one: &str, many: &str) {
    let first = status.get(many).and_then(|list| list.get(0)).map(|item| fill::text(item, "ip"));
    let (first, single) = (first.unwrap_or_default().to_owned(), fill::text(status, one));
    if single.is_empty() && !first.is_empty() {
        fill::set(status, one, first);
    } else if !single.is_empty() && single != first {
        let list = json!([{"ip": single}]);
        fill::set(status, many, list);
    }
}

fn check(pod: &At, report: &mut Report) {
    let spec = pod.get("spec");
    pod_spec::specific_annotations(&pod.get("metadata.annotations"), &spec, report);
    pod_spec::check(&spec, pod.text("metadata.name"), true, report);
    if spec.text("serviceAccountName").is_empty() {
        for volume in spec.get("volumes").items() {
            for source in volume.get("projected.sources").items() {
                let token = source.get("serviceAccountToken");
                if token.is_set() {
                    let why = "must not be specified when serviceAccountName is not set";
                    report.forbidden(&token, why);
                }
            }
        }
    }
    for list in ["containers", "initContainers"] {
        for container in spec.get(list).items() {
            pod_spec::no_padding(&container, report);
        }
    }
}

fn check_new(pod: &At, report: &mut Report) {
    let spec = pod.get("spec");
    let ephemeral = spec.get("ephemeralContainers");
    if ephemeral.has_items() {
        report.forbidden(&ephemeral, "cannot be set on create");
    }
    let node = spec.get("nodeName");
    if !node.is_empty() && spec.get("schedulingGates").has_items() {
        report.forbidden(&node, "cannot be set until all schedulingGates have been cleared");
    }
    pod_spec::consistent_seccomp_and_apparmor(&pod.get("metadata"), &spec, report);
}

fn warn(pod: &Value, old: Option<&Value>) -> Vec<String> {
    if old.is_some() {
        return Vec::new();
    }
    let at = At::root(pod);
    let mut warnings = Vec::new();
    let errors = name::label(at.text("metadata.name"));
    if !errors.is_empty() {
        warnings.push(format!(
            "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [{}]",
            errors.join(" ")
        ));
    }
    warnings.extend(pod_spec::warn::check(&at));
    warnings
}

fn field(pod: &Value, field: &str) -> Option<String> {
    let at = At::root(pod);
    match field {
        "spec.hostNetwork" => Some(at.get("spec.hostNetwork").bool().to_string()),
        "spec.host" => Some(at.text("spec.nodeName").to_owned()),
        "status.podIP" => {
            let many = at.get("status.podIPs");
            Some(many.index(0).text("ip").to_owned())
        }
        _ => None,
    }
}

fn grace(pod: &Value, asked: Option<i64>) -> i64 {
    let at = At::root(pod);
    let own = at.get("spec.terminationGracePeriodSeconds").opt_int();
    let ended = ["Failed", "Succeeded"].contains(&at.text("status.phase"));
    if at.text("spec.nodeName").is_empty() || ended {
        return 0;
    }
    match asked.or(own).unwrap_or(0) {
        ..0 => 1,
        seconds => seconds,
    }
}
