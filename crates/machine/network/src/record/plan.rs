//! From what was asked for to a record: names, options and subnets checked, what is missing chosen.

use super::{Network, NetworkSpec, Pool, SubnetSpec};
use crate::error::{Error, Result};
use crate::pool::{self, Taken};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;

const NAME_BYTES_MAX: usize = 128;
const INTERFACE_BYTES_MAX: usize = 15;
const MTU: std::ops::RangeInclusive<u32> = 68..=65535;
/// IPv6 needs it.
const MTU_IPV6_MIN: u32 = 1280;

/// Refuses names that no network can have.
pub fn check_name(name: &str) -> Result<()> {
    let usable = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let starts_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if !starts_well || name.len() > NAME_BYTES_MAX || !name.bytes().all(usable) {
        return Err(Error::BadName { name: name.to_owned() });
    }
    if matches!(name, "host" | "none" | "container" | "default" | "bridge") {
        return Err(Error::Predefined { name: name.to_owned(), action: "created" });
    }
    Ok(())
}

/// Refuses names that no interface can have.
pub fn is_interface_name(name: &str) -> bool {
    let usable = |byte: u8| byte.is_ascii_graphic() && !b"/:%".contains(&byte);
    (1..=INTERFACE_BYTES_MAX).contains(&name.len())
        && !matches!(name, "." | ".." | "all" | "default")
        && name.bytes().all(usable)
}

/// The record of a new network.
pub fn network(
    spec: NetworkSpec,
    existing: &[Network],
    taken: &[Taken],
    id: String,
    created_ns: i64,
) -> Result<Network> {
    if !matches!(spec.driver.as_str(), "" | "bridge") {
        return Err(Error::Driver { driver: spec.driver });
    }
    let options = options(&spec.options)?;
    if let Some(bridge) = &options.bridge
        && existing.iter().any(|network| network.bridge.as_ref() == Some(bridge))
    {
        let expected = "a name that no other network's bridge has";
        return Err(bad_option("bridge", bridge, expected));
    }
    let subnets = subnets(&spec, taken)?;
    if options.mtu != 0
        && options.mtu < MTU_IPV6_MIN
        && subnets.iter().any(|pool| !pool.subnet.is_ipv4())
    {
        return Err(bad_option("mtu", &options.mtu.to_string(), "at least 1280 with IPv6"));
    }
    let asked = spec.subnets.iter().any(|wanted| !wanted.subnet.is_ipv4());
    let only = !subnets.iter().any(|pool| pool.subnet.is_ipv4());
    Ok(Network {
        names_ipv6: spec.ipv6 == Some(true) || asked || only,
        name: spec.name,
        id,
        created_ns,
        driver: "bridge".to_owned(),
        subnets,
        internal: spec.internal,
        bridge: options.bridge,
        mtu: options.mtu,
        icc: options.icc,
        masquerade: options.masquerade,
        isolate: options.isolate,
        host_binding: options.host_binding,
        options: spec.options,
        labels: spec.labels,
    })
}

fn subnets(spec: &NetworkSpec, taken: &[Taken]) -> Result<Vec<Pool>> {
    let mut pools = Vec::new();
    for wanted in &spec.subnets {
        pools.push(pool_of(wanted, &pools)?);
    }
    for pool in &pools {
        if let Some(other) = pool::overlap(pool.subnet, taken) {
            return Err(Error::Overlap { subnet: pool.subnet, other: other.by.clone() });
        }
    }
    let has = |ipv4: bool, pools: &[Pool]| pools.iter().any(|pool| pool.subnet.is_ipv4() == ipv4);
    if spec.ipv4 != Some(false) && !has(true, &pools) {
        pools.push(pool::choose_ipv4(taken)?);
    }
    if spec.ipv6 != Some(false) && !has(false, &pools) {
        pools.push(choose_ipv6(taken)?);
    }
    pools.sort_by_key(|pool| !pool.subnet.is_ipv4());
    Ok(pools)
}

