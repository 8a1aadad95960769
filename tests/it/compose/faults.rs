//! Commands killed in the middle: the next `up` makes it what the file says.

use super::Compose;
use crate::world::World;
use std::io::{BufRead as _, BufReader};

const TEXT: &str = "name: f
services:
  a:
    image: busybox
    command: sh -c 'trap exit TERM; touch /tmp/ok; while :; do sleep 1 & wait; done'
    environment: {V: '${V:-1}'}
    healthcheck: {test: test -f /tmp/ok, interval: 1s, start_interval: 100ms, start_period: 20s}
    depends_on: {b: {condition: service_healthy}, init: {condition: service_completed_successfully}}
    scale: 2
  b:
    image: busybox
    command: sh -c 'trap exit TERM; touch /tmp/ok; while :; do sleep 1 & wait; done'
    environment: {V: '${V:-1}'}
    healthcheck: {test: test -f /tmp/ok, interval: 1s, start_interval: 100ms, start_period: 20s}
    volumes: ['data:/data']
  init: {image: busybox, command: 'true'}
volumes: {data: }
";

/// Runs `up` until it has said so many lines, and kills it; false when it had ended by then.
fn killed_after(compose: &Compose<'_>, count: usize) -> bool {
    let mut child = compose.spawned("up -d --wait -t 1");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let said = lines.by_ref().take(count).filter(Result::is_ok).count();
    let _ = child.kill();
    child.wait().expect("ends");
    said == count
}

#[track_caller]
fn is_whole(compose: &Compose<'_>, version: &str) {
    compose.line("up -d --wait -t 1").ok();
    assert_eq!(
        compose.states(),
        ["f-a-1=running", "f-a-2=running", "f-b-1=running", "f-init-1=exited"]
    );
    for service in ["a", "b"] {
        assert_eq!(compose.shell(service, "echo $V").ok(), version);
    }
    // Nothing is left to be done but to run the job again.
    let plan = compose.teu_ok("--dry-run up -d");
    assert!(!plan.contains("Recreate") && !plan.contains("Creating"), "{plan}");
}

#[test]
fn an_up_that_is_killed_is_finished_by_the_next() {
    let world = World::busybox();
    let mut compose = Compose::of(&world, TEXT);
    for count in [2, 9] {
        killed_after(&compose, count);
        is_whole(&compose, "1");
        compose.line("down -v -t 1").ok();
        compose.is_gone();
    }
    is_whole(&compose, "1");
    let mut version = 1;
    for count in [4, 8, 12] {
        version += 1;
        compose.set("V", &version.to_string());
        killed_after(&compose, count);
        is_whole(&compose, &version.to_string());
    }
    compose.line("down -v -t 1").ok();
    compose.is_gone();
}

#[test]
fn a_failing_dependency_fails_the_whole_with_its_name() {
    let world = World::busybox();
    let text = "services:
  a: {image: busybox, command: sleep 100, init: true, depends_on: {job: {condition: service_completed_successfully}}}
  job: {image: busybox, command: sh -c 'exit 7'}
";
    let compose = Compose::of(&world, text);
    let said = compose.line("up -d").fails(1);
    assert!(said.contains("service \"job\" didn't complete successfully: exit 7"), "{said}");
    assert_eq!(compose.states(), ["p-a-1=created", "p-job-1=exited"]);
    let sick = "services:
  a: {image: busybox, command: 'true', depends_on: {b: {condition: service_healthy}}}
  b: {image: busybox, command: sleep 100, init: true, healthcheck: {test: 'false', interval: 100ms, retries: 1}}
";
    compose.write("compose.yaml", sick);
    let said = compose.line("up -d --remove-orphans").fails(1);
    assert!(said.contains("container p-b-1 is unhealthy"), "{said}");
    compose.write(
        "compose.yaml",
        &sick.replace("service_healthy", "service_healthy, required: false"),
    );
    compose.line("up -d").ok();
    let late = "services: {a: {image: busybox, command: sleep 100, init: true, healthcheck: {test: 'false', interval: 1h, start_period: 1h, start_interval: 1h}}}";
    compose.write("compose.yaml", late);
    let said = compose.line("up -d --wait --wait-timeout 1 --remove-orphans").fails(1);
    assert!(said.contains("application not healthy after 1s"), "{said}");
}
