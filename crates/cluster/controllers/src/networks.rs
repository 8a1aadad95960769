//! Ranges of services' addresses: each is ready, and stays while addresses of it are in use that no
//! other range holds.

use crate::Context;
use crate::desk::{Controller, Desk};
use crate::finalizers;
use crate::mirror::{Key, Mirror, key_of};
use crate::queue::Queue;
use crate::resources::{ADDRESSES, SERVICE_RANGES};
use crate::worker::Look;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use teu_api::{kinds, object};

const FINALIZER: &str = "networking.k8s.io/service-cidr-finalizer";
const IN_USE: &str = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR";
/// Each look reads all others.
const AT_ONCE: usize = 1;

struct Ranges {
    context: Context,
    ranges: Arc<Mirror>,
    queue: Arc<Queue>,
    /// Only looked at when a range is to go.
    addresses: OnceLock<Arc<Mirror>>,
}

/// Runs until the future is dropped.
pub async fn run(context: Context) {
    let mut desk = Desk::new(&context);
    let ranges = desk.each(SERVICE_RANGES);
    let known = Arc::downgrade(&ranges);
    desk.on(&ranges, move |_, queue| {
        // Another range may hold what keeps one that is to go.
        let all = known.upgrade().map(|known| known.all()).unwrap_or_default();
        let going = all.iter().filter(|range| object::is_terminating(range));
        going.for_each(|it| queue.add(key_of(it)));
    });
    let queue = desk.queue();
    desk.work(AT_ONCE, Ranges { context, ranges, queue, addresses: OnceLock::new() }).await;
}

impl Controller for Ranges {
    async fn look(&self, key: &Key) -> Look {
        let Some(range) = self.ranges.at(key) else { return Ok(None) };
        if object::is_terminating(&range) {
            return self.let_go(&range).await;
        }
        if !finalizers::has(&range, FINALIZER) {
            let new = finalizers::with(&range, FINALIZER);
            self.context.update(SERVICE_RANGES, "", new).await?;
        } else {
            let now = self.context.timer.text();
            let status = status(&range, ("True", "", "Kubernetes Service CIDR is ready"), &now);
            self.context.write_status(SERVICE_RANGES, &range, status).await?;
        }
        Ok(None)
    }
}

impl Ranges {
    async fn let_go(&self, range: &Arc<Value>) -> Look {
        if !finalizers::has(range, FINALIZER) {
            return Ok(None);
        }
        let addresses = self.addresses();
        addresses.ready().await;
        let others = self.ranges.all();
        let others: Vec<&Value> = others
            .iter()
            .map(|it| &**it)
            .filter(|it| object::name(it) != object::name(range) && !object::is_terminating(it))
            .collect();
        let names = addresses.all();
        let used = names.iter().filter_map(|it| object::name(it).parse::<IpAddr>().ok());
        if is_needed(range, &others, used) {
            let now = self.context.timer.text();
            let status = status(range, ("False", "Terminating", IN_USE), &now);
            self.context.write_status(SERVICE_RANGES, range, status).await?;
            return Ok(None);
        }
        let new = finalizers::without(range, FINALIZER);
        self.context.update(SERVICE_RANGES, "", new).await?;
        Ok(None)
    }

    fn addresses(&self) -> Arc<Mirror> {
        let mirror = self.addresses.get_or_init(|| {
            let mirror = self.context.mirror(ADDRESSES);
            let ranges = Arc::downgrade(&self.ranges);
            mirror.subscribe(&self.queue, move |change, queue| {
                let all = ranges.upgrade().filter(|_| change.after.is_none()).map(|it| it.all());
                let going = all.into_iter().flatten().filter(|it| object::is_terminating(it));
                going.for_each(|range| queue.add(key_of(&range)));
            });
            mirror
        });
        Arc::clone(mirror)
    }
}

fn cidrs(range: &Value) -> Vec<(IpAddr, u8)> {
    let list = object::at(range, &["spec", "cidrs"]).and_then(Value::as_array);
    let texts = list.into_iter().flatten().filter_map(Value::as_str);
    texts.filter_map(kinds::ip::network).collect()
}

fn holds(range: &Value, address: IpAddr) -> bool {
    cidrs(range).iter().any(|(first, bits)| match (first, address) {
        (IpAddr::V4(first), IpAddr::V4(address)) => {
            let shift = 32 - u32::from(*bits).min(32);
            let part = |it: std::net::Ipv4Addr| u32::from(it).checked_shr(shift).unwrap_or(0);
            part(*first) == part(address)
        }
        (IpAddr::V6(first), IpAddr::V6(address)) => {
            let shift = 128 - u32::from(*bits).min(128);
            let part = |it: std::net::Ipv6Addr| u128::from(it).checked_shr(shift).unwrap_or(0);
            part(*first) == part(address)
        }
        _ => false,
    })
}

/// Whether an address is in use that only this range holds.
fn is_needed(range: &Value, others: &[&Value], mut used: impl Iterator<Item = IpAddr>) -> bool {
    used.any(|address| holds(range, address) && !others.iter().any(|it| holds(it, address)))
}

/// The status with this `Ready`; its time changes only with it.
fn status(range: &Value, (is, reason, why): (&str, &str, &str), now: &str) -> Value {
    let list = object::at(range, &["status", "conditions"]).and_then(Value::as_array);
    let mut list = list.cloned().unwrap_or_default();
    let known = list.iter().find(|it| it["type"] == "Ready" && it["status"] == is);
    let since = known.map_or_else(|| now.into(), |known| known["lastTransitionTime"].clone());
    list.retain(|it| it["type"] != "Ready");
    list.push(json!({
        "type": "Ready", "status": is, "reason": reason, "message": why, "lastTransitionTime": since,
    }));
    json!({ "conditions": list })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_needed_for_what_only_it_holds() {
        let range = |cidr: &str| json!({ "spec": { "cidrs": [cidr] } });
        let check = |others: &[Value], used: &[&str], expected: bool| {
            let others: Vec<&Value> = others.iter().collect();
            let used = used.iter().filter_map(|it| it.parse().ok());
            assert_eq!(is_needed(&range("10.1.0.0/24"), &others, used), expected);
        };
        check(&[], &["10.1.0.7"], true);
        check(&[], &["10.1.1.7", "fd00::7"], false);
        check(&[range("10.1.0.0/16")], &["10.1.0.7"], false);
        check(&[range("10.1.0.0/30")], &["10.1.0.7"], true);
    }

    #[test]
    fn its_time_changes_with_the_condition() {
        let mut range = json!({});
        range["status"] = status(&range, ("True", "", "x"), "then");
        assert_eq!(status(&range, ("True", "", "x"), "now"), range["status"]);
        let gone = status(&range, ("False", "Terminating", "y"), "now");
        assert_eq!(gone["conditions"][0]["lastTransitionTime"], "now");
    }
}
