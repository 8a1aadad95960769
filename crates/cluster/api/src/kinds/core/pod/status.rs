//! What is wrong with a change of a pod's status.

use super::super::super::field::{At, Report};
use super::super::super::{ip, name, pod_spec};
use super::change;

pub fn check(pod: &At, old: &At, report: &mut Report) {
    change::annotations(pod, old, report);
    let spec = pod.get("spec");
    pod_spec::specific_annotations(&pod.get("metadata.annotations"), &spec, report);
    let (status, before) = (pod.get("status"), old.get("status"));
    let metadata = pod.get("metadata");
    for condition in metadata.called("conditions", status.get("conditions").value).items() {
        let kind = condition.text("type");
        if !["PodScheduled", "Ready", "Initialized"].contains(&kind) {
            let at = condition.called("Type", condition.get("type").value);
            report.each(&at, name::qualified(kind));
        }
    }
    if spec.text("nodeName") != old.text("spec.nodeName") {
        report.forbidden(&status.get("nodeName"), "may not be changed directly");
    }
    let nominated = status.get("nominatedNodeName");
    if !nominated.is_empty() && nominated.str() != before.text("nominatedNodeName") {
        report.each(&nominated, name::subdomain(nominated.str()));
    }
    report.immutable(&status.get("qosClass"), &before.get("qosClass"));
    transitions(pod, old, report);
    claims(&status.get("resourceClaimStatuses"), &spec, report);
    addresses(&status, report);
    let ephemeral = status.get("ephemeralContainerStatuses");
    for container in ephemeral.items() {
        let at = container.get("allocatedResourcesStatus");
        if at.has_items() {
            report.forbidden(&at, "must not be specified in container status");
        }
    }
}

/// What has ended for good stays ended.
fn transitions(pod: &At, old: &At, report: &mut Report) {
    let policy = old.text("spec.restartPolicy");
    let sidecars = super::sidecars(old);
    for (list, policy) in [
        ("containerStatuses", policy),
        ("initContainerStatuses", policy),
        ("ephemeralContainerStatuses", "Never"),
    ] {
        if policy == "Always" {
            continue;
        }
        let (status, before) = (pod.get("status"), old.get("status"));
        let (new, was) = (status.get(list), before.get(list));
        for (at, was) in was.items().enumerate() {
            let ended = was.get("state.terminated");
            let may_restart = ended.get("exitCode").int() != 0 && policy == "OnFailure";
            let own = was.text("name");
            let stays = list == "initContainerStatuses" && sidecars.contains(&own);
            if !ended.is_set() || may_restart || stays || has_own_policy(old, own) {
                continue;
            }
            for one in new.items().filter(|one| one.text("name") == own) {
                if !one.get("state.terminated").is_set() {
                    let why = "may not be transitioned to non-terminated state";
                    report.forbidden(&new.index(at).get("state"), why);
                }
            }
        }
    }
}

fn has_own_policy(pod: &At, container: &str) -> bool {
    let mut found = false;
    pod_spec::visit(&pod.get("spec"), |one| {
        found |= one.text("name") == container
            && (["Always", "OnFailure"].contains(&one.text("restartPolicy"))
                || one.get("restartPolicyRules").has_items());
    });
    found
}

fn claims(statuses: &At, spec: &At, report: &mut Report) {
    let claims = spec.get("resourceClaims");
    let mut seen: Vec<&str> = Vec::new();
    for status in statuses.items() {
        let own = status.get("name");
        if !claims.items().any(|claim| claim.text("name") == own.str()) {
            let why = "must match the name of an entry in `spec.resourceClaims`";
            report.invalid(&own, why);
        }
        if seen.contains(&own.str()) {
            report.duplicate(&own);
        }
        seen.push(own.str());
        let claim = status.get("resourceClaimName");
        if claim.is_set() {
            let at = status.called("name", claim.value);
            report.each(&at, name::subdomain(claim.str()));
        }
    }
}

fn addresses(status: &At, report: &mut Report) {
    let hosts = status.get("hostIPs");
    let first = hosts.index(0);
    if hosts.has_items() && status.text("hostIP") != first.text("ip") {
        report.invalid(&first.get("ip"), "must be equal to `hostIP`");
    }
    for list in [status.get("podIPs"), hosts] {
        let mut seen: Vec<&str> = Vec::new();
        for item in list.items() {
            let address = item.get("ip");
            ip::check(&item.called_as(address.value), report);
            if seen.contains(&address.str()) {
                report.duplicate(&item);
            }
            seen.push(address.str());
        }
        if list.len() > 1 && (!ip::are_dual(&seen) || list.len() > 2) {
            report.invalid(&list, "may specify no more than one IP for each IP family");
        }
    }
}
