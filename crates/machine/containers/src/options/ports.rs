//! `-p [[ADDRESS:]HOST_PORT:]CONTAINER_PORT[/PROTOCOL]` and `--expose`, ranges included.

use super::{OptionError, PortFault};
use crate::record::PortRecord;
use std::net::IpAddr;

/// One `-p`.
pub fn publish(text: &str) -> Result<PortRecord, OptionError> {
    port(text).map_err(OptionError::Port)
}

fn port(text: &str) -> Result<PortRecord, PortFault> {
    if text.contains("published=") || text.contains("target=") {
        return long(text);
    }
    let (rest, container) = match text.rsplit_once(':') {
        Some((rest, container)) => (rest, container),
        None => ("", text),
    };
    let (container, protocol) = protocol(container)?;
    if container.is_empty() {
        return Err(PortFault::Missing(text.to_owned()));
    }
    let (address, host) = match rest.strip_prefix('[') {
        Some(inner) => match inner.split_once(']') {
            Some((address, host)) => (address, host.strip_prefix(':').unwrap_or(host)),
            None => return Err(PortFault::Address(rest.to_owned())),
        },
        None => rest.rsplit_once(':').unwrap_or(("", rest)),
    };
    let host_ip: Option<IpAddr> = match address {
        "" => None,
        text => Some(text.parse().map_err(|_| PortFault::Address(text.to_owned()))?),
    };
    let (first, last) =
        range(container).ok_or_else(|| PortFault::Container(container.to_owned()))?;
    let count = last - first + 1;
    let (host_port, host_last) = match host {
        "" | "0" => (0, 0),
        text => {
            let (low, high) = range(text).ok_or_else(|| PortFault::Host(text.to_owned()))?;
            match high - low + 1 {
                many if many == count => (low, 0),
                // One port of the container is published at the first that is free.
                _ if count == 1 => (low, high),
                _ => {
                    let (container, host) = (container.to_owned(), text.to_owned());
                    return Err(PortFault::Ranges { container, host });
                }
            }
        }
    };
    Ok(PortRecord { host_ip, host_port, host_last, container_port: first, count, protocol })
}

/// The long form, `published=8080,target=80,protocol=tcp,mode=host`.
fn long(text: &str) -> Result<PortRecord, PortFault> {
    let mut record = PortRecord { count: 1, protocol: "tcp".to_owned(), ..PortRecord::default() };
    for field in text.split(',') {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        match key {
            "published" => {
                record.host_port = value.parse().map_err(|_| PortFault::Host(value.to_owned()))?;
            }
            "target" => {
                record.container_port =
                    value.parse().map_err(|_| PortFault::Container(value.to_owned()))?;
            }
            "protocol" => record.protocol = protocol(&format!("/{value}"))?.1,
            _ => {}
        }
    }
    match record.container_port {
        0 => Err(PortFault::Missing(text.to_owned())),
        _ => Ok(record),
    }
}

/// One `--expose`, as `port/protocol` for each port of a range.
pub fn expose(text: &str) -> Result<Vec<String>, OptionError> {
    let (ports, protocol) = protocol(text).map_err(OptionError::Port)?;
    let bad = || OptionError::value("expose", text, "invalid range format");
    let (first, last) = range(ports).ok_or_else(bad)?;
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

fn protocol(text: &str) -> Result<(&str, String), PortFault> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    match protocol.to_ascii_lowercase().as_str() {
        "" => Ok((ports, "tcp".to_owned())),
        known @ ("tcp" | "udp" | "sctp") => Ok((ports, known.to_owned())),
        _ => Err(PortFault::Protocol(protocol.to_owned())),
    }
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !plain(first) || !plain(last) {
        return None;
    }
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && first > 0).then_some((first, last))
}
