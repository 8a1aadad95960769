//! Containers: regular, init, ephemeral.

use super::super::core::PROTOCOLS;
use super::super::field::{At, Report};
use super::super::{name, quantities};
use super::{Context, environment, handlers, is_sidecar, local_path, security};
use std::collections::HashSet;

const PULL: &[&str] = &["Always", "IfNotPresent", "Never"];
const MAX_RULES: usize = 20;

/// Fields that an ephemeral container may not have.
const NOT_EPHEMERAL: &[&str] = &[
    "ports",
    "resources",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
];

/// Reports a pull policy that is none.
pub fn pull_policy(at: &At, report: &mut Report) {
    report.one_of(at, PULL);
}

/// All of a spec's containers.
pub fn list(spec: &At, context: &Context, report: &mut Report) {
    let containers = spec.get("containers");
    if containers.is_empty() {
        report.required(&containers, "");
    }
    let mut names: HashSet<&str> = HashSet::new();
    for container in containers.items() {
        common(&container, context, report);
        if !names.insert(container.text("name")) {
            report.duplicate(&container.get("name"));
        }
        handlers::check(&container, context.grace, report);
        restart_policy(&container, report);
    }
    let mut ports = HashSet::new();
    for container in containers.items() {
        host_ports(&container, &mut ports, report);
    }
    for container in spec.get("initContainers").items() {
        init(&container, context, &mut names, report);
    }
    ephemeral(spec, context, names, report);
}

fn init<'v>(
    container: &At<'v, '_>,
    context: &Context,
    names: &mut HashSet<&'v str>,
    report: &mut Report,
) {
    common(container, context, report);
    restart_policy(container, report);
    if !container.text("name").is_empty() && !names.insert(container.text("name")) {
        report.duplicate(&container.get("name"));
    }
    host_ports(container, &mut HashSet::new(), report);
    if is_sidecar(container) {
        return handlers::check(container, context.grace, report);
    }
    for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
        let at = container.get(field);
        if at.is_set() {
            let why = "may not be set for init containers without restartPolicy=Always";
            report.forbidden(&at, why);
        }
    }
}

fn ephemeral<'v>(
    spec: &At<'v, '_>,
    context: &Context,
    others: HashSet<&'v str>,
    report: &mut Report,
) {
    let mut names = others.clone();
    for container in spec.get("ephemeralContainers").items() {
        common(&container, context, report);
        no_padding(&container, report);
        if !names.insert(container.text("name")) {
            report.duplicate(&container.get("name"));
        }
        let target = container.get("targetContainerName");
        if !target.is_empty() && !others.contains(target.str()) {
            report.not_found(&target);
        }
        for field in NOT_EPHEMERAL {
            let at = container.get(field);
            if !at.is_empty() {
                report.forbidden(&at, "cannot be set for an Ephemeral Container");
            }
        }
        for mount in container.get("volumeMounts").items() {
            for field in ["subPath", "subPathExpr"] {
                if !mount.text(field).is_empty() {
                    let why = "cannot be set for an Ephemeral Container";
                    report.forbidden(&mount.get(field), why);
                }
            }
        }
    }
}

/// Images of pods (not of templates) have no space around them.
pub fn no_padding(container: &At, report: &mut Report) {
    let image = container.get("image");
    if image.str().trim() != image.str() {
        report.invalid(&image, "must not have leading or trailing whitespace");
    }
}

fn common(container: &At, context: &Context, report: &mut Report) {
    let own = container.get("name");
    if own.is_empty() {
        report.required(&own, "");
    } else {
        report.each(&own, name::label(own.str()));
    }
    if container.text("image").is_empty() {
        report.required(&container.get("image"), "");
    }
    let policies = ["File", "FallbackToLogsOnError"];
    report.one_of(&container.get("terminationMessagePolicy"), &policies);
    ports(&container.get("ports"), report);
    environment::check(container, report);
    mounts(container, context, report);
    devices(container, context, report);
    pull_policy(&container.get("imagePullPolicy"), report);
    quantities::check_requirements(
        &container.get("resources"),
        quantities::check_container_name,
        Some(&context.claims),
        report,
    );
    resize_policy(&container.get("resizePolicy"), context, report);
    security::container(&container.get("securityContext"), context.host_users, report);
}

fn ports(ports: &At, report: &mut Report) {
    let mut names: Vec<&str> = Vec::new();
    for port in ports.items() {
        let own = port.get("name");
        if !own.is_empty() {
            let errors = name::port_name(own.str());
            if errors.is_empty() && names.contains(&own.str()) {
                report.duplicate(&own);
            }
            names.push(own.str());
            report.each(&own, errors);
        }
        let number = port.get("containerPort");
        if number.int() == 0 {
            report.required(&number, "");
        } else {
            report.each(&number, name::port_number(number.int()));
        }
        let host = port.get("hostPort");
        if host.int() != 0 {
            report.each(&host, name::port_number(host.int()));
        }
        report.one_of(&port.get("protocol"), PROTOCOLS);
    }
}

fn host_ports(container: &At, taken: &mut HashSet<String>, report: &mut Report) {
    for port in container.get("ports").items() {
        let number = port.get("hostPort");
        if number.int() == 0 {
            continue;
        }
        let key = format!("{}/{}/{}", port.text("protocol"), port.text("hostIP"), number.int());
        if !taken.insert(key.clone()) {
            report.duplicate_as(&number, key);
        }
    }
}

