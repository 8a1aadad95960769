//! The instance's own nftables table: fixed rules over sets and maps. Connecting, publishing and
//! making networks change elements only, so they cost what they change, and a packet's cost does
//! not grow with their number.
//!
//! ```text
//! table inet teu {
//!   guard        raw prerouting   on a bridge beyond the first: notrack; from a bridge, to or
//!                                 from 127.0.0.0/8: drop
//!   prerouting   dstnat           to an address of this host: publish
//!   output       dstnat           likewise, for the host's own processes
//!   answers      mangle prerouting see `loopback`, whose chains on links are a table beside this
//!   publish                       dnat by (address, protocol, port), then by (protocol, port)
//!   forward      filter           known connections: accept; into a bridge: `into`; out of an
//!                                 internal one, or between links that Teu made forward: drop
//!   into                          same network, or published; else drop
//!   postrouting  srcnat           loopback and neighbours to published ports, and what leaves
//! }
//! ```
//! `accept` ends only the table's own chain: those of the host's firewall are asked as well, and
//! their word stands.

use crate::address::Subnet;
use crate::endpoint::{Protocol, PublishedPort};
use crate::forwarding::Switched;
use std::net::IpAddr;
use teu_sys::netlink::nft::{
    Base, Compare, Ct, Element, Expression as E, Family, Field, Hook, Meta, Register, Set,
    Transaction, Verdict,
};
use teu_sys::netlink::{Refusal, Socket};

pub mod loopback;

const R0: Register = Register(0);
const IPV4: &[u8] = &[Family::Ipv4 as u8];
const IPV6: &[u8] = &[Family::Ipv6 as u8];
/// Offsets of the addresses in both IP headers.
const SOURCE: [u32; 2] = [12, 8];
const DESTINATION: [u32; 2] = [16, 24];
/// After the host's own DNAT at -100 (the kernel's `dstnat`), so that a person's rules win.
const AFTER_DSTNAT: i32 = -95;
const RAW: i32 = -300;
const FILTER: i32 = 0;
const SRCNAT: i32 = 100;

/// What the table has to know of a network that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Its bridges, the first one with the addresses.
    pub bridges: Vec<String>,
    /// Its subnets.
    pub subnets: Vec<Subnet>,
    /// Address of the first bridge that stands for the host's `::1`.
    pub answers: Option<IpAddr>,
    /// No way in or out.
    pub internal: bool,
    /// Endpoints may talk to each other.
    pub icc: bool,
    /// What leaves carries the host's address.
    pub masquerade: bool,
    /// Other networks are kept out.
    pub isolate: bool,
}

/// Name of an instance's table.
pub fn table_name(instance: &str) -> String {
    if instance.is_empty() { "teu".to_owned() } else { format!("teu-{instance}") }
}

/// The table, empty.
pub fn build(table: &str) -> Transaction {
    let mut transaction = Transaction::new(table);
    transaction.add_table();
    sets(&mut transaction);
    let base = |kind, hook, priority| Some(Base { kind, hook, priority });
    transaction.add_chain("guard", base("filter", Hook::Prerouting, RAW));
    transaction.add_chain("publish", None);
    transaction.add_chain("prerouting", base("nat", Hook::Prerouting, AFTER_DSTNAT));
    transaction.add_chain("output", base("nat", Hook::Output, AFTER_DSTNAT));
    transaction.add_chain("into", None);
    transaction.add_chain("forward", base("filter", Hook::Forward, FILTER));
    transaction.add_chain("postrouting", base("nat", Hook::Postrouting, SRCNAT));
    guard(&mut transaction);
    publishing(&mut transaction);
    forwarding(&mut transaction);
    strangers(&mut transaction);
    loopback::add(&mut transaction);
    leaving(&mut transaction);
    transaction
}

