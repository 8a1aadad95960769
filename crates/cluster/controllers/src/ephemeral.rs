//! Pods' own claims: a volume that is `ephemeral` has a claim made for it, which goes with its pod.

use crate::Context;
use crate::desk::{Controller, Desk};
use crate::mirror::{Key, Mirror, key_of};
use crate::pods::{controller_ref, is_of_ending_namespace, is_over};
use crate::resources::{CLAIMS, PODS};
use crate::worker::{AT_ONCE, Look};
use serde_json::{Value, json};
use std::sync::Arc;
use teu_api::object;

struct Ephemeral {
    context: Context,
    pods: Arc<Mirror>,
    claims: Arc<Mirror>,
}

/// Runs until the future is dropped.
pub async fn run(context: Context) {
    let mut desk = Desk::new(&context);
    let (pods, claims) = (desk.reads(PODS), desk.reads(CLAIMS));
    desk.on(&pods, |change, queue| {
        if let Some(pod) = change.after.as_ref().filter(|pod| volumes(pod).next().is_some()) {
            queue.add(key_of(pod));
        }
    });
    let known = Arc::clone(&pods);
    desk.on(&claims, move |change, queue| {
        // A pod may need it still, or have waited for its name.
        let Some(gone) = change.before.as_ref().filter(|_| change.after.is_none()) else { return };
        for pod in known.in_namespace(object::namespace(gone)) {
            if volumes(&pod).any(|(volume, _)| name(&pod, volume) == object::name(gone)) {
                queue.add(key_of(&pod));
            }
        }
    });
    desk.work(AT_ONCE, Ephemeral { context, pods, claims }).await;
}

/// The volumes of a pod that have a claim of their own: their names, and what the claim is made from.
fn volumes(pod: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let all = object::at(pod, &["spec", "volumes"]).and_then(Value::as_array);
    all.into_iter().flatten().filter_map(|volume| {
        let template = object::at(volume, &["ephemeral", "volumeClaimTemplate"])?;
        Some((object::text(volume, &["name"])?, template))
    })
}

fn name(pod: &Value, volume: &str) -> String {
    format!("{}-{volume}", object::name(pod))
}

/// The claim of a pod's volume.
fn claim(pod: &Value, volume: &str, template: &Value) -> Value {
    let mut metadata = json!({
        "name": name(pod, volume), "namespace": object::namespace(pod),
        "ownerReferences": [controller_ref(pod)],
    });
    for field in ["labels", "annotations"] {
        if let Some(value) = object::at(template, &["metadata", field]) {
            metadata[field] = value.clone();
        }
    }
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata,
        "spec": template["spec"],
    })
}

impl Controller for Ephemeral {
    async fn look(&self, key: &Key) -> Look {
        let Some(pod) = self.pods.at(key) else { return Ok(None) };
        if object::is_terminating(&pod) || is_over(&pod) {
            return Ok(None);
        }
        for (volume, template) in volumes(&pod) {
            let claim = claim(&pod, volume, template);
            let namespace = object::namespace(&pod);
            // One of that name that is somebody else's keeps the pod from starting.
            if self.claims.get(namespace, object::name(&claim)).is_some() {
                continue;
            }
            match self.context.create(CLAIMS, namespace, claim).await {
                Err(status) if is_of_ending_namespace(&status) => {}
                made => drop(made?),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_made_as_its_template_says_and_belongs_to_the_pod() {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "p", "namespace": "n", "uid": "u" },
            "spec": { "volumes": [
                { "name": "other", "emptyDir": {} },
                { "name": "v", "ephemeral": { "volumeClaimTemplate": {
                    "metadata": { "labels": { "a": "b" } }, "spec": { "storageClassName": "c" },
                } } },
            ] },
        });
        let all: Vec<(&str, &Value)> = volumes(&pod).collect();
        let [(name, template)] = all[..] else { panic!("{all:?}") };
        let claim = claim(&pod, name, template);
        assert_eq!((object::name(&claim), object::namespace(&claim)), ("p-v", "n"));
        assert_eq!(claim["metadata"]["labels"], json!({ "a": "b" }));
        assert_eq!(claim["spec"], json!({ "storageClassName": "c" }));
        assert_eq!(crate::mirror::controller_uid(&claim), Some("u"));
    }
}
