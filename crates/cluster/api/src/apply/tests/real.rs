//! The field manager around the merge: times, caps, resets, subresources, client-side apply.

use super::{Op, Story, map, object, record, scalar, text};
use crate::apply::{Set, Write, apply, ignored_fields, managed, same_beside_times, update};
use serde_json::{Value, json};
use teu_kubernetes::{Scalar, Schema};

fn things() -> Schema {
    let spec = record(vec![("replicas", scalar(Scalar::Int32)), ("image", text())]);
    let status = record(vec![("ready", scalar(Scalar::Int32))]);
    object(vec![("spec", spec), ("status", status), ("data", map(text()))])
}

fn write<'a>(live: Option<&'a Value>, schema: &'a Schema, ignored: &'a Set) -> Write<'a> {
    Write {
        live,
        schema,
        api_version: "apps/v1",
        kind: "Thing",
        manager: "kubectl",
        subresource: "",
        ignored,
        now: 1_000_000_000,
    }
}

fn thing(spec: Value) -> Value {
    json!({"apiVersion":"apps/v1","kind":"Thing","metadata":{"name":"x","uid":"1"},"spec":spec})
}

#[test]
fn an_entry() {
    let (schema, ignored) = (things(), Set::default());
    let made = update(&write(None, &schema, &ignored), thing(json!({"replicas":1})));
    assert_eq!(
        made["metadata"]["managedFields"].to_string(),
        r#"[{"manager":"kubectl","operation":"Update","apiVersion":"apps/v1","time":"2001-09-09T01:46:40Z","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{".":{},"f:replicas":{}}}}]"#
    );
    // Nothing changes, so nothing is said, however late it is.
    let later = Write { now: 1_000_000_500, ..write(Some(&made), &schema, &ignored) };
    assert_eq!(update(&later, made.clone()), made);
    let applied = thing(json!({"replicas":1}));
    let once = apply(&later, &applied, false).expect("applied");
    assert_eq!(once["metadata"]["managedFields"][0]["operation"], "Apply");
    let again = apply(&Write { live: Some(&once), now: 2_000_000_000, ..later }, &applied, false);
    assert_eq!(again.as_ref(), Ok(&once), "an apply that changes nothing keeps its time");
    let mut touched = once.clone();
    touched["metadata"]["managedFields"][0]["time"] = json!("2020-01-01T00:00:00Z");
    assert!(same_beside_times(&once, &touched) && !same_beside_times(&once, &made));
}

#[test]
fn refusals() {
    let (schema, ignored) = (things(), Set::default());
    let check = |body: Value, expected: &str| {
        let status = apply(&write(None, &schema, &ignored), &body, false).expect_err(expected);
        assert_eq!((status.code, status.message.as_str()), (400, expected));
    };
    let mut body = thing(json!({}));
    body["metadata"]["managedFields"] = json!([]);
    check(body, "metadata.managedFields must be nil");
    check(
        json!({"apiVersion":"v1","kind":"Thing"}),
        "Incorrect version specified in apply patch. Specified patch version: v1, expected: apps/v1",
    );
    check(
        json!({"apiVersion":"apps/v1","kind":"Thing","metadata":{"name":"x","namespace":"y"}}),
        "failed to create typed patch object (y/x; apps/v1, Kind=Thing): .metadata.namespace: field not declared in schema",
    );
}

#[test]
fn resets_and_edits() {
    let (schema, ignored) = (things(), Set::default());
    let made = update(&write(None, &schema, &ignored), thing(json!({"replicas":1})));
    for reset in [json!([]), json!([{}])] {
        let mut sent = made.clone();
        sent["metadata"]["managedFields"] = reset;
        let written = update(&write(Some(&made), &schema, &ignored), sent);
        assert!(written["metadata"].get("managedFields").is_none(), "{written}");
        // Then nobody is tracked until somebody applies.
        let next = update(&write(Some(&written), &schema, &ignored), thing(json!({"replicas":2})));
        assert!(next["metadata"].get("managedFields").is_none());
        let mut config = thing(json!({"replicas":2}));
        config["metadata"] = json!({"name":"x"});
        let applied =
            apply(&write(Some(&next), &schema, &ignored), &config, false).expect("applied");
        let owners: Vec<&str> = applied["metadata"]["managedFields"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|entry| entry["manager"].as_str())
            .collect();
        assert_eq!(owners, ["kubectl", "before-first-apply"]);
    }
    // A client that does not know the field does not lose it; one that edits it may.
    let mut sent = made.clone();
    managed::strip(&mut sent);
    assert_eq!(update(&write(Some(&made), &schema, &ignored), sent), made);
    let mut sent = made.clone();
    sent["metadata"]["managedFields"][0]["manager"] = json!("other");
    let written = update(&write(Some(&made), &schema, &ignored), sent.clone());
    assert_eq!(written, sent);
    sent["metadata"]["managedFields"][0]["operation"] = json!("Frob");
    assert_eq!(update(&write(Some(&made), &schema, &ignored), sent), made, "nonsense is not taken");
}

