//! What follows from services and pods, and how it lies in slices.

use super::backend::Backend;
use super::slices::{Frame, Group, plan};
use super::{custom, selected};
use serde_json::{Map, Value, json};
use std::sync::Arc;

fn pod(name: &str, ip: &str, extra: Value) -> Value {
    let mut pod = json!({
        "metadata": { "name": name, "namespace": "n", "uid": name, "labels": { "app": "a" } },
        "spec": {
            "nodeName": "node", "containers": [{ "ports": [{ "name": "web", "containerPort": 8080 }] }],
        },
        "status": {
            "phase": "Running", "podIP": ip, "podIPs": [{ "ip": ip }],
            "conditions": [{ "type": "Ready", "status": "True" }],
        },
    });
    merge(&mut pod, extra);
    pod
}

fn merge(into: &mut Value, extra: Value) {
    match (into, extra) {
        (Value::Object(into), Value::Object(extra)) => {
            for (name, value) in extra {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, extra) => *into = extra,
    }
}

fn service(spec: Value) -> Value {
    let mut service = json!({
        "metadata": { "name": "s", "namespace": "n", "uid": "s-uid", "labels": { "team": "x" } },
        "spec": {
            "clusterIP": "10.96.0.9", "ipFamilies": ["IPv4"], "selector": { "app": "a" },
            "ports": [{ "name": "http", "port": 80, "targetPort": "web", "protocol": "TCP" }],
        },
    });
    merge(&mut service["spec"], spec);
    service
}

fn backends(pods: &[Value]) -> Vec<Backend> {
    pods.iter().filter_map(Backend::of).collect()
}

fn groups(service: &Value, pods: &[Value]) -> Vec<Group> {
    selected::groups(service, backends(pods).iter(), &|node| {
        (node == "node").then(|| "zone-1".to_owned())
    })
}

#[test]
fn pods_that_have_ended_or_no_address_are_nothing() {
    assert!(
        Backend::of(&pod("a", "10.0.0.1", json!({ "status": { "phase": "Failed" } }))).is_none()
    );
    let nowhere = json!({ "status": { "podIP": "", "podIPs": [] } });
    assert!(Backend::of(&pod("a", "10.0.0.1", nowhere)).is_none());
    assert!(Backend::of(&pod("a", "10.0.0.1", json!({}))).is_some());
}

#[test]
fn endpoints_of_a_pod() {
    let found = groups(&service(json!({})), &[pod("a", "10.0.0.1", json!({}))]);
    let expected = json!({
        "addresses": ["10.0.0.1"],
        "conditions": { "ready": true, "serving": true, "terminating": false },
        "targetRef": { "kind": "Pod", "namespace": "n", "name": "a", "uid": "a" },
        "nodeName": "node", "zone": "zone-1",
    });
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].endpoints, [expected]);
    assert_eq!(found[0].ports, [json!({ "name": "http", "port": 8080, "protocol": "TCP" })]);
}

#[test]
fn conditions() {
    let check = |spec: Value, extra: Value, expected: (bool, bool, bool)| {
        let found = groups(&service(spec), &[pod("a", "10.0.0.1", extra)]);
        let is = |name: &str| found[0].endpoints[0]["conditions"][name] == true;
        assert_eq!((is("ready"), is("serving"), is("terminating")), expected);
    };
    let unready = json!({ "status": { "conditions": [{ "type": "Ready", "status": "False" }] } });
    let going = json!({ "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" } });
    let all = json!({ "publishNotReadyAddresses": true });
    check(json!({}), json!({}), (true, true, false));
    check(json!({}), unready.clone(), (false, false, false));
    check(json!({}), going.clone(), (false, true, true));
    check(all.clone(), unready, (true, false, false));
    check(all, going, (true, true, true));
}

