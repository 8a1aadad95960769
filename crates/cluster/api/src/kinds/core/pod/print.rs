//! A pod's line in `kubectl get`: one word for the state of many containers.

use super::super::super::field::At;
use super::super::super::pod_spec::is_sidecar;
use super::super::super::print;
use serde_json::Value;

/// Names of init containers that stay.
pub fn sidecars<'v>(pod: &At<'v, '_>) -> Vec<&'v str> {
    let containers = pod.get("spec.initContainers");
    let staying = containers.items().filter(|container| is_sidecar(container));
    staying.map(|container| container.text("name")).collect()
}

/// What is found while looking at the containers.
#[derive(Default)]
struct Found {
    word: String,
    ready: usize,
    restarts: i64,
    last_restart: String,
}

impl Found {
    fn count(&mut self, status: &At) {
        self.restarts += status.get("restartCount").int();
        let finished = status.text("lastState.terminated.finishedAt");
        if finished > self.last_restart.as_str() {
            self.last_restart = finished.to_owned();
        }
    }
}

fn has_condition(pod: &At, kind: &str) -> bool {
    let conditions = pod.get("status.conditions");
    conditions.items().any(|one| one.text("type") == kind && one.text("status") == "True")
}

/// `Error`, `Signal:9` or `ExitCode:1`.
fn ended(terminated: &At) -> String {
    match (terminated.text("reason"), terminated.get("signal").int()) {
        ("", 0) => format!("ExitCode:{}", terminated.get("exitCode").int()),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

/// Looks at init containers; whether one of them is still at it.
fn initializing(pod: &At, sidecars: &[&str], found: &mut Found, of_sidecars: &mut Found) -> bool {
    let total = pod.get("spec.initContainers").len();
    for (at, status) in pod.get("status.initContainerStatuses").items().enumerate() {
        let stays = sidecars.contains(&status.text("name"));
        found.count(&status);
        if stays {
            of_sidecars.count(&status);
        }
        let (terminated, waiting) = (status.get("state.terminated"), status.get("state.waiting"));
        let reason = waiting.text("reason");
        if terminated.is_set() && terminated.get("exitCode").int() == 0 {
            continue;
        }
        if stays && status.get("started").bool() {
            found.ready += usize::from(status.get("ready").bool());
            continue;
        }
        found.word = if terminated.is_set() {
            format!("Init:{}", ended(&terminated))
        } else if waiting.is_set() && !reason.is_empty() && reason != "PodInitializing" {
            format!("Init:{reason}")
        } else {
            format!("Init:{at}/{total}")
        };
        return true;
    }
    false
}

fn running(pod: &At, found: &mut Found) {
    let mut has_running = false;
    let statuses = pod.get("status.containerStatuses");
    for at in (0..statuses.len()).rev() {
        let status = statuses.index(at);
        found.count(&status);
        let terminated = status.get("state.terminated");
        let waiting = status.text("state.waiting.reason");
        if !waiting.is_empty() {
            waiting.clone_into(&mut found.word);
        } else if terminated.is_set() {
            found.word = ended(&terminated);
        } else if status.get("ready").bool() && status.get("state.running").is_set() {
            has_running = true;
            found.ready += 1;
        }
    }
    if found.word == "Completed" && has_running {
        found.word = if has_condition(pod, "Ready") { "Running" } else { "NotReady" }.to_owned();
    }
}

fn look(pod: &At, sidecars: &[&str]) -> Found {
    let status = pod.get("status");
    let reason = status.text("reason");
    let mut found = Found {
        word: if reason.is_empty() { status.text("phase") } else { reason }.to_owned(),
        ..Found::default()
    };
    let conditions = status.get("conditions");
    let gated = conditions
        .items()
        .any(|one| one.text("type") == "PodScheduled" && one.text("reason") == "SchedulingGated");
    if gated {
        "SchedulingGated".clone_into(&mut found.word);
    }
    let mut of_sidecars = Found::default();
    let busy = initializing(pod, sidecars, &mut found, &mut of_sidecars);
    if !busy || has_condition(pod, "Initialized") {
        found.restarts = of_sidecars.restarts;
        found.last_restart = of_sidecars.last_restart;
        running(pod, &mut found);
    }
    if pod.get("metadata.deletionTimestamp").is_set() {
        if reason == "NodeLost" {
            "Unknown".clone_into(&mut found.word);
        } else if !["Failed", "Succeeded"].contains(&status.text("phase")) {
            "Terminating".clone_into(&mut found.word);
        }
    }
    found
}

fn gates(pod: &At) -> String {
    let gates = pod.get("spec.readinessGates");
    if gates.is_empty() {
        return String::new();
    }
    let open = gates.items().filter(|gate| has_condition(pod, gate.text("conditionType"))).count();
    format!("{open}/{}", gates.len())
}

pub fn cells(object: &Value, now: i64) -> Vec<Value> {
    let pod = At::root(object);
    let sidecars = sidecars(&pod);
    let found = look(&pod, &sidecars);
    let total = pod.get("spec.containers").len() + sidecars.len();
    let restarts = if found.restarts != 0 && !found.last_restart.is_empty() {
        format!("{} ({} ago)", found.restarts, print::since(&found.last_restart, now))
    } else {
        found.restarts.to_string()
    };
    let addresses = pod.get("status.podIPs");
    vec![
        print::name(object),
        format!("{}/{total}", found.ready).into(),
        found.word.into(),
        restarts.into(),
        print::age(object, now),
        print::or_none(addresses.index(0).text("ip")),
        print::or_none(pod.text("spec.nodeName")),
        print::or_none(pod.text("status.nominatedNodeName")),
        print::or_none(&gates(&pod)),
    ]
}
