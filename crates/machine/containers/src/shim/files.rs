//! The texts of a pod's `hosts` and `resolv.conf`. Pure; the formats are Docker's.

use std::fmt::Write as _;
use std::net::IpAddr;

/// The address at which the pod asks for names on its own networks.
pub(super) const NAMESERVER: &str = "127.0.0.11";

const LOOPBACK: &str = "127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
";

/// What goes into `hosts` besides the loopback names.
#[derive(Debug, Default)]
pub(super) struct Hosts<'a> {
    /// `name:address`, the address perhaps `host-gateway`, or `name=address`.
    pub(super) extra: &'a [String],
    /// What `host-gateway` stands for.
    pub(super) gateway: Option<IpAddr>,
    /// The pod's own addresses.
    pub(super) addresses: Vec<IpAddr>,
    /// Its own names, host name first.
    pub(super) names: Vec<String>,
    /// Addresses and names of others (`--link`).
    pub(super) links: Vec<(IpAddr, Vec<String>)>,
}

/// The file `hosts`; with the host's network, `base` is the host's own.
pub(super) fn hosts(base: Option<&str>, entries: &Hosts<'_>) -> String {
    let mut text = base.unwrap_or(LOOPBACK).to_owned();
    if !text.ends_with('\n') && !text.is_empty() {
        text.push('\n');
    }
    for extra in entries.extra {
        let Some((name, address)) = split_extra(extra) else { continue };
        match (address, entries.gateway) {
            ("host-gateway", Some(gateway)) => line(&mut text, &gateway.to_string(), name),
            ("host-gateway", None) => {}
            (address, _) => line(&mut text, address, name),
        }
    }
    for (address, names) in &entries.links {
        line(&mut text, &address.to_string(), &names.join(" "));
    }
    if !entries.names.is_empty() {
        for address in &entries.addresses {
            line(&mut text, &address.to_string(), &entries.names.join(" "));
        }
    }
    text
}

/// `name:address` or `name=address`; an IPv6 address may stand in brackets.
fn split_extra(extra: &str) -> Option<(&str, &str)> {
    let at = extra.find(['=', ':'])?;
    let (name, address) = (&extra[..at], &extra[at + 1..]);
    let address =
        address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    let sound = |word: &str| !word.is_empty() && !word.contains(char::is_whitespace);
    (sound(name) && sound(address)).then_some((name, address))
}

fn line(text: &mut String, address: &str, names: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{address}\t{names}");
}

/// How names are resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Resolver {
    pub(super) nameservers: Vec<String>,
    pub(super) search: Vec<String>,
    pub(super) options: Vec<String>,
}

/// Reads a resolv.conf; unknown lines are skipped. resolv.conf(5): the last `search` wins.
pub(super) fn parse_resolver(text: &str) -> Resolver {
    let mut resolver = Resolver::default();
    for line in text.lines() {
        let line = line.split(['#', ';']).next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let keyword = words.next();
        let rest = words.map(str::to_owned);
        match keyword {
            Some("nameserver") => resolver.nameservers.extend(rest.take(1)),
            Some("search" | "domain") => resolver.search = rest.collect(),
            Some("options") => resolver.options.extend(rest),
            _ => {}
        }
    }
    resolver
}

/// What the pod asked for, over what the host has. `None` servers fall back to the host's.
pub(super) fn merge(host: Resolver, asked: &Resolver) -> Resolver {
    let pick = |asked: &[String], host: Vec<String>| {
        if asked.is_empty() { host } else { asked.to_vec() }
    };
    let search = pick(&asked.search, host.search);
    Resolver {
        nameservers: pick(&asked.nameservers, host.nameservers),
        // A single dot is how a person asks for no search list.
        search: if search == ["."] { Vec::new() } else { search },
        options: pick(&asked.options, host.options),
    }
}

/// Servers of the host that a pod on a bridge cannot reach: those on its loopback.
pub(super) fn is_loopback(server: &str) -> bool {
    let address = server.split('%').next().unwrap_or(server);
    address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The resolver of a pod whose names the shim serves, and the servers it asks in turn.
pub(super) fn served(merged: Resolver) -> (Resolver, Vec<String>) {
    let mut options = merged.options;
    if !options.iter().any(|option| option.starts_with("ndots:")) {
        options.push("ndots:0".to_owned());
    }
    let own = Resolver { nameservers: vec![NAMESERVER.to_owned()], search: merged.search, options };
    (own, merged.nameservers)
}

/// The file `resolv.conf`.
pub(super) fn resolv_conf(resolver: &Resolver) -> String {
    let mut text = String::new();
    for server in &resolver.nameservers {
        let _ = writeln!(text, "nameserver {server}");
    }
    if !resolver.search.is_empty() {
        let _ = writeln!(text, "search {}", resolver.search.join(" "));
    }
    if !resolver.options.is_empty() {
        let _ = writeln!(text, "options {}", resolver.options.join(" "));
    }
    text
}

#[cfg(test)]
mod tests;
