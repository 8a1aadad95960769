//! `--network`: a mode, a name, or `name=…,alias=…,ip=…`.

use super::{OptionError, fields};
use crate::record::network::EndpointRecord;

/// One `--network`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkOption {
    /// `none`
    None,
    /// `host`
    Host,
    /// `container:NAME`
    Container(String),
    /// A network of ours.
    Network(EndpointRecord),
}

/// Reads one.
pub fn network(text: &str) -> Result<NetworkOption, OptionError> {
    if let Some(container) = text.strip_prefix("container:") {
        return match container {
            "" => Err(OptionError::value("network", text, "container name is missing")),
            name => Ok(NetworkOption::Container(name.to_owned())),
        };
    }
    Ok(match text {
        "none" => NetworkOption::None,
        "host" => NetworkOption::Host,
        "" | "default" | "bridge" => NetworkOption::Network(named("bridge")),
        _ if text.contains('=') => NetworkOption::Network(long(text)?),
        name => NetworkOption::Network(named(name)),
    })
}

fn named(name: &str) -> EndpointRecord {
    EndpointRecord { network: name.to_owned(), ..EndpointRecord::default() }
}

fn long(text: &str) -> Result<EndpointRecord, OptionError> {
    let wrong = |reason: String| OptionError::value("network", text, reason);
    let mut endpoint = EndpointRecord::default();
    let fields = fields(text).ok_or_else(|| wrong("misplaced quotes".to_owned()))?;
    for field in fields {
        let Some((key, value)) = field.split_once('=') else {
            return Err(wrong(format!("invalid field {field}")));
        };
        let address = || value.parse().map_err(|_| wrong(format!("invalid address {value:?}")));
        match key.trim().to_ascii_lowercase().as_str() {
            "name" => value.clone_into(&mut endpoint.network),
            "alias" => endpoint.aliases.push(value.to_owned()),
            "ip" => endpoint.ipv4 = Some(address()?),
            "ip6" => endpoint.ipv6 = Some(address()?),
            "mac-address" => endpoint.mac = Some(mac(value).map_err(wrong)?),
            "driver-opt" | "gw-priority" | "link-local-ip" => {
                return Err(wrong(format!("the network option {key:?} is not supported")));
            }
            _ => return Err(wrong(format!("invalid field key {key}"))),
        }
    }
    match endpoint.network.is_empty() {
        true => Err(wrong("network name/id is not specified".to_owned())),
        false => Ok(endpoint),
    }
}

/// A hardware address, as it was typed.
pub fn mac(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split([':', '-']).collect();
    let byte = |part: &&str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
    match parts.len() == 6 && parts.iter().all(byte) {
        true => Ok(parts.join(":").to_ascii_lowercase()),
        false => Err(format!("invalid MAC address: {text}")),
    }
}
