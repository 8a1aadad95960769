//! Documents name only what they contain, and say what clients look for.

use super::{Described, Dialect, Documents, document, gnostic};
use crate::resource::{Resource, find, resources};
use serde_json::{Value, json};
use std::sync::Arc;

fn built_in() -> Vec<Described<'static>> {
    resources().iter().map(|resource| Described { resource, schema: None }).collect()
}

fn custom() -> Resource {
    let mut custom = find("apps", "v1", "replicasets").expect("built in").clone();
    custom.group = "shop.example.com".into();
    custom.kind = "Widget".into();
    custom.list_kind = "WidgetList".into();
    custom.plural = "widgets".into();
    custom.type_name = "".into();
    custom.subresources.clear();
    custom
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(target) if name == "$ref" => found.push(target.to_owned()),
                    _ => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_reference_has_its_schema() {
    for dialect in [Dialect::V2, Dialect::V3] {
        let document = document(dialect, "v1.36.0", &built_in());
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 1000);
        for target in found {
            let pointer = target.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{target}");
        }
    }
}

#[test]
fn fields_have_words_and_say_how_they_merge() {
    let document = document(Dialect::V2, "v1.36.0", &built_in());
    let spec = &document["definitions"]["io.k8s.api.core.v1.PodSpec"];
    assert!(spec["description"].as_str().is_some_and(|words| !words.is_empty()));
    let containers = &spec["properties"]["containers"];
    assert!(containers["description"].as_str().is_some_and(|words| words.len() > 20));
    assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
    assert_eq!(containers["x-kubernetes-patch-strategy"], "merge");
    assert_eq!(containers["x-kubernetes-list-map-keys"], json!(["name"]));
    let pod = &document["definitions"]["io.k8s.api.core.v1.Pod"];
    let kinds = json!([{ "group": "", "version": "v1", "kind": "Pod" }]);
    assert_eq!(pod["x-kubernetes-group-version-kind"], kinds);
    assert!(spec["properties"].get("default").is_none());
    let without: Vec<&String> = document["definitions"]
        .as_object()
        .expect("definitions")
        .iter()
        .filter(|(name, schema)| {
            !name.contains("List")
                && schema["properties"].as_object().is_some_and(|fields| {
                    !fields.is_empty() && fields.values().all(|f| f.get("description").is_none())
                })
        })
        .map(|(name, _)| name)
        .collect();
    // The crate that they come from has none for these either.
    let expected = [
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ExternalDocumentation",
        "io.k8s.apimachinery.pkg.apis.meta.v1.GroupResource",
    ];
    assert_eq!(without, expected);
}

#[test]
fn operations_say_what_they_are_about() {
    let document = document(Dialect::V3, "v1.36.0", &built_in());
    let one = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"];
    assert_eq!(one["patch"]["operationId"], "patchAppsV1NamespacedDeployment");
    assert_eq!(one["patch"]["x-kubernetes-action"], "patch");
    let names: Vec<&str> = one["patch"]["parameters"]
        .as_array()
        .expect("parameters")
        .iter()
        .filter_map(|parameter| parameter["name"].as_str())
        .collect();
    assert_eq!(names, ["dryRun", "fieldManager", "fieldValidation", "force"]);
    let kind = json!({ "group": "apps", "version": "v1", "kind": "Deployment" });
    assert_eq!(one["get"]["x-kubernetes-group-version-kind"], kind);
    let all = &document["paths"]["/api/v1/pods"];
    assert_eq!(all["get"]["operationId"], "listCoreV1PodForAllNamespaces");
    let exec = &document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}/exec"];
    assert_eq!(exec["post"]["operationId"], "connectCoreV1PostNamespacedPodExec");
    let port = &document["components"]["schemas"]["io.k8s.api.core.v1.ContainerPort"];
    assert_eq!(port["properties"]["protocol"]["default"], "TCP");
}

