//! A stateful set's pods: their names, and the claims that each has of its own. Pure.

use crate::pods;
use crate::revisions::{self, LABEL};
use serde_json::{Value, json};
use teu_api::kinds::field::At;
use teu_api::object;

const NAME: &str = "statefulset.kubernetes.io/pod-name";
const INDEX: &str = "apps.kubernetes.io/pod-index";

/// The ordinal of a pod, if its name is one of the set's.
pub fn ordinal(set: &Value, pod: &Value) -> Option<i64> {
    let rest = object::name(pod).strip_prefix(object::name(set))?.strip_prefix('-')?;
    let is_plain = rest == "0" || !rest.starts_with(['0', '+', '-']);
    rest.parse().ok().filter(|_| is_plain)
}

/// The pod of an ordinal, of a revision's template.
pub fn make(set: &Value, ordinal: i64, revision: &Value) -> Value {
    let mut pod = pods::of_template(&revisions::template(revision), set);
    let name = format!("{}-{ordinal}", object::name(set));
    let metadata = object::metadata_mut(&mut pod);
    metadata.shift_remove("generateName");
    metadata.insert("name".to_owned(), name.clone().into());
    let labels = &mut pod["metadata"]["labels"];
    labels[NAME] = name.clone().into();
    labels[INDEX] = ordinal.to_string().into();
    labels[LABEL] = object::name(revision).into();
    pod["spec"]["hostname"] = name.into();
    let service = At::root(set).text("spec.serviceName");
    if !service.is_empty() {
        pod["spec"]["subdomain"] = service.into();
    }
    let own = claims(set, ordinal);
    let before = pod["spec"]["volumes"].as_array().cloned().unwrap_or_default();
    // A claim of its own stands before a volume of that name.
    let is_other = |volume: &Value| own.iter().all(|(name, _)| volume["name"] != **name);
    let volume = |(name, claim): &(String, Value)| json!({ "name": name, "persistentVolumeClaim": { "claimName": object::name(claim) } });
    let mut volumes: Vec<Value> = own.iter().map(volume).collect();
    volumes.extend(before.into_iter().filter(is_other));
    if !volumes.is_empty() {
        pod["spec"]["volumes"] = volumes.into();
    }
    pod
}

/// The claims of an ordinal, each with the name of its template, which is that of the volume.
pub fn claims(set: &Value, ordinal: i64) -> Vec<(String, Value)> {
    let at = At::root(set);
    let templates = at.get("spec.volumeClaimTemplates");
    let claim = |template: At<'_, '_>| {
        let mut claim = template.value.clone();
        let name = template.text("metadata.name");
        let own = format!("{name}-{}-{ordinal}", object::name(set));
        let metadata = object::metadata_mut(&mut claim);
        metadata.insert("name".to_owned(), own.into());
        metadata.insert("namespace".to_owned(), object::namespace(set).into());
        let selected = at.get("spec.selector.matchLabels").value;
        for (key, value) in selected.as_object().into_iter().flatten() {
            claim["metadata"]["labels"][key] = value.clone();
        }
        (name.to_owned(), claim)
    };
    templates.items().map(claim).collect()
}
