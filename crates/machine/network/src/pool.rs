//! Which subnet a network gets: the first that overlaps nothing the host knows.
//!
//! The pool: `172.24.0.0/13` cut into `/20`s (4,093 containers each), then `10.128.0.0/10` likewise:
//! 1,152 networks. IPv6: a random `/64` of the local range `fd00::/8` (RFC 4193).

use crate::address::Subnet;
use crate::error::{Error, Result};
use crate::record::Pool;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const RANGES: [(Ipv4Addr, u8); 2] =
    [(Ipv4Addr::new(172, 24, 0, 0), 13), (Ipv4Addr::new(10, 128, 0, 0), 10)];
const PREFIX: u8 = 20;
/// A random /64 of a /8 that overlaps something is unlikely once, and impossible this often.
const RANDOM_ATTEMPTS: usize = 16;

/// A subnet that is taken, and by what, for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The subnet.
    pub subnet: Subnet,
    /// By what.
    pub by: String,
}

/// What of those taken a subnet overlaps.
pub fn overlap(subnet: Subnet, taken: &[Taken]) -> Option<&Taken> {
    taken.iter().find(|taken| taken.subnet.overlaps(subnet))
}

/// The first free subnet of the pool.
pub fn choose_ipv4(taken: &[Taken]) -> Result<Pool> {
    let candidates = RANGES.iter().flat_map(|&(start, prefix)| {
        let count = 1u32 << (PREFIX - prefix);
        (0..count).map(move |index| {
            let address = Ipv4Addr::from_bits(start.to_bits() + (index << (32 - PREFIX)));
            Subnet { address: IpAddr::V4(address), prefix: PREFIX }
        })
    });
    let free = candidates.into_iter().find(|subnet| overlap(*subnet, taken).is_none());
    free.map(chosen).ok_or(Error::PoolsExhausted)
}

/// A free local subnet made of random bytes (seven at a time).
pub fn choose_ipv6(taken: &[Taken], mut random: impl FnMut() -> [u8; 7]) -> Result<Pool> {
    for _ in 0..RANDOM_ATTEMPTS {
        let mut octets = [0; 16];
        octets[0] = 0xfd;
        octets[1..8].copy_from_slice(&random());
        let subnet = Subnet { address: IpAddr::V6(Ipv6Addr::from(octets)), prefix: 64 };
        if overlap(subnet, taken).is_none() {
            return Ok(chosen(subnet));
        }
    }
    Err(Error::PoolsExhausted)
}

fn chosen(subnet: Subnet) -> Pool {
    Pool { subnet, gateway: first_of(subnet), range: None, chosen: true }
}

/// The first address of a subnet that a host can have.
pub fn first_of(subnet: Subnet) -> IpAddr {
    subnet.nth(1).unwrap_or(subnet.address)
}

#[cfg(test)]
mod tests;
