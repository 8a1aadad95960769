//! Pods and services by HTTP.

use super::behind::{PODS, SERVICES, last, plain, pod, private, service};
use crate::world::World;
use serde_json::json;

#[test]
fn every_verb_reaches_a_pod_as_it_was_sent() {
    let world = World::new();
    let (port, seen) = plain(&world);
    pod(&world, "a", "127.0.0.1", port);
    let path = format!("{PODS}/a/proxy/some//path%2Fx/?a=b&c=%20");
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let answer = world.ask(method, &path, &["Authorization: Bearer x"], "body");
        assert_eq!(answer.code, 200, "{answer:?}");
        assert_eq!(answer.text, format!("{method} /some//path%2Fx/?a=b&c=%20"));
        let wanted = format!(
            "{method} /some//path%2Fx/?a=b&c=%20 certificate= authorization= user= forwarded={PODS}/a/proxy/some//path%2Fx/"
        );
        assert_eq!(last(&seen), wanted);
    }
    let answer = world.ask("HEAD", &path, &[], "");
    assert_eq!((answer.code, &*answer.text), (200, ""));
    // By port and scheme, and at the root.
    for name in [format!("a:{port}"), format!("http:a:{port}"), "http:a:".to_owned()] {
        assert_eq!(world.get(&format!("{PODS}/{name}/proxy/x")).text, "GET /x", "{name}");
    }
    assert_eq!(world.ask("POST", &format!("{PODS}/a/proxy?x=y"), &[], "").text, "POST /?x=y");
    let moved = world.get(&format!("{PODS}/a/proxy?x=y"));
    assert_eq!(moved.code, 301);
    let place = format!("location: {PODS}/a/proxy/?x=y\r\n");
    assert!(moved.headers.contains(&place), "{}", moved.headers);
    assert_eq!(world.get(&format!("{PODS}/a/proxy/")).text, "GET /");
}

#[test]
fn links_lead_back_and_bodies_may_be_long() {
    let world = World::new();
    let (port, _) = plain(&world);
    pod(&world, "a", "127.0.0.1", port);
    let root = format!("{PODS}/a/proxy");
    let page = world.get(&format!("{root}/page"));
    let link = format!(r#"<a href="{root}/rewriteme">test</a>"#);
    assert!(page.text.contains(&link), "{page:?}");
    let redirect = world.get(&format!("{root}/redirect"));
    assert_eq!(redirect.code, 302);
    let place = format!("location: {root}/there?a=b\r\n");
    assert!(redirect.headers.contains(&place), "{}", redirect.headers);
    // A place elsewhere is told, not gone to.
    let elsewhere = world.get(&format!("{root}/elsewhere"));
    assert!(elsewhere.headers.contains("location: https://169.254.169.254/"), "{elsewhere:?}");
    // More than any object may have.
    let long = "x".repeat(5 << 20);
    assert_eq!(world.ask("POST", &format!("{root}/count"), &[], &long).text, (5 << 20).to_string());
}

#[test]
fn over_tls_whoever_answers_there() {
    let world = World::new();
    let (port, _) = private(&world);
    pod(&world, "a", "127.0.0.1", port);
    assert_eq!(world.get(&format!("{PODS}/https:a:{port}/proxy/x")).text, "GET /x");
    assert_eq!(world.get(&format!("{PODS}/https:a:/proxy/x")).text, "GET /x");
}

#[test]
fn a_service_leads_to_its_pods() {
    let world = World::new();
    let (port, _) = plain(&world);
    pod(&world, "a", "127.0.0.1", port);
    let reference = json!({ "kind": "Pod", "namespace": "default", "name": "a" });
    service(&world, "s", ("127.0.0.1", port), reference);
    for name in ["s:web", "s:80", "http:s:web"] {
        let path = format!("{SERVICES}/{name}/proxy/x?y");
        assert_eq!(world.get(&path).text, "GET /x?y", "{name}");
    }
    let page = world.get(&format!("{SERVICES}/s:web/proxy/page"));
    assert!(page.text.contains(&format!("{SERVICES}/s:web/proxy/rewriteme")), "{page:?}");
    let refused = |name: &str, code: u16| {
        let answer = world.get(&format!("{SERVICES}/{name}/proxy/x")).bad(code);
        answer["message"].as_str().expect("a text").to_owned()
    };
    assert_eq!(refused("s:82", 503), "no service port 82 found for service \"s\"");
    assert_eq!(refused("s:other", 503), "no endpoints available for service \"s:other\"");
    assert_eq!(refused("none", 404), "services \"none\" not found");
    assert_eq!(refused("ftp:s:80", 400), "invalid service request \"ftp:s:80\"");
}
