//! Ports of the host: found free, and kept from others by binding them.
//!
//! The kernel is the judge: a port that can be bound is nobody's, and while it stays bound nobody
//! else gets it, be it a server of the host, a pod of this instance or of another one. The sockets
//! never listen and are never read; they end with the process that holds them, even by `kill -9`.

use crate::endpoint::{HostPort, PortHolds, PortRequest, Protocol, PublishedPort};
use crate::error::{Error, Result};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, sockopt};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

/// How often the kernel is asked for a port that is free in both families.
const FREE_ATTEMPTS: usize = 64;
/// Ports that one pod may publish.
const PORTS_MAX: usize = 16_384;
/// Of which so many are kept bound: descriptors are scarce, and ranges this long are rare.
const HELD_MAX: usize = 512;

/// What is published where, and what keeps it.
#[derive(Debug, Default)]
pub struct Reserved {
    /// One a family and port.
    pub ports: Vec<PublishedPort>,
    /// What keeps them.
    pub holds: PortHolds,
}

/// What the pod has, and where ports go that name no address.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    /// The pod has an IPv4 address.
    pub ipv4: bool,
    /// The pod has an IPv6 address.
    pub ipv6: bool,
    /// Address of the host for those that name none.
    pub binding: Option<IpAddr>,
}

/// Finds and keeps all the ports, or none.
pub fn reserve(requests: &[PortRequest], scope: Scope) -> Result<Reserved> {
    let mut reserved = Reserved::default();
    for request in requests {
        let hosts = hosts_of(request, scope)?;
        let (first, sockets) = find(request, &hosts)?;
        for step in 0..request.count.max(1) {
            for &host_ip in &hosts {
                reserved.ports.push(PublishedPort {
                    host_ip,
                    host_port: first + step,
                    container_port: request.container_port + step,
                    protocol: request.protocol,
                });
            }
        }
        let room = HELD_MAX.saturating_sub(reserved.holds.0.len());
        reserved.holds.0.extend(sockets.into_iter().take(room));
        if reserved.ports.len() > PORTS_MAX {
            let problem = format!("a pod can publish {PORTS_MAX} ports at most");
            return Err(refused(request, hosts[0], first, problem));
        }
    }
    Ok(reserved)
}

/// Addresses of the host that a request means, one a family.
fn hosts_of(request: &PortRequest, scope: Scope) -> Result<Vec<IpAddr>> {
    let last = |first: u16| first.checked_add(request.count.max(1) - 1);
    let bad_range = last(request.container_port).is_none()
        || request.container_port == 0
        || matches!(request.host_port, HostPort::From(first) if first == 0 || last(first).is_none())
        || matches!(request.host_port, HostPort::Within(first, end) if first == 0 || end < first);
    let unspecified = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    if bad_range {
        let host = request.host_ip.unwrap_or(unspecified);
        let problem = "ports go from 1 to 65535".to_owned();
        return Err(refused(request, host, request.container_port, problem));
    }
    let Some(host) = request.host_ip.or(scope.binding) else {
        let mut hosts = Vec::with_capacity(2);
        hosts.extend(scope.ipv4.then_some(unspecified));
        hosts.extend(scope.ipv6.then_some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)));
        return Ok(hosts);
    };
    let has_family = if host.is_ipv4() { scope.ipv4 } else { scope.ipv6 };
    if !has_family {
        let family = if host.is_ipv4() { "IPv4" } else { "IPv6" };
        let problem = format!("the network gives its containers no {family} address");
        return Err(refused(request, host, request.container_port, problem));
    }
    Ok(vec![host])
}

fn find(request: &PortRequest, hosts: &[IpAddr]) -> Result<(u16, Vec<OwnedFd>)> {
    let Some(&host) = hosts.first() else {
        let problem = "the network gives its containers no address".to_owned();
        let unspecified = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        return Err(refused(request, unspecified, request.container_port, problem));
    };
    match request.host_port {
        HostPort::From(first) => Ok((first, bind_all(request, hosts, first)?)),
        HostPort::Within(first, last) => {
            let none = Error::NoFreePort { host, first, last, protocol: request.protocol };
            let end = last.saturating_sub(request.count.max(1) - 1);
            let candidates = first..=end;
            first_free(request, hosts, candidates).unwrap_or(Err(none))
        }
        HostPort::Free => {
            let none =
                Error::NoFreePort { host, first: 1, last: u16::MAX, protocol: request.protocol };
            let candidates = (0..FREE_ATTEMPTS).filter_map(|_| ask_kernel(request.protocol, host));
            first_free(request, hosts, candidates).unwrap_or(Err(none))
        }
    }
}

