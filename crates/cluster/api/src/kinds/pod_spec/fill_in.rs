//! Defaults of a pod's spec.

use super::super::{fill, quantities};
use serde_json::{Value, json};

/// Permissions of files in volumes: 0644.
const FILE_MODE: i64 = 0o644;

/// Whether an image's tag moves: `latest`, said or not.
pub fn is_latest(image: &str) -> bool {
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let last = name.rsplit('/').next().unwrap_or_default();
    match last.split_once(':') {
        Some((_, tag)) => tag == "latest",
        None => digest.is_none() && !name.is_empty(),
    }
}

fn pull_policy(image: &str) -> &'static str {
    if is_latest(image) { "Always" } else { "IfNotPresent" }
}

/// A whole spec, of a pod or in a template.
pub fn spec(spec: &mut Value) {
    if !spec.is_object() {
        *spec = json!({});
    }
    for list in super::CONTAINER_LISTS {
        for one in fill::items(spec, list) {
            container(one);
        }
    }
    for volume in fill::items(spec, "volumes") {
        let has_source = volume.as_object().is_some_and(|fields| {
            fields.iter().any(|(name, value)| name != "name" && !value.is_null())
        });
        if !has_source {
            fill::set(volume, "emptyDir", json!({}));
        }
        volume_source(volume);
    }
    fill::zero(spec, "restartPolicy", "Always");
    fill::missing(spec, "terminationGracePeriodSeconds", 30);
    fill::zero(spec, "dnsPolicy", "ClusterFirst");
    account(spec);
    fill::missing(spec, "securityContext", json!({}));
    fill::zero(spec, "schedulerName", "default-scheduler");
    for list in ["overhead"] {
        if let Some(list) = fill::field(spec, list) {
            quantities::fill_list(list);
        }
    }
    if let Some(resources) = fill::field(spec, "resources") {
        quantities::fill_requirements(resources);
    }
}

/// `serviceAccount` is an old name of `serviceAccountName`, and always says the same.
fn account(spec: &mut Value) {
    let name = match fill::text(spec, "serviceAccountName") {
        "" => fill::text(spec, "serviceAccount"),
        name => name,
    }
    .to_owned();
    if !name.is_empty() {
        fill::set(spec, "serviceAccountName", name.clone());
        fill::set(spec, "serviceAccount", name);
    }
}

fn container(container: &mut Value) {
    for port in fill::items(container, "ports") {
        fill::zero(port, "protocol", "TCP");
    }
    for variable in fill::items(container, "env") {
        if let Some(reference) = fill::at(variable, "valueFrom.fieldRef") {
            fill::zero(reference, "apiVersion", "v1");
        }
        divisor(fill::at(variable, "valueFrom.resourceFieldRef"));
        if let Some(reference) = fill::at(variable, "valueFrom.fileKeyRef") {
            fill::missing(reference, "optional", false);
        }
    }
    fill::missing(container, "resources", json!({}));
    quantities::fill_requirements(&mut container["resources"]);
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = fill::field(container, probe) {
            for (field, with) in [
                ("timeoutSeconds", 1),
                ("periodSeconds", 10),
                ("successThreshold", 1),
                ("failureThreshold", 3),
            ] {
                fill::zero(probe, field, with);
            }
            handler(probe);
        }
    }
    for hook in ["lifecycle.postStart", "lifecycle.preStop"] {
        if let Some(hook) = fill::at(container, hook) {
            handler(hook);
        }
    }
    fill::zero(container, "terminationMessagePath", "/dev/termination-log");
    fill::zero(container, "terminationMessagePolicy", "File");
    let policy = pull_policy(fill::text(container, "image"));
    fill::zero(container, "imagePullPolicy", policy);
}

fn handler(handler: &mut Value) {
    if let Some(get) = fill::field(handler, "httpGet") {
        fill::zero(get, "path", "/");
        fill::zero(get, "scheme", "HTTP");
    }
    if let Some(grpc) = fill::field(handler, "grpc") {
        fill::missing(grpc, "service", "");
    }
}

/// Go writes the zero of a divisor, and so do we.
fn divisor(reference: Option<&mut Value>) {
    if let Some(reference) = reference {
        fill::missing(reference, "divisor", "0");
    }
}

fn files(source: &mut Value) {
    for file in fill::items(source, "items") {
        if let Some(reference) = fill::field(file, "fieldRef") {
            fill::zero(reference, "apiVersion", "v1");
        }
        divisor(fill::field(file, "resourceFieldRef"));
    }
}

/// A volume's source, of a pod or of a persistent volume.
pub fn volume_source(volume: &mut Value) {
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = fill::field(volume, source) {
            fill::missing(source, "defaultMode", FILE_MODE);
            files(source);
            for projection in fill::items(source, "sources") {
                if let Some(token) = fill::field(projection, "serviceAccountToken") {
                    fill::missing(token, "expirationSeconds", 3600);
                }
                if let Some(fields) = fill::field(projection, "downwardAPI") {
                    files(fields);
                }
            }
        }
    }
    if let Some(path) = fill::field(volume, "hostPath") {
        fill::missing(path, "type", "");
    }
    if let Some(image) = fill::field(volume, "image") {
        let policy = pull_policy(fill::text(image, "reference"));
        fill::zero(image, "pullPolicy", policy);
    }
    if let Some(claim) = fill::at(volume, "ephemeral.volumeClaimTemplate.spec") {
        claim_spec(claim);
    }
    if let Some(directory) = fill::at(volume, "emptyDir.sizeLimit")
        && let Ok(size) = crate::Quantity::from_value(directory)
    {
        *directory = size.to_string().into();
    }
    remote(volume);
}

/// A claim's spec, also in templates.
pub fn claim_spec(spec: &mut Value) {
    fill::missing(spec, "volumeMode", "Filesystem");
    fill::missing(spec, "resources", json!({}));
    quantities::fill_requirements(&mut spec["resources"]);
}

/// Kinds of volumes whose time has passed.
fn remote(volume: &mut Value) {
    let table: &[(&str, &[(&str, &str)])] = &[
        ("iscsi", &[("iscsiInterface", "default")]),
        ("rbd", &[("pool", "rbd"), ("user", "admin"), ("keyring", "/etc/ceph/keyring")]),
        ("azureDisk", &[("cachingMode", "ReadWrite"), ("kind", "Shared"), ("fsType", "ext4")]),
        ("scaleIO", &[("storageMode", "ThinProvisioned"), ("fsType", "xfs")]),
    ];
    for (source, fields) in table {
        if let Some(source) = fill::field(volume, source) {
            for (field, with) in *fields {
                fill::zero(source, field, *with);
            }
        }
    }
    if let Some(disk) = fill::field(volume, "azureDisk") {
        fill::missing(disk, "readOnly", false);
    }
}
