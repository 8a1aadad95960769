//! Rules against what they allow and cover.

use super::*;
use serde_json::json;

fn ask<'a>(verb: &'a str, group: &'a str, resource: &'a str, name: &'a str) -> Ask<'a> {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    Ask { verb, group, resource, subresource, name, path: "" }
}

#[test]
fn rules_allow_what_they_say() {
    let check = |rule: Value, wanted: Ask<'_>, expected: bool| {
        assert_eq!(Rule::of(&rule).allows(&wanted), expected, "{rule} {wanted:?}");
    };
    let pods = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]});
    check(pods.clone(), ask("get", "", "pods", "x"), true);
    check(pods.clone(), ask("list", "", "pods", ""), false);
    check(pods.clone(), ask("get", "", "pods/log", "x"), false);
    check(pods, ask("get", "apps", "pods", "x"), false);
    let named =
        json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "resourceNames": ["a"]});
    check(named.clone(), ask("get", "apps", "deployments", "a"), true);
    check(named.clone(), ask("get", "apps", "deployments", "b"), false);
    check(named, ask("list", "apps", "deployments", ""), false);
    let scale = json!({"verbs": ["update"], "apiGroups": ["apps"], "resources": ["*/scale"]});
    check(scale.clone(), ask("update", "apps", "deployments/scale", "a"), true);
    check(scale, ask("update", "apps", "deployments", "a"), false);
    let path = |verb, path| Ask { path, ..ask(verb, "", "", "") };
    let paths = json!({"verbs": ["get"], "nonResourceURLs": ["/healthz", "/openapi/*"]});
    check(paths.clone(), path("get", "/healthz"), true);
    check(paths.clone(), path("get", "/openapi/v3"), true);
    check(paths.clone(), path("get", "/healthz/ping"), false);
    check(paths.clone(), path("post", "/healthz"), false);
    check(paths, ask("get", "", "pods", ""), false);
}

#[test]
fn nobody_gives_away_what_they_do_not_have() {
    let check = |owned: Value, wanted: Value, missing: usize| {
        let rules = |value: &Value| Rule::all(&json!({ "rules": value }));
        let found = uncovered(&rules(&owned), &rules(&wanted));
        assert_eq!(found.len(), missing, "{owned} {wanted} {found:?}");
    };
    let rule = |verbs: &[&str], resources: &[&str], names: &[&str]| json!({"verbs": verbs, "apiGroups": [""], "resources": resources, "resourceNames": names});
    let owned =
        json!([rule(&["get", "list"], &["pods"], &[]), rule(&["get"], &["secrets"], &["a"])]);
    check(owned.clone(), json!([rule(&["get"], &["pods"], &[])]), 0);
    check(owned.clone(), json!([rule(&["get"], &["pods"], &["x"])]), 0);
    check(owned.clone(), json!([rule(&["get", "delete"], &["pods"], &[])]), 1);
    check(owned.clone(), json!([rule(&["*"], &["pods"], &[])]), 1);
    check(owned.clone(), json!([rule(&["get"], &["secrets"], &[])]), 1);
    check(owned.clone(), json!([rule(&["get"], &["secrets"], &["a"])]), 0);
    check(owned.clone(), json!([rule(&["get"], &["secrets"], &["a", "b"])]), 1);
    check(owned.clone(), json!([rule(&["get"], &["*"], &[])]), 1);
    check(owned, json!([{"verbs": ["get"], "nonResourceURLs": ["/metrics"]}]), 1);
    let all = json!([
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
        {"verbs": ["*"], "nonResourceURLs": ["*"]},
    ]);
    check(all.clone(), json!([rule(&["*"], &["*", "pods/exec"], &["x"])]), 0);
    check(all, json!([{"verbs": ["get"], "nonResourceURLs": ["/x/*"]}]), 0);
}