#[test]
fn named_ports_and_families_make_groups() {
    let other = json!({ "spec": { "containers": [{ "ports": [{ "name": "web", "containerPort": 9090 }] }] } });
    let both = json!({ "status": { "podIPs": [{ "ip": "10.0.0.3" }, { "ip": "fd00::3" }] } });
    let pods =
        [pod("a", "10.0.0.1", json!({})), pod("b", "10.0.0.2", other), pod("c", "10.0.0.3", both)];
    let found = groups(&service(json!({ "ipFamilies": ["IPv4", "IPv6"] })), &pods);
    let mut shapes: Vec<_> = found
        .iter()
        .map(|it| (it.family, it.ports[0]["port"].as_i64().unwrap_or(0), it.endpoints.len()))
        .collect();
    shapes.sort_unstable();
    assert_eq!(shapes, [("IPv4", 8080, 2), ("IPv4", 9090, 1), ("IPv6", 8080, 1)]);
    // Nobody is there: one group that is empty, of which a placeholder is made.
    let none = groups(&service(json!({})), &[]);
    assert_eq!(none, [Group { family: "IPv4", ports: vec![], endpoints: vec![] }]);
}

#[test]
fn hints_and_hostnames() {
    let near = service(json!({ "trafficDistribution": "PreferClose" }));
    let named = json!({ "spec": { "hostname": "h", "subdomain": "s" } });
    let found = groups(&near, &[pod("a", "10.0.0.1", named)]);
    assert_eq!(found[0].endpoints[0]["hints"], json!({ "forZones": [{ "name": "zone-1" }] }));
    assert_eq!(found[0].endpoints[0]["hostname"], "h");
}

#[test]
fn endpoints_objects() {
    let unready = json!({ "status": { "conditions": [] } });
    let pods = [pod("b", "10.0.0.2", unready), pod("a", "10.0.0.1", json!({}))];
    let made = selected::endpoints(&service(json!({})), backends(&pods).iter(), None);
    assert_eq!(made["metadata"]["labels"]["team"], "x");
    assert_eq!(
        made["metadata"]["labels"]["endpoints.kubernetes.io/managed-by"],
        "endpoint-controller"
    );
    let subset = &made["subsets"][0];
    assert_eq!(subset["addresses"][0]["ip"], "10.0.0.1");
    assert_eq!(subset["notReadyAddresses"][0]["ip"], "10.0.0.2");
    assert_eq!(subset["ports"], json!([{ "name": "http", "port": 8080, "protocol": "TCP" }]));
    let none = selected::endpoints(&service(json!({})), [].iter(), Some(&made));
    assert!(none.get("subsets").is_none());
    let headless = service(json!({ "clusterIP": "None", "ports": [] }));
    let made = selected::endpoints(&headless, backends(&pods).iter(), None);
    assert_eq!(made["metadata"]["labels"]["service.kubernetes.io/headless"], "");
    assert!(made["subsets"][0].get("ports").is_none());
}

#[test]
fn too_many_are_said_to_be_cut() {
    let pods: Vec<Value> = (0..1200)
        .map(|at| pod(&format!("p{at}"), &format!("10.0.{}.{}", at / 250, at % 250 + 1), json!({})))
        .collect();
    let made = selected::endpoints(&service(json!({})), backends(&pods).iter(), None);
    assert_eq!(made["subsets"][0]["addresses"].as_array().map(Vec::len), Some(1000));
    let over = "endpoints.kubernetes.io/over-capacity";
    assert_eq!(made["metadata"]["annotations"][over], "truncated");
    let fewer = selected::endpoints(&service(json!({})), backends(&pods[..1]).iter(), Some(&made));
    assert!(fewer["metadata"].get("annotations").is_none());
}

fn frame() -> Frame {
    let mut labels = Map::new();
    labels.insert("l".to_owned(), "v".into());
    Frame {
        namespace: "n".to_owned(),
        prefix: "s-".to_owned(),
        labels,
        annotations: Map::new(),
        owner: json!({ "uid": "o" }),
        most: 3,
    }
}

