//! Port 53 for pods that serve names themselves.
//!
//! The pod's name server listens at 127.0.0.11:53, so a container that binds port 53 on all
//! addresses (dnsmasq, CoreDNS, Pi-hole) would be refused. Where a container says that it serves 53,
//! the server listens at ports of the kernel's choice instead, and what the pod sends to
//! 127.0.0.11:53 is led there, as Docker does for everybody. Not for everybody here: it brings
//! connection tracking into the pod, which costs each of its packets.

use crate::record::{ContainerRecord, PodRecord};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::BorrowedFd;
use teu_dns::Sockets;
use teu_sys::netlink::nft::{Base, Element, Expression as E, Field, Hook, Set, Transaction};
use teu_sys::netlink::nft::{Compare, Family, Meta, Register};
use teu_sys::netlink::{Socket, within};

/// Where names are asked.
pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);
/// The port of DNS.
pub(super) const PORT: u16 = 53;

const TABLE: &str = "teu-names";
const CHAIN: &str = "output";
const MAP: &str = "servers";
/// After connection tracking, before routing again: the field's number for DNAT.
const PRIORITY: i32 = -100;
const IPV4: &[u8] = &[2];
/// Offset of the destination in an IPv4 header.
const DESTINATION: u32 = 16;
const UDP: u8 = 17;
const TCP: u8 = 6;

/// Whether a container of the pod wants port 53 for itself.
pub(super) fn is_wanted(pod: &PodRecord, containers: &[ContainerRecord]) -> bool {
    let number = |text: &str| text.split('/').next().and_then(|port| port.parse().ok());
    let exposed = containers.iter().flat_map(|container| &container.exposed_ports);
    let published = pod.network.ports.iter().any(|port| {
        (port.container_port..port.container_port.saturating_add(port.count)).contains(&PORT)
    });
    published || exposed.filter_map(|text| number(text)).any(|port: u16| port == PORT)
}

/// Leads questions to the sockets, wherever they listen.
pub(super) fn lead(namespace: BorrowedFd<'_>, sockets: &Sockets) -> io::Result<()> {
    let mut transaction = Transaction::new(TABLE);
    transaction.ensure_table();
    let base = Base { kind: "nat", hook: Hook::Output, priority: PRIORITY };
    transaction.add_chain(CHAIN, Some(base));
    let key = [Field::Ipv4, Field::Protocol, Field::Port];
    let data = [Field::Ipv4, Field::Port];
    transaction.add_set(&Set { name: MAP, key: &key, data: &data, interval: false });
    let elements = [element(UDP, port(&sockets.udp)?), element(TCP, port(&sockets.tcp)?)];
    transaction.add_elements(MAP, &elements);
    let (first, second, third) = (Register(0), Register(1), Register(2));
    transaction.add_rule(
        CHAIN,
        &[
            E::Meta(Meta::Family, first),
            E::Compare(first, Compare::Equal, IPV4),
            E::Network(DESTINATION, 4, first),
            E::Meta(Meta::Protocol, second),
            E::Transport(2, 2, third),
            E::Lookup(MAP, first, first),
            E::Dnat(Family::Ipv4, first, second),
        ],
    );
    within(namespace, || {
        Socket::netfilter()?.commit(transaction).map_err(|refusal| refusal.errno.into())
    })
}

fn element(protocol: u8, port: u16) -> Element {
    let padded = |port: u16| {
        let [high, low] = port.to_be_bytes();
        [high, low, 0, 0]
    };
    let key = [ADDRESS.octets(), [protocol, 0, 0, 0], padded(PORT)].concat();
    let data = [ADDRESS.octets(), padded(port)].concat();
    Element::entry(key, data)
}

fn port(socket: impl std::os::fd::AsFd) -> io::Result<u16> {
    let address = rustix::net::getsockname(socket)?;
    Ok(SocketAddrV4::try_from(address)?.port())
}
