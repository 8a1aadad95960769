//! `[::1]` towards published ports, without a process in between.
//!
//! IPv6 has no `route_localnet`: a packet to `::1` is dropped unless `lo` received it. So the host's
//! `::1` becomes an address of the bridge that nobody else uses (the last of the subnet) on the way
//! to a pod, and what the pod sends to that address is handed to `lo` as its link receives it, before
//! the bridge and before connection tracking make `::1` of it again. That takes one chain for each
//! pod that publishes ports over IPv6, in the table's `netdev` sibling.
//!
//! Only the pod's own replies pass: it must be the source, and the connection must be known
//! (`answers`). It is no way around a firewall that watches the bridge, and none to the loopback.

use super::{IPV6, R0, padded};
use crate::networks::LOOPBACK;
use std::net::IpAddr;
use teu_sys::netlink::nft::{
    Base, Compare, Ct, Element, Expression as E, Family, Field, Hook, Meta, Set, Transaction,
    Verdict,
};

const MANGLE: i32 = -150;
const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];
const SOURCE: u32 = 8;
const DESTINATION: u32 = 24;
const ADDRESSES: &str = "answers6";
const BY_BRIDGE: &str = "loopback6";

/// The table's part.
pub fn add(transaction: &mut Transaction) {
    let mut set = |name, key: &[Field], data: &[Field]| {
        transaction.add_set(&Set { name, key, data, interval: false });
    };
    set(ADDRESSES, &[Field::Ipv6], &[]);
    set(BY_BRIDGE, &[Field::Interface], &[Field::Ipv6]);
    let base = Base { kind: "filter", hook: Hook::Prerouting, priority: MANGLE };
    transaction.add_chain("answers", Some(base));
    transaction.add_rule(
        "answers",
        &[
            E::Meta(Meta::Family, R0),
            E::Compare(R0, Compare::Equal, IPV6),
            E::Network(DESTINATION, 16, R0),
            E::In(ADDRESSES, R0),
            E::Ct(Ct::State, R0),
            E::Mask(R0, Ct::ESTABLISHED | Ct::RELATED),
            E::Compare(R0, Compare::Equal, &[0; 4]),
            E::Verdict(Verdict::Drop),
        ],
    );
}

/// What has the host's loopback as its source and leaves by a bridge.
pub fn leave(transaction: &mut Transaction, to_bridge: &[E<'_>]) {
    let mut loopback = [0; 16];
    loopback[15] = 1;
    let mut rule = to_bridge.to_vec();
    rule.extend([
        E::Meta(Meta::Family, R0),
        E::Compare(R0, Compare::Equal, IPV6),
        E::Network(SOURCE, 16, R0),
        E::Compare(R0, Compare::Equal, &loopback),
        E::Meta(Meta::OutputName, R0),
        E::Lookup(BY_BRIDGE, R0, R0),
        E::Snat(Family::Ipv6, R0),
    ]);
    transaction.add_rule("postrouting", &rule);
}

/// Elements of a network in the table.
pub fn elements(bridge: &str, address: IpAddr) -> [(&'static str, Vec<Element>); 2] {
    let key = super::octets(address);
    [
        (ADDRESSES, vec![Element::key(key.clone())]),
        (BY_BRIDGE, vec![Element::entry(padded(bridge), key)]),
    ]
}

/// Hands a pod's replies to `lo`.
pub fn add_link(table: &str, link: &str, pod: IpAddr, answers: IpAddr) -> Transaction {
    let mut transaction = Transaction::on_links(table);
    transaction.ensure_table();
    transaction.add_link_chain(link, link);
    transaction.add_rule(
        link,
        &[
            E::Meta(Meta::EtherType, R0),
            E::Compare(R0, Compare::Equal, &ETHERTYPE_IPV6),
            E::Network(SOURCE, 16, R0),
            E::Compare(R0, Compare::Equal, &super::octets(pod)),
            E::Network(DESTINATION, 16, R0),
            E::Compare(R0, Compare::Equal, &super::octets(answers)),
            // `lo` takes what is for this host and has its hardware address: none.
            E::Load(R0, &[0]),
            E::SetMeta(Meta::PacketKind, R0),
            E::Load(R0, &[0; 6]),
            E::SetHardwareDestination(R0),
            E::Load(R0, &LOOPBACK.to_ne_bytes()),
            E::SendBy(R0),
        ],
    );
    transaction
}

/// No more.
pub fn remove_link(table: &str, link: &str) -> Transaction {
    let mut transaction = Transaction::on_links(table);
    transaction.delete_chain(link);
    transaction
}

/// Removes the sibling.
pub fn remove(table: &str) -> Transaction {
    let mut transaction = Transaction::on_links(table);
    transaction.delete_table();
    transaction
}
