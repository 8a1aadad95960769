//! Volumes of pods, and the sources that persistent volumes share with them.

mod remote;

use super::super::field::{At, Report};
use super::super::{labels, name, quantities};
use super::containers::pull_policy;
use super::{Context, environment, local_path};
use remote::{azure_disk, fibre, flex, flocker, iscsi, nfs, quobyte, secret, storage_os};
use std::collections::{HashMap, HashSet};

pub use local_path::no_backsteps;

const ONE: &str = "may not specify more than 1 volume type";
const MODE: &str = "must be a number between 0 and 0777 (octal), both inclusive";
const HOST_PATHS: &[&str] = &[
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
];

type Source = (&'static str, &'static str, fn(&At, &mut Report));

/// Sources that pods and persistent volumes have in common: the field, its name in faults, its check.
pub const SOURCES: &[Source] = &[
    ("hostPath", "hostPath", host_path),
    ("gcePersistentDisk", "persistentDisk", |at, report| partition(at, "pdName", report)),
    ("awsElasticBlockStore", "awsElasticBlockStore", |at, report| {
        partition(at, "volumeID", report);
    }),
    ("nfs", "nfs", nfs),
    ("iscsi", "iscsi", iscsi),
    ("glusterfs", "glusterfs", |at, report| needs(at, &["endpoints", "path"], report)),
    ("flocker", "flocker", flocker),
    ("rbd", "rbd", |at, report| needs(at, &["monitors", "image"], report)),
    ("cinder", "cinder", |at, report| {
        needs(at, &["volumeID"], report);
        secret(at, report);
    }),
    ("cephfs", "cephfs", |at, report| needs(at, &["monitors"], report)),
    ("quobyte", "quobyte", quobyte),
    ("fc", "fc", fibre),
    ("flexVolume", "flexVolume", flex),
    ("azureFile", "azureFile", |at, report| needs(at, &["secretName", "shareName"], report)),
    ("vsphereVolume", "vsphereVolume", |at, report| needs(at, &["volumePath"], report)),
    ("photonPersistentDisk", "photonPersistentDisk", |at, report| needs(at, &["pdID"], report)),
    ("portworxVolume", "portworxVolume", |at, report| needs(at, &["volumeID"], report)),
    ("azureDisk", "azureDisk", azure_disk),
    ("storageos", "storageos", storage_os),
    ("scaleIO", "scaleIO", |at, report| needs(at, &["gateway", "system", "volumeName"], report)),
];

/// The volumes of a spec that are right, by name.
pub fn list<'v>(
    spec: &At<'v, '_>,
    context: &Context,
    report: &mut Report,
) -> HashMap<&'v str, &'v serde_json::Value> {
    let volumes = spec.get("volumes");
    let claimed = |claim: &str| {
        volumes.items().any(|volume| {
            volume.get("ephemeral").is_set()
                && claim.strip_prefix(context.name).and_then(|rest| rest.strip_prefix('-'))
                    == Some(volume.text("name"))
        })
    };
    let mut right = HashMap::new();
    for volume in volumes.items() {
        let before = report.count();
        source(&volume, context, report);
        let own = volume.get("name");
        if own.is_empty() {
            report.required(&own, "");
        } else {
            report.each(&own, name::label(own.str()));
        }
        if right.contains_key(own.str()) {
            report.duplicate(&own);
        }
        if report.count() == before {
            right.insert(own.str(), volume.value);
        }
        let claim = volume.get("persistentVolumeClaim.claimName");
        if !context.name.is_empty() && claim.is_set() && claimed(claim.str()) {
            let why = "must not reference a PVC that gets created for an ephemeral volume";
            report.invalid(&claim, why);
        }
    }
    right
}