fn sets(transaction: &mut Transaction) {
    use Field::{Interface, Ipv4, Ipv6, Port, Protocol};
    let mut set = |name, key: &[Field], data: &[Field], interval| {
        transaction.add_set(&Set { name, key, data, interval });
    };
    for name in ["bridges", "further", "internal", "open", "switched4", "switched6"] {
        set(name, &[Interface], &[], false);
    }
    set("same", &[Interface, Interface], &[], false);
    for name in ["subnets4", "masquerade4"] {
        set(name, &[Ipv4], &[], true);
    }
    for name in ["subnets6", "masquerade6"] {
        set(name, &[Ipv6], &[], true);
    }
    set("published4", &[Protocol, Port], &[Ipv4, Port], false);
    set("published4_at", &[Ipv4, Protocol, Port], &[Ipv4, Port], false);
    set("published6", &[Protocol, Port], &[Ipv6, Port], false);
    set("published6_at", &[Ipv6, Protocol, Port], &[Ipv6, Port], false);
}

/// `route_localnet` lets replies reach the host's loopback; this keeps pods from doing so
/// (CVE-2020-8558).
fn guard(transaction: &mut Transaction) {
    // Frames on bridges beyond the first are tracked where they are routed, on the first: a second
    // time, on the way there, would change ports and lose their owner.
    transaction
        .add_rule("guard", &[E::Meta(Meta::InputName, R0), E::In("further", R0), E::NoTrack]);
    for offset in [SOURCE[0], DESTINATION[0]] {
        transaction.add_rule(
            "guard",
            &[
                E::Meta(Meta::InputName, R0),
                E::In("bridges", R0),
                E::Meta(Meta::Family, R0),
                E::Compare(R0, Compare::Equal, IPV4),
                E::Network(offset, 1, R0),
                E::Compare(R0, Compare::Equal, &[127]),
                E::Verdict(Verdict::Drop),
            ],
        );
    }
}

fn publishing(transaction: &mut Transaction) {
    for chain in ["prerouting", "output"] {
        transaction.add_rule(
            chain,
            &[
                E::DestinationKind(R0),
                E::Compare(R0, Compare::Equal, &E::LOCAL.to_ne_bytes()),
                E::Verdict(Verdict::Jump("publish")),
            ],
        );
    }
    let families = [
        (IPV4, 4, DESTINATION[0], Family::Ipv4, "published4", "published4_at"),
        (IPV6, 16, DESTINATION[1], Family::Ipv6, "published6", "published6_at"),
    ];
    for (family, length, offset, nat, anywhere, somewhere) in families {
        let words = (length / 4) as u8;
        let is_family = [E::Meta(Meta::Family, R0), E::Compare(R0, Compare::Equal, family)];
        let mut rule = is_family.to_vec();
        rule.extend([
            E::Network(offset, length, R0),
            E::Meta(Meta::Protocol, Register(words)),
            E::Transport(2, 2, Register(words + 1)),
            E::Lookup(somewhere, R0, R0),
            E::Dnat(nat, R0, Register(words)),
        ]);
        transaction.add_rule("publish", &rule);
        let mut rule = is_family.to_vec();
        rule.extend([
            E::Meta(Meta::Protocol, R0),
            E::Transport(2, 2, Register(1)),
            E::Lookup(anywhere, R0, R0),
            E::Dnat(nat, R0, Register(words)),
        ]);
        transaction.add_rule("publish", &rule);
    }
}

fn forwarding(transaction: &mut Transaction) {
    let accept = E::Verdict(Verdict::Accept);
    transaction.add_rule(
        "forward",
        &[
            E::Ct(Ct::State, R0),
            E::Mask(R0, Ct::ESTABLISHED | Ct::RELATED),
            E::Compare(R0, Compare::Different, &[0; 4]),
            accept,
        ],
    );
    let jump = E::Verdict(Verdict::Jump("into"));
    transaction.add_rule("forward", &[E::Meta(Meta::OutputName, R0), E::In("bridges", R0), jump]);
    let drop = E::Verdict(Verdict::Drop);
    transaction.add_rule("forward", &[E::Meta(Meta::InputName, R0), E::In("internal", R0), drop]);

    let both = [E::Meta(Meta::InputName, R0), E::Meta(Meta::OutputName, Register(4))];
    let mut same = both.to_vec();
    same.extend([E::In("same", R0), accept]);
    transaction.add_rule("into", &same);
    for side in [Meta::InputName, Meta::OutputName] {
        transaction.add_rule("into", &[E::Meta(side, R0), E::In("internal", R0), drop]);
    }
    transaction.add_rule(
        "into",
        &[
            E::Ct(Ct::Status, R0),
            E::Mask(R0, Ct::DESTINATION_CHANGED),
            E::Compare(R0, Compare::Different, &[0; 4]),
            accept,
        ],
    );
    let mut open = both.to_vec();
    open.extend([E::In("open", R0), E::In("open", Register(4)), accept]);
    transaction.add_rule("into", &open);
    transaction.add_rule("into", &[drop]);
}

