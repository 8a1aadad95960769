//! `GET /containers/json`

use crate::call::{Answer, Call};
use crate::engine::Engine;
use crate::error::Result;
use serde_json::{Map, Value, json};
use teu_containers::list::{ListOptions, PortBinding, Summary};
use teu_containers::record::{MountKind, MountRecord};
use teu_containers::state::status_line;
use teu_containers::time::now_ns;
use teu_docker::summary::{Container, Port};
use teu_network::Endpoint;

/// Lists.
pub fn list(engine: &Engine, call: &Call) -> Result<Answer> {
    let query = &call.query;
    let limit: Option<i64> = query.number("limit")?;
    let options = ListOptions {
        all: query.flag("all"),
        size: query.flag("size"),
        last: limit.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0),
        filters: query.filters()?,
    };
    Answer::ok(&lines(engine, &options)?)
}

/// A line for each that the options want.
pub(crate) fn lines(engine: &Engine, options: &ListOptions) -> Result<Vec<Container>> {
    let now = now_ns();
    let all = engine.containers().list(options)?;
    Ok(all.into_iter().map(|summary| line(engine, summary, now)).collect())
}

fn line(engine: &Engine, summary: Summary, now: i64) -> Container {
    let mut networks = Map::new();
    for name in &summary.networks {
        let endpoint = summary.endpoints.iter().find(|endpoint| endpoint.network == *name);
        networks.insert(name.clone(), network(endpoint));
    }
    let mode = match summary.networks.first().map(String::as_str) {
        None => "none",
        Some(first) => first,
    };
    Container {
        command: summary.command.join(" "),
        created: summary.created_ns / 1_000_000_000,
        host_config: json!({ "NetworkMode": mode }),
        image: summary.image.clone(),
        image_id: summary.image_id.map(|id| id.to_string()).unwrap_or_default(),
        mounts: summary.mounts.iter().map(|record| mount(engine, record)).collect(),
        names: vec![format!("/{}", summary.name)],
        network_settings: json!({ "Networks": networks }),
        ports: summary.ports.iter().map(port).collect(),
        size_rw: summary.size.map(|size| size.writable_bytes),
        size_root_fs: summary.size.map(|size| size.total_bytes),
        state: summary.state.status.name().to_owned(),
        status: status_line(&summary.state, now),
        id: summary.id,
        labels: summary.labels,
    }
}

fn network(endpoint: Option<&Endpoint>) -> Value {
    let split = |subnet: Option<teu_network::Subnet>| {
        subnet.map_or((String::new(), 0), |subnet| (subnet.address.to_string(), subnet.prefix))
    };
    let gateway = |address: Option<std::net::IpAddr>| {
        address.map(|address| address.to_string()).unwrap_or_default()
    };
    let (ipv4, prefix4) = split(endpoint.and_then(|e| e.ipv4));
    let (ipv6, prefix6) = split(endpoint.and_then(|e| e.ipv6));
    json!({
        "IPAMConfig": Value::Null,
        "Links": Value::Null,
        "Aliases": Value::Null,
        "MacAddress": endpoint.map(|e| e.mac.to_string()).unwrap_or_default(),
        "DriverOpts": Value::Null,
        "GwPriority": 0,
        "NetworkID": endpoint.map(|e| e.network_id.clone()).unwrap_or_default(),
        "EndpointID": endpoint.map(|e| e.id.clone()).unwrap_or_default(),
        "Gateway": gateway(endpoint.and_then(|e| e.gateway4)),
        "IPAddress": ipv4,
        "IPPrefixLen": prefix4,
        "IPv6Gateway": gateway(endpoint.and_then(|e| e.gateway6)),
        "GlobalIPv6Address": ipv6,
        "GlobalIPv6PrefixLen": prefix6,
        "DNSNames": Value::Null,
    })
}

fn port(binding: &PortBinding) -> Port {
    Port {
        ip: binding.host.map(|(address, _)| address.to_string()),
        private_port: binding.container_port,
        public_port: binding.host.map(|(_, port)| port),
        kind: binding.protocol.clone(),
    }
}

fn mount(engine: &Engine, record: &MountRecord) -> Value {
    let mode = if record.readonly { "ro" } else { "" };
    match &record.kind {
        MountKind::Bind { source, .. } => json!({
            "Type": "bind",
            "Source": source,
            "Destination": record.destination,
            "Mode": mode,
            "RW": !record.readonly,
            "Propagation": record.propagation,
        }),
        MountKind::Volume { name, .. } => {
            let volume = engine.containers().volumes().get(name);
            json!({
                "Type": "volume",
                "Name": name,
                "Source": volume.map(|volume| volume.path()).unwrap_or_default(),
                "Destination": record.destination,
                "Driver": "local",
                "Mode": mode,
                "RW": !record.readonly,
                "Propagation": "",
            })
        }
        MountKind::Tmpfs { .. } => json!({
            "Type": "tmpfs",
            "Source": "",
            "Destination": record.destination,
            "Mode": "",
            "RW": !record.readonly,
            "Propagation": "",
        }),
    }
}
