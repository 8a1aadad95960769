//! The ranges that addresses of services are drawn from: every `ServiceCIDR` that is ready and not
//! on its way out.
//!
//! The lower part of a range is for addresses that people ask for by number; draws leave it alone
//! until the rest is full. In small ranges what is taken is looked up first, so that the last free
//! address is found, too; in large ones a second draw is cheaper.

use crate::api::{Api, Call, store_status};
use serde_json::Value;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use teu_api::{Status, object};
use teu_store::cache::ListAt;

/// A range with fewer addresses is small.
const SMALL: u128 = 1 << 16;
/// Most addresses that are kept for people.
const KEPT: u128 = 256;
/// Bits of a range that are drawn.
const DRAWN_BITS: u32 = 64;

/// A range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    first: IpAddr,
    host_bits: u32,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Networks {
    all: Vec<Network>,
    taken: HashSet<IpAddr>,
}

impl Api {
    /// The ranges as they are now, for a call about services.
    pub async fn service_networks(&self, call: &Call) -> Result<Networks, Status> {
        const GROUP: &str = "networking.k8s.io";
        let ranges = self.every(&call.rows, (GROUP, "servicecidrs")).await?;
        let mut networks = Networks::of(&ranges);
        let is_small = |network: &Network| network.size() < SMALL;
        if networks.all.iter().any(is_small)
            && let Some(entry) = call.rows.find_any(GROUP, "ipaddresses")
        {
            let found = entry.shelf.cache().list(&entry.shelf.span(""), ListAt::Any).await;
            let names = found.map_err(store_status)?.items;
            let names = names.iter().map(|item| entry.shelf.rest(&item.kv.key));
            networks.taken = names.filter_map(|name| name.parse().ok()).collect();
        }
        Ok(networks)
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let (first, bits) = (address.parse::<IpAddr>().ok()?, bits.parse::<u32>().ok()?);
        let all: u32 = if first.is_ipv4() { 32 } else { 128 };
        Some(Self { first, host_bits: all.checked_sub(bits)? })
    }

    fn number(address: IpAddr) -> u128 {
        match address {
            IpAddr::V4(address) => u32::from(address).into(),
            IpAddr::V6(address) => address.into(),
        }
    }

    fn size(&self) -> u128 {
        1_u128.checked_shl(self.host_bits.min(DRAWN_BITS)).unwrap_or(u128::MAX)
    }

    fn contains(&self, address: IpAddr) -> bool {
        let shifted = |address| Self::number(address).checked_shr(self.host_bits).unwrap_or(0);
        self.first.is_ipv4() == address.is_ipv4() && shifted(self.first) == shifted(address)
    }

    /// One of its addresses; not the first, which is the network's, nor IPv4's last.
    fn at(&self, offset: u128) -> IpAddr {
        let number = Self::number(self.first) + offset;
        match self.first {
            IpAddr::V4(_) => Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).into(),
            IpAddr::V6(_) => Ipv6Addr::from(number).into(),
        }
    }

    fn draw(&self, random: u64, taken: &HashSet<IpAddr>) -> Option<IpAddr> {
        let last = self.size() - u128::from(self.first.is_ipv4());
        let usable = last.checked_sub(1).filter(|usable| *usable > 0)?;
        let kept = (self.size() / 16).clamp(16.min(usable - 1), KEPT).min(usable - 1);
        let start = kept + u128::from(random) % (usable - kept);
        if self.size() >= SMALL {
            return Some(self.at(1 + start));
        }
        // On from there to the end, then from the beginning of what is drawn, then what is kept.
        let offsets = (start..usable).chain(kept..start).chain(0..kept);
        offsets.map(|offset| self.at(1 + offset)).find(|address| !taken.contains(address))
    }
}

impl Networks {
    /// Of these objects.
    pub fn of(ranges: &[Value]) -> Self {
        let is_usable = |range: &&Value| {
            let conditions = object::at(range, &["status", "conditions"]).and_then(Value::as_array);
            let mut conditions = conditions.into_iter().flatten();
            !object::is_terminating(range)
                && conditions
                    .find(|it| it["type"] == "Ready")
                    .is_none_or(|it| it["status"] == "True")
        };
        let texts = ranges
            .iter()
            .filter(is_usable)
            .filter_map(|range| object::at(range, &["spec", "cidrs"])?.as_array())
            .flatten()
            .filter_map(Value::as_str);
        Self { all: texts.filter_map(Network::parse).collect(), taken: HashSet::new() }
    }

    /// Whether there are addresses of a family.
    pub fn has(&self, family: &str) -> bool {
        self.all.iter().any(|network| network.first.is_ipv4() == (family == "IPv4"))
    }

    /// Whether an address is of one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.all.iter().any(|network| network.contains(address))
    }

    /// An address that is free as far as is known.
    pub fn draw(&self, family: &str, random: [u8; 16]) -> Option<IpAddr> {
        let mut of: Vec<&Network> =
            self.all.iter().filter(|it| it.first.is_ipv4() == (family == "IPv4")).collect();
        let [which, offset] = [0, 8].map(|at| {
            let mut half = [0; 8];
            half.copy_from_slice(&random[at..at + 8]);
            u64::from_le_bytes(half)
        });
        // Another one if the first that was drawn is full.
        let first = usize::try_from(which % of.len().max(1) as u64).unwrap_or(0);
        of.rotate_left(first);
        of.iter().find_map(|network| network.draw(offset, &self.taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn range(cidr: &str) -> Value {
        json!({ "spec": { "cidrs": [cidr] } })
    }

    #[test]
    fn only_what_is_ready_counts() {
        let mut one = range("10.96.0.0/12");
        assert!(Networks::of(&[one.clone()]).has("IPv4"));
        assert!(!Networks::of(&[one.clone()]).has("IPv6"));
        one["status"] = json!({ "conditions": [{ "type": "Ready", "status": "False" }] });
        assert!(!Networks::of(&[one.clone()]).has("IPv4"));
        one["status"] = json!({});
        one["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        assert!(!Networks::of(&[one]).has("IPv4"));
    }

    #[test]
    fn addresses_are_inside() {
        let networks = Networks::of(&[range("10.96.0.0/12"), range("fd00::/108")]);
        for seed in 0..200_u8 {
            for family in ["IPv4", "IPv6"] {
                let drawn = networks.draw(family, [seed; 16]).expect("there is room");
                assert!(networks.contains(drawn), "{drawn}");
                assert!(drawn != Ipv4Addr::new(10, 96, 0, 1));
            }
        }
        assert!(!networks.contains(Ipv4Addr::new(10, 112, 0, 1).into()));
        assert!(networks.contains(Ipv4Addr::new(10, 111, 255, 255).into()));
    }

    #[test]
    fn the_last_one_of_a_small_range_is_found() {
        let mut networks = Networks::of(&[range("10.1.0.0/29")]);
        let mut found = HashSet::new();
        while let Some(drawn) = networks.draw("IPv4", [7; 16]) {
            assert!(found.insert(drawn), "{drawn} is taken");
            networks.taken.insert(drawn);
        }
        assert_eq!(found.len(), 6);
        assert_eq!(Networks::of(&[range("10.1.0.0/32")]).draw("IPv4", [7; 16]), None);
    }
}
