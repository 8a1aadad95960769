//! How a changed container gives way to its successor.
//!
//! Start-first: the successor runs and is healthy before the old one stops, so the service never
//! pauses. That needs a probe, and nothing that only one of both can have: a fixed port or address of
//! the host, a fixed address or hardware address on a network, a volume or directory both write to
//! (two databases on one volume would destroy it; a file that says `order: start-first` knows
//! better).

use crate::model::Service;

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The successor runs before the old one stops.
    StartFirst,
    /// The old one stops before the successor starts.
    StopFirst,
}

/// The order for a service; `image_probe` says whether its image brings a probe along.
pub fn order(service: &Service, image_probe: bool) -> Order {
    let wish = service.deploy.update_config.as_ref().and_then(|update| update.order.as_deref());
    let probe = match &service.healthcheck {
        Some(check) if check.is_off() => false,
        Some(check) => !check.test.is_empty() || image_probe,
        None => image_probe,
    };
    let first = match wish {
        Some("start-first") => true,
        Some(_) => false,
        None => probe && !shares_files(service),
    };
    match first && !has_exclusive_address(service) {
        true => Order::StartFirst,
        false => Order::StopFirst,
    }
}

/// Something on the network that two containers cannot have at once.
fn has_exclusive_address(service: &Service) -> bool {
    let fixed_port = service.ports.iter().any(|port| {
        port.published
            .as_deref()
            .is_some_and(|text| !matches!(text, "" | "0") && !text.contains('-'))
    });
    let fixed_address = service.networks.values().flatten().any(|place| {
        place.ipv4_address.is_some() || place.ipv6_address.is_some() || place.mac_address.is_some()
    });
    let mode = service.network_mode.as_deref().unwrap_or_default();
    let borrowed = mode == "host" || mode.starts_with("service:") || mode.starts_with("container:");
    fixed_port || fixed_address || borrowed || service.mac_address.is_some()
}

/// A volume or directory that both would write to.
fn shares_files(service: &Service) -> bool {
    service.volumes.iter().any(|mount| {
        !mount.read_only
            && matches!(mount.kind.as_str(), "bind" | "volume")
            && mount.source.is_some()
    })
}