fn group(names: &[&str]) -> Group {
    let endpoint = |name: &&str| json!({ "addresses": [name], "targetRef": { "uid": name } });
    let ports = vec![json!({ "name": "", "port": 1, "protocol": "TCP" })];
    Group { family: "IPv4", ports, endpoints: names.iter().map(endpoint).collect() }
}

/// The slices that a plan leaves, by their endpoints' names.
fn after(existing: &[Arc<Value>], plan: &super::Plan) -> Vec<Arc<Value>> {
    let name = |slice: &Value| slice["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let mut left: Vec<Arc<Value>> = existing
        .iter()
        .filter(|it| !plan.delete.iter().chain([]).any(|gone| name(gone) == name(it)))
        .map(|it| {
            let changed = plan.update.iter().find(|new| name(new) == name(it));
            changed.map_or_else(|| Arc::clone(it), |new| Arc::new(new.clone()))
        })
        .collect();
    for (at, slice) in plan.create.iter().enumerate() {
        let mut slice = slice.clone();
        slice["metadata"]["name"] = format!("new-{}-{at}", existing.len()).into();
        left.push(Arc::new(slice));
    }
    left
}

fn sizes(slices: &[Arc<Value>]) -> Vec<usize> {
    let mut sizes: Vec<usize> =
        slices.iter().map(|it| it["endpoints"].as_array().map_or(0, Vec::len)).collect();
    sizes.sort_unstable();
    sizes
}

#[test]
fn slices_are_filled_and_kept() {
    let first = plan(&frame(), vec![group(&["a", "b", "c", "d", "e"])], &[]);
    let slices = after(&[], &first);
    assert_eq!(sizes(&slices), [2, 3]);
    let again = plan(&frame(), vec![group(&["e", "d", "c", "b", "a"])], &slices);
    assert_eq!(again, super::Plan::default(), "what is right is left alone");
    // A new one goes where there is room; one that went leaves the rest where it was.
    let next = plan(&frame(), vec![group(&["a", "c", "d", "e", "f"])], &slices);
    assert_eq!((next.create.len(), next.update.len(), next.delete.len()), (0, 1, 0));
    let slices = after(&slices, &next);
    assert_eq!(sizes(&slices), [2, 3]);
    let none = plan(&frame(), vec![group(&[])], &slices);
    assert_eq!((none.create.len(), none.update.len(), none.delete.len()), (0, 1, 1));
    let slices = after(&slices, &none);
    assert_eq!(sizes(&slices), [0], "a placeholder stays");
    assert_eq!(plan(&frame(), vec![group(&[])], &slices), super::Plan::default());
    // Nothing is wanted at all.
    assert_eq!(plan(&frame(), vec![], &slices).delete.len(), 1);
}

#[test]
fn custom_endpoints_are_mirrored() {
    let mut endpoints = json!({
        "metadata": {
            "name": "s", "namespace": "n", "uid": "e", "labels": { "a": "b" },
            "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "x", "keep": "y" },
        },
        "subsets": [{
            "addresses": [{ "ip": "10.1.2.3" }, { "ip": "fd00::1" }],
            "notReadyAddresses": [{ "ip": "10.1.2.4", "hostname": "h" }],
            "ports": [{ "port": 80 }],
        }],
    });
    let found = custom::groups(&endpoints);
    let shapes: Vec<_> = found.iter().map(|it| (it.family, it.endpoints.len())).collect();
    assert_eq!(shapes, [("IPv4", 2), ("IPv6", 1)]);
    assert_eq!(found[0].ports, [json!({ "port": 80, "name": "", "protocol": "TCP" })]);
    assert_eq!(found[0].endpoints[1]["conditions"]["ready"], false);
    let frame = custom::frame(&endpoints);
    assert_eq!(frame.labels["kubernetes.io/service-name"], "s");
    assert_eq!(Value::from(frame.annotations), json!({ "keep": "y" }));
    assert!(custom::is_mirrored(&endpoints));
    endpoints["metadata"]["labels"]["endpointslice.kubernetes.io/skip-mirror"] = "true".into();
    assert!(!custom::is_mirrored(&endpoints));
}
