//! `teu ps`: containers in a table.

use super::{FILTER, FORMAT, NO_TRUNC, QUIET, filters};
use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Command, Flag, Matches};
use crate::output::{Listing, Row, Style};
use crate::text::{ellipsis, quoted, short_id};
use crate::time;
use crate::units::human_size;
use std::net::IpAddr;
use teu_containers::list::{ListOptions, PortBinding, Summary};
use teu_containers::record::MountKind;
use teu_containers::state::{Status, status_line};

/// Characters of a command that are shown.
const COMMAND_COLUMNS: usize = 20;

/// The command.
pub const PS: Command = Command {
    usage: "[OPTIONS]",
    flags: &[&[
        Flag::switch("all", "Show all containers (default shows just running)").short('a'),
        FILTER,
        FORMAT,
        Flag::integer("last", "Show n last created containers (includes all states)").short('n'),
        Flag::switch("latest", "Show the latest created container (includes all states)")
            .short('l'),
        NO_TRUNC,
        QUIET,
        Flag::switch("size", "Display total file sizes").short('s'),
    ]],
    examples: &[
        ("teu ps -a --filter status=exited", "what has ended"),
        ("teu ps --format '{{.Names}}: {{.Status}}'", "as a script likes it"),
    ],
    ..Command::new("ps", "List containers", run)
};

/// `container ls`.
pub const LS: Command = Command { name: "ls", aliases: &["ps", "list"], ..PS };

const HEADS: &[(&str, &str)] = &[
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("Ports", "PORTS"),
    ("State", "STATE"),
    ("Status", "STATUS"),
    ("Size", "SIZE"),
    ("Names", "NAMES"),
    ("Labels", "LABELS"),
    ("Mounts", "MOUNTS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Networks", "NETWORKS"),
    ("Pod", "POD"),
    ("PodID", "POD ID"),
    ("Platform", "PLATFORM"),
];

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let format = matches.nonempty("format");
    let size = matches.switch("size") || format.is_some_and(|format| format.contains(".Size"));
    let last = matches.integer("last").and_then(|last| usize::try_from(last).ok());
    let options = ListOptions {
        all: matches.switch("all"),
        last: if matches.switch("latest") { Some(1) } else { last.filter(|&last| last > 0) },
        size,
        filters: filters(matches)?,
    };
    let containers = ctx.containers()?.list(&options)?;
    let whole = matches.switch("no-trunc");
    let now = time::now_ns();
    let mut shown = vec!["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"];
    if matches.switch("size") {
        shown.push("Size");
    }
    let listing = Listing {
        heads: HEADS,
        shown: &shown,
        quiet: "ID",
        rows: containers.iter().map(|container| row(container, whole, now)).collect(),
    };
    let quiet = matches.switch("quiet");
    ctx.list(&listing, Style { format, quiet, whole, ..Style::default() })?;
    Ok(0)
}

fn row(container: &Summary, whole: bool, now_ns: i64) -> Row {
    let id = if whole { container.id.as_str() } else { short_id(&container.id) };
    let mut command = container.command.join(" ");
    if !whole {
        command = ellipsis(&command, COMMAND_COLUMNS);
    }
    let mount = |mount: &teu_containers::record::MountRecord| match &mount.kind {
        MountKind::Bind { source, .. } => source.clone(),
        MountKind::Volume { name, .. } => name.clone(),
        MountKind::Tmpfs { .. } => String::new(),
    };
    let mounts: Vec<String> = container
        .mounts
        .iter()
        .map(mount)
        .filter(|name| !name.is_empty())
        .map(|name| if whole { name } else { ellipsis(&name, 15) })
        .collect();
    let volumes = container.mounts.iter().filter(|m| matches!(m.kind, MountKind::Volume { .. }));
    let size = match container.size {
        None => "0B".to_owned(),
        Some(size) => format!(
            "{} (virtual {})",
            human_size(size.writable_bytes, 3),
            human_size(size.total_bytes, 3)
        ),
    };
    Row::new()
        .field("Command", quoted(&command))
        .field("CreatedAt", time::listed(container.created_ns))
        .field("ID", id)
        .field("Image", container.image.as_str())
        .labels(&container.labels)
        .field("LocalVolumes", volumes.count().to_string())
        .field("Mounts", mounts.join(","))
        .field("Names", container.name.as_str())
        .field("Networks", container.networks.join(","))
        .field("Platform", teu_oci::Platform::host().to_string())
        .field("Pod", container.pod_name.as_deref().unwrap_or_default())
        .field("PodID", if whole { container.pod.as_str() } else { short_id(&container.pod) })
        .field("Ports", ports(&container.ports))
        .field("RunningFor", time::ago(container.created_ns, now_ns))
        .field("Size", size)
        .field("State", state_word(container.state.status))
        .field("Status", status_line(&container.state, now_ns))
}

/// `running`, …
pub fn state_word(status: Status) -> &'static str {
    match status {
        Status::Created => "created",
        Status::Running => "running",
        Status::Paused => "paused",
        Status::Restarting => "restarting",
        Status::Exited => "exited",
        Status::Dead => "dead",
    }
}

/// `0.0.0.0:8000-8001->80-81/tcp, [::]:8000-8001->80-81/tcp, 9000/tcp`: neighbours are joined.
pub fn ports(bindings: &[PortBinding]) -> String {
    let mut sorted: Vec<&PortBinding> = bindings.iter().collect();
    sorted.sort_by_key(|port| {
        (port.host.is_none(), port.host.map(|h| h.0), port.protocol.clone(), port.container_port)
    });
    let mut runs: Vec<(&PortBinding, u16)> = Vec::new();
    for port in sorted {
        if let Some((first, count)) = runs.last_mut() {
            let next = first.container_port.checked_add(*count) == Some(port.container_port);
            let host = match (first.host, port.host) {
                (None, None) => true,
                (Some((a, p)), Some((b, q))) => a == b && p.checked_add(*count) == Some(q),
                _ => false,
            };
            if next && host && first.protocol == port.protocol {
                *count += 1;
                continue;
            }
        }
        runs.push((port, 1));
    }
    let range = |first: u16, count: u16| match count {
        1 => first.to_string(),
        _ => format!("{first}-{}", first.saturating_add(count - 1)),
    };
    let show = |(port, count): &(&PortBinding, u16)| {
        let inside = format!("{}/{}", range(port.container_port, *count), port.protocol);
        match port.host {
            None => inside,
            Some((address, first)) => {
                format!("{}:{}->{inside}", host(address), range(first, *count))
            }
        }
    };
    runs.iter().map(show).collect::<Vec<_>>().join(", ")
}

/// An address as it stands before a port.
pub fn host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

#[cfg(test)]
mod tests;
