//! Who is asked, and policies in CEL.

use super::{deployment, request};
use crate::admission::matching::{is_exempt, matches_constraints, matches_rules};
use crate::admission::mutation::Mutator;
use crate::admission::policy::{Around, Policy, Verdict};
use crate::admission::{Operation, Request};
use serde_json::{Value, json};

#[test]
fn rules() {
    let object = deployment(1);
    let rule = |operations: Value, groups: Value, versions: Value, resources: Value| json!([{"operations": operations, "apiGroups": groups, "apiVersions": versions, "resources": resources}]);
    let check = |rules: &Value, request: &Request<'_>, expected: bool| {
        assert_eq!(matches_rules(rules, request, false), expected, "{rules}");
    };
    let create = request(&object);
    let status = Request { subresource: "status", operation: Operation::Update, ..create };
    let exact = rule(json!(["CREATE"]), json!(["apps"]), json!(["v1"]), json!(["deployments"]));
    check(&exact, &create, true);
    check(&exact, &status, false);
    check(&exact, &Request { resource: "replicasets", ..create }, false);
    check(&exact, &Request { operation: Operation::Delete, ..create }, false);
    check(&exact, &Request { version: "v1beta1", ..create }, false);
    assert!(matches_rules(&exact, &Request { version: "v1beta1", ..create }, true));
    let all = |resources: Value| rule(json!(["*"]), json!(["*"]), json!(["*"]), resources);
    check(&all(json!(["*"])), &create, true);
    check(&all(json!(["*"])), &status, false);
    check(&all(json!(["*/*"])), &status, true);
    check(&all(json!(["deployments/*"])), &status, true);
    check(&all(json!(["*/status"])), &status, true);
    check(&all(json!(["*/status"])), &create, false);
    check(&json!([]), &create, false);
    let mut scoped = all(json!(["*"]));
    scoped[0]["scope"] = json!("Cluster");
    check(&scoped, &create, false);
    check(&scoped, &Request { namespace: "", ..create }, true);
    let mut named = all(json!(["*"]));
    named[0]["resourceNames"] = json!(["other"]);
    check(&named, &create, false);
    let own = Request {
        group: "admissionregistration.k8s.io",
        resource: "validatingwebhookconfigurations",
        ..create
    };
    assert!(is_exempt(&own) && !is_exempt(&create));
}

