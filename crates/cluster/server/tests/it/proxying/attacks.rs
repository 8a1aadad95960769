//! What somebody could try: addresses that are nobody's business, endpoints that are no pods, a
//! connection left open behind a refused upgrade, verbs that are not theirs.

use super::behind::{PODS, SERVICES, kubelet, node, plain, pod, service};
use crate::world::World;
use serde_json::json;

const UPGRADE: [&str; 2] = ["Connection: Upgrade", "Upgrade: websocket"];

#[test]
fn addresses_that_are_not_called() {
    let world = World::new();
    for (name, address) in
        [("a", "169.254.169.254"), ("b", "0.0.0.0"), ("c", "224.0.0.1"), ("d", "fe80::1")]
    {
        pod(&world, name, address, 80);
        let refused = world.get(&format!("{PODS}/{name}/proxy/x")).bad(400);
        assert_eq!(refused["message"], "address not allowed", "{address}");
        node(&world, name, address, 80);
        for node in [name.to_owned(), format!("http:{name}:81")] {
            let refused = world.get(&format!("/api/v1/nodes/{node}/proxy/x")).bad(503);
            let text = refused["message"].as_str().expect("a text");
            assert!(text.contains("the server does not call"), "{text}");
        }
    }
    // A pod that has no address yet.
    let none = json!({
        "metadata": { "name": "none" }, "spec": { "containers": [{ "name": "c", "image": "i" }] },
    });
    world.post(PODS, &none).good();
    world.get(&format!("{PODS}/none/proxy/x")).bad(400);
}

#[test]
fn this_machine_only_where_it_is_allowed() {
    let world = World::outward();
    let (port, seen) = plain(&world);
    pod(&world, "a", "127.0.0.1", port);
    node(&world, "n", "127.0.0.1", port);
    let reference = json!({ "kind": "Pod", "namespace": "default", "name": "a" });
    service(&world, "s", ("127.0.0.1", port), reference);
    world.get(&format!("{PODS}/a/proxy/x")).bad(400);
    world.get(&format!("{SERVICES}/s:web/proxy/x")).bad(400);
    world.get(&format!("/api/v1/nodes/http:n:{port}/proxy/x")).bad(503);
    world.get("/api/v1/nodes/n/proxy/x").bad(503);
    world.get(&format!("{PODS}/a/log")).bad(503);
    assert!(seen.lock().expect("unharmed").is_empty());
}

#[test]
fn endpoints_that_are_no_pods_lead_nowhere() {
    let world = World::new();
    let (port, seen) = plain(&world);
    pod(&world, "elsewhere", "10.255.255.1", port);
    let pods = [
        ("none", json!(null)),
        ("missing", json!({ "kind": "Pod", "namespace": "default", "name": "missing" })),
        ("foreign", json!({ "kind": "Pod", "namespace": "kube-system", "name": "a" })),
        ("lying", json!({ "kind": "Pod", "namespace": "default", "name": "elsewhere" })),
    ];
    for (name, reference) in pods {
        service(&world, name, ("127.0.0.1", port), reference);
        let refused = world.get(&format!("{SERVICES}/{name}:web/proxy/x")).bad(503);
        let text = format!("no endpoints available for service \"{name}:web\"");
        assert_eq!(refused["message"], text);
    }
    assert!(seen.lock().expect("unharmed").is_empty());
}

#[test]
fn a_refused_upgrade_ends_the_way_there() {
    let world = World::new();
    let (port, seen) = plain(&world);
    pod(&world, "a", "127.0.0.1", port);
    let root = format!("{PODS}/a/proxy");
    let mut stream = world.upgrade(&format!("{root}/shell"), &UPGRADE, 101);
    assert_eq!(stream.exchange("ping"), "ping");
    for (path, code) in [("refuse", 403), ("redirect", 502), ("elsewhere", 502)] {
        let mut stream = world.upgrade(&format!("{root}/{path}"), &UPGRADE, code);
        let before = seen.lock().expect("unharmed").len();
        stream.send("GET /smuggled HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let rest = stream.rest();
        let asked = seen.lock().expect("unharmed").split_off(before);
        assert!(asked.is_empty(), "{path}: {asked:?} {rest}");
    }
}

#[test]
fn the_verb_that_a_method_means_is_needed() {
    let world = World::guarded();
    let (port, _) = plain(&world);
    let (kubelet_port, _) = kubelet(&world);
    pod(&world, "a", "127.0.0.1", port);
    node(&world, "n", "127.0.0.1", kubelet_port);
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let rule = json!({
        "verbs": ["get"], "apiGroups": [""],
        "resources": ["pods", "pods/proxy", "pods/exec", "nodes/proxy"],
    });
    let role = json!({ "metadata": { "name": "reader" }, "rules": [rule] });
    world.post(&format!("{rbac}/clusterroles"), &role).good();
    let binding = json!({
        "metadata": { "name": "reader" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane" }],
    });
    world.post(&format!("{rbac}/clusterrolebindings"), &binding).good();
    let jane = "Impersonate-User: jane";
    let proxy = format!("{PODS}/a/proxy/x");
    world.until(|| world.ask("GET", &proxy, &[jane], "").code == 200);
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        assert_eq!(world.ask(method, &proxy, &[jane], "").code, 403, "{method}");
    }
    assert_eq!(world.get(&format!("{PODS}/a/proxy/x")).code, 200);
    let log = world.ask("GET", &format!("{PODS}/a/log"), &[jane], "").bad(403);
    let text = log["message"].as_str().expect("a text");
    assert!(text.contains("cannot get resource \"pods/log\""), "{text}");
    // Reading is no leave to run something: an upgrade needs `create`, whatever its method.
    let upgrade = [UPGRADE[0], UPGRADE[1], jane];
    world.upgrade(&format!("{PODS}/a/exec?command=sh&stdout=1"), &upgrade, 403);
    world.upgrade("/api/v1/nodes/n/proxy/exec/default/a/c?command=sh&output=1", &upgrade, 403);
    assert_eq!(world.ask("GET", "/api/v1/nodes/n/proxy/healthz", &[jane], "").code, 200);
    world.upgrade(&format!("{PODS}/a/exec?command=sh&stdout=1"), &UPGRADE, 101);
}
