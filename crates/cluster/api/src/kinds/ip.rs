//! Addresses and networks as fields.

use super::field::{At, Report};
use std::net::{IpAddr, Ipv4Addr};

const ADDRESS: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const NETWORK: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

/// An address; leading zeros are refused.
pub fn parse(text: &str) -> Option<IpAddr> {
    if text.contains('%') { None } else { text.parse().ok() }
}

/// A network: its address and the length of its prefix.
pub fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/')?;
    let address = parse(address)?;
    let plain = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
    let bits: u8 = bits.parse().ok().filter(|_| plain)?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    (bits <= most).then_some((address, bits))
}

/// Reports what is not an address; whether it was one.
pub fn check(at: &At, report: &mut Report) -> bool {
    let fits = parse(at.str()).is_some();
    if !fits {
        report.invalid(at, ADDRESS);
    }
    fits
}

/// Reports what is not a network.
pub fn check_network(at: &At, text: &str, report: &mut Report) {
    if network(text).is_none() {
        report.invalid_as(at, text, NETWORK);
    }
}

/// Whether there is at least one of each family.
pub fn are_dual(addresses: &[&str]) -> bool {
    let families: Vec<bool> =
        addresses.iter().filter_map(|text| parse(text)).map(|ip| ip.is_ipv4()).collect();
    families.contains(&true) && families.contains(&false)
}

/// Reports addresses that cannot be an endpoint.
pub fn check_not_special(at: &At, report: &mut Report) {
    let Some(ip) = parse(at.str()) else {
        return report.invalid(at, "must be a valid IP address");
    };
    if ip.is_unspecified() {
        report.invalid(at, format!("may not be unspecified ({})", at.str()));
    }
    if ip.is_loopback() {
        report.invalid(at, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    if is_link_local(ip) {
        report.invalid(at, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    let is_local_multicast = match ip {
        IpAddr::V4(ip) => ip.octets().starts_with(&[224, 0, 0]) && ip != Ipv4Addr::UNSPECIFIED,
        IpAddr::V6(ip) => ip.segments()[0] & 0xff0f == 0xff02,
    };
    if is_local_multicast {
        report
            .invalid(at, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.segments()[0] & 0xffc0 == 0xfe80,
    }
}
