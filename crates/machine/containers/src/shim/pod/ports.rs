//! From what a person asked for to what the network is asked for. Pure.

use crate::record::network::EndpointRecord;
use crate::record::{ContainerRecord, PodRecord, PortRecord};
use crate::shim::failure::Failure;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use teu_network::{HostPort, Mac, PortRequest, Protocol};

/// Digits of an id that people see.
const SHORT_ID: usize = 12;

/// The name of an endpoint, and every further name that leads to it.
pub(super) fn names(
    pod: &PodRecord,
    containers: &[ContainerRecord],
    aliases: &[String],
) -> (String, Vec<String>) {
    let mut names: Vec<String> = Vec::new();
    let own = (!pod.implicit).then_some(pod.name.as_ref()).flatten();
    let all = own.into_iter().chain(containers.iter().map(|container| &container.name));
    let ids = containers.iter().map(|container| &container.id);
    let ids = ids.map(|id| id[..id.len().min(SHORT_ID)].to_owned());
    let host = Some(pod.hostname.clone()).filter(|name| !name.is_empty());
    for name in all.cloned().chain(aliases.iter().cloned()).chain(ids).chain(host) {
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        names.push(pod.id[..pod.id.len().min(SHORT_ID)].to_owned());
    }
    let first = names.remove(0);
    (first, names)
}

/// Ports to publish: those asked for, and with `-P` those exposed and not asked for.
pub(super) fn requests(
    pod: &PodRecord,
    containers: &[ContainerRecord],
) -> Result<Vec<PortRequest>, Failure> {
    let asked = &pod.network.ports;
    let mut all = asked.iter().map(request).collect::<Result<Vec<_>, _>>()?;
    if pod.network.publish_all {
        let exposed = containers.iter().flat_map(|container| &container.exposed_ports);
        for (port, protocol) in exposed.filter_map(|text| exposed_port(text)) {
            let known = all.iter().any(|other: &PortRequest| {
                let ports = other.container_port..other.container_port.saturating_add(other.count);
                other.protocol == protocol && ports.contains(&port)
            });
            if !known {
                all.push(PortRequest {
                    host_ip: None,
                    host_port: HostPort::Free,
                    container_port: port,
                    count: 1,
                    protocol,
                });
            }
        }
    }
    Ok(all)
}

fn request(port: &PortRecord) -> Result<PortRequest, Failure> {
    let bad = Failure::Refused { what: "a published port's protocol is none of tcp, udp, sctp" };
    Ok(PortRequest {
        host_ip: port.host_ip,
        host_port: match (port.host_port, port.host_last) {
            (0, _) => HostPort::Free,
            (first, 0) => HostPort::From(first),
            (first, last) => HostPort::Within(first, last),
        },
        container_port: port.container_port,
        count: port.count.max(1),
        protocol: port.protocol.parse().map_err(|_| bad)?,
    })
}

/// `80/tcp`, `53/udp`, `80`.
fn exposed_port(text: &str) -> Option<(u16, Protocol)> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    Some((port.parse().ok()?, protocol.parse().ok()?))
}

/// The fixed address, where there is one and it is of this family.
pub(super) fn ipv4(asked: &EndpointRecord) -> Result<Option<Ipv4Addr>, Failure> {
    match asked.ipv4 {
        Some(IpAddr::V4(address)) => Ok(Some(address)),
        Some(IpAddr::V6(_)) => Err(Failure::Refused { what: "--ip takes an IPv4 address" }),
        None => Ok(None),
    }
}

/// Likewise.
pub(super) fn ipv6(asked: &EndpointRecord) -> Result<Option<Ipv6Addr>, Failure> {
    match asked.ipv6 {
        Some(IpAddr::V6(address)) => Ok(Some(address)),
        Some(IpAddr::V4(_)) => Err(Failure::Refused { what: "--ip6 takes an IPv6 address" }),
        None => Ok(None),
    }
}

/// The fixed hardware address.
pub(super) fn mac(asked: &EndpointRecord) -> Result<Option<Mac>, Failure> {
    let bad = |_| Failure::Refused { what: "a hardware address looks like 02:42:ac:11:00:02" };
    asked.mac.as_deref().map(str::parse).transpose().map_err(bad)
}
