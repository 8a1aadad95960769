//! Networks, names, addresses, ports and shared namespaces.

use super::{Around, RequestError, Whose};
use crate::model::{Attachment, Port, Service};
use std::net::IpAddr;
use teu_containers::options::{environment, networks, ports};
use teu_containers::record::network::EndpointRecord;
use teu_containers::record::{
    ContainerRecord, NamespaceMode, NetworkChoice, PodRecord, PortRecord,
};

pub(super) fn network(
    name: &str,
    service: &Service,
    around: Around<'_>,
    pod: &mut PodRecord,
) -> Result<(), RequestError> {
    let whose = Whose(name);
    pod.hostname = service.hostname.clone().unwrap_or_default();
    pod.domainname = service.domainname.clone().unwrap_or_default();
    pod.ipc = mode("ipc", service.ipc.as_deref(), around, whose)?;
    pod.uts = match service.uts.as_deref() {
        None | Some("" | "private") => NamespaceMode::Private,
        Some("host") => NamespaceMode::Host,
        Some(other) => return Err(whose.value("uts", format!("invalid mode {other:?}"))),
    };
    match service.userns_mode.as_deref() {
        None | Some("" | "host" | "private") => {}
        Some(_) => return Err(whose.unsupported("userns_mode", "host is all that Docker has too")),
    }
    let record = &mut pod.network;
    record.choice = choice(name, service, around)?;
    for text in &service.dns {
        let address = text.parse::<IpAddr>();
        record.dns.push(address.map_err(|_| whose.value("dns", format!("{text} is no address")))?);
    }
    record.dns_search = service.dns_search.clone();
    record.dns_options = service.dns_opt.clone();
    for text in &service.extra_hosts {
        let host = environment::host(text).map_err(whose.option("extra_hosts"))?;
        record.extra_hosts.push(host);
    }
    for port in &service.ports {
        record.ports.push(published(port, whose)?);
    }
    for link in &service.links {
        // Under its own name a service is found anyway.
        if let Some((other, alias)) = link.split_once(':').filter(|(a, b)| a != b) {
            let names = around.containers.of(other);
            record.links.extend(names.iter().map(|container| format!("{container}:{alias}")));
        }
    }
    Ok(())
}

/// `host`, `service:NAME`, `container:NAME`, or one of its own.
pub(super) fn mode(
    field: &'static str,
    text: Option<&str>,
    around: Around<'_>,
    whose: Whose<'_>,
) -> Result<NamespaceMode, RequestError> {
    Ok(match text {
        None | Some("" | "private" | "shareable" | "none") => NamespaceMode::Private,
        Some("host") => NamespaceMode::Host,
        Some(other) => NamespaceMode::Container(lender(field, other, around, whose)?),
    })
}

/// The container that lends a namespace.
fn lender(
    field: &'static str,
    text: &str,
    around: Around<'_>,
    whose: Whose<'_>,
) -> Result<String, RequestError> {
    if let Some(name) = text.strip_prefix("service:") {
        let id = around.namespaces.get(name).cloned();
        return id.ok_or_else(|| {
            whose.value(field, format!("cannot share namespace with {name:?}: it has no container"))
        });
    }
    match text.strip_prefix("container:").filter(|name| !name.is_empty()) {
        Some(name) => Ok(around.namespaces.get(text).cloned().unwrap_or_else(|| name.to_owned())),
        None => Err(whose.value(field, format!("invalid mode {text:?}"))),
    }
}