/// A local subnet of random bytes.
pub fn choose_ipv6(taken: &[Taken]) -> Result<Pool> {
    let mut bytes = [0; 7];
    crate::random(&mut bytes)?;
    pool::choose_ipv6(taken, || {
        let now = bytes;
        bytes = bytes.map(|byte| byte.wrapping_mul(37).wrapping_add(11));
        now
    })
}

fn pool_of(wanted: &SubnetSpec, others: &[Pool]) -> Result<Pool> {
    let subnet = wanted.subnet;
    let refuse = |problem| Err(Error::Subnet { subnet, problem });
    let most = if subnet.is_ipv4() { 30 } else { 120 };
    if !subnet.is_network() {
        return refuse("it has host bits set: give its first address");
    }
    if subnet.prefix == 0 || subnet.prefix > most {
        return refuse("it has no room: use /1 to /30 (IPv6: /120)");
    }
    let unusable = subnet.address.is_loopback()
        || subnet.address.is_multicast()
        || subnet.address.is_unspecified();
    if unusable {
        return refuse("its addresses cannot be given to containers");
    }
    if others.iter().any(|other| other.subnet.is_ipv4() == subnet.is_ipv4()) {
        return refuse("a network has one subnet of each family");
    }
    let gateway = wanted.gateway.unwrap_or_else(|| pool::first_of(subnet));
    let index = subnet.index_of(gateway);
    if index.is_none_or(|index| index == 0 || index == subnet.host_mask()) {
        return refuse("its gateway is not one of its hosts");
    }
    if let Some(range) = wanted.range
        && (!range.is_network() || range.prefix < subnet.prefix || !subnet.overlaps(range))
    {
        return refuse("its ip-range is not within it");
    }
    Ok(Pool { subnet, gateway, range: wanted.range, chosen: false })
}

#[derive(Debug)]
struct Options {
    bridge: Option<String>,
    mtu: u32,
    icc: bool,
    masquerade: bool,
    isolate: bool,
    host_binding: Option<IpAddr>,
}

fn options(given: &BTreeMap<String, String>) -> Result<Options> {
    let mut options = Options {
        bridge: None,
        mtu: 0,
        icc: true,
        masquerade: true,
        isolate: true,
        host_binding: None,
    };
    for (key, value) in given {
        match key.as_str() {
            "bridge" | "com.docker.network.bridge.name" => {
                if !is_interface_name(value) {
                    return Err(bad_option(key, value, "1 to 15 characters without '/' and ':'"));
                }
                options.bridge = Some(value.clone());
            }
            "mtu" | "com.docker.network.driver.mtu" => {
                options.mtu = parse(key, value, "a number of bytes from 68 to 65535")?;
                if !MTU.contains(&options.mtu) {
                    return Err(bad_option(key, value, "a number of bytes from 68 to 65535"));
                }
            }
            "icc" | "com.docker.network.bridge.enable_icc" => {
                options.icc = parse(key, value, TRUE_OR_FALSE)?;
            }
            "masquerade" | "com.docker.network.bridge.enable_ip_masquerade" => {
                options.masquerade = parse(key, value, TRUE_OR_FALSE)?;
            }
            "isolate" => options.isolate = parse(key, value, TRUE_OR_FALSE)?,
            "host-binding" | "com.docker.network.bridge.host_binding_ipv4" => {
                let address: IpAddr = parse(key, value, "an address of the host")?;
                options.host_binding = Some(address).filter(|address| !address.is_unspecified());
            }
            // Others' words are kept and mean nothing here, as in Docker.
            dotted if dotted.contains('.') => {}
            _ => {
                let expected = "not known: use mtu, bridge, icc, masquerade, isolate, host-binding";
                return Err(bad_option(key, value, expected));
            }
        }
    }
    Ok(options)
}

const TRUE_OR_FALSE: &str = "true or false";

fn parse<T: FromStr>(key: &str, value: &str, expected: &'static str) -> Result<T> {
    value.parse().map_err(|_| bad_option(key, value, expected))
}

fn bad_option(option: &str, value: &str, expected: &'static str) -> Error {
    Error::Option { option: option.to_owned(), value: value.to_owned(), expected }
}

#[cfg(test)]
mod tests;