fn mounts(container: &At, context: &Context, report: &mut Report) {
    let mounts = container.get("volumeMounts");
    let devices = container.get("volumeDevices");
    let privileged = container.get("securityContext.privileged").bool();
    let mut paths: HashSet<&str> = HashSet::new();
    for mount in mounts.items() {
        let (own, path) = (mount.get("name"), mount.get("mountPath"));
        if own.is_empty() {
            report.required(&own, "");
        }
        let volume = context.volumes.get(own.str());
        if volume.is_none() {
            report.not_found(&own);
        }
        if path.is_empty() {
            report.required(&path, "");
        }
        if !paths.insert(path.str()) {
            report.invalid(&path, "must be unique");
        }
        if devices.items().any(|device| device.text("name") == own.str()) {
            report.invalid(&own, "must not already exist in volumeDevices");
        }
        if devices.items().any(|device| device.text("devicePath") == path.str()) {
            report.invalid(&path, "must not already exist as a path in volumeDevices");
        }
        sub_paths(&mounts, &mount, report);
        let propagation = mounts.called("mountPropagation", mount.get("mountPropagation").value);
        report.maybe_one_of(&propagation, &["Bidirectional", "HostToContainer", "None"]);
        if propagation.str() == "Bidirectional" && !privileged {
            let why = "Bidirectional mount propagation is available only to privileged containers";
            report.forbidden(&propagation, why);
        }
        recursive(&mounts, &mount, report);
    }
}

fn sub_paths(mounts: &At, mount: &At, report: &mut Report) {
    let (path, expression) = (mount.get("subPath"), mount.get("subPathExpr"));
    if !path.is_empty() {
        local_path::descending(&mounts.called("subPath", path.value), path.str(), report);
    }
    if !expression.is_empty() {
        if !path.is_empty() {
            report.invalid(&expression, "subPathExpr and subPath are mutually exclusive");
        }
        let at = mounts.called("subPathExpr", expression.value);
        local_path::descending(&at, expression.str(), report);
    }
}

fn recursive(mounts: &At, mount: &At, report: &mut Report) {
    let at = mounts.called("recursiveReadOnly", mount.get("recursiveReadOnly").value);
    report.maybe_one_of(&at, &["Disabled", "Enabled", "IfPossible"]);
    if ["Enabled", "IfPossible"].contains(&at.str()) {
        if !mount.get("readOnly").bool() {
            report.forbidden(&at, "may only be specified when readOnly is true");
        }
        if !["", "None"].contains(&mount.text("mountPropagation")) {
            let why = "may only be specified when mountPropagation is None or not specified";
            report.forbidden(&at, why);
        }
    }
}

fn devices(container: &At, context: &Context, report: &mut Report) {
    let mounts = container.get("volumeMounts");
    let (mut names, mut paths) = (HashSet::new(), HashSet::new());
    for device in container.get("volumeDevices").items() {
        let (own, path) = (device.get("name"), device.get("devicePath"));
        if own.is_empty() {
            report.required(&own, "");
        } else if !names.insert(own.str()) {
            report.invalid(&own, "must be unique");
        }
        match context.volumes.get(own.str()) {
            None => report.not_found(&own),
            Some(volume) => {
                let claims = ["persistentVolumeClaim", "ephemeral"];
                if !claims.iter().any(|claim| At::root(volume).get(claim).is_set()) {
                    let why = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                    report.invalid(&own, why);
                }
            }
        }
        if path.is_empty() {
            report.required(&path, "");
        }
        if path.str().split('/').any(|part| part == "..") {
            report.invalid(&path, "can not contain backsteps ('..')");
        } else if !paths.insert(path.str()) {
            report.invalid(&path, "must be unique");
        }
        if mounts.items().any(|mount| mount.text("name") == own.str()) {
            report.invalid(&own, "must not already exist in volumeMounts");
        }
        if mounts.items().any(|mount| mount.text("mountPath") == path.str()) {
            report.invalid(&path, "must not already exist as a path in volumeMounts");
        }
    }
}

fn resize_policy(policies: &At, context: &Context, report: &mut Report) {
    let mut seen: Vec<&str> = Vec::new();
    for policy in policies.items() {
        let resource = policy.get("resourceName");
        if seen.contains(&resource.str()) {
            report.duplicate_as(&policy, resource.str());
        }
        seen.push(resource.str());
        report.one_of(&policies.called_as(resource.value), &["cpu", "memory"]);
        let restart = policies.called_as(policy.get("restartPolicy").value);
        report.one_of(&restart, &["NotRequired", "RestartContainer"]);
        if context.restart == "Never" && restart.str() != "NotRequired" {
            let why = "must be 'NotRequired' when `restartPolicy` is 'Never'";
            report.invalid(&restart, why);
        }
    }
}

/// A container's own restart policy, and the exit codes that change it.
fn restart_policy(container: &At, report: &mut Report) {
    let (policy, rules) = (container.get("restartPolicy"), container.get("restartPolicyRules"));
    report.maybe_one_of(&policy, &["Always", "Never", "OnFailure"]);
    if !rules.has_items() {
        return;
    }
    if !policy.is_set() {
        report.required(&policy, "must specify restartPolicy when restart rules are used");
    }
    if rules.len() > MAX_RULES {
        report.too_many(&rules, MAX_RULES);
    }
    for rule in rules.items() {
        report.one_of(&rule.get("action"), &["Restart", "RestartAllContainers"]);
        let codes = rule.get("exitCodes");
        if !codes.is_set() {
            report.required(&codes, "must be specified");
            continue;
        }
        report.one_of(&codes.get("operator"), &["In", "NotIn"]);
        if codes.get("values").len() > 255 {
            report.too_many(&codes.get("values"), 255);
        }
    }
}
