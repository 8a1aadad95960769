//! From what is there to what is wanted, as lines of a plan.

use super::*;
use crate::load::tests::{read_as, wishes};
use crate::observe::{Observed, Seen};
use crate::project::Project;
use std::collections::{BTreeMap, BTreeSet};
use teu_containers::state::Status;

fn project(text: &str) -> Project {
    let mut project = read_as(&wishes(), &[("compose.yaml", text)]).expect("reads");
    project.apply_profiles(&[]).expect("profiles");
    project
}

/// A running container as an earlier `up` of the same file left it.
fn container(project: &Project, service: &str, number: u32) -> Observed {
    let tree = project.service_tree(service);
    Observed {
        id: format!("{service}{number}").repeat(8),
        name: format!("p-{service}-{number}"),
        service: service.to_owned(),
        number,
        hash: tree.map(crate::print::service_hash),
        status: Status::Running,
        project: "p".to_owned(),
        ..Observed::default()
    }
}

fn seen(project: &Project, containers: Vec<Observed>) -> Seen {
    let names = |all: Vec<&String>| all.into_iter().map(|n| (n.clone(), BTreeMap::new())).collect();
    Seen {
        containers,
        networks: names(project.model.networks.values().map(|network| &network.name).collect()),
        volumes: names(project.model.volumes.values().map(|volume| &volume.name).collect()),
    }
}

fn planned(project: &Project, seen: &Seen, options: &UpOptions) -> Plan {
    let request =
        UpRequest { project, seen, images: &BTreeMap::new(), probes: &BTreeSet::new(), options };
    up(&request)
}

fn lines(plan: &Plan) -> Vec<String> {
    let all = plan.ordered();
    assert_eq!(all.len(), plan.steps.len(), "no circle: {plan:?}");
    all.iter()
        .map(|step| {
            let (_, name, now, _) = step.action.words();
            format!("{now} {name}")
        })
        .collect()
}

#[track_caller]
fn check(text: &str, there: &[(&str, u32)], expected: &[&str]) {
    let project = project(text);
    let containers = there.iter().map(|(name, number)| container(&project, name, *number));
    let seen = seen(&project, containers.collect());
    assert_eq!(lines(&planned(&project, &seen, &UpOptions::default())), expected);
}

const TWO: &str =
    "services:\n  a: {image: x, depends_on: {b: {condition: service_healthy}}}\n  b: {image: y}\n";

#[test]
fn from_nothing() {
    let project = project(TWO);
    let plan = planned(&project, &Seen::default(), &UpOptions::default());
    assert_eq!(
        lines(&plan),
        [
            "Creating p_default",
            "Creating p-b-1",
            "Starting p-b-1",
            "Waiting p-b-1",
            "Creating p-a-1",
            "Starting p-a-1"
        ]
    );
}

#[test]
fn what_is_unchanged_is_left_alone() {
    check(TWO, &[("a", 1), ("b", 1)], &["Waiting p-b-1"]);
    check("services: {a: {image: x}}", &[("a", 1)], &[]);
}

#[test]
fn scaling_up_fills_gaps_and_down_takes_the_highest() {
    check(
        "services: {a: {image: x, scale: 3}}",
        &[("a", 1), ("a", 3)],
        &["Creating p-a-2", "Starting p-a-2"],
    );
    check(
        "services: {a: {image: x}}",
        &[("a", 1), ("a", 2), ("a", 3)],
        &["Stopping p-a-3", "Removing p-a-3", "Stopping p-a-2", "Removing p-a-2"],
    );
    check(
        "services: {a: {image: x, scale: 0}}",
        &[("a", 1)],
        &["Stopping p-a-1", "Removing p-a-1"],
    );
}

fn changed(text: &str) -> Vec<String> {
    let project = project(text);
    let old = Observed { hash: Some("old".to_owned()), ..container(&project, "a", 1) };
    let seen = seen(&project, vec![old]);
    lines(&planned(&project, &seen, &UpOptions::default()))
}

