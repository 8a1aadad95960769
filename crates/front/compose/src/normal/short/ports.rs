//! `[[ADDRESS:][HOST]:]CONTAINER[/PROTOCOL]`, ranges included, as entries of one container port each.

use super::{map_of, text};
use crate::node::{Node, Place, Value};
use crate::normal::{Fault, Path};
use std::net::IpAddr;

/// Largest range: one entry is made for each port.
const RANGE_LIMIT: u32 = 65536;

/// Why a port was not understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum PortError {
    #[error("no port specified: {0}<empty>")]
    Missing(String),
    #[error("invalid containerPort: {0}")]
    Container(String),
    #[error("invalid hostPort: {0}")]
    Host(String),
    #[error("invalid IP address: {0}")]
    Address(String),
    #[error("invalid proto: {0}")]
    Protocol(String),
    #[error("invalid ranges specified for container and host Ports: {container} and {host}")]
    Ranges { container: String, host: String },
}

/// The list of `ports`: short forms spread out.
pub fn ports(node: Node, path: &Path) -> Result<Node, Fault> {
    let at = node.at.clone();
    let Value::List(list) = node.value else { return Err(path.kind(&node, "a list")) };
    let mut out = Vec::new();
    for (index, item) in list.into_iter().enumerate() {
        match &item.value {
            Value::Int(_) | Value::Text(_) => {
                let line = item.scalar().unwrap_or_default();
                let path = path.then(&index.to_string());
                out.extend(short(&line, &item.at).map_err(|error| path.value(&item.at, error))?);
            }
            Value::Map(_) => out.push(long(item)),
            _ => return Err(path.then(&index.to_string()).kind(&item, "a port")),
        }
    }
    Ok(Node::new(Value::List(out), at))
}

fn long(mut item: Node) -> Node {
    let at = item.at.clone();
    if let Some(map) = item.as_map_mut() {
        map.entry("mode".to_owned()).or_insert_with(|| Node::text("ingress", &at));
        map.entry("protocol".to_owned()).or_insert_with(|| Node::text("tcp", &at));
    }
    item
}

fn range(text: &str) -> Option<(u32, u32)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let port = |text: &str| text.parse::<u32>().ok().filter(|&port| port < RANGE_LIMIT);
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some((first, last))
}

/// Address, host part, container part.
fn split(text: &str) -> (&str, &str, &str) {
    match text.rsplit_once(':') {
        None => ("", "", text),
        Some((rest, container)) => match rest.rsplit_once(':') {
            // `[::1]::80`: the host part is empty.
            Some((address, host)) => (address, host, container),
            None => ("", rest, container),
        },
    }
}

fn short(line: &str, at: &Place) -> Result<Vec<Node>, PortError> {
    let (rest, protocol) = match line.rsplit_once('/') {
        Some((rest, protocol)) => (rest, protocol.to_ascii_lowercase()),
        None => (line, "tcp".to_owned()),
    };
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(PortError::Protocol(protocol));
    }
    let (address, host, container) = split(rest);
    if container.is_empty() {
        return Err(PortError::Missing(rest.to_owned()));
    }
    let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
    if !bare.is_empty() && bare.parse::<IpAddr>().is_err() {
        return Err(PortError::Address(bare.to_owned()));
    }
    let targets = range(container).filter(|(first, _)| *first > 0);
    let (first, last) = targets.ok_or_else(|| PortError::Container(container.to_owned()))?;
    let hosts = match host {
        "" => None,
        host => Some(range(host).ok_or_else(|| PortError::Host(host.to_owned()))?),
    };
    let single_with_range = first == last && hosts.is_some_and(|(from, to)| from != to);
    if let Some((from, to)) = hosts
        && to - from != last - first
        && !single_with_range
    {
        let (container, host) = (container.to_owned(), host.to_owned());
        return Err(PortError::Ranges { container, host });
    }
    let mut out = Vec::new();
    for target in first..=last {
        let mut fields = vec![("mode", text("ingress"))];
        if !bare.is_empty() {
            fields.push(("host_ip", text(bare)));
        }
        fields.push(("target", Value::Int(target.into())));
        match hosts {
            Some((from, to)) if single_with_range => {
                fields.push(("published", text(&format!("{from}-{to}"))));
            }
            Some((from, _)) => {
                fields.push(("published", text(&(from + target - first).to_string())));
            }
            None => {}
        }
        fields.push(("protocol", text(&protocol)));
        out.push(map_of(at, &fields));
    }
    Ok(out)
}