#[test]
fn a_custom_schema_is_published_as_kubectl_can_read_it() {
    let schema = json!({
        "type": "object",
        "description": "A widget.",
        "required": ["spec"],
        "properties": {
            "spec": {
                "type": "object",
                "required": ["size", "color"],
                "properties": {
                    "size": { "type": "integer", "nullable": true, "minimum": 1 },
                    "color": { "type": "string", "oneOf": [{ "enum": ["red"] }] },
                    "extra": { "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                               "properties": { "a": { "type": "string" } } },
                },
            },
            "template": { "type": "object", "x-kubernetes-embedded-resource": true,
                          "properties": { "spec": { "type": "object" } } },
        },
    });
    let resource = custom();
    let described = [Described { resource: &resource, schema: Some(&schema) }];
    let two = document(Dialect::V2, "v1.36.0", &described);
    let made = &two["definitions"]["com.example.shop.v1.Widget"];
    let spec = json!({
        "type": "object",
        "required": ["color"],
        "properties": {
            "size": { "minimum": 1 },
            "color": { "type": "string" },
            "extra": { "x-kubernetes-preserve-unknown-fields": true },
        },
    });
    assert_eq!(made["properties"]["spec"], spec);
    assert_eq!(made["description"], "A widget.");
    assert_eq!(made["properties"]["apiVersion"]["type"], "string");
    let template = &made["properties"]["template"];
    assert_eq!(template["required"], json!(["kind", "apiVersion"]));
    assert!(template["properties"]["metadata"]["$ref"].is_string());
    assert!(two["definitions"].get("com.example.shop.v1.WidgetList").is_some());

    let three = document(Dialect::V3, "v1.36.0", &described);
    let made = &three["components"]["schemas"]["com.example.shop.v1.Widget"];
    assert_eq!(made["properties"]["spec"], schema["properties"]["spec"]);
    let kind = json!([{ "group": "shop.example.com", "version": "v1", "kind": "Widget" }]);
    assert_eq!(made["x-kubernetes-group-version-kind"], kind);
}

#[test]
fn an_open_schema_is_only_an_object_in_version_two() {
    let schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let resource = custom();
    let described = [Described { resource: &resource, schema: Some(&schema) }];
    let two = document(Dialect::V2, "v1.36.0", &described);
    let made = &two["definitions"]["com.example.shop.v1.Widget"];
    assert_eq!(made["type"], "object");
    assert!(made.get("properties").is_none());
}

#[test]
fn documents_are_made_once_and_kept_for_what_did_not_change() {
    let owned: Vec<_> = resources().iter().map(|each| (Arc::new(each.clone()), None)).collect();
    let first = Documents::new("v1.36.0", owned.iter().cloned(), None);
    let hash = first.hash("apis/apps/v1").expect("apps").to_owned();
    let body = first.v3("apis/apps/v1").expect("apps").clone();
    let schema = Some(Arc::new(json!({ "type": "object" })));
    let more = owned.iter().cloned().chain([(Arc::new(custom()), schema)]);
    let second = Documents::new("v1.36.0", more, Some(&first));
    assert_eq!(second.hash("apis/apps/v1"), Some(&*hash));
    let kept = second.v3("apis/apps/v1").expect("apps");
    assert!(Arc::ptr_eq(&kept.gzip, &body.gzip));
    assert!(second.v3("apis/shop.example.com/v1").is_some());
    let address = second.index()["paths"]["apis/apps/v1"]["serverRelativeURL"].clone();
    assert_eq!(address, format!("/openapi/v3/apis/apps/v1?hash={hash}"));
    assert!(second.v3("apis/nothing/v1").is_none());
    let document: Value = serde_json::from_slice(&body.plain()).expect("JSON");
    assert_eq!(document["openapi"], "3.0.0");
}

#[test]
fn gnostic_is_protobuf() {
    use crate::wire::{Reader, Wire};
    let bytes = gnostic(&document(Dialect::V2, "v1.36.0", &built_in()));
    let mut reader = Reader(&bytes);
    let mut seen = Vec::new();
    while let Some((number, value)) = reader.field().expect("fields") {
        if let (9, Wire::Bytes(definitions)) = (number, value) {
            let mut reader = Reader(definitions);
            let mut count = 0;
            while let Some((1, Wire::Bytes(_))) = reader.field().expect("definitions") {
                count += 1;
            }
            assert!(count > 500, "{count}");
        }
        seen.push(number);
    }
    assert_eq!(seen, [1, 2, 8, 9, 12, 13]);
}