fn source(volume: &At, context: &Context, report: &mut Report) {
    let own: &[Source] = &[
        ("emptyDir", "emptyDir", empty_dir),
        ("gitRepo", "gitRepo", |at, report| {
            needs(at, &["repository"], report);
            local_path::descending(&at.get("directory"), at.text("directory"), report);
        }),
        ("secret", "secret", |at, report| {
            needs(at, &["secretName"], report);
            keys(at, report);
        }),
        ("persistentVolumeClaim", "persistentVolumeClaim", |at, report| {
            needs(at, &["claimName"], report);
        }),
        ("downwardAPI", "downwardAPI", |at, report| {
            mode(&at.get("defaultMode"), report);
            for item in at.get("items").items() {
                downward_file(&at.called_as(item.value), report);
            }
        }),
        ("configMap", "configMap", |at, report| {
            needs(at, &["name"], report);
            keys(at, report);
        }),
        ("projected", "projected", projected),
        ("csi", "csi", csi),
    ];
    let mut found = false;
    for (field, called, check) in own.iter().chain(SOURCES) {
        let at = volume.get(field);
        if !at.is_set() {
            continue;
        }
        if found {
            report.forbidden(&at, ONE);
            continue;
        }
        found = true;
        check(&volume.called(called, at.value), report);
    }
    let ephemeral = volume.get("ephemeral");
    if ephemeral.is_set() {
        if found {
            report.forbidden(&ephemeral, ONE);
        } else {
            self::ephemeral(volume, &ephemeral, context, report);
        }
        found = true;
    }
    let image = volume.get("image");
    if image.is_set() {
        if found {
            report.forbidden(&image, ONE);
        } else {
            if context.is_pod && image.text("reference").is_empty() {
                report.required(&image.get("reference"), "");
            }
            pull_policy(&image.get("pullPolicy"), report);
        }
        found = true;
    }
    if !found {
        report.required(volume, "must specify a volume type");
    }
}

fn needs(at: &At, fields: &[&str], report: &mut Report) {
    for field in fields {
        let at = at.get(field);
        if at.is_empty() {
            report.required(&at, "");
        }
    }
}

fn mode(at: &At, report: &mut Report) {
    if at.is_set() && !(0..=0o777).contains(&at.int()) {
        report.invalid(at, MODE);
    }
}

fn empty_dir(at: &At, report: &mut Report) {
    let limit = at.get("sizeLimit");
    if limit.is_set() && quantities::read(&limit).sign() < 0 {
        report.forbidden(&limit, "SizeLimit field must be a valid resource quantity");
    }
}

/// A path of the node.
pub fn host_path(at: &At, report: &mut Report) {
    let path = at.get("path");
    if path.is_empty() {
        return report.required(&path, "");
    }
    no_backsteps(&path, path.str(), report);
    report.maybe_one_of(&at.get("type"), HOST_PATHS);
}

fn partition(at: &At, id: &str, report: &mut Report) {
    needs(at, &[id], report);
    let partition = at.get("partition");
    if !(0..=255).contains(&partition.int()) {
        report.invalid(&partition, "must be between 1 and 255, inclusive");
    }
}

fn keys(at: &At, report: &mut Report) {
    mode(&at.get("defaultMode"), report);
    for item in at.get("items").items() {
        key_to_path(&item, report);
    }
}

fn key_to_path(item: &At, report: &mut Report) {
    needs(item, &["key", "path"], report);
    local_path::not_reserved(&item.get("path"), item.text("path"), report);
    mode(&item.get("mode"), report);
}

fn downward_file(file: &At, report: &mut Report) {
    needs(file, &["path"], report);
    local_path::not_reserved(&file.get("path"), file.text("path"), report);
    let (field, resource) = (file.get("fieldRef"), file.get("resourceFieldRef"));
    match (field.is_set(), resource.is_set()) {
        (true, both) => {
            environment::field(&field, environment::FILE_FIELDS, report);
            if both {
                let why = "fieldRef and resourceFieldRef can not be specified simultaneously";
                report.invalid_as(file, "resource", why);
            }
        }
        (false, true) => environment::resource(&resource, true, report),
        (false, false) => {
            report.required(file, "one of fieldRef and resourceFieldRef is required");
        }
    }
    mode(&file.get("mode"), report);
}

