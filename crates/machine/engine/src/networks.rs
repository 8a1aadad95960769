//! `/networks`: Teu's networks, and the two that every Docker has besides, `host` and `none`.

use crate::call::{Answer, Call};
use crate::engine::Engine;
use crate::error::{Error, Result};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use teu_containers::list::{ListOptions, Summary};
use teu_containers::time::rfc3339;
use teu_docker::network::{ConfigFrom, Ipam, Member, Network as Shown, Pool};
use teu_network::{Endpoint, Network};

pub mod create;

/// Docker's filters of `network ls`.
const KEYS: [&str; 7] = ["dangling", "driver", "id", "label", "name", "scope", "type"];

/// A network of Docker's that is none of ours.
fn builtin(engine: &Engine, name: &str, driver: &str) -> Shown {
    let home = engine.home().data.display().to_string();
    let id = teu_oci::Digest::sha256(format!("{home}\0{name}").as_bytes());
    Shown {
        name: name.to_owned(),
        id: id.hex().to_owned(),
        created: rfc3339(0),
        scope: "local",
        driver: driver.to_owned(),
        enable_ipv4: true,
        enable_ipv6: false,
        ipam: Ipam { driver: "default", options: None, config: None },
        internal: false,
        attachable: false,
        ingress: false,
        config_from: ConfigFrom::default(),
        config_only: false,
        containers: BTreeMap::new(),
        options: BTreeMap::new(),
        labels: BTreeMap::new(),
    }
}

fn builtins(engine: &Engine) -> [Shown; 2] {
    [builtin(engine, "host", "host"), builtin(engine, "none", "null")]
}

fn shown(network: &Network) -> Shown {
    let pool = |pool: &teu_network::Pool| Pool {
        subnet: pool.subnet.to_string(),
        ip_range: pool.range.map(|range| range.to_string()).unwrap_or_default(),
        gateway: pool.gateway.to_string(),
    };
    Shown {
        name: network.name.clone(),
        id: network.id.clone(),
        created: rfc3339(network.created_ns),
        scope: "local",
        driver: network.driver.clone(),
        enable_ipv4: network.ipv4().is_some(),
        enable_ipv6: network.ipv6().is_some(),
        ipam: Ipam {
            driver: "default",
            options: (!network.is_default()).then(BTreeMap::new),
            config: Some(network.subnets.iter().map(pool).collect()),
        },
        internal: network.internal,
        attachable: false,
        ingress: false,
        config_from: ConfigFrom::default(),
        config_only: false,
        containers: BTreeMap::new(),
        options: network.options.clone(),
        labels: network.labels.clone(),
    }
}

fn member(endpoint: &Endpoint, owner: Option<&Summary>) -> (String, Member) {
    let address = |subnet: Option<teu_network::Subnet>| {
        subnet.map(|subnet| subnet.to_string()).unwrap_or_default()
    };
    let id = owner.map_or_else(|| endpoint.pod.clone(), |container| container.id.clone());
    let member = Member {
        name: owner.map_or_else(|| endpoint.name.clone(), |container| container.name.clone()),
        endpoint_id: endpoint.id.clone(),
        mac_address: endpoint.mac.to_string(),
        ipv4_address: address(endpoint.ipv4),
        ipv6_address: address(endpoint.ipv6),
    };
    (id, member)
}

fn everybody(engine: &Engine) -> Result<Vec<Summary>> {
    let all = ListOptions { all: true, ..ListOptions::default() };
    Ok(engine.containers().list(&all)?)
}

/// `GET /networks`
pub fn list(engine: &Engine, call: &Call) -> Result<Answer> {
    let filters = call.query.filters()?;
    if let Some((key, _)) = filters.iter().find(|(key, _)| !KEYS.contains(&key.as_str())) {
        return Err(Error::bad(format!("invalid filter '{key}'")));
    }
    let mut all: Vec<Shown> = engine.containers().networks().list()?.iter().map(shown).collect();
    all.extend(builtins(engine));
    let needs_users = filters.iter().any(|(key, _)| key == "dangling");
    let used: Vec<String> = match needs_users {
        true => everybody(engine)?.into_iter().flat_map(|c| c.networks).collect(),
        false => Vec::new(),
    };
    all.retain(|network| fits(network, &filters, &used));
    Answer::ok(&all)
}

fn is_builtin(name: &str) -> bool {
    matches!(name, "bridge" | "host" | "none")
}