#[test]
fn subresources() {
    let schema = things();
    let none = Set::default();
    let made = update(&write(None, &schema, &none), thing(json!({"replicas":1})));
    let mut sent = made.clone();
    sent["status"] = json!({"ready":1});
    sent["spec"]["replicas"] = json!(5);
    sent["metadata"]["managedFields"] = json!([]);
    let ignored = ignored_fields(&sent, true, "status");
    let status = Write { subresource: "status", ..write(Some(&made), &schema, &ignored) };
    let written = update(&status, sent.clone());
    let entries = written["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert_eq!(entries[1]["subresource"], "status");
    assert_eq!(entries[1]["fieldsV1"], json!({"f:status":{".":{},"f:ready":{}}}));
    assert_eq!(entries[0]["fieldsV1"], json!({"f:spec":{".":{},"f:replicas":{}}}));
    // And the other way round: who writes the object does not own its status.
    let ignored = ignored_fields(&sent, true, "");
    let written = update(&write(None, &schema, &ignored), sent);
    assert_eq!(
        written["metadata"]["managedFields"][0]["fieldsV1"],
        json!({"f:spec":{".":{},"f:replicas":{}}})
    );
}

#[test]
fn many_updaters_are_capped() {
    let (schema, ignored) = (things(), Set::default());
    let mut live: Option<Value> = None;
    for at in 0..30 {
        let mut sent = live.clone().unwrap_or_else(|| thing(json!({})));
        sent["data"][format!("k{at}")] = json!("x");
        let manager = format!("m{at:02}");
        let write = Write {
            manager: &manager,
            now: 1_000_000_000 + at,
            ..write(live.as_ref(), &schema, &ignored)
        };
        live = Some(update(&write, sent));
    }
    let live = live.unwrap_or_default();
    let managed = managed::read(&live).expect("readable");
    assert_eq!(managed.len(), 10);
    let old =
        managed.iter().find(|(owner, _)| owner.manager == "ancient-changes").expect("a bucket");
    assert_eq!(old.1.set.paths().len(), 23, "spec, data and 21 keys");
    assert_eq!(old.1.time.as_deref(), Some("2001-09-09T01:47:00Z"));
}

#[test]
fn from_client_side_apply() {
    let (schema, ignored) = (things(), Set::default());
    let last = r#"{"apiVersion":"apps/v1","kind":"Thing","metadata":{"name":"x"},"spec":{"replicas":1,"image":"a"}}"#;
    let mut body = thing(json!({"replicas":1,"image":"a"}));
    body["metadata"]["annotations"] =
        json!({"kubectl.kubernetes.io/last-applied-configuration": last});
    let client = Write { manager: "kubectl-client-side-apply", ..write(None, &schema, &ignored) };
    let live = update(&client, body);
    let mut config = thing(json!({"replicas":2,"image":"a"}));
    config["metadata"] = json!({"name":"x"});
    let other = Write { manager: "other", ..write(Some(&live), &schema, &ignored) };
    let status = apply(&other, &config, false).expect_err("a conflict");
    assert_eq!(
        status.message,
        "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using apps/v1: .spec.replicas"
    );
    let applied = apply(&write(Some(&live), &schema, &ignored), &config, false).expect("his own");
    assert_eq!(applied["spec"]["replicas"], 2);
    let annotation =
        &applied["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"];
    let kept: Value = serde_json::from_str(annotation.as_str().unwrap_or_default()).expect("JSON");
    assert_eq!(kept, config);
    // What somebody else has changed since is a conflict still.
    let mut scaled = live.clone();
    scaled["spec"]["replicas"] = json!(7);
    let scaler = Write { manager: "hpa", ..write(Some(&live), &schema, &ignored) };
    let live = update(&scaler, scaled);
    let status =
        apply(&write(Some(&live), &schema, &ignored), &config, false).expect_err("a conflict");
    assert_eq!(status.causes[0].message, "conflict with \"hpa\" using apps/v1");
}

/// A deployment as kubectl makes it: the owners that the real server writes.
#[test]
fn a_deployment() {
    let schema =
        teu_kubernetes::types::type_schema("io.k8s.api.apps.v1.Deployment").expect("a type");
    let ignored = Set::default();
    let body = json!({
        "apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","labels":{"app":"web"}},
        "spec":{"replicas":1,"selector":{"matchLabels":{"app":"web"}},"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":"25%"}},
            "template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[
                {"name":"web","image":"nginx","resources":{},"ports":[{"containerPort":80,"protocol":"TCP"}]}]}}}
    });
    let write =
        Write { kind: "Deployment", manager: "kubectl-create", ..write(None, &schema, &ignored) };
    let made = update(&write, body.clone());
    let expected = json!({
        "f:metadata":{"f:labels":{".":{},"f:app":{}}},
        "f:spec":{
            "f:replicas":{},"f:selector":{},
            "f:strategy":{"f:rollingUpdate":{".":{},"f:maxSurge":{}},"f:type":{}},
            "f:template":{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{
                ".":{},"f:image":{},"f:name":{},
                "f:ports":{".":{},"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:protocol":{}}},
                "f:resources":{}}}}}
        }
    });
    assert_eq!(made["metadata"]["managedFields"][0]["fieldsV1"], expected);
    // Another sidecar, by another manager, with the protocol left out.
    let mut config = body;
    config["metadata"] = json!({"name":"web"});
    config["spec"] = json!({"template":{"spec":{"containers":[
        {"name":"side","image":"x"},{"name":"web","ports":[{"containerPort":80,"name":"http"}]}]}}});
    let applied = apply(&Write { live: Some(&made), manager: "mesh", ..write }, &config, false)
        .expect("applied");
    let containers = &applied["spec"]["template"]["spec"]["containers"];
    assert_eq!(containers[0], json!({"name":"side","image":"x"}));
    assert_eq!(
        containers[1]["ports"],
        json!([{"containerPort":80,"protocol":"TCP","name":"http"}])
    );
    assert_eq!(containers[1]["image"], "nginx");
    let gone = json!({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"}});
    let back = apply(&Write { live: Some(&applied), manager: "mesh", ..write }, &gone, false)
        .expect("applied");
    assert_eq!(back["spec"], made["spec"]);
}

/// Found by a fuzzer: nulls inside of what is one value as a whole.
#[test]
fn nulls_in_atomics() {
    let schema = teu_kubernetes::types::type_schema("io.k8s.api.core.v1.Pod").expect("a type");
    let ignored = Set::default();
    let body = json!({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"nodeSelector":{"a":null,"b":"c"}}});
    let write =
        |live| Write { live, api_version: "v1", kind: "Pod", ..write(None, &schema, &ignored) };
    let once = apply(&write(None), &body, false).expect("applied");
    assert_eq!(once["spec"]["nodeSelector"], json!({"b":"c"}));
    assert_eq!(apply(&write(Some(&once)), &body, false), Ok(once.clone()));
    let other = Write { manager: "other", ..write(Some(&once)) };
    assert!(apply(&other, &body, false).is_ok(), "the same is no conflict");
}