fn projected(at: &At, report: &mut Report) {
    mode(&at.get("defaultMode"), report);
    let mut paths: HashSet<&str> = HashSet::new();
    for source in at.get("sources").items() {
        let kinds = [
            "secret",
            "configMap",
            "downwardAPI",
            "serviceAccountToken",
            "clusterTrustBundle",
            "podCertificate",
        ];
        let count = kinds.iter().filter(|kind| source.get(kind).is_set()).count();
        for kind in ["secret", "configMap"] {
            let projection = source.get(kind);
            if projection.is_set() {
                needs(&projection, &["name"], report);
            }
            for item in projection.get("items").items() {
                key_to_path(&item, report);
                if !item.text("path").is_empty() && !paths.insert(item.text("path")) {
                    report.invalid_as(at, projection.text("name"), "conflicting duplicate paths");
                }
            }
        }
        let downward = source.get("downwardAPI");
        for item in downward.get("items").items() {
            downward_file(&downward.called_as(item.value), report);
            unique(at, item.text("path"), &mut paths, report);
        }
        token(at, &source.get("serviceAccountToken"), report);
        bundle(at, &source.get("clusterTrustBundle"), &mut paths, report);
        if count > 1 {
            report.forbidden(&source, "may not specify more than 1 volume type per source");
        }
    }
}

fn unique<'v>(at: &At, path: &'v str, paths: &mut HashSet<&'v str>, report: &mut Report) {
    if !path.is_empty() && !paths.insert(path) {
        report.invalid_as(at, path, "conflicting duplicate paths");
    }
}

fn token(volume: &At, token: &At, report: &mut Report) {
    if !token.is_set() {
        return;
    }
    let expiry = token.get("expirationSeconds");
    if expiry.int() < 600 {
        report.invalid(&expiry, "may not specify a duration less than 10 minutes");
    }
    if expiry.int() > 1 << 32 {
        report.invalid(&expiry, "may not specify a duration larger than 2^32 seconds");
    }
    let path = token.get("path");
    let at = volume.called("path", path.value);
    if path.is_empty() {
        report.required(&at, "");
    } else {
        local_path::not_reserved(&at, path.str(), report);
    }
}

fn bundle<'v>(volume: &At, bundle: &At<'v, '_>, paths: &mut HashSet<&'v str>, report: &mut Report) {
    if !bundle.is_set() {
        return;
    }
    let (own, signer) = (bundle.get("name"), bundle.get("signerName"));
    match (own.is_set(), signer.is_set()) {
        (true, true) => report.invalid(bundle, "only one of name and signerName may be used"),
        (true, false) => {
            if own.is_empty() {
                report.required(&own, "must be a valid object name");
            }
            if bundle.get("labelSelector").is_set() {
                let why = "labelSelector must be unset if name is specified";
                report.invalid(&bundle.get("labelSelector"), why);
            }
        }
        (false, true) => {
            if signer.is_empty() {
                report.required(&signer, "must be a valid signer name");
            }
            labels::check(&bundle.get("labelSelector"), report);
        }
        (false, false) => {
            report.required(bundle, "either name or signerName must be specified");
        }
    }
    needs(bundle, &["path"], report);
    local_path::not_reserved(&bundle.get("path"), bundle.text("path"), report);
    unique(volume, bundle.text("path"), paths, report);
}

fn ephemeral(volume: &At, at: &At, context: &Context, report: &mut Report) {
    let template = at.get("volumeClaimTemplate");
    if template.is_set() {
        super::claim_template(&template, report);
    } else {
        report.required(&template, "");
    }
    let own = volume.get("name");
    if !context.name.is_empty() && !own.is_empty() {
        let claim = format!("{}-{}", context.name, own.str());
        for why in name::subdomain(&claim) {
            report.invalid(&own, format!("PVC name {claim:?}: {why}"));
        }
    }
}

/// The name of a CSI driver.
pub fn csi_driver(at: &At, report: &mut Report) {
    if at.is_empty() {
        report.required(at, "");
    }
    if at.str().len() > 63 {
        report.too_long(at, 63);
    }
    report.each(at, name::subdomain(&at.str().to_lowercase()));
}

fn csi(at: &At, report: &mut Report) {
    csi_driver(&at.get("driver"), report);
    let secret = at.get("nodePublishSecretRef");
    if secret.is_set() {
        let own = secret.get("name");
        if own.is_empty() {
            report.required(&own, "");
        } else {
            for why in name::subdomain(own.str()) {
                report.invalid_as(&at.called("name", own.value), own.str(), why);
            }
        }
    }
}