type Found = Result<(u16, Vec<OwnedFd>)>;

fn first_free(
    request: &PortRequest,
    hosts: &[IpAddr],
    candidates: impl IntoIterator<Item = u16>,
) -> Option<Found> {
    for first in candidates {
        match bind_all(request, hosts, first) {
            Err(Error::PortTaken { .. }) => {}
            outcome => return Some(outcome.map(|sockets| (first, sockets))),
        }
    }
    None
}

/// A port that the kernel holds free, of the range it gives to clients.
fn ask_kernel(protocol: Protocol, host: IpAddr) -> Option<u16> {
    let probe = match protocol {
        Protocol::Sctp => Protocol::Udp,
        other => other,
    };
    let socket = bind(probe, host, 0).ok()??;
    let address = rustix::net::getsockname(&socket).ok()?;
    SocketAddr::try_from(address).ok().map(|address| address.port())
}

fn bind_all(request: &PortRequest, hosts: &[IpAddr], first: u16) -> Result<Vec<OwnedFd>> {
    let mut sockets = Vec::new();
    for step in 0..request.count.max(1) {
        let Some(port) = first.checked_add(step) else {
            return Err(taken(request, hosts[0], first));
        };
        for &host in hosts {
            match bind(request.protocol, host, port) {
                // Beyond what is held, a look is all: descriptors are scarce.
                Ok(socket) => sockets.extend(socket.filter(|_| sockets.len() < HELD_MAX)),
                Err(Errno::ADDRINUSE) => return Err(taken(request, host, port)),
                Err(Errno::ADDRNOTAVAIL) => {
                    let problem = "the host has no such address".to_owned();
                    return Err(refused(request, host, port, problem));
                }
                Err(Errno::ACCESS) => {
                    let problem = "ports this low are root's: choose one from 1024 up, or let the machine's \
                                   root lower net.ipv4.ip_unprivileged_port_start (sysctl)";
                    return Err(refused(request, host, port, problem.to_owned()));
                }
                Err(errno) => return Err(refused(request, host, port, errno.to_string())),
            }
        }
    }
    Ok(sockets)
}

/// Binds a port; `None` for a protocol that the kernel has no sockets for (it is translated all the
/// same).
fn bind(protocol: Protocol, host: IpAddr, port: u16) -> rustix::io::Result<Option<OwnedFd>> {
    let family = if host.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let (kind, number) = match protocol {
        Protocol::Tcp => (SocketType::STREAM, ipproto::TCP),
        Protocol::Udp => (SocketType::DGRAM, ipproto::UDP),
        Protocol::Sctp => (SocketType::STREAM, ipproto::SCTP),
    };
    let socket = match rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, Some(number)) {
        Err(Errno::PROTONOSUPPORT | Errno::SOCKTNOSUPPORT) if protocol == Protocol::Sctp => {
            return Ok(None);
        }
        // A kernel without IPv6 has nothing of it to protect.
        Err(Errno::AFNOSUPPORT) if host.is_ipv6() => return Ok(None),
        outcome => outcome?,
    };
    if host.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    let address = SocketAddr::new(host, port);
    match rustix::net::bind(&socket, &address) {
        // Connections that have just ended still bear the port: whoever listens gets it past them.
        Err(Errno::ADDRINUSE) if protocol == Protocol::Tcp => {
            sockopt::set_socket_reuseaddr(&socket, true)?;
            rustix::net::bind(&socket, &address)?;
            rustix::net::listen(&socket, 0)?;
        }
        outcome => outcome?,
    }
    if protocol == Protocol::Udp {
        sockopt::set_socket_recv_buffer_size(&socket, 0)?;
    }
    Ok(Some(socket))
}

fn taken(request: &PortRequest, host: IpAddr, port: u16) -> Error {
    Error::PortTaken { host, port, protocol: request.protocol, holder: String::new() }
}

fn refused(request: &PortRequest, host: IpAddr, port: u16, problem: String) -> Error {
    Error::Port { host, port, protocol: request.protocol, problem }
}
