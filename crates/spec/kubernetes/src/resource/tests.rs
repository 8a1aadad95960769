//! The table of resources: names that must be unique are, and the few that break a rule do.

use super::{Resource, find, groups, preferred_version, resources};
use std::collections::BTreeSet;

fn of(group: &str, version: &str, plural: &str) -> &'static Resource {
    find(group, version, plural).expect("a built-in resource")
}

#[test]
fn storage_is_where_the_tools_of_etcd_look() {
    let check = |group, version, plural, expected: &str| {
        assert_eq!(of(group, version, plural).storage(), expected, "{plural}.{group}");
    };
    check("", "v1", "pods", "pods");
    check("", "v1", "services", "services/specs");
    check("", "v1", "endpoints", "services/endpoints");
    check("", "v1", "nodes", "minions");
    check("", "v1", "replicationcontrollers", "controllers");
    check("", "v1", "events", "events");
    check("events.k8s.io", "v1", "events", "events");
    check("apps", "v1", "deployments", "deployments");
    check("autoscaling", "v1", "horizontalpodautoscalers", "horizontalpodautoscalers");
    check("autoscaling", "v2", "horizontalpodautoscalers", "horizontalpodautoscalers");
    check("networking.k8s.io", "v1", "ingresses", "ingress");
    check(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "apiextensions.k8s.io/customresourcedefinitions",
    );
    check("apiregistration.k8s.io", "v1", "apiservices", "apiregistration.k8s.io/apiservices");
    check("", "v1", "bindings", "");
    check("", "v1", "componentstatuses", "");
    check("authorization.k8s.io", "v1", "subjectaccessreviews", "");
}

#[test]
fn a_custom_resource_is_stored_under_its_group() {
    let mut custom = of("apps", "v1", "deployments").clone();
    custom.group = "example.com".into();
    custom.plural = "widgets".into();
    custom.type_name = "".into();
    assert_eq!(custom.storage(), "example.com/widgets");
}

#[test]
fn names_are_unique_within_a_version_and_sorted() {
    for pair in resources().windows(2) {
        let [one, two] = pair else { continue };
        if (&one.group, &one.version) == (&two.group, &two.version) {
            assert!(one.plural < two.plural, "{} before {}", one.plural, two.plural);
        }
    }
    let mut names = BTreeSet::new();
    for resource in resources() {
        assert!(names.insert((resource.api_version(), resource.plural.clone())));
        for pair in resource.subresources.windows(2) {
            assert!(pair[0].name < pair[1].name, "{}", resource.plural);
        }
    }
}

#[test]
fn short_names_mean_one_resource() {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for resource in resources() {
        for short in &resource.short {
            seen.push((short, &resource.plural));
        }
    }
    seen.sort_unstable();
    seen.dedup();
    for pair in seen.windows(2) {
        assert_ne!(pair[0].0, pair[1].0, "{} and {}", pair[0].1, pair[1].1);
    }
}

#[test]
fn groups_come_once_with_the_preferred_version_first() {
    let groups = groups();
    let names: BTreeSet<&str> = groups.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), groups.len());
    assert_eq!(groups.first().map(|(name, _)| *name), Some(""));
    assert_eq!(preferred_version("autoscaling"), Some("v2"));
    assert_eq!(preferred_version("example.com"), None);
}

#[test]
fn parts_are_of_the_kind_that_is_sent() {
    let eviction = of("", "v1", "pods").subresource("eviction").expect("eviction");
    assert_eq!(
        (&*eviction.group, &*eviction.version, &*eviction.kind),
        ("policy", "v1", "Eviction")
    );
    let status = of("apps", "v1", "deployments").subresource("status").expect("status");
    assert_eq!((&*status.group, &*status.version, &*status.kind), ("apps", "v1", "Deployment"));
    assert_eq!(of("", "v1", "endpoints").singular, "endpoints");
    assert!(!of("", "v1", "namespaces").has_verb("deletecollection"));
}
