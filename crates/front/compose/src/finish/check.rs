//! What a whole project must be: every name is defined, nothing waits for itself.

use super::{FinishError, services_of};
use crate::node::{Map, Node, Value};
use std::collections::BTreeMap;

/// Names a service uses, by section.
pub fn uses(service: &Node) -> Vec<(&'static str, Vec<String>)> {
    let keys = |key: &str| -> Vec<String> {
        let map = service.get(key).and_then(Node::as_map);
        map.into_iter().flat_map(|map| map.keys().cloned()).collect()
    };
    let sources = |node: Option<&Node>, kind: Option<&str>| -> Vec<String> {
        let list = node.and_then(Node::as_list).unwrap_or_default();
        let fits = |node: &&Node| kind.is_none_or(|kind| node.get_text("type") == Some(kind));
        let source = |node: &Node| node.get_text("source").map(str::to_owned);
        list.iter().filter(fits).filter_map(source).collect()
    };
    let build = service.get("build").and_then(|build| build.get("secrets"));
    vec![
        ("networks", keys("networks")),
        ("volumes", sources(service.get("volumes"), Some("volume"))),
        ("secrets", sources(service.get("secrets"), None)),
        ("secrets", sources(build, None)),
        ("configs", sources(service.get("configs"), None)),
    ]
}

/// Checks a project.
pub fn check(map: &Map) -> Result<(), FinishError> {
    let empty = Map::new();
    let section = |name: &str| map.get(name).and_then(Node::as_map).unwrap_or(&empty);
    for (name, service) in services_of(map) {
        let place = || service.at.clone();
        if ["image", "build", "provider"].iter().all(|key| service.get(key).is_none()) {
            return Err(FinishError::NoImage { place: place(), service: name.clone() });
        }
        for (kind, names) in uses(service) {
            if let Some(missing) = names.iter().find(|used| !section(kind).contains_key(*used)) {
                return Err(FinishError::Undefined {
                    place: place(),
                    service: name.clone(),
                    kind: kind.strip_suffix('s').unwrap_or(kind),
                    name: missing.clone(),
                });
            }
        }
        let dependencies = service.get("depends_on").and_then(Node::as_map).unwrap_or(&empty);
        for (other, dependency) in dependencies {
            let required = dependency.get("required").is_none_or(|r| r.value != Value::Bool(false));
            if required && !section("services").contains_key(other) {
                let place = dependency.at.clone();
                let (service, name) = (name.clone(), other.clone());
                return Err(FinishError::NoService { place, service, name });
            }
        }
        conflicts(name, service)?;
    }
    for (kind, key) in [("secret", "secrets"), ("config", "configs")] {
        for (name, object) in section(key) {
            let sources = ["file", "environment", "content", "external"];
            let has = |field: &&&str| object.get(field).is_some();
            if sources.iter().filter(has).count() != 1 {
                let place = object.at.clone();
                return Err(FinishError::NoSource { place, kind, name: name.clone() });
            }
        }
    }
    cycles(section("services"))
}

fn conflicts(name: &str, service: &Node) -> Result<(), FinishError> {
    let refuse = |reason: &'static str| {
        Err(FinishError::Conflict { place: service.at.clone(), service: name.to_owned(), reason })
    };
    let has = |key: &str| service.get(key).is_some();
    let count = |node: Option<&Node>| match node.map(|node| &node.value) {
        Some(Value::Int(count)) => *count,
        _ => 1,
    };
    let replicas = service.get("deploy").and_then(|deploy| deploy.get("replicas"));
    let scale = count(service.get("scale").or(replicas));
    if has("network_mode") && has("networks") {
        return refuse("declares mutually exclusive `network_mode` and `networks`");
    }
    if has("container_name") && scale > 1 {
        return refuse(
            "container_name must be unique, and several replicas cannot have the same: remove it",
        );
    }
    if scale < 0 {
        return refuse("the number of replicas cannot be negative");
    }
    if let Some(build) = service.get("build")
        && build.get("dockerfile").is_some()
        && build.get("dockerfile_inline").is_some()
    {
        return refuse("declares mutually exclusive dockerfile and dockerfile_inline");
    }
    let rules = service.get("develop").and_then(|d| d.get("watch")).and_then(Node::as_list);
    for rule in rules.unwrap_or_default() {
        let action = rule.get_text("action").unwrap_or_default();
        if action.starts_with("sync") && rule.get("target").is_none() {
            return refuse("develop.watch: target is required for sync actions");
        }
        if action == "rebuild" && !has("build") {
            return refuse("develop.watch: rebuild needs a build section");
        }
    }
    Ok(())
}

fn cycles(services: &Map) -> Result<(), FinishError> {
    /// Untouched services are absent; `false` while one is on the way, `true` when it is done.
    fn visit<'a>(
        name: &'a str,
        services: &'a Map,
        done: &mut BTreeMap<&'a str, bool>,
        way: &mut Vec<&'a str>,
    ) -> Result<(), FinishError> {
        match done.get(name) {
            Some(true) => return Ok(()),
            Some(false) => {
                let from = way.iter().position(|other| *other == name).unwrap_or(0);
                let mut circle: Vec<String> =
                    way[from..].iter().map(|name| (*name).to_owned()).collect();
                circle.push(name.to_owned());
                return Err(FinishError::Cycle(circle));
            }
            None => {}
        }
        let Some((name, service)) = services.get_key_value(name) else { return Ok(()) };
        done.insert(name, false);
        way.push(name);
        let dependencies = service.get("depends_on").and_then(Node::as_map);
        for other in dependencies.into_iter().flat_map(|map| map.keys()) {
            visit(other, services, done, way)?;
        }
        way.pop();
        done.insert(name, true);
        Ok(())
    }
    let mut done = BTreeMap::new();
    services.keys().try_for_each(|name| visit(name, services, &mut done, &mut Vec::new()))
}
