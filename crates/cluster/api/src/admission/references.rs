//! What a pod refers to: the secrets, config maps and claims that its node has to read for it.

use crate::object::{at, name, text};
use serde_json::Value;
use std::collections::BTreeSet;

/// Volumes whose `secretRef` or the like names a secret: the volume's kind, the way to the name.
const SECRET_VOLUMES: [(&str, &[&str]); 10] = [
    ("secret", &["secretName"]),
    ("azureFile", &["secretName"]),
    ("cephfs", &["secretRef", "name"]),
    ("cinder", &["secretRef", "name"]),
    ("csi", &["nodePublishSecretRef", "name"]),
    ("flexVolume", &["secretRef", "name"]),
    ("iscsi", &["secretRef", "name"]),
    ("rbd", &["secretRef", "name"]),
    ("scaleIO", &["secretRef", "name"]),
    ("storageos", &["secretRef", "name"]),
];

/// Names, each once.
pub type Names<'a> = BTreeSet<&'a str>;

/// Secrets of its namespace.
pub fn secrets(pod: &Value) -> Names<'_> {
    let pulls = items(pod, &["spec", "imagePullSecrets"]);
    let mut found: Names<'_> = pulls.filter_map(|pull| text(pull, &["name"])).collect();
    found.extend(variables(pod, "secretKeyRef", "secretRef"));
    for volume in items(pod, &["spec", "volumes"]) {
        for (kind, way) in SECRET_VOLUMES {
            let own = volume.get(kind).and_then(|volume| text(volume, way));
            found.extend(own);
        }
        found.extend(projected(volume, "secret"));
    }
    found.remove("");
    found
}

/// Config maps of its namespace.
pub fn config_maps(pod: &Value) -> Names<'_> {
    let mut found: Names<'_> = variables(pod, "configMapKeyRef", "configMapRef").collect();
    for volume in items(pod, &["spec", "volumes"]) {
        found.extend(text(volume, &["configMap", "name"]));
        found.extend(projected(volume, "configMap"));
    }
    found.remove("");
    found
}

/// Claims of volumes in its namespace, those that are made for it with it included.
pub fn claims(pod: &Value) -> BTreeSet<String> {
    let volumes = items(pod, &["spec", "volumes"]);
    let claim = |volume: &Value| {
        if volume.get("ephemeral").is_some_and(Value::is_object) {
            return Some(format!("{}-{}", name(pod), text(volume, &["name"])?));
        }
        text(volume, &["persistentVolumeClaim", "claimName"]).map(str::to_owned)
    };
    volumes.filter_map(claim).filter(|claim| !claim.is_empty()).collect()
}

/// Claims of devices in its namespace.
pub fn resource_claims(pod: &Value) -> Names<'_> {
    let named = items(pod, &["spec", "resourceClaims"]);
    let made = items(pod, &["status", "resourceClaimStatuses"]);
    let mut found: Names<'_> =
        named.chain(made).filter_map(|claim| text(claim, &["resourceClaimName"])).collect();
    found.extend(text(pod, &["status", "extendedResourceClaimStatus", "resourceClaimName"]));
    found.remove("");
    found
}

/// Audiences of the tokens that are put into its volumes; empty is the server's own.
pub fn audiences(pod: &Value) -> Names<'_> {
    let volumes = items(pod, &["spec", "volumes"]);
    let sources = volumes.flat_map(|volume| items(volume, &["projected", "sources"]));
    let tokens = sources.filter_map(|source| source.get("serviceAccountToken"));
    tokens.map(|token| text(token, &["audience"]).unwrap_or_default()).collect()
}

