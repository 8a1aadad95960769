//! A pod's spec as a whole.

use super::super::field::{At, Report};
use super::super::{ip, labels, meta, name, quantities};
use super::{Context, affinity, containers, security, visit, volumes, windows};
use serde_json::Value;
use std::collections::HashMap;

const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP: &str = "container.seccomp.security.alpha.kubernetes.io/";
const APPARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const POLICIES: &[&str] = &["Always", "OnFailure", "Never"];
const DNS: &[&str] = &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];

/// Checks a spec; `name` is the pod's, for volumes that make claims of its name.
pub fn check(spec: &At, name: &str, is_pod: bool, report: &mut Report) {
    let grace = spec.get("terminationGracePeriodSeconds");
    if !grace.is_set() {
        report.required(&grace, "");
    }
    let claims = spec.get("resourceClaims");
    let mut context = Context {
        is_pod,
        name,
        grace: grace.opt_int(),
        host_users: spec.get("hostUsers").value.as_bool().unwrap_or(true),
        restart: spec.text("restartPolicy"),
        claims: claims.items().map(|claim| claim.text("name")).collect(),
        volumes: HashMap::new(),
    };
    context.claims.retain(|claim| !claim.is_empty());
    context.volumes = volumes::list(spec, &context, report);
    resource_claims(&claims, report);
    containers::list(spec, &context, report);
    pod_resources(spec, report);
    host_network(spec, is_pod, report);
    report.one_of(&spec.get("restartPolicy"), POLICIES);
    report.one_of(&spec.get("dnsPolicy"), DNS);
    meta::labels(&spec.get("nodeSelector"), report);
    security::pod(spec, &spec.get("securityContext"), report);
    affinity::check(&spec.get("affinity"), report);
    dns_config(spec, report);
    for gate in spec.get("readinessGates").items() {
        let kind = gate.get("conditionType");
        report.each(&kind, name::qualified(kind.str()));
    }
    scheduling_gates(&spec.get("schedulingGates"), report);
    affinity::spread(&spec.get("topologySpreadConstraints"), report);
    windows::host_processes(spec, report);
    host_users(spec, report);
    names(spec, report);
    let deadline = spec.get("activeDeadlineSeconds");
    if deadline.is_set() {
        report.between(&deadline, 1, i64::from(i32::MAX));
    }
    affinity::tolerations(&spec.get("tolerations"), report);
    for alias in spec.get("hostAliases").items() {
        ip::check(&alias.get("ip"), report);
        for host in alias.get("hostnames").items() {
            report.each(&host, name::subdomain(host.str()));
        }
    }
    let preemption = spec.get("preemptionPolicy");
    if preemption.is_set() {
        report.one_of(&preemption, &["PreemptLowerPriority", "Never"]);
    }
    overhead(spec, report);
    windows::system(spec, report);
}

fn names(spec: &At, report: &mut Report) {
    for field in ["serviceAccountName", "nodeName", "priorityClassName"] {
        let at = spec.get(field);
        if !at.is_empty() {
            report.each(&at, name::subdomain(at.str()));
        }
    }
    let class = spec.get("runtimeClassName");
    if class.is_set() {
        report.each(&class, name::subdomain(class.str()));
    }
    for field in ["hostname", "subdomain"] {
        let at = spec.get(field);
        if !at.is_empty() {
            report.each(&at, name::label(at.str()));
        }
    }
    let host = spec.get("hostnameOverride");
    if host.is_set() {
        report.each(&host, name::subdomain(host.str()));
        if host.str().len() > 64 {
            report.too_long(&host, 64);
        }
        if spec.get("setHostnameAsFQDN").bool() {
            report.forbidden(&spec.get("setHostnameAsFQDN"), "when `hostnameOverride` is set");
        }
        if spec.get("hostNetwork").bool() {
            report.forbidden(&spec.get("hostNetwork"), "when `hostnameOverride` is set");
        }
    }
}

