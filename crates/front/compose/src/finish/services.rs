//! One service: variables resolved, defaults and implied dependencies filled in.

use super::{FinishError, Surroundings};
use crate::load::{EnvFileError, Files};
use crate::node::{Map, Node, Place, Value};
use std::path::PathBuf;

/// Fields that may name another service as `service:NAME`.
const NAMESPACES: [&str; 5] = ["network_mode", "ipc", "pid", "uts", "cgroup"];

/// Fills in a service.
pub fn complete(
    name: &str,
    service: &mut Node,
    around: Surroundings<'_>,
    files: &dyn Files,
) -> Result<(), FinishError> {
    let at = service.at.clone();
    let Some(fields) = service.as_map_mut() else { return Ok(()) };
    variables(name, fields, around, files)?;
    labels(name, fields, around, files)?;
    build(fields, around);
    grants(fields);
    if fields.get("pull_policy").and_then(Node::as_text) == Some("if_not_present") {
        fields.insert("pull_policy".to_owned(), Node::text("missing", &at));
    }
    if !fields.contains_key("networks") && !fields.contains_key("network_mode") {
        let networks = Map::from([("default".to_owned(), Node::new(Value::Null, at.clone()))]);
        fields.insert("networks".to_owned(), Node::new(Value::Map(networks), at.clone()));
    }
    if let Some(Value::List(hosts)) = fields.get_mut("extra_hosts").map(|node| &mut node.value) {
        hosts.sort_by(|a, b| a.as_text().cmp(&b.as_text()));
    }
    agreement(name, fields, &at)?;
    dependencies(fields, &at);
    order(service);
    Ok(())
}

/// Fields in the table's order again.
fn order(service: &mut Node) {
    let Some(fields) = service.as_map_mut() else { return };
    let mut out = Map::with_capacity(fields.len());
    for field in crate::schema::SERVICE.fields {
        if let Some((key, node)) = fields.shift_remove_entry(field.name) {
            out.insert(key, node);
        }
    }
    out.extend(std::mem::take(fields));
    *fields = out;
}

/// `environment` over `env_file`; bare names take their values from outside.
fn variables(
    name: &str,
    fields: &mut Map,
    around: Surroundings<'_>,
    files: &dyn Files,
) -> Result<(), FinishError> {
    let mut all = Map::new();
    if !around.keep_env_files
        && let Some(list) = fields.shift_remove("env_file")
    {
        for file in list.as_list().unwrap_or_default() {
            let path = PathBuf::from(file.get_text("path").unwrap_or_default());
            let required = file.get("required").is_none_or(|r| r.value != Value::Bool(false));
            if !required && !files.exists(&path) {
                continue;
            }
            let lookup = |name: &str| {
                let own = || all.get(name).and_then(Node::as_text).map(str::to_owned);
                around.environment.get(name).cloned().or_else(own)
            };
            let read = read(&path, file.get_text("format"), &lookup, files);
            let read =
                read.map_err(|source| FinishError::EnvFile { service: name.to_owned(), source })?;
            for (key, value) in read {
                all.insert(key, Node::text(value, &file.at));
            }
        }
    }
    let own = fields.get("environment").and_then(Node::as_map).cloned().unwrap_or_default();
    for (key, mut node) in own {
        if node.is_null()
            && let Some(value) = around.environment.get(&key)
        {
            node.value = Value::Text(value.clone());
        }
        // A bare name that is set nowhere leaves what a file says.
        if !(node.is_null() && all.contains_key(&key)) {
            all.insert(key, node);
        }
    }
    if !all.is_empty() {
        all.sort_keys();
        let at = all.values().next().map(|node| node.at.clone()).unwrap_or_default();
        fields.insert("environment".to_owned(), Node::new(Value::Map(all), at));
    }
    Ok(())
}

fn read(
    path: &std::path::Path,
    format: Option<&str>,
    lookup: &dyn Fn(&str) -> Option<String>,
    files: &dyn Files,
) -> Result<Vec<(String, String)>, EnvFileError> {
    crate::load::environment_file(path, format, lookup, files)
}

/// `labels` over `label_file`.
fn labels(
    name: &str,
    fields: &mut Map,
    around: Surroundings<'_>,
    files: &dyn Files,
) -> Result<(), FinishError> {
    if around.keep_env_files {
        return Ok(());
    }
    let Some(list) = fields.shift_remove("label_file") else { return Ok(()) };
    let mut all = Map::new();
    for file in list.as_list().unwrap_or_default() {
        let path = PathBuf::from(file.as_text().unwrap_or_default());
        let read = read(&path, None, &|_| Some(String::new()), files);
        let read =
            read.map_err(|source| FinishError::EnvFile { service: name.to_owned(), source })?;
        all.extend(read.into_iter().map(|(key, value)| (key, Node::text(value, &file.at))));
    }
    if let Some(Value::Map(own)) = fields.shift_remove("labels").map(|node| node.value) {
        all.extend(own);
    }
    all.sort_keys();
    fields.insert("labels".to_owned(), Node::new(Value::Map(all), list.at));
    Ok(())
}

