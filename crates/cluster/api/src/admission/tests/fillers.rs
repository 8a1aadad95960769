//! Priority, default classes, service accounts, what nodes may do.

use super::request;
use crate::admission::classes::{fill_claim, fill_ingress};
use crate::admission::priority::resolve;
use crate::admission::service_account::{check_mirror, fill, name_of};
use crate::admission::{Operation, Request, node};
use serde_json::{Value, json};

#[test]
fn priorities() {
    let classes = [
        json!({"metadata": {"name": "high"}, "value": 100, "preemptionPolicy": "Never"}),
        json!({"metadata": {"name": "usual"}, "value": 5, "globalDefault": true}),
        json!({"metadata": {"name": "lower"}, "value": 1, "globalDefault": true}),
    ];
    let check = |spec: Value, expected: Result<Value, &str>| {
        let mut pod = json!({ "spec": spec });
        let outcome = resolve(&mut pod, &classes).map(|()| pod["spec"].clone());
        assert_eq!(outcome.as_ref().map_err(String::as_str), expected.as_ref().map_err(|it| *it));
    };
    check(
        json!({"priorityClassName": "high"}),
        Ok(json!({"priorityClassName": "high", "priority": 100, "preemptionPolicy": "Never"})),
    );
    check(
        json!({}),
        Ok(
            json!({"priorityClassName": "lower", "priority": 1, "preemptionPolicy": "PreemptLowerPriority"}),
        ),
    );
    check(
        json!({"priorityClassName": "system-node-critical"}),
        Ok(
            json!({"priorityClassName": "system-node-critical", "priority": 2_000_001_000, "preemptionPolicy": "PreemptLowerPriority"}),
        ),
    );
    check(json!({"priorityClassName": "none"}), Err("no PriorityClass with name none was found"));
    check(
        json!({"priorityClassName": "high", "priority": 7}),
        Err(
            "the integer value of priority (7) must not be provided in pod spec; priority admission controller computed 100 from the given PriorityClass name",
        ),
    );
    let mut pod = json!({"spec": {}});
    resolve(&mut pod, &[]).expect("no class is needed");
    assert_eq!(pod["spec"], json!({"priority": 0, "preemptionPolicy": "PreemptLowerPriority"}));
}

#[test]
fn default_classes() {
    let class = |name: &str, created: &str| json!({"metadata": {"name": name, "creationTimestamp": created, "annotations": {"storageclass.kubernetes.io/is-default-class": "true", "ingressclass.kubernetes.io/is-default-class": "true"}}});
    let classes = [
        class("old", "2020-01-01T00:00:00Z"),
        class("new", "2021-01-01T00:00:00Z"),
        json!({"metadata": {"name": "plain"}}),
    ];
    let mut claim = json!({"spec": {}});
    fill_claim(&mut claim, &classes);
    assert_eq!(claim["spec"]["storageClassName"], "new");
    let mut none = json!({"spec": {"storageClassName": ""}});
    fill_claim(&mut none, &classes);
    assert_eq!(none["spec"]["storageClassName"], "", "an empty class is a wish");
    let mut ingress = json!({"spec": {}});
    assert_eq!(
        fill_ingress(&mut ingress, &classes),
        Err("2 default IngressClasses were found, only 1 allowed".to_owned())
    );
    fill_ingress(&mut ingress, &classes[..1]).expect("one");
    assert_eq!(ingress["spec"]["ingressClassName"], "old");
}

