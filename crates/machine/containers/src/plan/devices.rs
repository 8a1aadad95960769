//! Device nodes and the rules of the device controller.

use super::{Facts, privilege};
use crate::record::ContainerRecord;
use teu_oci::runtime::{Device, DeviceRule};
use teu_runtime::defaults;

/// Nodes beyond the default ones: those asked for; all of the host's with every privilege.
pub(super) fn nodes(container: &ContainerRecord, facts: &Facts) -> Vec<Device> {
    let mut nodes = container.devices.clone();
    if container.security.privileged {
        for device in &facts.host_devices {
            if !nodes.iter().any(|known| known.path == device.path) {
                nodes.push(device.clone());
            }
        }
    }
    nodes
}

/// Nothing, then the default devices, then those asked for (`rwm` unless a rule of the record says
/// otherwise), then the record's own rules.
pub(super) fn rules(container: &ContainerRecord) -> Vec<DeviceRule> {
    let mut rules = defaults::device_rules(privilege(container));
    let own = &container.resources.devices;
    for device in &container.devices {
        let kind = if device.kind == "u" { "c" } else { &device.kind };
        let named = own.iter().any(|rule| {
            (rule.kind.as_deref(), rule.major, rule.minor)
                == (Some(kind), Some(device.major), Some(device.minor))
        });
        if !named && kind != "p" {
            rules.push(DeviceRule {
                allow: true,
                kind: Some(kind.to_owned()),
                major: Some(device.major),
                minor: Some(device.minor),
                access: Some("rwm".to_owned()),
            });
        }
    }
    rules.extend(own.iter().cloned());
    rules
}