/// Secrets that a volume of the cluster names, as namespace and name.
pub fn secrets_of_volume(volume: &Value) -> BTreeSet<(&str, &str)> {
    let spec = volume.get("spec").unwrap_or(&Value::Null);
    let home = text(spec, &["claimRef", "namespace"]).unwrap_or_default();
    let mut found = BTreeSet::new();
    for source in spec.as_object().into_iter().flatten().map(|(_, source)| source) {
        if let Some(name) = text(source, &["secretName"]) {
            found.insert((text(source, &["secretNamespace"]).unwrap_or(home), name));
        }
        for (_, reference) in source.as_object().into_iter().flatten() {
            // `secretRef`, `nodeStageSecretRef` and the like: whatever has both.
            if let (Some(namespace), Some(name)) =
                (text(reference, &["namespace"]), text(reference, &["name"]))
            {
                found.insert((namespace, name));
            }
        }
    }
    found
}

fn items<'a>(object: &'a Value, way: &[&str]) -> impl Iterator<Item = &'a Value> + use<'a> {
    at(object, way).and_then(Value::as_array).into_iter().flatten()
}

/// Names in the environment of all containers.
fn variables<'a>(
    pod: &'a Value,
    one: &'static str,
    all: &'static str,
) -> impl Iterator<Item = &'a str> {
    let lists = ["initContainers", "containers", "ephemeralContainers"];
    let containers = lists.into_iter().flat_map(|list| items(pod, &["spec", list]));
    containers.flat_map(move |container| {
        let each =
            items(container, &["env"]).filter_map(move |it| text(it, &["valueFrom", one, "name"]));
        let whole = items(container, &["envFrom"]).filter_map(move |it| text(it, &[all, "name"]));
        each.chain(whole)
    })
}

fn projected<'a>(volume: &'a Value, kind: &'static str) -> impl Iterator<Item = &'a str> {
    items(volume, &["projected", "sources"]).filter_map(move |it| text(it, &[kind, "name"]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn everything_that_a_pod_names_is_found() {
        let pod = json!({
            "metadata": { "name": "p" },
            "spec": {
                "imagePullSecrets": [{ "name": "pull" }],
                "initContainers": [{ "env": [
                    { "name": "a", "valueFrom": { "secretKeyRef": { "name": "env", "key": "k" } } },
                    { "name": "b", "valueFrom": { "configMapKeyRef": { "name": "env", "key": "k" } } },
                ] }],
                "ephemeralContainers": [{ "envFrom": [
                    { "secretRef": { "name": "from" } }, { "configMapRef": { "name": "from" } },
                ] }],
                "volumes": [
                    { "name": "v", "secret": { "secretName": "volume" } },
                    { "name": "c", "csi": { "driver": "d", "nodePublishSecretRef": { "name": "csi" } } },
                    { "name": "m", "configMap": { "name": "volume" } },
                    { "name": "q", "projected": { "sources": [
                        { "secret": { "name": "part" } }, { "configMap": { "name": "part" } },
                        { "serviceAccountToken": { "audience": "vault", "path": "t" } },
                    ] } },
                    { "name": "data", "persistentVolumeClaim": { "claimName": "claim" } },
                    { "name": "own", "ephemeral": {} },
                ],
                "resourceClaims": [{ "name": "gpu", "resourceClaimName": "gpu" }],
            },
            "status": { "resourceClaimStatuses": [{ "name": "x", "resourceClaimName": "made" }] },
        });
        let list = |names: Names<'_>| names.into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(list(secrets(&pod)), "csi env from part pull volume");
        assert_eq!(list(config_maps(&pod)), "env from part volume");
        assert_eq!(claims(&pod).into_iter().collect::<Vec<_>>(), ["claim", "p-own"]);
        assert_eq!(list(resource_claims(&pod)), "gpu made");
        assert_eq!(list(audiences(&pod)), "vault");
        let volume = json!({ "spec": {
            "claimRef": { "namespace": "n", "name": "claim" },
            "csi": { "nodeStageSecretRef": { "namespace": "kube", "name": "stage" } },
        } });
        assert!(secrets_of_volume(&volume).contains(&("kube", "stage")));
    }
}
