//! Rows: types, columns, subresources, selectable fields, conversion.

use super::{crontabs, version};
use crate::crd::{JsonPath, convert, rows, storage_version};
use crate::decode::{Decoded, fit};
use crate::row::Target;
use serde_json::{Value, json};

fn definition() -> Value {
    let mut definition = crontabs(json!({"type": "object", "properties": {
        "replicas": {"type": "integer"}, "color": {"type": "string"},
        "raw": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        "pod": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true},
    }}));
    let one = version(&mut definition);
    one["schema"]["openAPIV3Schema"]["properties"]["status"] =
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    one["subresources"] = json!({"status": {}, "scale": {
        "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.selector"}});
    one["additionalPrinterColumns"] = json!([
        {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"},
        {"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {"name": "Raw", "type": "string", "jsonPath": ".spec.raw"},
    ]);
    one["selectableFields"] = json!([{"jsonPath": ".spec.color"}]);
    let one = one.clone();
    let mut other = one.clone();
    other["name"] = json!("v2");
    other["storage"] = json!(false);
    let mut hidden = other.clone();
    hidden["name"] = json!("v3");
    hidden["served"] = json!(false);
    definition["spec"]["versions"] = json!([one, other, hidden]);
    definition
}

fn object() -> Value {
    json!({
        "apiVersion": "stable.example.com/v1", "kind": "CronTab",
        "metadata": {"name": "x", "namespace": "d", "uid": "u", "creationTimestamp": "2001-09-09T01:46:40Z"},
        "spec": {"replicas": 3, "color": "red", "raw": {"a": 1}},
        "status": {"replicas": 2, "selector": "a=b", "conditions": [{"type": "X", "status": "?"}, {"type": "Ready", "status": "True"}]},
    })
}

#[test]
fn a_row() {
    let definition = definition();
    assert_eq!(crate::crd::check(&definition), []);
    let rows = rows(&definition);
    let names: Vec<String> = rows.iter().map(|row| row.resource.api_version()).collect();
    assert_eq!(names, ["stable.example.com/v1", "stable.example.com/v2"]);
    assert_eq!(storage_version(&definition), Some("v1"));
    let row = &rows[0];
    assert_eq!(
        (&*row.storage, row.resource.is_namespaced()),
        ("stable.example.com/crontabs", true)
    );
    let parts = row.resource.subresources.iter().map(|part| (&*part.name, &*part.kind));
    assert_eq!(parts.collect::<Vec<_>>(), [("status", "CronTab"), ("scale", "Scale")]);
    assert_eq!(row.rules.selectable(), ["spec.color"]);
    assert_eq!(row.rules.field(&object(), "spec.color").as_deref(), Some("red"));
    let headings: Vec<String> = row.rules.columns().iter().map(|it| it.name.to_string()).collect();
    assert_eq!(headings, ["Name", "Replicas", "Ready", "Age", "Raw"]);
    let cells = row.rules.cells(&object(), 1_000_000_060);
    assert_eq!(cells, [json!("x"), json!(3), json!("True"), json!("60s"), json!("{\"a\":1}")]);
    let plain = crate::crd::rows(&crontabs(json!({"type": "object"})));
    assert_eq!(plain[0].rules.columns().len(), 2);
    assert_eq!(plain[0].rules.cells(&object(), 1_000_000_060), [json!("x"), json!("60s")]);
}

#[test]
fn an_old_version_says_so() {
    let mut definition = definition();
    let told = |definition: &Value| -> Vec<Option<String>> {
        rows(definition).iter().map(|row| row.rules.deprecated().map(str::to_owned)).collect()
    };
    assert_eq!(told(&definition), [None, None]);
    definition["spec"]["versions"][0]["deprecated"] = true.into();
    let better = "stable.example.com/v1 CronTab is deprecated; use stable.example.com/v2 CronTab";
    assert_eq!(told(&definition), [Some(better.to_owned()), None]);
    definition["spec"]["versions"][1]["deprecated"] = true.into();
    definition["spec"]["versions"][1]["deprecationWarning"] = "go away".into();
    let alone = "stable.example.com/v1 CronTab is deprecated";
    assert_eq!(told(&definition), [Some(alone.to_owned()), Some("go away".to_owned())]);
}

#[test]
fn pruned_by_its_type() {
    let row = rows(&definition()).remove(0);
    let mut decoded = Decoded { value: object(), faults: Vec::new() };
    decoded.value["spec"]["unknown"] = json!(1);
    decoded.value["top"] = json!(1);
    decoded.value["spec"]["pod"] = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "foo": 1}, "spec": {"x": 1}});
    fit(&mut decoded, &row.schema).expect("fits");
    assert_eq!(
        decoded.faults,
        [
            r#"unknown field "spec.pod.metadata.foo""#,
            r#"unknown field "spec.unknown""#,
            r#"unknown field "top""#
        ]
    );
    assert_eq!(decoded.value["spec"]["pod"]["spec"], json!({"x": 1}));
    assert_eq!(decoded.value["spec"]["raw"], json!({"a": 1}));
}

