//! What a request may be. B2 row 10: what a check sees is what the handler sees.

use super::Engine;
use crate::world::World;

#[test]
fn a_key_that_stands_twice_is_refused() {
    let world = World::busybox();
    let engine = Engine::start(&world);
    let hidden = r#"{"Image":"busybox","Cmd":["true"],"HostConfig":{"Privileged":false},"HostConfig":{"Privileged":true}}"#;
    let (status, answer) = engine.ask("POST", "/containers/create?name=twice", hidden);
    assert_eq!(status, "400", "{answer}");
    assert!(answer["message"].as_str().is_some_and(|text| text.contains("stands twice")));
    let nested = r#"{"Image":"busybox","HostConfig":{"Binds":[],"Binds":["/:/host"]}}"#;
    assert_eq!(engine.ask("POST", "/containers/create", nested).0, "400");
    let rest = r#"{"Image":"busybox","Cmd":["true"]}{"HostConfig":{"Privileged":true}}"#;
    assert_eq!(engine.ask("POST", "/containers/create", rest).0, "400");
    assert_eq!(engine.ok(&["ps", "-aq"]), "", "something was made");
}

#[test]
fn a_large_body_is_seen_whole_or_refused() {
    let world = World::busybox();
    let engine = Engine::start(&world);
    // Beyond the megabyte at which others dropped the body before the check.
    let padding = "x".repeat(1_500_000);
    let body = |padding: &str| {
        format!(
            r#"{{"Labels":{{"padding":"{padding}"}},"Image":"busybox","Cmd":["true"],"HostConfig":{{"ReadonlyRootfs":true}}}}"#
        )
    };
    let path = world.file("large.json", &body(&padding));
    let (status, answer) =
        engine.ask("POST", "/containers/create?name=large", &format!("@{}", path.display()));
    assert_eq!(status, "201", "{answer}");
    let readonly = engine.ok(&["inspect", "large", "--format", "{{.HostConfig.ReadonlyRootfs}}"]);
    assert_eq!(readonly, "true");
    let path = world.file("larger.json", &body(&"x".repeat(5 << 20)));
    let (status, _) =
        engine.ask("POST", "/containers/create?name=larger", &format!("@{}", path.display()));
    assert_eq!(status, "413");
    assert_eq!(engine.ask("GET", "/containers/larger/json", "").0, "404");
}

#[test]
fn errors_have_dockers_codes_and_shape() {
    let world = World::busybox();
    let engine = Engine::start(&world);
    engine.ok(&["create", "--name", "made", "busybox", "true"]);
    for (method, path, expected) in [
        ("GET", "/nothing", "404"),
        ("PUT", "/version", "404"),
        ("GET", "/v1.23/version", "400"),
        ("GET", "/v1.99/version", "400"),
        ("GET", "/containers/nosuch/json", "404"),
        ("POST", "/containers/made/stop", "304"),
        ("POST", "/containers/made/kill", "409"),
        ("GET", "/containers/json?filters=%7B%22x%22%3A%5B%22y%22%5D%7D", "400"),
        ("GET", "/containers/json?filters=nonsense", "400"),
        ("GET", "/containers/made/logs", "400"),
        ("GET", "/services", "503"),
        ("POST", "/swarm/leave", "503"),
        ("POST", "/containers/made/checkpoints", "501"),
        ("GET", "/images/nosuch/json", "404"),
        ("DELETE", "/networks/bridge", "403"),
        ("GET", "/containers/%zz/json", "400"),
        ("GET", "/_ping", "200"),
    ] {
        let (status, answer) = engine.ask(method, path, "");
        assert_eq!(status, expected, "{method} {path}: {answer}");
        if expected.starts_with(['4', '5']) {
            assert!(answer["message"].is_string(), "{method} {path}: {answer}");
        }
    }
}