/// Stories from a generator: whatever is written, what was applied last is there, its owner owns it,
/// entries can be read again, and giving all up leaves nothing behind of appliers.
#[test]
fn properties() {
    let mut seed = 7_u64;
    let mut next = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    for _ in 0..300 {
        let mut story = Story::new(object(vec![
            ("data", map(text())),
            (
                "list",
                super::list(record(vec![("name", text()), ("v", text())]), super::by(&["name"])),
            ),
        ]));
        for _ in 0..next(8) + 1 {
            let mut body = json!({});
            for _ in 0..next(4) {
                let (key, value) = (format!("k{}", next(4)), format!("v{}", next(2)));
                body["data"][&key] = json!(value);
            }
            let mut names: Vec<u64> = (0..4).filter(|_| next(2) == 0).collect();
            names.sort_by_key(|name| (name * 7 + next(3)) % 5);
            if !names.is_empty() {
                body["list"] = names
                    .iter()
                    .map(|it| json!({"name": format!("n{it}"), "v": format!("{}", next(2))}))
                    .collect();
            }
            let manager = ["a", "b", "c"][next(3) as usize];
            let is_apply = next(3) > 0;
            let op = if is_apply {
                Op::Force(manager, body.clone())
            } else {
                Op::Update(manager, body.clone())
            };
            story.write(op).expect("written");
            let live = story.object();
            for (key, value) in body["data"].as_object().into_iter().flatten() {
                assert_eq!(live["data"][key], *value, "{body} in {live}");
            }
            let order = |object: &Value| -> Vec<Value> {
                let wanted = body["list"].as_array().cloned().unwrap_or_default();
                let names: Vec<&Value> = wanted.iter().map(|it| &it["name"]).collect();
                let items = object["list"].as_array().cloned().unwrap_or_default();
                items.into_iter().filter(|it| names.contains(&&it["name"])).collect()
            };
            assert_eq!(order(&live), order(&body), "{body} in {live}");
            if !is_apply {
                assert_eq!(live, body);
            }
        }
        let updated = story.owners();
        for manager in ["a", "b", "c"] {
            story.write(Op::Apply(manager, json!({}))).expect("given up");
        }
        let read = managed::read(story.live.as_ref().unwrap_or(&Value::Null)).expect("readable");
        assert!(
            read.keys().all(|owner| owner.operation == managed::Operation::Update),
            "{updated:?}"
        );
    }
}
