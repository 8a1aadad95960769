//! `teu network …`.

use super::container::PRUNE_FLAGS;
use super::inspect::{INSPECT_FLAGS, show};
use super::{FILTER, FORMAT, NO_TRUNC, QUIET, confirm, each, filters};
use crate::context::{Context, warn};
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::options::{OptionError, environment};
use crate::output::{Listing, Row, Style};
use crate::text::short_id;
use crate::time;
use serde_json::{Map, Value, json};
use teu_containers::list::ListOptions;
use teu_containers::record::network::EndpointRecord;
use teu_network::{Network, NetworkSpec, SubnetSpec};

/// The group.
pub const NETWORK: Command = Command::group(
    "network",
    "Manage networks",
    &[&CONNECT, &CREATE, &DISCONNECT, &super::exists::NETWORK, &INSPECT, &LS, &PRUNE, &RM],
);

const CONNECT: Command = Command {
    usage: "[OPTIONS] NETWORK CONTAINER",
    arity: Arity::Exactly(2),
    flags: &[&[
        Flag::list("alias", "Add network-scoped alias for the container"),
        Flag::list("driver-opt", "Driver options for the network").hidden(),
        Flag::integer("gw-priority", "").hidden(),
        Flag::text("ip", "string", "IPv4 address (e.g., \"172.30.100.104\")"),
        Flag::text("ip6", "string", "IPv6 address (e.g., \"2001:db8::33\")"),
        Flag::list("link", "Add link to another container").hidden(),
        Flag::list("link-local-ip", "Add a link-local address for the container").hidden(),
    ]],
    operands: Completes::Networks,
    examples: &[("teu network connect --alias db back postgres", "found as db there")],
    ..Command::new("connect", "Connect a container to a network", connect)
};

const CREATE: Command = Command {
    usage: "[OPTIONS] NETWORK",
    arity: Arity::Exactly(1),
    flags: &[&[
        Flag::switch("attachable", "Enable manual container attachment").hidden(),
        Flag::list("aux-address", "Auxiliary IPv4 or IPv6 addresses used by Network driver")
            .hidden(),
        Flag::text("driver", "string", "Driver to manage the Network (default \"bridge\")")
            .short('d'),
        Flag::list("gateway", "IPv4 or IPv6 Gateway for the subnet"),
        Flag::switch("ingress", "Create swarm routing-mesh network").hidden(),
        Flag::switch("internal", "Restrict external access to the network"),
        Flag::list("ip-range", "Allocate container ip from a sub-range"),
        Flag::text("ipam-driver", "string", "IP Address Management Driver").hidden(),
        Flag::list("ipam-opt", "Set IPAM driver specific options").hidden(),
        Flag::switch("ipv4", "Enable or disable IPv4 address assignment"),
        Flag::switch("ipv6", "Enable or disable IPv6 address assignment"),
        Flag::list("label", "Set metadata on a network"),
        Flag::list("opt", "Set driver specific options").short('o'),
        Flag::text("scope", "string", "Control the network's scope").hidden(),
        Flag::list("subnet", "Subnet in CIDR format that represents a network segment"),
    ]],
    examples: &[
        ("teu network create shop", "containers on it find each other by name"),
        ("teu network create --subnet 10.89.0.0/24 --internal back", "no way out"),
    ],
    ..Command::new("create", "Create a network", create)
};

const DISCONNECT: Command = Command {
    usage: "[OPTIONS] NETWORK CONTAINER",
    arity: Arity::Exactly(2),
    flags: &[&[
        Flag::switch("force", "Force the container to disconnect from a network").short('f')
    ]],
    operands: Completes::Networks,
    examples: &[("teu network disconnect back postgres", "")],
    ..Command::new("disconnect", "Disconnect a container from a network", disconnect)
};

const INSPECT: Command = Command {
    usage: "[OPTIONS] NETWORK [NETWORK...]",
    arity: Arity::AtLeast(1),
    flags: &[
        INSPECT_FLAGS,
        &[Flag::switch("verbose", "Verbose output for diagnostics").short('v').hidden()],
    ],
    operands: Completes::Networks,
    examples: &[("teu network inspect -f '{{json .Containers}}' back", "who is there")],
    ..Command::new("inspect", "Display detailed information on one or more networks", inspect)
};

