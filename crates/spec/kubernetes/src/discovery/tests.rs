//! Documents of the built-in resources and of a custom one.

use super::resource_list;
use super::{Catalog, Form, aggregated, api_versions, by_priority, group_document, group_list};
use crate::resource::{Resource, find, resources};
use serde_json::{Value, json};

fn custom(version: &'static str) -> Resource {
    let mut custom = find("apps", "v1", "replicasets").expect("built in").clone();
    custom.group = "example.com".into();
    custom.version = version.into();
    custom.kind = "Widget".into();
    custom.plural = "widgets".into();
    custom
}

#[test]
fn versions_come_by_stability_and_number() {
    let mut versions =
        ["v1alpha1", "foo10", "v10", "v2beta2", "v1", "v10beta3", "foo1", "v2", "v11alpha2"];
    versions.sort_by(|one, two| by_priority(one, two));
    let expected =
        ["v10", "v2", "v1", "v10beta3", "v2beta2", "v11alpha2", "v1alpha1", "foo1", "foo10"];
    assert_eq!(versions, expected);
}

#[test]
fn aggregated_has_all_groups_but_core() {
    let (beta, stable) = (custom("v1beta1"), custom("v1"));
    let catalog = Catalog::new(resources().iter().chain([&beta, &stable]));
    let document = aggregated(&catalog, false, Form::V2);
    assert_eq!(document["apiVersion"], "apidiscovery.k8s.io/v2");
    let items = document["items"].as_array().expect("items");
    assert_eq!(items.len(), catalog.groups.len() - 1);
    let last = items.last().expect("one");
    assert_eq!(last["metadata"]["name"], "example.com");
    assert_eq!(last["versions"][0]["version"], "v1");
    assert_eq!(last["versions"][1]["version"], "v1beta1");
    let parts = &last["versions"][0]["resources"][0]["subresources"];
    let scale = json!({ "group": "autoscaling", "version": "v1", "kind": "Scale" });
    assert_eq!(parts[0]["responseKind"], scale);
    assert_eq!(parts[1]["responseKind"]["kind"], "ReplicaSet");
}

#[test]
fn aggregated_core_is_alone() {
    let catalog = Catalog::new(resources());
    let document = aggregated(&catalog, true, Form::V2Beta1);
    let items = document["items"].as_array().expect("items");
    assert_eq!(items.len(), 1);
    assert!(items[0]["metadata"].get("name").is_none());
    let resources = items[0]["versions"][0]["resources"].as_array().expect("resources");
    let pods = resources.iter().find(|each| each["resource"] == "pods").expect("pods");
    assert_eq!(pods["shortNames"], json!(["po"]));
    assert_eq!(pods["scope"], "Namespaced");
    assert_eq!(pods["responseKind"], json!({ "group": "", "version": "", "kind": "Pod" }));
}

#[test]
fn plain_documents_agree_with_each_other() {
    let catalog = Catalog::new(resources());
    let groups = group_list(&catalog);
    for group in groups["groups"].as_array().expect("groups") {
        let name = group["name"].as_str().expect("a name");
        let of = catalog.group(name).expect("in the catalog");
        assert_eq!(group_document(of)["preferredVersion"], group["preferredVersion"]);
        for version in group["versions"].as_array().expect("versions") {
            let of = of.version(version["version"].as_str().expect("text")).expect("a version");
            let list = resource_list(name, of);
            assert_eq!(list["groupVersion"], version["groupVersion"]);
            assert!(!list["resources"].as_array().expect("resources").is_empty());
        }
    }
    assert_eq!(api_versions(&catalog, "127.0.0.1:6443")["versions"], json!(["v1"]));
}

#[test]
fn a_part_of_another_kind_says_so() {
    let catalog = Catalog::new(resources());
    let core = catalog.group("").and_then(|group| group.version("v1")).expect("core");
    let list = resource_list("", core);
    let named = |name: &str| -> Value {
        let all = list["resources"].as_array().expect("resources");
        all.iter().find(|each| each["name"] == name).expect(name).clone()
    };
    assert_eq!(named("pods/eviction")["group"], "policy");
    assert_eq!(named("serviceaccounts/token")["version"], "v1");
    assert!(named("pods/status").get("group").is_none());
    assert_eq!(named("pods/status")["kind"], "Pod");
    assert_eq!(named("pods/log")["verbs"], json!(["get"]));
}