fn build(fields: &mut Map, around: Surroundings<'_>) {
    let Some(node) = fields.get_mut("build") else { return };
    let at = node.at.clone();
    let Some(build) = node.as_map_mut() else { return };
    if !build.contains_key("context") {
        let context = around.directory.to_string_lossy().into_owned();
        build.shift_insert(0, "context".to_owned(), Node::text(context, &at));
    }
    if !build.contains_key("dockerfile") && !build.contains_key("dockerfile_inline") {
        build.shift_insert(1, "dockerfile".to_owned(), Node::text("Dockerfile", &at));
    }
    if let Some(Value::Map(args)) = build.get_mut("args").map(|node| &mut node.value) {
        for (key, arg) in args.iter_mut() {
            if arg.is_null()
                && let Some(value) = around.environment.get(key)
            {
                arg.value = Value::Text(value.clone());
            }
        }
        // What is set nowhere is left to the Dockerfile's own default.
        args.retain(|_, arg| !arg.is_null());
    }
    targets(build.get_mut("secrets"), "/run/secrets/");
}

fn grants(fields: &mut Map) {
    targets(fields.get_mut("secrets"), "/run/secrets/");
}

fn targets(list: Option<&mut Node>, directory: &str) {
    let Some(Value::List(list)) = list.map(|node| &mut node.value) else { return };
    for grant in list {
        let at = grant.at.clone();
        let Some(fields) = grant.as_map_mut() else { continue };
        if let (false, Some(source)) =
            (fields.contains_key("target"), fields.get("source").and_then(Node::as_text))
        {
            let target = Node::text(format!("{directory}{source}"), &at);
            fields.shift_insert(1, "target".to_owned(), target);
        }
    }
}

/// Fields that say the same in two places.
const TWICE: [(&str, &[&str], &str); 5] = [
    ("scale", &["replicas"], "can't set distinct values on 'scale' and 'deploy.replicas'"),
    (
        "cpus",
        &["resources", "limits", "cpus"],
        "can't set distinct values on 'cpus' and 'deploy.resources.limits.cpus'",
    ),
    (
        "mem_limit",
        &["resources", "limits", "memory"],
        "can't set distinct values on 'mem_limit' and 'deploy.resources.limits.memory'",
    ),
    (
        "mem_reservation",
        &["resources", "reservations", "memory"],
        "can't set distinct values on 'mem_reservation' and 'deploy.resources.reservations.memory'",
    ),
    (
        "pids_limit",
        &["resources", "limits", "pids"],
        "can't set distinct values on 'pids_limit' and 'deploy.resources.limits.pids'",
    ),
];

/// Older fields and `deploy` say the same.
fn agreement(name: &str, fields: &Map, at: &Place) -> Result<(), FinishError> {
    for (old, path, reason) in TWICE {
        let new = fields
            .get("deploy")
            .and_then(|deploy| path.iter().try_fold(deploy, |node, key| node.get(key)));
        if let (Some(old), Some(new)) = (fields.get(old), new)
            && old != new
        {
            let (place, service) = (at.clone(), name.to_owned());
            return Err(FinishError::Conflict { place, service, reason });
        }
    }
    Ok(())
}

/// What must run first without `depends_on` saying so.
fn dependencies(fields: &mut Map, at: &Place) {
    let texts = |key: &str| -> Vec<String> {
        let list = fields.get(key).and_then(Node::as_list).unwrap_or_default();
        list.iter().filter_map(Node::as_text).map(str::to_owned).collect()
    };
    let mut implied: Vec<(String, bool)> = Vec::new();
    for link in texts("links") {
        implied.push((link.split(':').next().unwrap_or_default().to_owned(), true));
    }
    for key in NAMESPACES {
        let text = fields.get(key).and_then(Node::as_text);
        if let Some(name) = text.and_then(|text| text.strip_prefix("service:")) {
            implied.push((name.to_owned(), true));
        }
    }
    for from in texts("volumes_from") {
        if !from.starts_with("container:") {
            implied.push((from.split(':').next().unwrap_or_default().to_owned(), false));
        }
    }
    if implied.is_empty() {
        return;
    }
    let node = fields.entry("depends_on".to_owned()).or_insert_with(|| Node::empty_map(at));
    let Some(map) = node.as_map_mut() else { return };
    for (name, restart) in implied {
        let mut dependency = Map::new();
        dependency.insert("condition".to_owned(), Node::text("service_started", at));
        if restart {
            dependency.insert("restart".to_owned(), Node::new(Value::Bool(true), at.clone()));
        }
        dependency.insert("required".to_owned(), Node::new(Value::Bool(true), at.clone()));
        map.entry(name).or_insert_with(|| Node::new(Value::Map(dependency), at.clone()));
    }
    map.sort_keys();
}