#[test]
fn accounts() {
    let account = json!({"metadata": {"name": "default"}, "imagePullSecrets": [{"name": "s"}]});
    let mut pod = json!({"spec": {"containers": [{"name": "a"}, {"name": "b", "volumeMounts": [{"name": "own", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]}]}});
    assert_eq!(name_of(&pod), "default");
    fill(&mut pod, &account, "abcde");
    let spec = &pod["spec"];
    assert_eq!(
        (&spec["serviceAccountName"], &spec["serviceAccount"], &spec["imagePullSecrets"]),
        (&json!("default"), &json!("default"), &json!([{"name": "s"}]))
    );
    assert_eq!(
        spec["containers"][0]["volumeMounts"],
        json!([{"name": "kube-api-access-abcde", "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}])
    );
    assert_eq!(spec["containers"][1]["volumeMounts"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        spec["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"],
        json!({"expirationSeconds": 3607, "path": "token"})
    );
    let mut closed =
        json!({"spec": {"automountServiceAccountToken": false, "containers": [{"name": "a"}]}});
    fill(&mut closed, &account, "abcde");
    assert!(closed["spec"].get("volumes").is_none());
    let mirror = json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}, "spec": {"volumes": [{"secret": {"secretName": "s"}}]}});
    assert_eq!(check_mirror(&mirror), Err("a mirror pod may not reference secrets".to_owned()));
    assert_eq!(check_mirror(&pod), Ok(()));
}

const NODE: &str = "system:node:n1";

fn by_node<'a>(
    user: &'a Value,
    operation: Operation,
    (group, resource, subresource): (&'a str, &'a str, &'a str),
    object: &'a Value,
) -> Request<'a> {
    Request { operation, group, resource, subresource, user, name: "", ..request(object) }
}

fn node_user() -> Value {
    json!({"username": NODE, "groups": ["system:nodes"]})
}

fn judged(request: &Request<'_>, expected: &str) {
    let outcome = node::check(request).map_err(|status| status.message);
    match (outcome, expected) {
        (Ok(()), "") => {}
        (Err(text), expected) if !expected.is_empty() && text.contains(expected) => {}
        (outcome, expected) => panic!("{outcome:?} for {expected:?}"),
    }
}

#[test]
fn pods_of_nodes() {
    let (user, base, check) = (node_user(), json!({}), judged);
    let by_node = |operation, of| by_node(&user, operation, of, &base);
    let owner =
        json!({"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "u", "controller": true});
    let mirror = json!({"metadata": {"name": "p", "annotations": {"kubernetes.io/config.mirror": "x"}, "ownerReferences": [owner]}, "spec": {"nodeName": "n1"}});
    let foreign = json!({"metadata": {"name": "p", "annotations": {"kubernetes.io/config.mirror": "x"}}, "spec": {"nodeName": "n2"}});
    let create = by_node(Operation::Create, ("", "pods", ""));
    check(&Request { object: Some(&mirror), ..create }, "");
    check(
        &Request { object: Some(&foreign), ..create },
        "node \"n1\" can only create pods with spec.nodeName set to itself",
    );
    check(&Request { object: Some(&base), ..create }, "can only create mirror pods");
    let changed = |change: &dyn Fn(&mut Value), wanted: &str| {
        let mut pod = mirror.clone();
        change(&mut pod);
        check(&Request { object: Some(&pod), ..create }, wanted);
    };
    changed(
        &|pod| pod["spec"]["volumes"] = json!([{"secret": {"secretName": "s"}}]),
        "reference secrets",
    );
    changed(
        &|pod| {
            pod["spec"]["volumes"] =
                json!([{"projected": {"sources": [{"serviceAccountToken": {}}]}}])
        },
        "reference service account tokens",
    );
    changed(
        &|pod| pod["metadata"]["ownerReferences"] = json!([]),
        "an owner reference set to itself",
    );
    changed(
        &|pod| pod["metadata"]["ownerReferences"][0]["name"] = json!("n2"),
        "an owner reference set to itself",
    );
    let status = by_node(Operation::Update, ("", "pods", "status"));
    check(&Request { object: Some(&mirror), old: Some(&mirror), ..status }, "");
    let mut labelled = mirror.clone();
    labelled["metadata"]["labels"] = json!({"app": "x"});
    check(
        &Request { object: Some(&labelled), old: Some(&mirror), ..status },
        "cannot update labels through pod status",
    );
    check(
        &Request { object: Some(&foreign), old: Some(&foreign), ..status },
        "can only update pod status for pods with spec.nodeName set to itself",
    );
    check(
        &Request {
            object: None,
            old: Some(&foreign),
            ..by_node(Operation::Delete, ("", "pods", ""))
        },
        "can only delete pods",
    );
}

#[test]
fn nodes() {
    let (user, base, check) = (node_user(), json!({}), judged);
    let by_node = |operation, of| by_node(&user, operation, of, &base);
    let nodes = by_node(Operation::Update, ("", "nodes", ""));
    let own = json!({"metadata": {"name": "n1", "labels": {"a": "b"}}});
    let mut labelled = own.clone();
    labelled["metadata"]["labels"]["node-restriction.kubernetes.io/x"] = json!("y");
    check(&Request { name: "n1", object: Some(&own), old: Some(&own), ..nodes }, "");
    check(
        &Request { name: "n2", object: Some(&own), old: Some(&own), ..nodes },
        "node \"n1\" is not allowed to modify node \"n2\"",
    );
    check(
        &Request { name: "n1", object: Some(&labelled), old: Some(&own), ..nodes },
        "is not allowed to modify labels: node-restriction.kubernetes.io/x",
    );
    for (label, is_allowed) in [
        ("kubernetes.io/hostname", true),
        ("x.node.kubernetes.io/y", true),
        ("example.com/role", true),
        ("node-role.kubernetes.io/control-plane", false),
        ("x.node-restriction.kubernetes.io/y", false),
        ("fakenode.kubernetes.io/y", false),
    ] {
        let mut labelled = own.clone();
        labelled["metadata"]["labels"][label] = json!("y");
        let wanted = if is_allowed { "" } else { "is not allowed to modify labels" };
        check(&Request { name: "n1", object: Some(&labelled), old: Some(&own), ..nodes }, wanted);
    }
    let slice = json!({"spec": {"nodeName": "n2"}});
    let slices = by_node(Operation::Create, ("resource.k8s.io", "resourceslices", ""));
    check(&Request { object: Some(&slice), ..slices }, "can only create ResourceSlice");
    let mut tainted = own.clone();
    tainted["spec"] = json!({"taints": [{"key": "k"}]});
    check(
        &Request { name: "n1", object: Some(&tainted), old: Some(&own), ..nodes },
        "is not allowed to modify taints",
    );
    let lease = by_node(Operation::Update, ("coordination.k8s.io", "leases", ""));
    check(&Request { namespace: "kube-node-lease", name: "n1", ..lease }, "");
    check(
        &Request { namespace: "kube-node-lease", name: "n2", ..lease },
        "can only access node lease with the same name as the requesting node",
    );
    check(
        &Request { namespace: "default", name: "n1", ..lease },
        "can only access leases in the \"kube-node-lease\" system namespace",
    );
    let token = by_node(Operation::Create, ("", "serviceaccounts", "token"));
    check(&Request { object: Some(&base), ..token }, "node requested token not bound to a pod");
    let bound = json!({"spec": {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": "u"}}});
    check(&Request { object: Some(&bound), ..token }, "");
    check(&request(&base), "");
}
