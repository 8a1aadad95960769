//! Policies, and the file that events go to.

use super::policy::{Level, Plan, Policy, Stage};
use super::*;
use serde_json::json;
use std::time::Duration;

const POLICY: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, users: ['system:kube-proxy'], verbs: [watch], resources: [{group: '', resources: [endpoints, services]}]}
- {level: None, userGroups: ['system:authenticated'], nonResourceURLs: ['/api*', '/version']}
- {level: Request, resources: [{group: '', resources: [configmaps], resourceNames: [one]}], namespaces: [kube-system]}
- {level: Metadata, resources: [{group: '', resources: [secrets, 'pods/log', '*/status']}]}
- {level: RequestResponse, resources: [{group: apps}], omitManagedFields: true, omitStages: [ResponseStarted]}
- {level: Metadata}
";

fn user(name: &str) -> User {
    User {
        name: name.to_owned(),
        groups: vec!["system:authenticated".to_owned()],
        ..User::default()
    }
}

fn plan(name: &str, verb: &str, path: &str) -> Plan {
    let policy = Policy::parse(POLICY.as_bytes()).expect("a policy");
    let (user, peer, place) = (user(name), Peer::unknown(), Place::parse(path));
    let asked = Asked { user: Some(&user), real: None, verb, place: place.as_ref(), peer: &peer };
    policy.plan(asked, path)
}

#[test]
fn the_first_rule_that_fits_counts() {
    let check = |name: &str, verb: &str, path: &str, wanted: Level| {
        assert_eq!(plan(name, verb, path).level, wanted, "{name} {verb} {path}");
    };
    check("system:kube-proxy", "watch", "/api/v1/services", Level::None);
    check("system:kube-proxy", "list", "/api/v1/services", Level::Metadata);
    check("jane", "get", "/api", Level::None);
    check("jane", "get", "/apis/apps", Level::None);
    check("jane", "get", "/metrics", Level::Metadata);
    check("jane", "get", "/api/v1/namespaces/kube-system/configmaps/one", Level::Request);
    check("jane", "get", "/api/v1/namespaces/kube-system/configmaps/two", Level::Metadata);
    check("jane", "get", "/api/v1/namespaces/default/configmaps/one", Level::Metadata);
    check("jane", "get", "/api/v1/namespaces/default/pods/p/log", Level::Metadata);
    check("jane", "create", "/apis/apps/v1/namespaces/default/deployments", Level::RequestResponse);
    let plan = plan("jane", "create", "/apis/apps/v1/namespaces/default/deployments");
    assert!(!plan.wants(Stage::RequestReceived) && !plan.wants(Stage::ResponseStarted));
    assert!(plan.wants(Stage::ResponseComplete));
    let trimmed = plan.trimmed(json!({ "metadata": { "name": "a", "managedFields": [] } }));
    assert_eq!(trimmed, json!({ "metadata": { "name": "a" } }));
}

#[test]
fn what_is_misspelt_is_refused() {
    let check = |rules: &str, wanted: &str| {
        let text = format!("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: {rules}");
        let (at, why) = Policy::parse(text.as_bytes()).expect_err("a refusal");
        assert!(format!("{at}: {why}").contains(wanted), "{at}: {why}");
    };
    check("[]", "rules: expected one rule");
    check("[{level: Everything}]", "rules[0]: its level");
    check("[{level: None, usres: [a]}]", "a field that rules do not have");
    check("[{level: None, nonResourceURLs: ['/a*b']}]", "at its end");
    check("[{level: None, nonResourceURLs: ['/a'], namespaces: [b]}]", "both");
    check("[{level: None, omitStages: [Later]}]", "a stage is");
}

#[test]
fn files_are_put_aside_and_a_full_queue_is_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit.log");
    let config = LogConfig { path: path.clone(), max_bytes: 100, max_files: 2 };
    let log = Log::with(config, 1, Duration::from_secs(60)).expect("a log");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(async {
        for number in 0..40 {
            log.put(json!({ "number": number })).await;
        }
    });
    assert_eq!(log.lost(), 0);
    drop(log);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    let (newest, older, oldest) = (read("audit.log"), read("audit.log.1"), read("audit.log.2"));
    assert!(newest.ends_with("{\"number\":39}\n"), "{newest}");
    let all = format!("{oldest}{older}{newest}");
    let numbers: Vec<&str> = all.lines().collect();
    // None is missing between the oldest that is kept and the newest.
    let first = 40 - numbers.len();
    for (at, line) in numbers.iter().enumerate() {
        assert_eq!(*line, format!("{{\"number\":{}}}", first + at));
    }
    assert!(!folder.path().join("audit.log.3").exists());
}

#[test]
fn a_log_that_cannot_be_written_is_counted_not_waited_for_for_ever() {
    let log = Log::with(LogConfig::new("/dev/full".into()), 1, Duration::from_millis(1));
    let log = log.expect("a log");
    for _ in 0..1000 {
        log.offer(json!({ "a": 1 }));
    }
    let begun = std::time::Instant::now();
    while log.lost() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::yield_now();
    }
}
