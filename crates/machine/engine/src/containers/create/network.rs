//! Networks, ports, names.

use crate::error::{Error, Result};
use crate::networks::create::endpoint;
use std::net::IpAddr;
use teu_containers::Containers;
use teu_containers::options::environment;
use teu_containers::options::networks::mac;
use teu_containers::options::ports;
use teu_containers::record::network::{EndpointRecord, NetworkChoice};
use teu_containers::record::{PodRecord, PortRecord};
use teu_docker::create::{CreateBody, PortBinding};

/// Everything that a pod is on the network.
pub fn network(containers: &Containers, body: &CreateBody, pod: &mut PodRecord) -> Result<()> {
    let host = &body.host_config;
    let record = &mut pod.network;
    record.choice = choice(containers, body)?;
    for (port, bindings) in &host.port_bindings {
        for binding in bindings {
            record.ports.push(published(port, binding)?);
        }
        if bindings.is_empty() {
            record.ports.push(published(port, &PortBinding::default())?);
        }
    }
    record.publish_all = host.publish_all_ports;
    for text in &host.dns {
        let address = text.parse().map_err(|_| {
            Error::bad(format!("invalid IP address: {text}: DNS servers are given by address"))
        })?;
        record.dns.push(address);
    }
    record.dns_search.clone_from(&host.dns_search);
    record.dns_options.clone_from(&host.dns_options);
    for text in &host.extra_hosts {
        record.extra_hosts.push(environment::host(text)?);
    }
    for text in &host.links {
        let (name, alias) = text.split_once(':').unwrap_or((text, text));
        let (name, alias) = (name.trim_start_matches('/'), alias.rsplit('/').next());
        record.links.push(format!("{name}:{}", alias.unwrap_or(name)));
    }
    Ok(())
}

fn published(port: &str, binding: &PortBinding) -> Result<PortRecord> {
    let host_ip: Option<IpAddr> = match binding.host_ip.as_str() {
        "" => None,
        text => {
            let invalid = |_| Error::bad(format!("invalid IP address: {text}"));
            Some(text.parse().map_err(invalid)?)
        }
    };
    let mut record = ports::publish(port)?;
    if record.count > 1 {
        return Err(Error::bad(format!("invalid port specification: {port:?}")));
    }
    record.host_ip = host_ip.filter(|address| !address.is_unspecified() || address.is_ipv6());
    let text = &binding.host_port;
    let first = text.split('-').next().unwrap_or_default();
    record.host_port = match first {
        "" => 0,
        first => first
            .parse()
            .map_err(|_| Error::bad(format!("invalid port specification: {text:?}")))?,
    };
    Ok(record)
}

/// The mode says which network comes first; the endpoints' settings, what is asked of each.
fn choice(containers: &Containers, body: &CreateBody) -> Result<NetworkChoice> {
    let asked = &body.networking_config.endpoints_config;
    let mode = match body.host_config.network_mode.as_str() {
        // Clients that name no mode may still name a network.
        "" | "default" => "bridge",
        mode => mode,
    };
    if body.network_disabled {
        return Ok(NetworkChoice::None);
    }
    match mode {
        "none" => return Ok(NetworkChoice::None),
        "host" => return Ok(NetworkChoice::Host),
        _ => {}
    }
    if let Some(name) = mode.strip_prefix("container:") {
        return Ok(NetworkChoice::Container(containers.find(name)?.record.id));
    }
    let networks = containers.networks();
    // One that does not exist is an error of the start, as in Docker: clients take a "not found" of
    // a create to be about the image.
    let known = |name: &str| match networks.inspect(name) {
        Ok(network) => Ok(network.name),
        Err(teu_network::Error::NotFound { .. }) => Ok(name.to_owned()),
        Err(error) => Err(error),
    };
    let first = known(mode)?;
    let mut endpoints: Vec<EndpointRecord> = Vec::new();
    for (name, settings) in asked {
        let name = match name.as_str() {
            "default" | "bridge" => "bridge".to_owned(),
            other => known(other)?,
        };
        let mut record = endpoint(&name, settings)?;
        if name == "bridge" {
            // Names on the default network are Docker's own ids, which mean nothing to anybody.
            record.aliases.clear();
        }
        endpoints.push(record);
    }
    let at = endpoints.iter().position(|record| record.network == first);
    let mut first = match at {
        Some(at) => endpoints.remove(at),
        None => EndpointRecord { network: first, ..EndpointRecord::default() },
    };
    if first.mac.is_none() && !body.mac_address.is_empty() {
        first.mac = Some(mac(&body.mac_address).map_err(Error::bad)?);
    }
    endpoints.insert(0, first);
    Ok(NetworkChoice::Networks(endpoints))
}
