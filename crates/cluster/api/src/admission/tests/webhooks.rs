//! Webhooks: when they are called, what they are asked, what they may answer.

use super::{deployment, request};
use crate::admission::webhook::{
    Failure, Webhook, failed, is_lenient, read, review, review_version,
};
use crate::patch::json::apply;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

fn webhook(conditions: Value) -> Value {
    json!({
        "name": "x.example.com", "admissionReviewVersions": ["v2", "v1"], "failurePolicy": "Fail", "matchConditions": conditions,
        "rules": [{"operations": ["CREATE"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}],
    })
}

#[test]
fn calls() {
    let object = deployment(3);
    let check = |conditions: Value, expected: Result<bool, &str>| {
        let called = Webhook::read(&webhook(conditions)).is_called(&request(&object), None);
        assert_eq!(called.as_ref().map_err(String::as_str).copied(), expected);
    };
    check(json!([]), Ok(true));
    check(json!([{"name": "a", "expression": "object.spec.replicas == 3"}]), Ok(true));
    check(json!([{"name": "a", "expression": "object.metadata.name != 'web'"}]), Ok(false));
    check(
        json!([{"name": "a", "expression": "object.nothing"}, {"name": "b", "expression": "false"}]),
        Ok(false),
    );
    check(
        json!([{"name": "a", "expression": "object.nothing == 1"}]),
        Err("matchCondition \"a\": no such key: nothing"),
    );
    let faults = Webhook::read(&webhook(json!([{"name": "a", "expression": "1 +"}]))).faults();
    assert_eq!(faults[0].0, "matchConditions[0].expression");
    assert_eq!(review_version(&webhook(json!([]))), Some("v1"));
    assert!(!is_lenient(&webhook(json!([]))));
}

fn answer(mut response: Value) -> Value {
    response["uid"] = json!("u1");
    json!({ "response": response })
}

#[test]
fn questions_and_answers() {
    let object = deployment(3);
    let question = review(&request(&object), "v1", "u1");
    assert_eq!(question["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(
        question["request"]["resource"],
        json!({"group": "apps", "version": "v1", "resource": "deployments"})
    );
    assert_eq!(
        (&question["request"]["object"], &question["request"]["oldObject"]),
        (&object, &Value::Null)
    );
    let patch = STANDARD.encode(r#"[{"op":"replace","path":"/spec/replicas","value":9}]"#);
    let patching = answer(
        json!({"allowed": true, "patchType": "JSONPatch", "patch": patch, "warnings": ["w"], "auditAnnotations": {"k": "v"}}),
    );
    let understood = read(&patching, "x", "u1", true).expect("allowed");
    let mut changed = object.clone();
    apply(&mut changed, &understood.patch).expect("applies");
    assert_eq!(changed["spec"]["replicas"], 9);
    assert_eq!(understood.warnings, ["w"]);
    assert_eq!(understood.annotations, [("x/k".to_owned(), "v".to_owned())]);
}

#[test]
fn refusals_and_broken_answers() {
    let denied = |result: Value| match read(
        &answer(json!({"allowed": false, "status": result})),
        "x",
        "u1",
        true,
    ) {
        Err(Failure::Denied(status)) => {
            format!("{} {} {}", status.code, status.reason, status.message)
        }
        other => panic!("{other:?}"),
    };
    let who = "admission webhook \"x\" denied the request";
    assert_eq!(denied(json!(null)), format!("400  {who} without explanation"));
    assert_eq!(denied(json!({"message": "no", "code": 403})), format!("403 Forbidden {who}: no"));
    assert_eq!(
        denied(json!({"reason": "Invalid", "code": 200})),
        format!("400 Invalid {who}: Invalid")
    );
    let patching =
        answer(json!({"allowed": true, "patchType": "JSONPatch", "patch": STANDARD.encode("[]")}));
    let broken = |answer: Value, may_patch: bool, expected: &str| match read(
        &answer, "x", "u1", may_patch,
    ) {
        Err(Failure::Broken(why)) => assert!(why.contains(expected), "{why}"),
        other => panic!("{other:?}"),
    };
    broken(json!({}), true, "webhook response was absent");
    broken(
        json!({"response": {"uid": "u2", "allowed": true}}),
        true,
        "expected response.uid=\"u1\"",
    );
    broken(patching, false, "may not send a patch");
    broken(answer(json!({"allowed": true, "patch": "e30="})), true, "unexpected patch type");
    broken(
        answer(json!({"allowed": true, "patchType": "JSONPatch", "patch": "!"})),
        true,
        "Invalid",
    );
    broken(
        answer(json!({"allowed": true, "patchType": "JSONPatch", "patch": "e30="})),
        true,
        "not an array",
    );
    assert_eq!(
        failed("x", "gone").message,
        "Internal error occurred: failed calling webhook \"x\": gone"
    );
}
