//! One version of a custom object becomes another: by changing `apiVersion`, or by asking a webhook;
//! the question and what its answer has to be. The caller sends it.

use crate::object::at;
use crate::status::Status;
use serde_json::{Value, json};

/// How a definition converts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Only `apiVersion` changes.
    None,
    /// A webhook is asked.
    Webhook,
}

/// A definition's strategy.
pub fn strategy(definition: &Value) -> Strategy {
    match crate::object::text(definition, &["spec", "conversion", "strategy"]) {
        Some("Webhook") => Strategy::Webhook,
        _ => Strategy::None,
    }
}

/// Converts by changing the version.
pub fn relabel(object: &mut Value, api_version: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert("apiVersion".to_owned(), api_version.into());
    }
}

/// The first version of a review that both know.
pub fn review_version(definition: &Value) -> Option<&'static str> {
    let path = ["spec", "conversion", "webhook", "conversionReviewVersions"];
    let versions = at(definition, &path)?.as_array()?;
    let known = |version: &Value| match version.as_str() {
        Some("v1") => Some("v1"),
        Some("v1beta1") => Some("v1beta1"),
        _ => None,
    };
    versions.iter().find_map(known)
}

/// The question.
pub fn request(version: &str, uid: &str, wanted: &str, objects: Vec<Value>) -> Value {
    json!({
        "kind": "ConversionReview",
        "apiVersion": format!("apiextensions.k8s.io/{version}"),
        "request": {"uid": uid, "desiredAPIVersion": wanted, "objects": objects},
        "response": null,
    })
}

/// What is in an answer, if it is one to this question: as many objects, of the wanted version, the
/// same but for what conversion may change.
pub fn response(
    answer: &Value,
    uid: &str,
    wanted: &str,
    asked: &[Value],
) -> Result<Vec<Value>, Status> {
    let failed = |why: String| {
        Status::internal(format_args!("conversion webhook for {wanted} failed: {why}"))
    };
    let fail = |why: String| Err(failed(why));
    let response = &answer["response"];
    if !response.is_object() {
        return fail("no response provided".to_owned());
    }
    if response["uid"] != uid {
        return fail(format!("expected response.uid={uid:?}, got {}", response["uid"]));
    }
    let result = &response["result"];
    if result["status"] != "Success" {
        let message = result["message"].as_str().unwrap_or("unknown failure");
        return fail(message.to_owned());
    }
    let converted = response["convertedObjects"].as_array().cloned().unwrap_or_default();
    if converted.len() != asked.len() {
        return fail(format!("returned {} objects, expected {}", converted.len(), asked.len()));
    }
    let each = converted.into_iter().zip(asked).enumerate();
    each.map(|(index, (new, old))| {
        let wrong = |why| failed(format!("invalid converted object at index {index}: {why}"));
        accept(new, old, wanted).map_err(wrong)
    })
    .collect()
}

fn accept(mut new: Value, old: &Value, wanted: &str) -> Result<Value, String> {
    if new["apiVersion"] != wanted {
        return Err(format!("invalid apiVersion {}, expected {wanted:?}", new["apiVersion"]));
    }
    if new["kind"] != old["kind"] {
        return Err(format!("invalid kind {}, expected {}", new["kind"], old["kind"]));
    }
    for name in ["name", "namespace", "uid"] {
        let (is, was) = (at(&new, &["metadata", name]), at(old, &["metadata", name]));
        if is != was {
            return Err(format!("invalid metadata.{name}: it must not change"));
        }
    }
    // Of metadata, labels and annotations are all that conversion may touch.
    let mut metadata = old["metadata"].clone();
    for name in ["labels", "annotations"] {
        match at(&new, &["metadata", name]) {
            Some(value) => metadata[name] = value.clone(),
            None => {
                if let Some(fields) = metadata.as_object_mut() {
                    fields.shift_remove(name);
                }
            }
        }
    }
    new["metadata"] = metadata;
    Ok(new)
}
