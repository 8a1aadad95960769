//! New networks, and containers that join and leave them.

use super::journal;
use crate::call::{Answer, Call};
use crate::engine::Engine;
use crate::error::{Error, Result};
use serde_json::json;
use std::net::IpAddr;
use teu_containers::options::networks::mac;
use teu_containers::record::network::EndpointRecord;
use teu_docker::network::{ConnectBody, CreateBody, DisconnectBody, EndpointSettings, PoolRequest};
use teu_network::{NetworkSpec, Subnet, SubnetSpec};

/// `POST /networks/create`
pub fn create(engine: &Engine, call: &Call) -> Result<Answer> {
    let body: CreateBody = call.body()?;
    if body.name.trim().is_empty() {
        return Err(Error::bad("invalid network name: name is empty"));
    }
    if matches!(body.name.as_str(), "host" | "none" | "bridge" | "default") {
        let message = format!("operation is not permitted on predefined {} network", body.name);
        return Err(Error::status_of(403, message));
    }
    if !matches!(body.scope.as_str(), "" | "local") || body.ingress || body.config_only {
        return Err(Error::unsupported("networks of a swarm are not supported: use scope local"));
    }
    if !matches!(body.ipam.driver.as_str(), "" | "default") {
        return Err(Error::bad(format!("IPAM driver {:?} is not supported", body.ipam.driver)));
    }
    let mut warning = String::new();
    if body.attachable {
        // Docker keeps the word for networks of a swarm only.
        warning.clear();
    }
    let subnets = body.ipam.config.iter().map(subnet).collect::<Result<Vec<_>>>()?;
    let spec = NetworkSpec {
        name: body.name,
        driver: body.driver,
        subnets: subnets.into_iter().flatten().collect(),
        internal: body.internal,
        // Docker's networks have IPv4 only, unless somebody wants more.
        ipv6: Some(body.enable_ipv6.unwrap_or(false)),
        ipv4: body.enable_ipv4,
        options: body.options,
        labels: body.labels,
    };
    let network = engine.containers().networks().create(spec)?;
    journal(engine, &network, "create");
    Answer::json(201, &json!({ "Id": network.id, "Warning": warning }))
}

fn subnet(pool: &PoolRequest) -> Result<Option<SubnetSpec>> {
    let invalid = |text: &str| Error::bad(format!("invalid CIDR address: {text}"));
    if !pool.auxiliary_addresses.is_empty() {
        return Err(Error::unsupported("auxiliary addresses are not supported: use an IP range"));
    }
    if pool.subnet.is_empty() {
        let empty = pool.gateway.is_empty() && pool.ip_range.is_empty();
        return match empty {
            true => Ok(None),
            false => Err(Error::bad("invalid subnet : a gateway or range needs a subnet")),
        };
    }
    let subnet: Subnet = pool.subnet.parse().map_err(|_| invalid(&pool.subnet))?;
    let gateway = address(&pool.gateway)?;
    let range = match pool.ip_range.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| invalid(text))?),
    };
    Ok(Some(SubnetSpec { subnet, gateway, range }))
}

fn address(text: &str) -> Result<Option<IpAddr>> {
    match text {
        "" => Ok(None),
        text => {
            let invalid = |_| Error::bad(format!("invalid IP address: {text}"));
            text.parse().map(Some).map_err(invalid)
        }
    }
}

/// An endpoint that is asked for.
pub(crate) fn endpoint(network: &str, asked: &EndpointSettings) -> Result<EndpointRecord> {
    if !asked.ipam_config.link_local.is_empty() {
        return Err(Error::unsupported("link-local addresses are not supported"));
    }
    let mac = match asked.mac_address.as_str() {
        "" => None,
        text => Some(mac(text).map_err(Error::bad)?),
    };
    Ok(EndpointRecord {
        network: network.to_owned(),
        aliases: asked.aliases.clone(),
        ipv4: address(&asked.ipam_config.ipv4)?,
        ipv6: address(&asked.ipam_config.ipv6)?,
        mac,
    })
}

/// `POST /networks/{id}/connect`
pub fn connect(engine: &Engine, name: &str, call: &Call) -> Result<Answer> {
    let body: ConnectBody = call.body()?;
    let containers = engine.containers();
    let network = containers.networks().inspect(name)?;
    let endpoint = endpoint(&network.name, &body.endpoint_config)?;
    match containers.connect(&body.container, endpoint) {
        Err(teu_containers::Error::AlreadyConnected { container, network }) => {
            Err(Error::status_of(
                403,
                format!("endpoint with name {container} already exists in network {network}"),
            ))
        }
        done => {
            done?;
            Ok(Answer::Empty(200))
        }
    }
}

/// `POST /networks/{id}/disconnect`
pub fn disconnect(engine: &Engine, name: &str, call: &Call) -> Result<Answer> {
    let body: DisconnectBody = call.body()?;
    let containers = engine.containers();
    let network = containers.networks().inspect(name)?;
    match containers.disconnect(&body.container, &network.name) {
        Err(teu_containers::Error::NotConnected { .. }) => Err(Error::missing(format!(
            "container {} is not connected to network {}",
            containers.find(&body.container)?.record.id,
            network.name
        ))),
        done => {
            done?;
            Ok(Answer::Empty(200))
        }
    }
}
