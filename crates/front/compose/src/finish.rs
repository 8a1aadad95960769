//! A merged tree becomes a project: what files leave out is filled in, what contradicts itself is
//! refused. Compose spec, with Docker's words.
//!
//! Here variables of services are resolved (`environment` over `env_file`), names are given to
//! networks and volumes, and dependencies that follow from `links`, `network_mode: service:…` and
//! `volumes_from` become visible.

use crate::load::{EnvFileError, Files};
use crate::node::{Map, Node, Place, Value};
use crate::normal::Fault;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

mod check;
mod services;

/// Why a project contradicts itself.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// A service of nothing.
    #[error(
        "{place}: service {service:?} has neither an image nor a build context specified: invalid compose project"
    )]
    NoImage {
        /// Where.
        place: Place,
        /// Which.
        service: String,
    },
    /// A name that nothing has.
    #[error(
        "{place}: service {service:?} refers to undefined {kind} {name}: invalid compose project"
    )]
    Undefined {
        /// Where.
        place: Place,
        /// Who.
        service: String,
        /// `network`, `volume`, `secret`, `config`.
        kind: &'static str,
        /// What.
        name: String,
    },
    /// A service that is not there.
    #[error(
        "{place}: service {service:?} depends on undefined service {name:?}: invalid compose project"
    )]
    NoService {
        /// Where.
        place: Place,
        /// Who.
        service: String,
        /// Whom.
        name: String,
    },
    /// Services that wait for each other.
    #[error("dependency cycle detected: {}: invalid compose project", .0.join(" -> "))]
    Cycle(Vec<String>),
    /// Fields that exclude each other, or need each other.
    #[error("{place}: service {service:?}: {reason}: invalid compose project")]
    Conflict {
        /// Where.
        place: Place,
        /// Who.
        service: String,
        /// Which.
        reason: &'static str,
    },
    /// A secret or config without a source.
    #[error(
        "{place}: {kind} {name:?} must be one of file, environment, content or external: invalid compose project"
    )]
    NoSource {
        /// Where.
        place: Place,
        /// `secret` or `config`.
        kind: &'static str,
        /// Which.
        name: String,
    },
    /// A file of variables.
    #[error("service {service:?}: {source}")]
    EnvFile {
        /// Whose.
        service: String,
        /// Why.
        #[source]
        source: EnvFileError,
    },
    /// A value.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What a project is finished with.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// The project's name.
    pub name: &'a str,
    /// Its directory.
    pub directory: &'a Path,
    /// All variables.
    pub environment: &'a BTreeMap<String, String>,
    /// `config --no-env-resolution`: files of variables stay named and unread.
    pub keep_env_files: bool,
}

/// The finished tree.
pub fn finish(
    mut tree: Node,
    around: Surroundings<'_>,
    files: &dyn Files,
) -> Result<Node, FinishError> {
    let at = tree.at.clone();
    let Some(map) = tree.as_map_mut() else { return Ok(tree) };
    map.shift_remove("version");
    map.insert("name".to_owned(), Node::text(around.name, &at));
    if let Some(Value::Map(all)) = map.get_mut("services").map(|node| &mut node.value) {
        for (name, service) in all.iter_mut() {
            services::complete(name, service, around, files)?;
        }
    }
    default_network(map, &at);
    named(map, around.name);
    check::check(map)?;
    let mut out = Map::new();
    for section in ["name", "services", "networks", "volumes", "secrets", "configs", "models"] {
        if let Some((key, node)) = map.shift_remove_entry(section) {
            out.insert(key, node);
        }
    }
    map.sort_keys();
    out.extend(std::mem::take(map));
    *map = out;
    Ok(tree)
}

/// `default`, where a service is on it.
fn default_network(map: &mut Map, at: &Place) {
    let used = services_of(map).any(|(_, service)| {
        service.get("networks").is_some_and(|networks| networks.get("default").is_some())
    });
    if used {
        let networks = map.entry("networks".to_owned()).or_insert_with(|| Node::empty_map(at));
        if let Some(networks) = networks.as_map_mut() {
            networks.entry("default".to_owned()).or_insert_with(|| Node::empty_map(at));
            networks.sort_keys();
        }
    }
}

fn services_of(map: &Map) -> impl Iterator<Item = (&String, &Node)> {
    map.get("services").and_then(Node::as_map).into_iter().flatten()
}

/// What has no name of its own is called after the project and its key; what is external, after its
/// key.
fn named(map: &mut Map, project: &str) {
    for section in ["networks", "volumes", "secrets", "configs"] {
        let Some(Value::Map(all)) = map.get_mut(section).map(|node| &mut node.value) else {
            continue;
        };
        for (key, node) in all.iter_mut() {
            let at = node.at.clone();
            let Some(fields) = node.as_map_mut() else { continue };
            let external =
                fields.get("external").is_some_and(|node| node.value == Value::Bool(true));
            if !external {
                fields.shift_remove("external");
            }
            if !fields.contains_key("name") {
                let name = if external { key.clone() } else { format!("{project}_{key}") };
                fields.shift_insert(0, "name".to_owned(), Node::text(name, &at));
            }
        }
    }
}

/// Networks, volumes, secrets and configs that no service of these uses go.
pub fn prune(tree: &mut Node, keep: &BTreeSet<String>) {
    let Some(map) = tree.as_map_mut() else { return };
    let mut used: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (name, service) in services_of(map) {
        if !keep.contains(name) {
            continue;
        }
        for (section, names) in check::uses(service) {
            used.entry(section).or_default().extend(names);
        }
    }
    if let Some(Value::Map(all)) = map.get_mut("services").map(|node| &mut node.value) {
        all.retain(|name, _| keep.contains(name));
    }
    for section in ["networks", "volumes", "secrets", "configs"] {
        let Some(Value::Map(all)) = map.get_mut(section).map(|node| &mut node.value) else {
            continue;
        };
        all.retain(|name, _| used.get(section).is_some_and(|names| names.contains(name)));
        if all.is_empty() {
            map.shift_remove(section);
        }
    }
}