const START_FIRST: [&str; 6] = [
    "Recreate p-a-1",
    "Starting a1a1a1a1a1a1_p-a-1",
    "Waiting a1a1a1a1a1a1_p-a-1",
    "Stopping p-a-1",
    "Removing p-a-1",
    "Renaming p-a-1",
];
const STOP_FIRST: [&str; 5] =
    ["Recreate p-a-1", "Stopping p-a-1", "Removing p-a-1", "Renaming p-a-1", "Starting p-a-1"];

#[test]
fn a_changed_service_with_a_probe_is_replaced_start_first() {
    let probe = "healthcheck: {test: 'true'}";
    let check = |extra: &str, expected: &[&str]| {
        let text = format!("services: {{a: {{image: x, {extra}}}}}\nvolumes: {{v: }}\n");
        assert_eq!(changed(&text), expected, "{extra}");
    };
    check(probe, &START_FIRST);
    check(&format!("{probe}, ports: ['80']"), &START_FIRST);
    check(&format!("{probe}, volumes: ['v:/d:ro']"), &START_FIRST);
    check("hostname: h", &STOP_FIRST);
    check(&format!("{probe}, ports: ['80:80']"), &STOP_FIRST);
    check(&format!("{probe}, volumes: ['v:/d']"), &STOP_FIRST);
    check(&format!("{probe}, network_mode: host"), &STOP_FIRST);
    check("healthcheck: {disable: true}", &STOP_FIRST);
    check("deploy: {update_config: {order: start-first}}", &START_FIRST);
    check("deploy: {update_config: {order: start-first}}, volumes: ['v:/d']", &START_FIRST);
    check("deploy: {update_config: {order: start-first}}, ports: ['80:80']", &STOP_FIRST);
    check(&format!("{probe}, deploy: {{update_config: {{order: stop-first}}}}"), &STOP_FIRST);
}

#[test]
fn an_image_that_has_moved_counts_as_a_change() {
    let project = project("services: {a: {image: x}}");
    let old = Observed { image_id: Some("sha256:1".to_owned()), ..container(&project, "a", 1) };
    let seen = seen(&project, vec![old]);
    let images = BTreeMap::from([("a".to_owned(), "sha256:2".to_owned())]);
    let options = UpOptions::default();
    let request = UpRequest {
        project: &project,
        seen: &seen,
        images: &images,
        probes: &BTreeSet::new(),
        options: &options,
    };
    assert_eq!(lines(&up(&request)), STOP_FIRST);
}

#[test]
fn recreation_is_forced_or_forbidden() {
    let project = project("services: {a: {image: x}}");
    let seen = seen(&project, vec![container(&project, "a", 1)]);
    let with = |recreate| {
        lines(&planned(&project, &seen, &UpOptions { recreate, ..UpOptions::default() }))
    };
    assert_eq!(with(Recreate::Always), STOP_FIRST);
    assert!(with(Recreate::Never).is_empty());
    let old = Observed { hash: None, ..container(&project, "a", 1) };
    let outdated = self::seen(&project, vec![old]);
    let never = UpOptions { recreate: Recreate::Never, ..UpOptions::default() };
    assert!(lines(&planned(&project, &outdated, &never)).is_empty());
}

#[test]
fn an_up_that_was_killed_is_taken_up() {
    let project = project("services: {a: {image: x}}");
    let old = Observed { hash: Some("old".to_owned()), ..container(&project, "a", 1) };
    let new = Observed {
        id: "n".repeat(64),
        name: passing_name(&old.id, "p-a-1"),
        status: Status::Created,
        ..container(&project, "a", 1)
    };
    let both = seen(&project, vec![old.clone(), new.clone()]);
    assert_eq!(
        lines(&planned(&project, &both, &UpOptions::default())),
        ["Stopping p-a-1", "Removing p-a-1", "Renaming p-a-1", "Starting p-a-1"]
    );
    let alone = seen(&project, vec![new.clone()]);
    assert_eq!(
        lines(&planned(&project, &alone, &UpOptions::default())),
        ["Renaming p-a-1", "Starting p-a-1"]
    );
    // Changed again meanwhile: the passing name is taken by one that goes first.
    let newer = Observed { hash: Some("newer".to_owned()), ..new };
    let both = seen(&project, vec![old, newer]);
    let plan = lines(&planned(&project, &both, &UpOptions::default()));
    let at = |text: &str| plan.iter().position(|line| line == text).expect("there");
    assert!(at("Removing a1a1a1a1a1a1_p-a-1") < at("Recreate p-a-1"), "{plan:?}");
}

