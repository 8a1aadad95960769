//! Network, ports, names and addresses.

use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::Matches;
use crate::options::networks::{NetworkOption, mac, network as read};
use crate::options::{OptionError, environment, ports};
use std::net::IpAddr;
use teu_containers::record::network::EndpointRecord;
use teu_containers::record::{NetworkChoice, PodRecord, PortRecord};

/// All of `-p`.
pub fn published(texts: &[&str]) -> Result<Vec<PortRecord>> {
    texts.iter().map(|text| Ok(ports::publish(text)?)).collect()
}

pub(super) fn network(ctx: &Context, matches: &Matches, pod: &mut PodRecord) -> Result<()> {
    let both = |long: &str, old: &str| {
        let mut texts = matches.list(long);
        texts.extend(matches.list(old));
        texts
    };
    let record = &mut pod.network;
    record.choice = choice(ctx, &both("network", "net"))?;
    record.ports = published(&matches.list("publish"))?;
    record.publish_all = matches.switch("publish-all");
    let aliases = both("network-alias", "net-alias");
    if !aliases.is_empty()
        || matches.given("ip")
        || matches.given("ip6")
        || matches.given("mac-address")
    {
        settle(matches, &aliases, &mut record.choice)?;
    }
    for text in matches.list("dns") {
        let address = text
            .parse()
            .map_err(|_| OptionError::value("dns", text, format!("{text} is not an ip address")))?;
        record.dns.push(address);
    }
    let domains = matches.list("dns-search");
    for text in &domains {
        let good = text.len() <= 255
            && !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if !good {
            let reason = format!("{text} is not a valid domain");
            return Err(OptionError::value("dns-search", text, reason).into());
        }
    }
    record.dns_search = domains.into_iter().map(str::to_owned).collect();
    record.dns_options = both("dns-option", "dns-opt").into_iter().map(str::to_owned).collect();
    for text in matches.list("add-host") {
        record.extra_hosts.push(environment::host(text)?);
    }
    for text in matches.list("link") {
        let (name, alias) = text.split_once(':').unwrap_or((text, text));
        if name.is_empty() || alias.contains(':') {
            return Err(
                OptionError::value("link", text, format!("bad format for links: {text}")).into()
            );
        }
        record.links.push(format!("{name}:{}", alias.trim_start_matches('/')));
    }
    pod.hostname = matches.text("hostname").unwrap_or_default().to_owned();
    pod.domainname = matches.text("domainname").unwrap_or_default().to_owned();
    Ok(())
}

fn choice(ctx: &Context, texts: &[&str]) -> Result<NetworkChoice> {
    let mut endpoints: Vec<EndpointRecord> = Vec::new();
    let mut modes = Vec::new();
    for text in texts {
        match read(text)? {
            NetworkOption::Network(endpoint) => endpoints.push(endpoint),
            other => modes.push(other),
        }
    }
    if !modes.is_empty() && texts.len() > 1 {
        return Err(Failure::new(
            "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
        ));
    }
    Ok(match modes.pop() {
        Some(NetworkOption::None) => NetworkChoice::None,
        Some(NetworkOption::Host) => NetworkChoice::Host,
        Some(NetworkOption::Container(name)) => {
            NetworkChoice::Container(ctx.containers()?.find(&name)?.record.id)
        }
        _ if endpoints.is_empty() => NetworkChoice::default(),
        _ => NetworkChoice::Networks(endpoints),
    })
}

/// `--network-alias`, `--ip`, `--ip6`, `--mac-address` are about the first network.
fn settle(matches: &Matches, aliases: &[&str], choice: &mut NetworkChoice) -> Result<()> {
    let NetworkChoice::Networks(endpoints) = choice else {
        let message =
            "conflicting options: addresses and aliases need a network of the container's own";
        return Err(Failure::new(message));
    };
    let Some(first) = endpoints.first_mut() else { return Ok(()) };
    first.aliases.extend(aliases.iter().map(|alias| (*alias).to_owned()));
    let address =
        |flag: &'static str| -> Result<Option<IpAddr>> {
            match matches.nonempty(flag) {
                None => Ok(None),
                Some(text) => match text.parse::<IpAddr>() {
                    Ok(address) if address.is_ipv6() == (flag == "ip6") => Ok(Some(address)),
                    _ => Err(OptionError::value(flag, text, format!("invalid IP address: {text}"))
                        .into()),
                },
            }
        };
    first.ipv4 = address("ip")?.or(first.ipv4);
    first.ipv6 = address("ip6")?.or(first.ipv6);
    if let Some(text) = matches.nonempty("mac-address") {
        let reason = |reason| OptionError::value("mac-address", text, reason);
        first.mac = Some(mac(text).map_err(reason)?);
    }
    Ok(())
}