const LS: Command = Command {
    aliases: &["list"],
    usage: "[OPTIONS]",
    flags: &[&[FILTER, FORMAT, NO_TRUNC, QUIET]],
    examples: &[("teu network ls --filter driver=bridge -q", "only ids")],
    ..Command::new("ls", "List networks", ls)
};

const PRUNE: Command = Command {
    usage: "[OPTIONS]",
    flags: &[PRUNE_FLAGS],
    examples: &[("teu network prune -f", "without asking")],
    ..Command::new("prune", "Remove all unused networks", prune)
};

const RM: Command = Command {
    aliases: &["remove"],
    usage: "NETWORK [NETWORK...]",
    arity: Arity::AtLeast(1),
    flags: &[&[Flag::switch("force", "Do not error if the network does not exist").short('f')]],
    operands: Completes::Networks,
    examples: &[("teu network rm back front", "")],
    ..Command::new("rm", "Remove one or more networks", rm)
};

fn address<T: std::str::FromStr>(matches: &Matches, flag: &'static str) -> Result<Option<T>> {
    let parse = |text: &str| {
        let error = || OptionError::value(flag, text, format!("invalid IP address: {text}"));
        text.parse().map_err(|_| Failure::from(error()))
    };
    matches.nonempty(flag).map(parse).transpose()
}

fn connect(ctx: &Context, matches: &Matches) -> Result<u8> {
    for flag in ["driver-opt", "gw-priority", "link", "link-local-ip"] {
        if matches.given(flag) {
            return Err(Failure::new(format!("--{flag} is not supported by network connect")));
        }
    }
    let network = ctx.networks()?.inspect(matches.operand(0))?;
    let endpoint = EndpointRecord {
        network: network.name,
        aliases: matches.list("alias").into_iter().map(str::to_owned).collect(),
        ipv4: address(matches, "ip")?,
        ipv6: address(matches, "ip6")?,
        mac: None,
    };
    ctx.containers()?.connect(matches.operand(1), endpoint)?;
    Ok(0)
}

fn disconnect(ctx: &Context, matches: &Matches) -> Result<u8> {
    let network = match ctx.networks()?.inspect(matches.operand(0)) {
        Ok(network) => network.name,
        // Gone by hand: the container may still think that it is there.
        Err(_) if matches.switch("force") => matches.operand(0).to_owned(),
        Err(error) => return Err(error.into()),
    };
    ctx.containers()?.disconnect(matches.operand(1), &network)?;
    Ok(0)
}

fn create(ctx: &Context, matches: &Matches) -> Result<u8> {
    let parse = |flag: &'static str, text: &str| -> Result<teu_network::Subnet> {
        text.parse().map_err(|_| {
            OptionError::value(flag, text, "expected a subnet such as 10.89.0.0/24").into()
        })
    };
    let mut subnets = Vec::new();
    for text in matches.list("subnet") {
        let subnet = parse("subnet", text)?;
        subnets.push(SubnetSpec { subnet, gateway: None, range: None });
    }
    for text in matches.list("gateway") {
        let error = || OptionError::value("gateway", text, "invalid gateway address");
        let gateway = text.parse().map_err(|_| error())?;
        let home = subnets.iter_mut().find(|spec| spec.subnet.contains(gateway));
        home.ok_or_else(|| Failure::new(format!("no matching subnet for gateway {text}")))?
            .gateway = Some(gateway);
    }
    for text in matches.list("ip-range") {
        let range = parse("ip-range", text)?;
        let home = subnets.iter_mut().find(|spec| spec.subnet.contains(range.address));
        home.ok_or_else(|| Failure::new(format!("no matching subnet for range {text}")))?.range =
            Some(range);
    }
    if let Some(other) = matches.nonempty("scope").filter(|scope| *scope != "local") {
        return Err(Failure::new(format!("networks of scope {other:?} are not supported")));
    }
    if !matches.list("aux-address").is_empty() {
        return Err(Failure::new("--aux-address is not supported").hint("use --ip-range"));
    }
    if let Some(other) = matches.nonempty("ipam-driver").filter(|name| *name != "default") {
        return Err(Failure::new(format!(
            "IPAM driver {other:?} is not there: only \"default\" is"
        ))
        .hint("use --subnet, --gateway and --ip-range"));
    }
    for flag in ["ingress", "ipam-opt"] {
        if matches.given(flag) {
            return Err(Failure::new(format!("--{flag} is not supported by network create")));
        }
    }
    let switch = |flag: &str| matches.given(flag).then(|| matches.switch(flag));
    let spec = NetworkSpec {
        name: matches.operand(0).to_owned(),
        driver: matches.nonempty("driver").unwrap_or_default().to_owned(),
        subnets,
        internal: matches.switch("internal"),
        ipv6: switch("ipv6"),
        ipv4: switch("ipv4"),
        options: environment::labels(matches.list("opt"))?,
        labels: environment::labels(matches.list("label"))?,
    };
    let network = ctx.networks()?.create(spec)?;
    ctx.line(&network.id)?;
    Ok(0)
}

