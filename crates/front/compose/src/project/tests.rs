//! Profiles, selection, hashes.

use crate::load::tests::{read_as, wishes};
use crate::print::{is_hash_of, json, service_hash};

const PROFILES: &str = "services:\n  web: {image: x, depends_on: [db]}\n  db: {image: y, volumes: ['d:/d']}\n  debug: {image: z, profiles: [dev], depends_on: {tool: {condition: service_started, required: false}}}\n  tool: {image: t, profiles: [extra]}\nvolumes: {d: , unused: }\n";

fn names(profiles: &[&str], named: &[&str]) -> Result<Vec<String>, String> {
    let mut wishes = wishes();
    wishes.profiles = profiles.iter().map(|&p| p.to_owned()).collect();
    let mut project = read_as(&wishes, &[("compose.yaml", PROFILES)])?;
    let named: Vec<String> = named.iter().map(|&name| name.to_owned()).collect();
    project.apply_profiles(&named).map_err(|error| error.to_string())?;
    project.select(&named, true).map_err(|error| error.to_string())?;
    assert!(!project.model.volumes.contains_key("unused"));
    Ok(project.model.services.into_keys().collect())
}

#[test]
fn profiles_choose_services() {
    assert_eq!(names(&[], &[]).expect("all"), ["db", "web"]);
    assert_eq!(names(&["dev"], &[]).expect("all"), ["db", "debug", "web"]);
    assert_eq!(names(&["*"], &[]).expect("all"), ["db", "debug", "tool", "web"]);
    assert_eq!(names(&[], &["debug"]).expect("named"), ["debug"]);
    assert_eq!(names(&[], &["web"]).expect("named"), ["db", "web"]);
    assert_eq!(names(&[], &["wbe"]).expect_err("none"), "no such service: wbe");
    let text = "services: {a: {image: x, depends_on: [b]}, b: {image: y, profiles: [p]}}";
    let mut project = read_as(&wishes(), &[("compose.yaml", text)]).expect("reads");
    let error = project.apply_profiles(&[]).expect_err("needed").to_string();
    assert_eq!(
        error,
        "service \"b\" required by \"a\" is disabled. Can be enabled by profiles [\"p\"]"
    );
}

#[test]
fn hashes_see_what_matters() {
    let hash = |text: &str| {
        let project = read_as(&wishes(), &[("compose.yaml", text)]).expect("reads");
        service_hash(project.service_tree("a").expect("there"))
    };
    let base = hash("services: {a: {image: x, command: 'a <b>'}}");
    assert_eq!(base.len(), 64);
    assert_eq!(
        base,
        hash(
            "services: {a: {command: [a, <b>], image: x, scale: 3, profiles: [p], pull_policy: always}}"
        )
    );
    assert_ne!(base, hash("services: {a: {image: y, command: 'a <b>'}}"));
    assert_ne!(base, hash("services: {a: {image: x, command: 'a <b>', environment: {A: 1}}}"));
}

/// What `docker compose` 2.26 wrote into the label of a service with a dependency.
#[test]
fn hashes_of_earlier_compose_are_known() {
    let text = "services: {a: {image: busybox, depends_on: [b]}, b: {image: busybox}}";
    let project = read_as(&wishes(), &[("compose.yaml", text)]).expect("reads");
    let tree = project.service_tree("a").expect("there");
    assert_ne!(service_hash(tree), EARLIER);
    assert!(is_hash_of(tree, EARLIER));
    assert!(!is_hash_of(project.service_tree("b").expect("there"), EARLIER));
}

const EARLIER: &str = "b614647bcac2f6dd722667204e4d0204c2840a8e0298a6f037e2c882a7972c72";

#[test]
fn json_is_as_go_writes_it() {
    let text = "services: {a: {image: x, command: 'a <b>', cpus: 2, ulimits: {nproc: 5}, x-own: 1, deploy: {replicas: 2}}}\nx-top: 1\n";
    let project = read_as(&wishes(), &[("compose.yaml", text)]).expect("reads");
    let json = json(&project.tree);
    assert!(json.starts_with("{\n  \"name\": \"p\",\n  \"networks\": {\n    \"default\": {\n      \"name\": \"p_default\",\n      \"ipam\": {}\n"), "{json}");
    assert!(json.contains("\"\\u003cb\\u003e\""));
    assert!(json.contains("\"nproc\": 5"));
    assert!(json.contains("\"cpus\": 2,"));
    assert!(json.contains("\"entrypoint\": null,\n      \"image\": \"x\""), "{json}");
    assert!(json.contains("\"resources\": {},\n        \"placement\": {}"), "{json}");
    assert!(!json.contains("x-own") && json.contains("x-top"));
}
