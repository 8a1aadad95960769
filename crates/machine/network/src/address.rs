//! Subnets and hardware addresses: parsed, printed, compared; no kernel here.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address with its prefix length. As a subnet, the host bits are zero; as an endpoint's
/// address they are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subnet {
    /// The address.
    pub address: IpAddr,
    /// Leading bits that name the network.
    pub prefix: u8,
}

/// A text that is no subnet or hardware address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct ParseError {
    text: String,
    expected: &'static str,
}

impl Subnet {
    /// Pairs an address with a prefix that must fit its family.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        (prefix <= width(address)).then_some(Self { address, prefix })
    }

    /// The same network with its host bits cleared.
    pub fn network(self) -> Self {
        Self { address: from_bits(bits(self.address) & !self.host_mask(), self.address), ..self }
    }

    /// Whether the host bits are clear.
    pub fn is_network(self) -> bool {
        self.network() == self
    }

    /// Whether the address lies within; never across families.
    pub fn contains(self, address: IpAddr) -> bool {
        same_family(self.address, address)
            && bits(address) & !self.host_mask() == bits(self.address) & !self.host_mask()
    }

    /// Whether the two share an address.
    pub fn overlaps(self, other: Self) -> bool {
        let wider = if self.prefix <= other.prefix { self } else { other };
        let narrower = if self.prefix <= other.prefix { other } else { self };
        wider.contains(narrower.address)
    }

    /// The `index`th address of the network; `None` outside it.
    pub fn nth(self, index: u128) -> Option<IpAddr> {
        (index <= self.host_mask())
            .then(|| from_bits(bits(self.network().address) + index, self.address))
    }

    /// Place of an address in the network, counted from its first.
    pub fn index_of(self, address: IpAddr) -> Option<u128> {
        self.contains(address).then(|| bits(address) & self.host_mask())
    }

    /// The highest index an address of the network has.
    pub fn host_mask(self) -> u128 {
        let host_bits = u32::from(width(self.address) - self.prefix.min(width(self.address)));
        1u128.checked_shl(host_bits).map_or(u128::MAX, |size| size - 1)
    }

    /// Whether it is a network of IPv4 addresses.
    pub fn is_ipv4(self) -> bool {
        self.address.is_ipv4()
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn same_family(left: IpAddr, right: IpAddr) -> bool {
    left.is_ipv4() == right.is_ipv4()
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn from_bits(bits: u128, family: IpAddr) -> IpAddr {
    match family {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(bits as u32)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(bits)),
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Subnet {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let parse = || {
            let (address, prefix) = text.split_once('/')?;
            Self::new(address.parse().ok()?, prefix.parse().ok()?)
        };
        parse().ok_or_else(|| ParseError {
            text: text.to_owned(),
            expected: "a subnet such as 172.30.0.0/20 or fd12:3456:789a::/64",
        })
    }
}

/// A hardware address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The one that an IPv4 address gives: `02:42` and its four bytes.
    pub fn of_ipv4(address: Ipv4Addr) -> Self {
        let [a, b, c, d] = address.octets();
        Self([0x02, 0x42, a, b, c, d])
    }

    /// The one that an IPv6 address gives: `02:43` and its last four bytes.
    pub fn of_ipv6(address: Ipv6Addr) -> Self {
        let octets = address.octets();
        Self([0x02, 0x43, octets[12], octets[13], octets[14], octets[15]])
    }

    /// Whether it names a group of hosts, which no interface may have.
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError {
            text: text.to_owned(),
            expected: "a hardware address such as 02:42:ac:1e:00:02",
        };
        let mut octets = [0; 6];
        let mut parts = text.split([':', '-']);
        for octet in &mut octets {
            let part =
                parts.next().filter(|part| (1..=2).contains(&part.len())).ok_or_else(error)?;
            *octet = u8::from_str_radix(part, 16).map_err(|_| error())?;
        }
        if parts.next().is_some() { Err(error()) } else { Ok(Self(octets)) }
    }
}

macro_rules! serde_as_text {
    ($($kind:ty),*) => {$(
        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

serde_as_text!(Subnet, Mac);

#[cfg(test)]
mod tests;
