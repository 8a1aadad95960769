//! `NetworkSettings`: what the pod has on its networks.

use crate::list::PortBinding;
use crate::record::network::{EndpointRecord, NetworkChoice};
use crate::{Containers, Found, Result};
use serde_json::{Map, Value, json};
use std::net::IpAddr;
use teu_network::Endpoint;

impl Containers {
    pub(super) fn network_settings(&self, found: &Found) -> Result<Value> {
        let endpoints = match found.state.needs_shim() {
            true => self.networks.endpoints_of(&found.pod.id)?,
            false => Vec::new(),
        };
        let ports = self.ports(found)?;
        let default = endpoints.iter().find(|e| e.network == teu_network::DEFAULT_NETWORK);
        let mut all = json!({
            "Bridge": "",
            "SandboxID": if found.state.needs_shim() { found.pod.id.as_str() } else { "" },
            "SandboxKey": match found.state.needs_shim() {
                true => format!("/proc/{}/ns/net", found.state.pid),
                false => String::new(),
            },
            "Ports": port_map(&ports),
            "HairpinMode": false,
            "LinkLocalIPv6Address": "",
            "LinkLocalIPv6PrefixLen": 0,
            "SecondaryIPAddresses": Value::Null,
            "SecondaryIPv6Addresses": Value::Null,
        });
        if let Some(fields) = all.as_object_mut() {
            // Docker repeats the default network's endpoint here.
            if let Value::Object(address) = addresses(default) {
                fields.extend(address);
            }
            fields.insert("Networks".to_owned(), networks(found, &endpoints));
        }
        Ok(all)
    }
}

fn port_map(ports: &[PortBinding]) -> Value {
    let mut all: Map<String, Value> = Map::new();
    for port in ports {
        let key = format!("{}/{}", port.container_port, port.protocol);
        let slot = all.entry(key).or_insert(Value::Null);
        if let Some((ip, host_port)) = port.host {
            let binding = json!({ "HostIp": ip.to_string(), "HostPort": host_port.to_string() });
            match slot {
                Value::Array(list) => list.push(binding),
                other => *other = json!([binding]),
            }
        }
    }
    Value::Object(all)
}

fn addresses(endpoint: Option<&Endpoint>) -> Value {
    let text = |address: Option<IpAddr>| address.map(|a| a.to_string()).unwrap_or_default();
    let subnet = |subnet: Option<teu_network::Subnet>| match subnet {
        Some(subnet) => {
            let shown = subnet.to_string();
            let (address, prefix) = shown.split_once('/').unwrap_or((&shown, "0"));
            (address.to_owned(), prefix.parse::<u8>().unwrap_or(0))
        }
        None => (String::new(), 0),
    };
    let (ipv4, prefix4) = subnet(endpoint.and_then(|e| e.ipv4));
    let (ipv6, prefix6) = subnet(endpoint.and_then(|e| e.ipv6));
    json!({
        "EndpointID": endpoint.map(|e| e.id.clone()).unwrap_or_default(),
        "Gateway": text(endpoint.and_then(|e| e.gateway4)),
        "GlobalIPv6Address": ipv6,
        "GlobalIPv6PrefixLen": prefix6,
        "IPAddress": ipv4,
        "IPPrefixLen": prefix4,
        "IPv6Gateway": text(endpoint.and_then(|e| e.gateway6)),
        "MacAddress": endpoint.map(|e| e.mac.to_string()).unwrap_or_default(),
    })
}

fn networks(found: &Found, endpoints: &[Endpoint]) -> Value {
    let mut all = Map::new();
    let mut add = |name: &str, asked: Option<&EndpointRecord>| {
        let endpoint = endpoints.iter().find(|endpoint| endpoint.network == name);
        let aliases = asked.map(|asked| asked.aliases.clone()).filter(|list| !list.is_empty());
        let wanted = asked.map(|asked| {
            json!({
                "IPv4Address": asked.ipv4.map(|ip| ip.to_string()).unwrap_or_default(),
                "IPv6Address": asked.ipv6.map(|ip| ip.to_string()).unwrap_or_default(),
            })
        });
        let fixed = asked.is_some_and(|asked| asked.ipv4.is_some() || asked.ipv6.is_some());
        let mut one = json!({
            "IPAMConfig": if fixed { wanted } else { None },
            "Links": Value::Null,
            "Aliases": aliases,
            "NetworkID": endpoint.map(|e| e.network_id.clone()).unwrap_or_default(),
        });
        if let (Some(fields), Value::Object(rest)) = (one.as_object_mut(), addresses(endpoint)) {
            fields.extend(rest);
            fields.insert("DriverOpts".to_owned(), Value::Null);
            let names = endpoint.map(|e| e.names.clone()).filter(|names| !names.is_empty());
            fields.insert("DNSNames".to_owned(), json!(names));
        }
        all.insert(name.to_owned(), one);
    };
    match &found.pod.network.choice {
        NetworkChoice::None => add("none", None),
        NetworkChoice::Host => add("host", None),
        NetworkChoice::Container(_) => {}
        NetworkChoice::Networks(list) => {
            for asked in list {
                add(&asked.network, Some(asked));
            }
            // Joined after it was made.
            for endpoint in endpoints {
                if !list.iter().any(|asked| asked.network == endpoint.network) {
                    add(&endpoint.network, None);
                }
            }
        }
    }
    Value::Object(all)
}