fn leaving(transaction: &mut Transaction) {
    let to_bridge = [E::Meta(Meta::OutputName, R0), E::In("bridges", R0)];
    // The host's own loopback, towards a published port: replies must come back to the bridge.
    let ipv4 = [E::Meta(Meta::Family, R0), E::Compare(R0, Compare::Equal, IPV4)];
    let ipv6 = [E::Meta(Meta::Family, R0), E::Compare(R0, Compare::Equal, IPV6)];
    let rule = |parts: &[&[E<'_>]], transaction: &mut Transaction| {
        let mut whole = parts.concat();
        whole.push(E::Masquerade);
        transaction.add_rule("postrouting", &whole);
    };
    let from_loopback4 = [E::Network(SOURCE[0], 1, R0), E::Compare(R0, Compare::Equal, &[127])];
    rule(&[&to_bridge, &ipv4, &from_loopback4], transaction);
    loopback::leave(transaction, &to_bridge);
    // A pod towards a port that a neighbour (or it itself) published: the reply must not go to it
    // directly, from an address that it never spoke to.
    let published = [
        E::Ct(Ct::Status, R0),
        E::Mask(R0, Ct::DESTINATION_CHANGED),
        E::Compare(R0, Compare::Different, &[0; 4]),
    ];
    let pod4 = [E::Network(SOURCE[0], 4, R0), E::In("subnets4", R0)];
    let pod6 = [E::Network(SOURCE[1], 16, R0), E::In("subnets6", R0)];
    rule(&[&to_bridge, &published, &ipv4, &pod4], transaction);
    rule(&[&to_bridge, &published, &ipv6, &pod6], transaction);
    let mut ours = to_bridge.to_vec();
    ours.push(E::Verdict(Verdict::Accept));
    transaction.add_rule("postrouting", &ours);
    let leaving4 = [E::Network(SOURCE[0], 4, R0), E::In("masquerade4", R0)];
    let leaving6 = [E::Network(SOURCE[1], 16, R0), E::In("masquerade6", R0)];
    rule(&[&ipv4, &leaving4], transaction);
    rule(&[&ipv6, &leaving6], transaction);
}

/// Keeps what comes by links that Teu switched to forwarding from going anywhere but to bridges:
/// before, it went nowhere. Bridges are left alone: who makes one wants it forwarded.
fn strangers(transaction: &mut Transaction) {
    let mut bridge = [0; 16];
    bridge[..6].copy_from_slice(b"bridge");
    for (family, set) in [(IPV4, "switched4"), (IPV6, "switched6")] {
        transaction.add_rule(
            "forward",
            &[
                E::Meta(Meta::Family, R0),
                E::Compare(R0, Compare::Equal, family),
                E::Meta(Meta::InputName, R0),
                E::In(set, R0),
                E::Meta(Meta::InputKind, R0),
                E::Compare(R0, Compare::Different, &bridge),
                E::Meta(Meta::OutputKind, R0),
                E::Compare(R0, Compare::Different, &bridge),
                E::Verdict(Verdict::Drop),
            ],
        );
    }
}

/// Tells the table which links Teu switched to forwarding.
pub fn add_switched(transaction: &mut Transaction, switched: &Switched) {
    for (set, links) in [("switched4", &switched.ipv4), ("switched6", &switched.ipv6)] {
        let links: Vec<_> = links.iter().map(|link| Element::key(padded(link))).collect();
        transaction.add_elements(set, &links);
    }
}

/// Lets them be routed between.
pub fn remove_switched(transaction: &mut Transaction, switched: &Switched) {
    add_switched(transaction, switched);
    for (set, links) in [("switched4", &switched.ipv4), ("switched6", &switched.ipv6)] {
        let links: Vec<_> = links.iter().map(|link| Element::key(padded(link))).collect();
        transaction.delete_elements(set, &links);
    }
}

/// Which links a table says were switched: its own and those handed over by instances that left.
pub fn switched(socket: &mut Socket, table: &str) -> Result<Switched, Refusal> {
    let mut names = |set| {
        let name = |key: &Vec<u8>| String::from_utf8_lossy(key).trim_end_matches('\0').to_owned();
        Ok::<_, Refusal>(socket.elements(table, set)?.iter().map(name).collect::<Vec<_>>())
    };
    Ok(Switched { ipv4: names("switched4")?, ipv6: names("switched6")? })
}

/// Elements of a network, set by set.
fn elements(zone: &Zone) -> Vec<(&'static str, Vec<Element>)> {
    let bridges: Vec<_> = zone.bridges.iter().map(|name| Element::key(padded(name))).collect();
    let mut all = Vec::new();
    if zone.internal {
        all.push(("internal", bridges.clone()));
    }
    if !zone.isolate {
        all.push(("open", bridges.clone()));
    }
    // Bridges beyond the first carry neighbours to the first: who may talk is decided there, and
    // among their own ports by isolation (`bridge-nf-call-iptables` shows such frames to us).
    let quiet = usize::from(!zone.icc);
    let same = zone.bridges.iter().skip(quiet);
    let same = same.map(|name| Element::key([padded(name); 2].concat()));
    all.push(("same", same.collect()));
    all.push(("further", bridges.iter().skip(1).cloned().collect()));
    all.push(("bridges", bridges));
    if let Some((bridge, answers)) = zone.bridges.first().zip(zone.answers) {
        all.extend(loopback::elements(bridge, answers));
    }
    for subnet in &zone.subnets {
        let ipv4 = subnet.is_ipv4();
        all.push((if ipv4 { "subnets4" } else { "subnets6" }, interval(*subnet)));
        if zone.masquerade && !zone.internal {
            all.push((if ipv4 { "masquerade4" } else { "masquerade6" }, interval(*subnet)));
        }
    }
    all
}

/// Tells the table of a network.
pub fn add_zone(transaction: &mut Transaction, zone: &Zone) {
    for (set, elements) in elements(zone) {
        transaction.add_elements(set, &elements);
    }
}

/// Makes the table forget a network.
pub fn remove_zone(transaction: &mut Transaction, zone: &Zone) {
    for (set, elements) in elements(zone) {
        // Added first: what somebody else has taken away is no reason to keep the rest.
        transaction.add_elements(set, &elements);
        transaction.delete_elements(set, &elements);
    }
}

fn padded(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    let length = name.len().min(15);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    bytes
}

fn interval(subnet: Subnet) -> Vec<Element> {
    let first = octets(subnet.network().address);
    let mut beyond = subnet.nth(subnet.host_mask()).map(octets).unwrap_or_default();
    // One past the last; a subnet at the very end of the space has no such key and needs none.
    for octet in beyond.iter_mut().rev() {
        let (sum, carried) = octet.overflowing_add(1);
        *octet = sum;
        if !carried {
            return vec![Element::key(first), Element::end(beyond)];
        }
    }
    vec![Element::key(first)]
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    }
}

/// The map that a published port belongs to, and its element there.
pub fn port_element(port: &PublishedPort, pod: IpAddr) -> (&'static str, Element) {
    let map = match (port.host_ip.is_ipv4(), port.host_ip.is_unspecified()) {
        (true, true) => "published4",
        (true, false) => "published4_at",
        (false, true) => "published6",
        (false, false) => "published6_at",
    };
    let mut key = Vec::with_capacity(24);
    if !port.host_ip.is_unspecified() {
        key.extend(octets(port.host_ip));
    }
    key.extend([number(port.protocol), 0, 0, 0]);
    key.extend(two(port.host_port));
    let mut data = octets(pod);
    data.extend(two(port.container_port));
    (map, Element::entry(key, data))
}

fn two(port: u16) -> [u8; 4] {
    let [high, low] = port.to_be_bytes();
    [high, low, 0, 0]
}