fn choice(
    name: &str,
    service: &Service,
    around: Around<'_>,
) -> Result<NetworkChoice, RequestError> {
    let whose = Whose(name);
    match service.network_mode.as_deref() {
        None | Some("") => {}
        Some("none") => return Ok(NetworkChoice::None),
        Some("host") => return Ok(NetworkChoice::Host),
        Some("bridge" | "default") => return Ok(NetworkChoice::default()),
        Some(other) => {
            let id = lender("network_mode", other, around, whose)?;
            return Ok(NetworkChoice::Container(id));
        }
    }
    let mut places: Vec<(&String, Attachment)> = service
        .networks
        .iter()
        .map(|(key, place)| (key, place.clone().unwrap_or_default()))
        .collect();
    // The first network has the default route.
    places.sort_by_key(|(key, place)| {
        (std::cmp::Reverse((place.gw_priority, place.priority)), (*key).clone())
    });
    let mut endpoints = Vec::new();
    for (index, (key, place)) in places.into_iter().enumerate() {
        let network = around.project.model.networks.get(key);
        let network = network.map_or_else(|| key.clone(), |network| network.name.clone());
        endpoints.push(endpoint(network, name, service, &place, index == 0)?);
    }
    Ok(match endpoints.is_empty() {
        true => NetworkChoice::None,
        false => NetworkChoice::Networks(endpoints),
    })
}

fn endpoint(
    network: String,
    name: &str,
    service: &Service,
    place: &Attachment,
    first: bool,
) -> Result<EndpointRecord, RequestError> {
    let whose = Whose(name);
    let address = |text: &Option<String>, v6: bool| match text.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => match text.parse::<IpAddr>() {
            Ok(address) if address.is_ipv6() == v6 => Ok(Some(address)),
            _ => Err(whose.value("networks", format!("invalid IP address: {text}"))),
        },
    };
    if !place.link_local_ips.is_empty() {
        return Err(whose.unsupported("networks.link_local_ips", "use ipv4_address, ipv6_address"));
    }
    if place.interface_name.is_some() {
        return Err(whose.unsupported("networks.interface_name", "interfaces are eth0, eth1, …"));
    }
    let mut aliases = vec![name.to_owned()];
    aliases.extend(place.aliases.iter().filter(|alias| *alias != name).cloned());
    let mac = place.mac_address.as_ref().or_else(|| service.mac_address.as_ref().filter(|_| first));
    let mac = mac.map(|text| networks::mac(text)).transpose();
    Ok(EndpointRecord {
        network,
        aliases,
        ipv4: address(&place.ipv4_address, false)?,
        ipv6: address(&place.ipv6_address, true)?,
        mac: mac.map_err(|reason| whose.value("mac_address", reason))?,
    })
}

fn published(port: &Port, whose: Whose<'_>) -> Result<PortRecord, RequestError> {
    let wrong = |text: &str| whose.value("ports", format!("invalid hostPort: {text}"));
    let host_ip = match port.host_ip.as_deref() {
        None | Some("") => None,
        Some(text) => Some(
            text.parse()
                .map_err(|_| whose.value("ports", format!("invalid IP address: {text}")))?,
        ),
    };
    let number = |text: &str| text.parse::<u16>().map_err(|_| wrong(text));
    let (host_port, host_last) = match port.published.as_deref() {
        None | Some("") => (0, 0),
        // The first free one of a range.
        Some(text) => match text.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(text)?, 0),
        },
    };
    if host_last != 0 && (host_port == 0 || host_last < host_port) {
        return Err(wrong(port.published.as_deref().unwrap_or_default()));
    }
    Ok(PortRecord {
        host_ip,
        host_port,
        host_last,
        container_port: port.target,
        count: 1,
        protocol: port.protocol.clone(),
    })
}

pub(super) fn expose(
    service: &Service,
    pod: &PodRecord,
    container: &mut ContainerRecord,
    whose: Whose<'_>,
) -> Result<(), RequestError> {
    let mut all: Vec<String> = Vec::new();
    for text in &service.expose {
        all.extend(ports::expose(text).map_err(whose.option("expose"))?);
    }
    all.extend(
        pod.network.ports.iter().map(|port| format!("{}/{}", port.container_port, port.protocol)),
    );
    for port in all {
        if !container.exposed_ports.contains(&port) {
            container.exposed_ports.push(port);
        }
    }
    Ok(())
}