#[test]
fn orphans_are_told_or_removed() {
    let project = project("services: {a: {image: x}}");
    let orphan = Observed { service: "gone".to_owned(), ..container(&project, "gone", 1) };
    let seen = seen(&project, vec![container(&project, "a", 1), orphan]);
    let plan = planned(&project, &seen, &UpOptions::default());
    assert!(plan.warnings[0].starts_with("Found orphan containers ([p-gone-1])"));
    let options = UpOptions { remove_orphans: true, ..UpOptions::default() };
    assert_eq!(
        lines(&planned(&project, &seen, &options)),
        ["Stopping p-gone-1", "Removing p-gone-1"]
    );
}

#[test]
fn who_shares_a_namespace_follows() {
    let project = project("services: {a: {image: x}, b: {image: y, network_mode: 'service:a'}}");
    let old = Observed { hash: Some("old".to_owned()), ..container(&project, "a", 1) };
    let seen = seen(&project, vec![old, container(&project, "b", 1)]);
    let plan = lines(&planned(&project, &seen, &UpOptions::default()));
    let at = |text: &str| plan.iter().position(|line| line == text).expect(text);
    assert!(at("Stopping p-b-1") < at("Stopping p-a-1"), "{plan:?}");
    assert!(at("Starting p-a-1") < at("Starting p-b-1"), "{plan:?}");
}

#[test]
fn replicas_are_replaced_one_after_the_other() {
    let text = "services: {a: {image: x, scale: 2, healthcheck: {test: 'true'}}}";
    let project = project(text);
    let old = |n| Observed { hash: None, ..container(&project, "a", n) };
    let seen = seen(&project, vec![old(1), old(2)]);
    let plan = lines(&planned(&project, &seen, &UpOptions::default()));
    let at = |text: &str| plan.iter().position(|line| line == text).expect(text);
    assert!(at("Renaming p-a-1") < at("Starting a2a2a2a2a2a2_p-a-2"), "{plan:?}");
}

#[test]
fn dependents_restart_with_what_they_depend_on() {
    let text = "services: {a: {image: x, depends_on: {b: {condition: service_started, restart: true}}}, b: {image: y}}";
    let project = project(text);
    let old = Observed { hash: None, ..container(&project, "b", 1) };
    let seen = seen(&project, vec![container(&project, "a", 1), old]);
    let plan = lines(&planned(&project, &seen, &UpOptions::default()));
    assert_eq!(plan[plan.len() - 2..], ["Stopping p-a-1", "Starting p-a-1"]);
}

#[test]
fn down_ends_dependents_first() {
    let mut project = project(TWO);
    project.model.volumes.clear();
    let depends = |mut c: Observed, on: &str| {
        c.depends_on = vec![(on.to_owned(), false)];
        c
    };
    let labels = BTreeMap::from([(crate::labels::PROJECT.to_owned(), "p".to_owned())]);
    let seen = Seen {
        containers: vec![depends(container(&project, "a", 1), "b"), container(&project, "b", 1)],
        networks: [("p_default".to_owned(), labels.clone()), ("other".to_owned(), BTreeMap::new())]
            .into(),
        volumes: [("p_v".to_owned(), labels)].into(),
    };
    let options = DownOptions { volumes: true, ..DownOptions::default() };
    assert_eq!(
        lines(&down("p", &seen, &options)),
        [
            "Stopping p-a-1",
            "Stopping p-b-1",
            "Removing p-a-1",
            "Removing p-b-1",
            "Removing p_default",
            "Removing p_v"
        ]
    );
    let kept = down("p", &seen, &DownOptions::default());
    assert!(!lines(&kept).iter().any(|line| line.contains("p_v")));
}
