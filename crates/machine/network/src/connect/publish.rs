//! Published ports as elements of the table's maps.

use crate::endpoint::{Endpoint, Protocol, PublishedPort};
use crate::error::Result;
use crate::firewall::{loopback, port_element};
use crate::kernel::{Kernel, ignore_gone};
use crate::place::addresses;
use rustix::io::Errno;
use std::net::IpAddr;
use teu_sys::netlink::nft::conntrack::Flows;
use teu_sys::netlink::nft::{Element, Transaction};

/// Elements of an endpoint, map by map.
fn elements(endpoint: &Endpoint) -> Vec<(&'static str, Vec<Element>)> {
    let mut maps: Vec<(&'static str, Vec<Element>)> = Vec::new();
    for port in &endpoint.ports {
        let Some(pod) = pod_address(endpoint, port) else { continue };
        let (map, element) = port_element(port, pod);
        match maps.iter_mut().find(|(name, _)| *name == map) {
            Some((_, elements)) => elements.push(element),
            None => maps.push((map, vec![element])),
        }
    }
    maps
}

fn pod_address(endpoint: &Endpoint, port: &PublishedPort) -> Option<IpAddr> {
    addresses(endpoint).find(|address| address.is_ipv4() == port.host_ip.is_ipv4())
}

/// Adds an endpoint's ports to a transaction.
pub fn add(transaction: &mut Transaction, endpoint: &Endpoint) {
    for (map, elements) in elements(endpoint) {
        transaction.add_elements(map, &elements);
    }
}

/// Publishes the ports. They are bound, so what the maps still say of them is a dead pod's.
pub fn publish(kernel: &mut Kernel, table: &str, endpoint: &Endpoint) -> Result<()> {
    if endpoint.ports.is_empty() {
        return Ok(());
    }
    let mut transaction = Transaction::new(table);
    add(&mut transaction, endpoint);
    match kernel.nft.commit(transaction) {
        Err(refusal) if refusal.errno == Errno::EXIST => {
            retract(kernel, table, endpoint)?;
            let mut transaction = Transaction::new(table);
            add(&mut transaction, endpoint);
            kernel.commit("publish its ports", transaction)?;
        }
        outcome => outcome.map_err(kernel.failed("publish its ports"))?,
    }
    // Datagrams that came before went to nobody, and would for as long as they keep coming.
    for port in endpoint.ports.iter().filter(|port| port.protocol == Protocol::Udp) {
        let flows = Flows::SentTo { port: port.host_port, ipv4: port.host_ip.is_ipv4() };
        kernel.nft.forget(flows).map_err(kernel.failed("forget old flows"))?;
    }
    Ok(())
}

/// Lets the host's `::1` reach the ports that are published over IPv6.
pub fn answer(
    kernel: &mut Kernel,
    table: &str,
    endpoint: &Endpoint,
    answers: IpAddr,
) -> Result<()> {
    let pod = addresses(endpoint).find(IpAddr::is_ipv6);
    let Some(pod) = pod.filter(|_| is_published_over_ipv6(endpoint)) else { return Ok(()) };
    let transaction = loopback::add_link(table, &endpoint.host_interface, pod, answers);
    kernel.commit("let [::1] reach its ports", transaction)
}

fn is_published_over_ipv6(endpoint: &Endpoint) -> bool {
    endpoint.ports.iter().any(|port| port.host_ip.is_ipv6())
}

/// Publishes them no more; those that are gone are no error.
pub fn retract(kernel: &mut Kernel, table: &str, endpoint: &Endpoint) -> Result<()> {
    if endpoint.ports.is_empty() {
        return Ok(());
    }
    if is_published_over_ipv6(endpoint) {
        let transaction = loopback::remove_link(table, &endpoint.host_interface);
        kernel.retract("take its replies back", transaction)?;
    }
    let maps = elements(endpoint);
    let mut transaction = Transaction::new(table);
    for (map, elements) in &maps {
        transaction.delete_elements(map, elements);
    }
    let failed = kernel.failed("take its ports back");
    match kernel.nft.commit(transaction) {
        // One is missing: a transaction is all or nothing, so each goes by itself.
        Err(refusal) if refusal.errno == Errno::NOENT => {
            for (map, element) in
                maps.iter().flat_map(|(map, elements)| elements.iter().map(move |one| (*map, one)))
            {
                let mut transaction = Transaction::new(table);
                transaction.delete_elements(map, std::slice::from_ref(element));
                ignore_gone(kernel.nft.commit(transaction)).map_err(&failed)?;
            }
        }
        outcome => outcome.map_err(&failed)?,
    }
    if endpoint.ports.iter().any(|port| port.protocol == Protocol::Udp) {
        for address in addresses(endpoint) {
            kernel.nft.forget(Flows::AnsweredBy(address)).map_err(&failed)?;
        }
    }
    Ok(())
}