#[test]
fn status_and_generation() {
    let rules = rows(&definition()).remove(0).rules;
    let mut new = object();
    rules.prepare_create(&mut new);
    assert!(new.get("status").is_none());
    let old = object();
    let mut new = object();
    new["status"] = json!({});
    assert!(!rules.prepare_update(&mut new, &old, Target::Object));
    assert_eq!(new, old);
    new["spec"]["replicas"] = json!(9);
    assert!(rules.prepare_update(&mut new, &old, Target::Object));
    let mut new = object();
    new["status"] = json!({"replicas": 5});
    new["spec"] = json!({});
    assert!(!rules.prepare_update(&mut new, &old, Target::Subresource("status")));
    assert_eq!((&new["spec"], &new["status"]), (&old["spec"], &json!({"replicas": 5})));
}

#[test]
fn scale() {
    let rules = rows(&definition()).remove(0).rules;
    let scale = rules.read_subresource(&object(), "scale").expect("a scale");
    assert_eq!(
        (&scale["spec"], &scale["status"]),
        (&json!({"replicas": 3}), &json!({"replicas": 2, "selector": "a=b"}))
    );
    assert_eq!((&scale["kind"], &scale["metadata"]["uid"]), (&json!("Scale"), &json!("u")));
    let mut written = object();
    rules
        .write_subresource(&mut written, "scale", &json!({"spec": {"replicas": 7}}))
        .expect("written");
    assert_eq!(written["spec"]["replicas"], 7);
    let negative = json!({"spec": {"replicas": -1}});
    let status = rules.write_subresource(&mut written, "scale", &negative).expect_err("negative");
    assert_eq!(status.code, 422);
    assert!(rules.read_subresource(&json!({}), "scale").is_err());
    assert_eq!(rules.read_subresource(&object(), "log").map_err(|it| it.code), Err(404));
}

#[test]
fn paths() {
    let object = json!({"a": {"b.c": [1, {"d": 2}, {"d": 3, "e": "x"}]}});
    let check = |path: &str, expected: Value| {
        let parsed = JsonPath::parse(path).unwrap_or_else(|| panic!("{path}"));
        assert_eq!(json!(parsed.find(&object)), expected, "{path}");
    };
    check(".a['b.c'][0]", json!([1]));
    check(".a[\"b.c\"][-1].d", json!([3]));
    check(".a['b.c'][*].d", json!([2, 3]));
    check(".a['b.c'][?(@.d==2)].d", json!([2]));
    check(".a['b.c'][?(@.e!=\"y\")].d", json!([3]));
    check(".nothing.at.all", json!([]));
    check(".*", json!([{"b.c": [1, {"d": 2}, {"d": 3, "e": "x"}]}]));
    for bad in ["a", ".", "..a", ".a[", ".a[x]", ".a['b", ".a[?(@.d)]"] {
        assert_eq!(JsonPath::parse(bad), None, "{bad}");
    }
}

#[test]
fn conversions() {
    let mut definition = definition();
    assert_eq!(convert::strategy(&definition), convert::Strategy::None);
    let mut moved = object();
    convert::relabel(&mut moved, "stable.example.com/v2");
    assert_eq!(moved["apiVersion"], "stable.example.com/v2");
    definition["spec"]["conversion"] =
        json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v2", "v1"]}});
    assert_eq!(convert::strategy(&definition), convert::Strategy::Webhook);
    assert_eq!(convert::review_version(&definition), Some("v1"));
    let asked = [object()];
    let review = convert::request("v1", "u1", "stable.example.com/v2", asked.to_vec());
    assert_eq!(
        (&review["apiVersion"], &review["request"]["uid"]),
        (&json!("apiextensions.k8s.io/v1"), &json!("u1"))
    );
    let answer = |object: Value, uid: &str| json!({"response": {"uid": uid, "result": {"status": "Success"}, "convertedObjects": [object]}});
    let read = |answer: &Value| convert::response(answer, "u1", "stable.example.com/v2", &asked);
    let mut good = moved.clone();
    good["spec"] = json!({"new": 1});
    good["metadata"]["labels"] = json!({"a": "b"});
    good["metadata"]["creationTimestamp"] = json!("1999-01-01T00:00:00Z");
    let converted = read(&answer(good, "u1")).expect("converted");
    assert_eq!(converted[0]["spec"], json!({"new": 1}));
    assert_eq!(converted[0]["metadata"]["creationTimestamp"], "2001-09-09T01:46:40Z");
    let check = |answer: Value, expected: &str| {
        let status = read(&answer).expect_err(expected);
        assert!(status.code == 500 && status.message.contains(expected), "{}", status.message);
    };
    check(answer(moved.clone(), "u2"), "expected response.uid=\"u1\"");
    check(answer(object(), "u1"), "invalid apiVersion");
    let mut renamed = moved;
    renamed["metadata"]["name"] = json!("y");
    check(answer(renamed, "u1"), "invalid metadata.name");
    check(
        json!({"response": {"uid": "u1", "result": {"status": "Failure", "message": "no"}}}),
        "failed: no",
    );
    check(json!({}), "no response provided");
}