fn inspect(ctx: &Context, matches: &Matches) -> Result<u8> {
    show(ctx, matches, &[("network", look_up)], false)
}

/// A network as Docker's `inspect` shows it.
pub fn look_up(ctx: &Context, name: &str, _size: bool) -> Result<Option<Value>> {
    let networks = ctx.networks()?;
    let network = match networks.inspect(name) {
        Ok(network) => network,
        Err(teu_network::Error::NotFound { .. } | teu_network::Error::BadName { .. }) => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let all = ListOptions { all: true, ..ListOptions::default() };
    let containers = ctx.containers()?.list(&all)?;
    let mut connected = Map::new();
    for endpoint in networks.endpoints(&network)? {
        let owner = containers.iter().find(|container| container.pod == endpoint.pod);
        let key = owner.map_or_else(|| endpoint.pod.clone(), |container| container.id.clone());
        connected.insert(
            key,
            json!({
                "Name": owner.map_or("", |container| container.name.as_str()),
                "EndpointID": endpoint.id,
                "MacAddress": endpoint.mac.to_string(),
                "IPv4Address": endpoint.ipv4.map(|a| a.to_string()).unwrap_or_default(),
                "IPv6Address": endpoint.ipv6.map(|a| a.to_string()).unwrap_or_default(),
            }),
        );
    }
    let pools: Vec<Value> = network
        .subnets
        .iter()
        .map(|pool| {
            let mut value = json!({
                "Subnet": pool.subnet.to_string(),
                "Gateway": pool.gateway.to_string(),
            });
            if let Some(range) = &pool.range {
                value["IPRange"] = Value::String(range.to_string());
            }
            value
        })
        .collect();
    Ok(Some(json!({
        "Name": network.name,
        "Id": network.id,
        "Created": time::rfc3339(network.created_ns),
        "Scope": "local",
        "Driver": network.driver,
        "EnableIPv4": network.ipv4().is_some(),
        "EnableIPv6": network.ipv6().is_some(),
        "IPAM": { "Driver": "default", "Options": {}, "Config": pools },
        "Internal": network.internal,
        "Attachable": false,
        "Ingress": false,
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": connected,
        "Options": network.options,
        "Labels": network.labels,
    })))
}

fn ls(ctx: &Context, matches: &Matches) -> Result<u8> {
    let filters = filters(matches)?;
    let mut rows = Vec::new();
    let whole = matches.switch("no-trunc");
    for network in ctx.networks()?.list()? {
        if keeps(&network, &filters)? {
            rows.push(row(&network, whole));
        }
    }
    // Always there, and not ours to keep.
    for name in ["host", "none"] {
        let driver = if name == "none" { "null" } else { name };
        let plain = filters.iter().all(|(key, value)| match key.as_str() {
            "name" => name.contains(value.as_str()),
            "driver" => driver == value,
            "type" => value == "builtin",
            _ => false,
        });
        if plain {
            rows.push(
                Row::new()
                    .field("Driver", driver)
                    .field("ID", format!("{name:0<12}"))
                    .field("Name", name)
                    .field("Scope", "local"),
            );
        }
    }
    let listing = Listing {
        heads: &[
            ("ID", "NETWORK ID"),
            ("Name", "NAME"),
            ("Driver", "DRIVER"),
            ("Scope", "SCOPE"),
            ("IPv4", "IPV4"),
            ("IPv6", "IPV6"),
            ("Internal", "INTERNAL"),
            ("Labels", "LABELS"),
            ("CreatedAt", "CREATED AT"),
        ],
        shown: &["ID", "Name", "Driver", "Scope"],
        quiet: "ID",
        rows,
    };
    let (format, quiet) = (matches.nonempty("format"), matches.switch("quiet"));
    ctx.list(&listing, Style { format, quiet, whole, ..Style::default() })?;
    Ok(0)
}

fn row(network: &Network, whole: bool) -> Row {
    Row::new()
        .field("CreatedAt", time::listed(network.created_ns))
        .field("Driver", network.driver.as_str())
        .field("ID", if whole { network.id.as_str() } else { short_id(&network.id) })
        .field("IPv4", network.ipv4().is_some().to_string())
        .field("IPv6", network.ipv6().is_some().to_string())
        .field("Internal", network.internal.to_string())
        .labels(&network.labels)
        .field("Name", network.name.as_str())
        .field("Scope", "local")
}

fn keeps(network: &Network, filters: &[(String, String)]) -> Result<bool> {
    for key in ["name", "id", "driver", "label", "type", "scope", "dangling"] {
        let mut values = filters.iter().filter(|(known, _)| known == key).peekable();
        if values.peek().is_none() {
            continue;
        }
        let fits = |value: &str| match key {
            "name" => network.name.contains(value),
            "id" => network.id.starts_with(value),
            "driver" => network.driver == value,
            "type" => (value == "builtin") == network.is_default(),
            "scope" => value == "local",
            "label" => match value.split_once('=') {
                Some((key, value)) => network.labels.get(key).is_some_and(|found| found == value),
                None => network.labels.contains_key(value),
            },
            _ => true,
        };
        // Labels must all fit, of other keys one is enough.
        let kept = match key {
            "label" => values.all(|(_, value)| fits(value)),
            _ => values.any(|(_, value)| fits(value)),
        };
        if !kept {
            return Ok(false);
        }
    }
    let known = ["name", "id", "driver", "label", "type", "scope", "dangling"];
    match filters.iter().find(|(key, _)| !known.contains(&key.as_str())) {
        Some((key, _)) => Err(Failure::new(format!("invalid filter '{key}'"))),
        None => Ok(true),
    }
}

fn prune(ctx: &Context, matches: &Matches) -> Result<u8> {
    let question = "This will remove all custom networks not used by at least one container.";
    if !matches.switch("force") && !confirm(question)? {
        return Ok(0);
    }
    let removed = prune_unused(ctx, &filters(matches)?)?;
    if !removed.is_empty() {
        ctx.print(&format!("Deleted Networks:\n{}\n", removed.join("\n")))?;
    }
    Ok(0)
}

/// Removes networks that no container, running or not, wants; answers their names.
pub fn prune_unused(ctx: &Context, filters: &[(String, String)]) -> Result<Vec<String>> {
    let all = ListOptions { all: true, ..ListOptions::default() };
    let wanted: Vec<String> =
        ctx.containers()?.list(&all)?.into_iter().flat_map(|c| c.networks).collect();
    let mut until = None;
    for (key, value) in filters.iter().filter(|(key, _)| key == "until") {
        let _ = key;
        until = Some(time::instant(value, time::now_ns())?);
    }
    let labels: Vec<(String, String)> =
        filters.iter().filter(|(key, _)| key == "label").cloned().collect();
    let keep = |network: &Network| {
        wanted.contains(&network.name)
            || until.is_some_and(|until| network.created_ns >= until)
            || !keeps(network, &labels).unwrap_or(false)
    };
    Ok(ctx.networks()?.prune(&keep)?.networks)
}

fn rm(ctx: &Context, matches: &Matches) -> Result<u8> {
    let networks = ctx.networks()?;
    let all = ListOptions { all: true, ..ListOptions::default() };
    let containers = ctx.containers()?.list(&all)?;
    each(ctx, &matches.operands, |name| match networks.remove(name) {
        Ok(()) => {
            let users = containers.iter().filter(|c| c.networks.iter().any(|n| n == name));
            for user in users {
                warn(&format!("container {} is still configured for network {name}", user.name));
            }
            Ok(Some(name.to_owned()))
        }
        Err(teu_network::Error::NotFound { .. }) if matches.switch("force") => Ok(None),
        Err(error) => Err(error.into()),
    })
}