#[test]
fn constraints() {
    let object = deployment(1);
    let create = request(&object);
    let namespace = json!({"metadata": {"name": "default", "labels": {"team": "a"}}});
    let check = |constraints: Value, expected: bool| {
        assert_eq!(
            matches_constraints(&constraints, &create, Some(&namespace)),
            expected,
            "{constraints}"
        );
    };
    let rules = json!([{"operations": ["*"], "apiGroups": ["apps"], "apiVersions": ["*"], "resources": ["deployments"]}]);
    check(json!(null), true);
    check(json!({"resourceRules": rules}), true);
    check(json!({"resourceRules": rules, "excludeResourceRules": rules}), false);
    check(json!({"namespaceSelector": {"matchLabels": {"team": "a"}}}), true);
    check(json!({"namespaceSelector": {"matchLabels": {"team": "b"}}}), false);
    check(json!({"objectSelector": {"matchLabels": {"app": "web"}}}), true);
    check(
        json!({"objectSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}}),
        false,
    );
}

fn policy(spec: Value) -> Policy {
    Policy::read(&json!({"metadata": {"name": "p"}, "spec": spec}))
}

fn judged(spec: Value, actions: Value, replicas: i64) -> Verdict {
    let object = deployment(replicas);
    let binding = json!({"metadata": {"name": "b"}, "spec": {"policyName": "p", "validationActions": actions}});
    let params = json!({"data": {"max": "5"}});
    let namespace = json!({"metadata": {"name": "default", "labels": {"environment": "test"}}});
    let around = Around { params: Some(&params), namespace: Some(&namespace) };
    policy(spec).judge(&binding, &request(&object), around)
}

fn denied(spec: Value, replicas: i64) -> Option<String> {
    judged(spec, json!(["Deny"]), replicas).denied.map(|status| {
        let who = "deployments.apps \"web\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: ";
        assert!(status.message.starts_with(who), "{}", status.message);
        format!("{} {} {}", status.code, status.reason, &status.message[who.len()..])
    })
}

#[test]
fn validations() {
    let check = |spec: Value, replicas: i64, expected: Option<&str>| {
        assert_eq!(denied(spec.clone(), replicas).as_deref(), expected, "{spec}");
    };
    let one = |validation: Value| json!({ "validations": [validation] });
    let most = json!({"expression": "object.spec.replicas <= 5"});
    check(one(most.clone()), 5, None);
    check(one(most), 6, Some("422 Invalid failed expression: object.spec.replicas <= 5"));
    check(
        one(
            json!({"expression": "object.spec.replicas <= 5", "message": "too many", "reason": "Forbidden"}),
        ),
        6,
        Some("403 Forbidden too many"),
    );
    check(
        one(
            json!({"expression": "object.spec.replicas <= int(params.data.max)", "messageExpression": "'at most ' + params.data.max"}),
        ),
        6,
        Some("422 Invalid at most 5"),
    );
    check(
        one(json!({"expression": "object.spec.nothing == 1"})),
        1,
        Some(
            "422 Invalid expression 'object.spec.nothing == 1' resulted in error: no such key: nothing",
        ),
    );
    check(
        json!({"failurePolicy": "Ignore", "validations": [{"expression": "object.spec.nothing == 1"}]}),
        1,
        None,
    );
    check(
        one(
            json!({"expression": "request.operation == 'CREATE' && request.userInfo.username == 'ada' && oldObject == null"}),
        ),
        1,
        None,
    );
    check(
        one(json!({"expression": "namespaceObject.metadata.labels['environment'] == 'test'"})),
        1,
        None,
    );
    check(
        json!({"matchConditions": [{"name": "few", "expression": "object.spec.replicas < 3"}], "validations": [{"expression": "false"}]}),
        9,
        None,
    );
    check(
        json!({"matchConditions": [{"name": "bad", "expression": "object.nothing"}], "validations": []}),
        9,
        Some("422 Invalid matchCondition \"bad\": no such key: nothing"),
    );
    // Variables may name those before them; one that fails matters only where it is used.
    let variables = json!({
        "variables": [{"name": "replicas", "expression": "object.spec.replicas"}, {"name": "even", "expression": "variables.replicas % 2 == 0"}, {"name": "broken", "expression": "1 / 0"}],
        "validations": [{"expression": "variables.replicas > 1"}, {"expression": "variables.even"}],
    });
    check(variables.clone(), 2, None);
    check(variables.clone(), 1, Some("422 Invalid failed expression: variables.replicas > 1"));
    check(variables, 3, Some("422 Invalid failed expression: variables.even"));
}

#[test]
fn actions() {
    let spec = json!({"validations": [{"expression": "false", "message": "no"}], "auditAnnotations": [{"key": "replicas", "valueExpression": "string(object.spec.replicas)"}, {"key": "none", "valueExpression": "null"}]});
    let verdict = judged(spec, json!(["Warn", "Audit"]), 3);
    assert_eq!(verdict.denied, None);
    assert_eq!(
        verdict.warnings,
        ["Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': no"]
    );
    assert_eq!(verdict.annotations[0], ("p/replicas".to_owned(), "3".to_owned()));
    assert_eq!(verdict.annotations[1].0, "validation.policy.admission.k8s.io/validation_failure");
    assert_eq!(
        verdict.annotations[1].1,
        r#"[{"message":"no","policy":"p","binding":"b","expressionIndex":0,"validationActions":["Warn","Audit"]}]"#
    );
    let faults = policy(json!({"validations": [{"expression": "1 +"}], "variables": [{"name": "x", "expression": "nothing"}]})).faults();
    let fields: Vec<&str> = faults.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["spec.variables[0].expression", "spec.validations[0].expression"]);
}

fn mutated(mutations: Value, more: Value) -> Result<Option<Value>, String> {
    let mut spec =
        json!({"failurePolicy": "Fail", "reinvocationPolicy": "Never", "mutations": mutations});
    for (name, value) in more.as_object().into_iter().flatten() {
        spec[name] = value.clone();
    }
    let mutator = Mutator::read(&json!({"metadata": {"name": "p"}, "spec": spec}));
    let object = deployment(1);
    let binding = json!({"metadata": {"name": "b"}});
    mutator.mutate(&binding, &request(&object), Around::default()).map_err(|it| it.message)
}

fn apply(text: &str) -> Value {
    json!([{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": text}}])
}

fn patch(text: &str) -> Value {
    json!([{"patchType": "JSONPatch", "jsonPatch": {"expression": text}}])
}

#[test]
fn mutations() {
    let object = mutated(
        apply("Object{spec: Object.spec{replicas: object.spec.replicas + 100}}"),
        json!({}),
    );
    assert_eq!(object.map(|it| it.map(|it| it["spec"]["replicas"].clone())), Ok(Some(json!(101))));
    let object = mutated(
        apply(
            "Object{metadata: Object.metadata{annotations: {'my-foo-annotation': 'myAnnotationValue'}}}",
        ),
        json!({}),
    );
    let object = object.expect("mutated").expect("concerned");
    assert_eq!(
        object["metadata"]["annotations"],
        json!({"my-foo-annotation": "myAnnotationValue"})
    );
    assert_eq!(object["metadata"]["labels"], json!({"app": "web"}));
    // A sidecar is added beside the container that is there.
    let sidecar = "Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers: [Object.spec.template.spec.containers{name: 'mesh', image: 'x'}]}}}}";
    let object = mutated(apply(sidecar), json!({})).expect("mutated").expect("concerned");
    let names: Vec<&Value> = object["spec"]["template"]["spec"]["containers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["web", "mesh"]);
}

#[test]
fn patches_and_refusals() {
    let object = mutated(
        patch(
            "[JSONPatch{op: 'test', path: '/spec/replicas', value: 1}, JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a/b'), value: 'c'}]",
        ),
        json!({}),
    );
    assert_eq!(
        object.expect("mutated").expect("concerned")["metadata"]["labels"],
        json!({"app": "web", "a/b": "c"})
    );
    let skipped = mutated(
        apply("Object{}"),
        json!({"matchConditions": [{"name": "x", "expression": "false"}]}),
    );
    assert_eq!(skipped, Ok(None));
    let check = |mutations: Value, expected: &str| {
        let error = mutated(mutations, json!({})).expect_err(expected);
        assert!(
            error.contains("policy 'p' with binding 'b' denied request: ")
                && error.contains(expected),
            "{error}"
        );
    };
    check(
        patch("[JSONPatch{op: 'test', path: '/spec/replicas', value: 2}]"),
        "testing value /spec/replicas failed",
    );
    check(
        apply("Object{metadata: Object.metadata{name: 'other'}}"),
        "may not change what identifies an object",
    );
    check(
        apply("Object{spec: Object.spec{selector: Object.spec.selector{matchLabels: {'a': 'b'}}}}"),
        "may not mutate atomic arrays, maps or structs: .spec.selector",
    );
    check(
        apply("Object{spec: Object.spec{nothing: 1}}"),
        ".spec.nothing: field not declared in schema",
    );
    check(apply("object.nothing"), "resulted in error: no such key: nothing");
    let lenient = mutated(apply("object.nothing"), json!({"failurePolicy": "Ignore"}));
    assert_eq!(lenient, Ok(Some(deployment(1))));
}
