//! The audit log as requests make it: who, what, how it ended, and never a secret at `Metadata`.

use crate::world::World;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use teu_server::audit::{Audit, Log, LogConfig, Policy};
use teu_server::time::SystemWall;

const POLICY: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitManagedFields: true
rules:
- {level: None, nonResourceURLs: ['/livez*']}
- {level: Metadata, resources: [{group: '', resources: [secrets]}], omitStages: [RequestReceived]}
- {level: RequestResponse, resources: [{group: '', resources: [configmaps]}]}
- {level: Request, resources: [{group: apps}], omitStages: [RequestReceived]}
- {level: Metadata}
";

fn world(folder: &Path) -> (World, PathBuf) {
    let path = folder.join("audit.log");
    let log = Log::open(LogConfig::new(path.clone())).expect("a log");
    let policy = Policy::parse(POLICY.as_bytes()).expect("a policy");
    let audit = Arc::new(Audit::new(policy, log, Arc::new(SystemWall)));
    (World::guarded_with(|api| api.audit = Some(audit)), path)
}

/// Events for a path, when there are so many.
fn events(world: &World, log: &Path, uri: &str, count: usize) -> Vec<Value> {
    let read = || -> Vec<Value> {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let all = whole.map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        all.filter(|event| event["requestURI"] == uri).collect()
    };
    world.until(|| read().len() >= count);
    read()
}

#[test]
fn who_did_what_is_written_and_no_secret_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let (world, log) = world(folder.path());
    let secrets = "/api/v1/namespaces/default/secrets";
    let secret =
        json!({ "metadata": { "name": "s" }, "stringData": { "k": "very-secret-indeed" } });
    world.post(secrets, &secret).good();
    world.get(&format!("{secrets}/s")).good();
    assert_eq!(world.get("/livez").code, 200);
    let made = events(&world, &log, secrets, 1);
    let made = made.last().expect("an event");
    assert_eq!((&made["stage"], &made["level"]), (&"ResponseComplete".into(), &"Metadata".into()));
    assert_eq!((&made["verb"], &made["user"]["username"]), (&"create".into(), &"tester".into()));
    assert_eq!(made["objectRef"]["resource"], "secrets");
    assert_eq!(made["responseStatus"]["code"], 201);
    assert_eq!(made["annotations"]["authorization.k8s.io/decision"], "allow");
    assert!(made.get("requestObject").is_none() && made.get("responseObject").is_none());
    // Both stages, both bodies, of what may be seen.
    let maps = "/api/v1/namespaces/default/configmaps";
    world.post(maps, &crate::world::map("m", json!({}))).good();
    let both = events(&world, &log, maps, 2);
    assert_eq!(both[0]["stage"], "RequestReceived");
    assert_eq!(both[1]["auditID"], both[0]["auditID"]);
    assert_eq!(both[1]["requestObject"]["data"]["a"], "1");
    assert_eq!(both[1]["responseObject"]["kind"], "ConfigMap");
    assert!(both[1]["responseObject"]["metadata"].get("managedFields").is_none());
    assert_eq!(both[1]["objectRef"]["name"], "m");
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    world.post(deployments, &json!({ "metadata": { "name": "d" } })).bad(422);
    let refused = events(&world, &log, deployments, 1);
    assert_eq!(refused[0]["responseStatus"]["reason"], "Invalid");
    assert_eq!(refused[0]["requestObject"]["metadata"]["name"], "d");
    let text = std::fs::read_to_string(&log).expect("a log");
    assert!(!text.contains("very-secret-indeed") && !text.contains("dmVyeS1zZWNyZXQtaW5kZWVk"));
    assert!(!text.contains("/livez"));
}

#[test]
fn refusals_watches_and_acting_as_another_are_written_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let (world, log) = world(folder.path());
    let pods = "/api/v1/namespaces/default/pods";
    let jane = ["Impersonate-User: jane", "Impersonate-Group: system:authenticated"];
    world.ask("GET", pods, &jane, "").bad(403);
    let last = events(&world, &log, pods, 2).pop().expect("an event");
    assert_eq!(last["user"]["username"], "tester");
    assert_eq!(last["impersonatedUser"]["username"], "jane");
    assert_eq!(last["annotations"]["authorization.k8s.io/decision"], "forbid");
    assert_eq!(last["responseStatus"]["reason"], "Forbidden");
    // Who shows a wrong token is nobody, and is written all the same.
    let nodes = "/api/v1/nodes";
    world.ask("GET", nodes, &["Authorization: Bearer wrong"], "").bad(401);
    let last = events(&world, &log, nodes, 2).pop().expect("an event");
    assert_eq!((&last["user"], &last["responseStatus"]["code"]), (&json!({}), &401.into()));
    // A watch has begun, and has ended.
    let watch = format!("{pods}?watch=1&timeoutSeconds=600");
    drop(world.watch(&watch));
    let stages = events(&world, &log, &watch, 3);
    let stages: Vec<&Value> = stages.iter().map(|event| &event["stage"]).collect();
    assert_eq!(stages, ["RequestReceived", "ResponseStarted", "ResponseComplete"]);
}