fn resource_claims(claims: &At, report: &mut Report) {
    let mut seen: Vec<&str> = Vec::new();
    for claim in claims.items() {
        let own = claim.get("name");
        if own.is_empty() {
            report.required(&own, "");
        } else if seen.contains(&own.str()) {
            report.duplicate(&own);
        } else {
            report.each(&own, name::label(own.str()));
            seen.push(own.str());
        }
        let (by_name, template) =
            (claim.get("resourceClaimName"), claim.get("resourceClaimTemplateName"));
        match (by_name.is_set(), template.is_set()) {
            (true, true) => {
                let why = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified";
                report.invalid(&claim, why);
            }
            (false, false) => {
                let why = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`";
                report.invalid(&claim, why);
            }
            _ => {}
        }
        for at in [by_name, template] {
            if at.is_set() {
                report.each(&at, name::subdomain(at.str()));
            }
        }
    }
}

/// Amounts for the whole pod: no less than its containers ask for, no limit below one of theirs.
fn pod_resources(spec: &At, report: &mut Report) {
    let resources = spec.get("resources");
    if !resources.is_set() {
        return;
    }
    let claims = resources.get("claims");
    if claims.is_set() {
        report.forbidden(&claims, "claims cannot be set for Resources at pod-level");
    }
    let names: quantities::NameCheck = |at, resource, report| {
        let known = ["cpu", "memory"].contains(&resource) || quantities::is_huge_page(resource);
        if !quantities::check_name(at, resource, report) && !known {
            let supported = ["cpu", "hugepages-", "memory"];
            report.unsupported(&at.called_as(&Value::String(resource.to_owned())), &supported);
        }
    };
    quantities::check_requirements(&resources, names, None, report);
    for container in spec.get("containers").items() {
        for (resource, limit) in container.get("resources.limits").entries() {
            let limits = resources.get("limits");
            let Some(most) = quantities::amount(&limits, resource) else { continue };
            if quantities::read(&limit) > most {
                let why = format!("must be less than or equal to pod limits of {most}");
                report.invalid(&limit, why);
            }
        }
    }
}

fn host_network(spec: &At, is_pod: bool, report: &mut Report) {
    if !spec.get("hostNetwork").bool() {
        return;
    }
    for container in spec.get("containers").items() {
        for port in container.get("ports").items() {
            let (host, own) = (port.get("hostPort"), port.get("containerPort").int());
            if (is_pod || host.int() != 0) && host.int() != own {
                let why = "must match `containerPort` when `hostNetwork` is true";
                report.invalid_as(&host, host.int(), why);
            }
        }
    }
}

fn host_users(spec: &At, report: &mut Report) {
    let users = spec.get("hostUsers");
    if !users.is_set() || users.bool() {
        return;
    }
    for (field, called) in
        [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")]
    {
        let at = spec.get(field);
        if at.bool() {
            report.forbidden(&spec.called(called, at.value), "when `pod.Spec.HostUsers` is false");
        }
    }
}

fn dns_config(spec: &At, report: &mut Report) {
    let config = spec.get("dnsConfig");
    let (servers, searches) = (config.get("nameservers"), config.get("searches"));
    if spec.text("dnsPolicy") == "None" {
        if !config.is_set() {
            return report.required(&config, "must provide `dnsConfig` when `dnsPolicy` is None");
        }
        if servers.is_empty() {
            let why = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            return report.required(&servers, why);
        }
    }
    if servers.len() > 3 {
        report.invalid(&servers, "must not have more than 3 nameservers");
    }
    for server in servers.items() {
        ip::check(&server, report);
    }
    if searches.len() > 32 {
        report.invalid(&searches, "must not have more than 32 search paths");
    }
    let bytes: usize = searches.strings().map(|search| search.len() + 1).sum();
    if bytes > 2049 {
        let why = "must not have more than 2048 characters (including spaces) in the search list";
        report.invalid(&searches, why);
    }
    for search in searches.items().filter(|search| search.str() != ".") {
        let text = search.str().strip_suffix('.').unwrap_or_else(|| search.str());
        for why in name::underscored_subdomain(text) {
            report.invalid_as(&search, text, why);
        }
    }
    for option in config.get("options").items() {
        if option.text("name").is_empty() {
            report.required(&option, "must not be empty");
        }
    }
}

fn scheduling_gates(gates: &At, report: &mut Report) {
    let mut seen: Vec<&str> = Vec::new();
    for gate in gates.items() {
        let own = gate.text("name");
        for why in name::qualified(own) {
            report.invalid_as(&gate, own, why);
        }
        if seen.contains(&own) {
            report.duplicate_as(&gate, own);
        }
        seen.push(own);
    }
}

fn overhead(spec: &At, report: &mut Report) {
    let overhead = spec.get("overhead");
    let limits = serde_json::json!({"limits": overhead.value});
    if overhead.is_set() {
        let at = overhead.called_as(&limits);
        quantities::check_requirements(&at, quantities::check_container_name, None, report);
    }
}

/// Annotations that mean something for pods.
pub fn specific_annotations(annotations: &At, spec: &At, report: &mut Report) {
    let mirror = annotations.key("kubernetes.io/config.mirror");
    if mirror.is_set() && spec.text("nodeName").is_empty() {
        report.invalid(&mirror, "must set spec.nodeName if mirror pod annotation is set");
    }
    let cost = annotations.key("controller.kubernetes.io/pod-deletion-cost");
    let text = cost.str();
    let plain = !text.starts_with('+') && (text == "0" || !text.starts_with('0'));
    if cost.is_set() && !(plain && text.parse::<i32>().is_ok()) {
        report.invalid(&cost, "must be a 32bit integer");
    }
    for (key, annotation) in annotations.entries() {
        if key == SECCOMP_POD || key.starts_with(SECCOMP) {
            let at = annotations.called(key, annotation.value);
            security::seccomp_annotation(&at, annotation.str(), report);
        }
        if let Some(container) = key.strip_prefix(APPARMOR) {
            let mut found = false;
            visit(spec, |one| found |= one.text("name") == container);
            if !found {
                report.invalid_as(&annotation, container, "container not found");
            }
            let profile = annotation.str();
            let known = ["", "runtime/default", "unconfined"].contains(&profile)
                || profile.starts_with("localhost/");
            if !known {
                let why = format!("invalid AppArmor profile name: {profile:?}");
                report.invalid(&annotation, why);
            }
        }
    }
}

/// Annotations and the fields that replaced them say the same.
pub fn consistent_seccomp_and_apparmor(metadata: &At, spec: &At, report: &mut Report) {
    let annotations = metadata.get("annotations");
    if !annotations.has_items() {
        return;
    }
    let of_pod = spec.get("securityContext.seccompProfile");
    let annotation = annotations.key(SECCOMP_POD);
    if of_pod.is_set() && annotation.is_set() {
        security::agree(&of_pod, annotation.str(), "seccomp", report);
    }
    visit(spec, |container| {
        let context = container.get("securityContext");
        let key = format!("{SECCOMP}{}", container.text("name"));
        let (profile, annotation) = (context.get("seccompProfile"), annotations.key(&key));
        if profile.is_set() && annotation.is_set() {
            security::agree(&profile, annotation.str(), "seccomp", report);
        }
        let key = format!("{APPARMOR}{}", container.text("name"));
        let (own, annotation) = (context.get("appArmorProfile"), annotations.key(&key));
        let of_pod = spec.get("securityContext.appArmorProfile");
        let profile = if own.is_set() { own.value } else { of_pod.value };
        if !profile.is_null() && annotation.is_set() && spec.text("os.name") != "windows" {
            let at = context.called("appArmorProfile", profile);
            security::agree(&at, annotation.str(), "apparmor", report);
        }
    });
}

/// A template of a claim: only labels and annotations, and a spec.
pub fn claim_template(template: &At, report: &mut Report) {
    meta::only_labels_and_annotations(&template.get("metadata"), report);
    super::super::core::check_claim_spec(&template.get("spec"), report);
    labels::check(&template.get("spec.selector"), report);
}