fn fits(network: &Shown, filters: &[(String, String)], used: &[String]) -> bool {
    let one = |key: &str, value: &str| match key {
        "name" => network.name.contains(value),
        "id" => network.id.starts_with(value),
        "driver" => network.driver == value,
        "scope" => value == network.scope,
        "type" => (value == "builtin") == is_builtin(&network.name),
        "dangling" => {
            let dangling = !is_builtin(&network.name) && !used.contains(&network.name);
            matches!(value, "1" | "true") == dangling
        }
        "label" => match value.split_once('=') {
            Some((key, value)) => network.labels.get(key).is_some_and(|found| found == value),
            None => network.labels.contains_key(value),
        },
        _ => false,
    };
    KEYS.iter().all(|key| {
        let mut values = filters.iter().filter(|(known, _)| known == key).peekable();
        values.peek().is_none()
            || match *key {
                "label" => values.all(|(key, value)| one(key, value)),
                _ => values.any(|(key, value)| one(key, value)),
            }
    })
}

/// `GET /networks/{id}`
pub fn inspect(engine: &Engine, name: &str) -> Result<Answer> {
    let found = engine.containers().networks().inspect(name);
    let network = match found {
        Ok(network) => network,
        Err(teu_network::Error::NotFound { .. }) => {
            let known = |shown: &Shown| {
                shown.name == name || (name.len() >= 3 && shown.id.starts_with(name))
            };
            let Some(mut shown) = builtins(engine).into_iter().find(known) else {
                return Err(Error::missing(format!("network {name} not found")));
            };
            let members = everybody(engine)?;
            for container in members.iter().filter(|c| c.networks.contains(&shown.name)) {
                if container.state.needs_shim() {
                    shown.containers.insert(container.id.clone(), bare(container));
                }
            }
            return Answer::ok(&shown);
        }
        Err(error) => return Err(error.into()),
    };
    let mut document = shown(&network);
    let containers = everybody(engine)?;
    for endpoint in engine.containers().networks().endpoints(&network)? {
        let owner = containers.iter().find(|container| container.pod == endpoint.pod);
        let (id, member) = member(&endpoint, owner);
        document.containers.insert(id, member);
    }
    Answer::ok(&document)
}

fn bare(container: &Summary) -> Member {
    Member {
        name: container.name.clone(),
        endpoint_id: container.pod.clone(),
        mac_address: String::new(),
        ipv4_address: String::new(),
        ipv6_address: String::new(),
    }
}

/// `DELETE /networks/{id}`
pub fn remove(engine: &Engine, name: &str) -> Result<Answer> {
    let networks = engine.containers().networks();
    if is_builtin(name) {
        let message = format!("{name} is a pre-defined network and cannot be removed");
        return Err(Error::status_of(403, message));
    }
    let network = networks.inspect(name)?;
    networks.remove(&network.id)?;
    journal(engine, &network, "destroy");
    Answer::done()
}

/// `POST /networks/prune`
pub fn prune(engine: &Engine, call: &Call) -> Result<Answer> {
    let filters = call.query.filters()?;
    let wanted: Vec<String> = everybody(engine)?.into_iter().flat_map(|c| c.networks).collect();
    let mut until = None;
    let mut labels = Vec::new();
    for (key, value) in filters {
        match key.as_str() {
            "until" => {
                until = Some(teu_containers::time::parse(&value, teu_containers::time::now_ns())?);
            }
            "label" | "label!" => labels.push((key, value)),
            _ => return Err(Error::bad(format!("invalid filter '{key}'"))),
        }
    }
    let has = |network: &Network, text: &str| match text.split_once('=') {
        Some((key, value)) => network.labels.get(key).is_some_and(|found| found == value),
        None => network.labels.contains_key(text),
    };
    let keep = |network: &Network| {
        wanted.contains(&network.name)
            || until.is_some_and(|until| network.created_ns >= until)
            || labels.iter().any(|(key, value)| has(network, value) != (key == "label"))
    };
    let pruned = engine.containers().networks().prune(&keep)?;
    let mut answer = Map::new();
    let names = if pruned.networks.is_empty() { Value::Null } else { json!(pruned.networks) };
    answer.insert("NetworksDeleted".to_owned(), names);
    Answer::ok(&answer)
}

pub(crate) fn journal(engine: &Engine, network: &Network, action: &str) {
    let attributes = BTreeMap::from([
        ("name".to_owned(), network.name.clone()),
        ("type".to_owned(), network.driver.clone()),
    ]);
    let event = teu_containers::events::Event::new("network", action, &network.id, attributes);
    // An event that cannot be written stops nothing.
    let _ = engine.containers().emit(&event);
}
