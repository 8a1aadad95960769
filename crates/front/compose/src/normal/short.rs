//! Short forms and the long ones they stand for.

use super::{Fault, Path};
use crate::node::{Map, Node, Place, Value};

mod ports;
mod volumes;

pub use ports::{PortError, ports};
pub use volumes::volume;

/// Turns a short form into a long one; a long one stays.
pub type Convert = fn(Node, &Path) -> Result<Node, Fault>;

fn map_of(at: &Place, fields: &[(&str, Value)]) -> Node {
    let field =
        |(key, value): &(&str, Value)| ((*key).to_owned(), Node::new(value.clone(), at.clone()));
    Node::new(Value::Map(fields.iter().map(field).collect()), at.clone())
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// `build: DIR`
pub fn build(node: Node, _: &Path) -> Result<Node, Fault> {
    Ok(match &node.value {
        Value::Text(context) => map_of(&node.at, &[("context", text(context))]),
        _ => node,
    })
}

/// `- FILE` of `include`.
pub fn include(node: Node, _: &Path) -> Result<Node, Fault> {
    Ok(match &node.value {
        Value::Text(path) => map_of(&node.at, &[("path", text(path))]),
        _ => node,
    })
}

/// `extends: SERVICE`
pub fn extends(node: Node, _: &Path) -> Result<Node, Fault> {
    Ok(match &node.value {
        Value::Text(service) => map_of(&node.at, &[("service", text(service))]),
        _ => node,
    })
}

/// `external: {name: NAME}` is `external: true` and `name: NAME`.
pub fn external(mut node: Node, path: &Path) -> Result<Node, Fault> {
    let Some(map) = node.as_map_mut() else { return Ok(node) };
    let Some(external) = map.get("external") else { return Ok(node) };
    let at = external.at.clone();
    if let Value::Map(inner) = &external.value {
        let name = inner.get("name").cloned();
        if let Some(other) = inner.keys().find(|key| *key != "name" && !key.starts_with("x-")) {
            return Err(path
                .then("external")
                .value(&at, format!("additional property '{other}' is not allowed")));
        }
        map.insert("external".to_owned(), Node::new(Value::Bool(true), at.clone()));
        if let Some(name) = name {
            if map.get("name").is_some_and(|own| own.value != name.value) {
                return Err(path.value(&at, "name and external.name conflict; only use name"));
            }
            map.insert("name".to_owned(), name);
        }
    }
    let is_external = map.get("external").is_some_and(|external| {
        external.value == Value::Bool(true) || external.as_text() == Some("true")
    });
    let allowed = ["external", "name"];
    match map.keys().find(|key| !allowed.contains(&key.as_str()) && !key.starts_with("x-")) {
        Some(other) if is_external => {
            Err(path
                .value(&at, format!("conflicting parameters \"external\" and {other:?} specified")))
        }
        _ => Ok(node),
    }
}

/// `- NAME` of `secrets` and `configs`.
pub fn grant(node: Node, _: &Path) -> Result<Node, Fault> {
    Ok(match &node.value {
        Value::Text(source) => map_of(&node.at, &[("source", text(source))]),
        _ => node,
    })
}

/// `depends_on: [a, b]`, and what the long form leaves out.
pub fn depends_on(mut node: Node, path: &Path) -> Result<Node, Fault> {
    let at = node.at.clone();
    if let Value::List(list) = &node.value {
        let mut map = Map::new();
        for item in list {
            let Some(name) = item.as_text() else { return Err(path.kind(item, "a string")) };
            let started = [("condition", text("service_started")), ("required", Value::Bool(true))];
            map.insert(name.to_owned(), map_of(&item.at, &started));
        }
        return Ok(Node::new(Value::Map(map), at));
    }
    for value in node.as_map_mut().into_iter().flat_map(Map::values_mut) {
        let at = value.at.clone();
        if let Some(fields) = value.as_map_mut() {
            let required = || Node::new(Value::Bool(true), at);
            fields.entry("required".to_owned()).or_insert_with(required);
        }
    }
    Ok(node)
}

/// `networks: [a, b]`
pub fn keys(node: Node, path: &Path) -> Result<Node, Fault> {
    let Value::List(list) = &node.value else { return Ok(node) };
    let mut map = Map::new();
    for item in list {
        let Some(name) = item.as_text() else { return Err(path.kind(item, "a string")) };
        map.insert(name.to_owned(), Node::new(Value::Null, item.at.clone()));
    }
    Ok(Node::new(Value::Map(map), node.at.clone()))
}

/// `env_file: FILE` or a list of files.
pub fn env_file(node: Node, _: &Path) -> Result<Node, Fault> {
    let file = |item: Node| {
        let mut item = match &item.value {
            Value::Text(path) => map_of(&item.at, &[("path", text(path))]),
            _ => item,
        };
        let at = item.at.clone();
        if let Some(map) = item.as_map_mut() {
            map.entry("required".to_owned()).or_insert(Node::new(Value::Bool(true), at));
        }
        item
    };
    let at = node.at.clone();
    let list = match node.value {
        Value::List(list) => list.into_iter().map(file).collect(),
        _ => vec![file(node)],
    };
    Ok(Node::new(Value::List(list), at))
}

/// `HOST: ADDRESS`, `HOST:ADDRESS` or `HOST=ADDRESS`, as a list of `HOST=ADDRESS`.
pub fn extra_hosts(node: Node, path: &Path) -> Result<Node, Fault> {
    let at = node.at.clone();
    let mut out: Vec<Node> = Vec::new();
    let mut add = |host: &str, address: &str, at: &Place| {
        let address = address.trim();
        let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
        out.push(Node::text(format!("{}={bare}", host.trim()), at));
    };
    match &node.value {
        Value::Map(map) => {
            for (host, value) in map {
                match (&value.value, value.scalar()) {
                    (Value::List(list), _) => {
                        for item in list {
                            let address = item.as_text();
                            let address =
                                address.ok_or_else(|| path.then(host).kind(item, "a string"))?;
                            add(host, address, &item.at);
                        }
                    }
                    (_, Some(address)) => add(host, &address, &value.at),
                    _ => return Err(path.then(host).kind(value, "a string")),
                }
            }
        }
        Value::List(list) => {
            for item in list {
                let Some(line) = item.as_text() else { return Err(path.kind(item, "a string")) };
                let split = line.split_once('=').or_else(|| line.split_once(':'));
                match split.filter(|(host, address)| !host.is_empty() && !address.is_empty()) {
                    Some((host, address)) => add(host, address, &item.at),
                    None => {
                        return Err(path.value(&item.at, format!("bad host name: {line:?}")));
                    }
                }
            }
        }
        _ => return Err(path.kind(&node, "a mapping or a list")),
    }
    Ok(Node::new(Value::List(out), at))
}

/// `SOURCE[:TARGET[:PERMISSIONS]]`
pub fn device(node: Node, path: &Path) -> Result<Node, Fault> {
    let line = match &node.value {
        Value::Text(line) => line.clone(),
        Value::Map(map) => {
            let mut map = map.clone();
            let source = map.get("source").cloned();
            let at = node.at.clone();
            if let Some(source) = source {
                map.entry("target".to_owned()).or_insert(source);
            }
            map.entry("permissions".to_owned()).or_insert_with(|| Node::text("rwm", &at));
            return Ok(Node { value: Value::Map(map), ..node });
        }
        _ => return Ok(node),
    };
    let parts: Vec<&str> = line.split(':').collect();
    let (source, target, permissions) = match parts[..] {
        [source] => (source, source, "rwm"),
        [source, target] => (source, target, "rwm"),
        [source, target, permissions] => (source, target, permissions),
        _ => {
            let reason = format!("confusing device mapping, please use long syntax: {line}");
            return Err(path.value(&node.at, reason));
        }
    };
    Ok(map_of(
        &node.at,
        &[("source", text(source)), ("target", text(target)), ("permissions", text(permissions))],
    ))
}

/// `gpus: all`
pub fn gpus(node: Node, path: &Path) -> Result<Node, Fault> {
    match node.as_text() {
        Some("all") => {
            let all = map_of(&node.at, &[("count", text("all"))]);
            Ok(Node::new(Value::List(vec![all]), node.at.clone()))
        }
        Some(_) => Err(path.value(&node.at, "must be all or a list of devices")),
        None => Ok(node),
    }
}

/// `nofile: 1024`
pub fn ulimit(node: Node, _: &Path) -> Result<Node, Fault> {
    Ok(match &node.value {
        Value::Int(_) | Value::Text(_) => map_of(&node.at, &[("single", node.value.clone())]),
        _ => node,
    })
}

/// `test: COMMAND` is for a shell.
pub fn probe(node: Node, path: &Path) -> Result<Node, Fault> {
    match &node.value {
        Value::Text(command) => {
            let words = ["CMD-SHELL", command.as_str()].map(|word| Node::text(word, &node.at));
            Ok(Node::new(Value::List(words.into()), node.at.clone()))
        }
        Value::List(list) => match list.first().and_then(Node::as_text) {
            Some("NONE" | "CMD" | "CMD-SHELL") | None if !list.is_empty() => Ok(node),
            None => Ok(node),
            Some(_) => Err(path
                .value(&node.at, "when a list, the first item is one of NONE, CMD and CMD-SHELL")),
        },
        _ => Ok(node),
    }
}

/// `ssh: {default: …}` or a list of `ID[=PATH]`.
pub fn ssh(node: Node, path: &Path) -> Result<Node, Fault> {
    let at = node.at.clone();
    let list = match node.value {
        Value::Map(map) => map
            .into_iter()
            .map(|(id, value)| match value.scalar() {
                Some(path) => Node::text(format!("{id}={path}"), &value.at),
                None => Node::text(id, &value.at),
            })
            .collect(),
        Value::Text(_) => vec![node],
        Value::List(list) => list,
        _ => return Err(path.kind(&node, "a string, a mapping or a list")),
    };
    Ok(Node::new(Value::List(list), at))
}
