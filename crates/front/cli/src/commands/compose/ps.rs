//! `teu compose ps`: containers of a project.

use super::Scope;
use crate::commands::ps::{ports, state_word};
use crate::commands::{FILTER, FORMAT, NO_TRUNC, QUIET, filters};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Flag, Matches};
use crate::output::{Listing, Row, Style};
use crate::text::{ellipsis, quoted, short_id};
use crate::time;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use teu_compose::labels;
use teu_containers::list::{ListOptions, Summary};
use teu_containers::state::status_line;

/// Characters of a command that are shown.
const COMMAND_COLUMNS: usize = 20;

/// The command.
pub const PS: Command = Command {
    usage: "[OPTIONS] [SERVICE...]",
    arity: Arity::AtLeast(0),
    flags: &[&[
        Flag::switch(
            "all",
            "Show all stopped containers (including those created by the run command)",
        )
        .short('a'),
        FILTER,
        FORMAT,
        NO_TRUNC,
        Flag::text(
            "orphans",
            "bool",
            "Include orphaned services (not declared by project) (default true)",
        ),
        QUIET,
        Flag::switch("services", "Display services"),
        Flag::list("status", "Filter services by status"),
    ]],
    examples: &[("teu compose ps -a --format json", "for a program")],
    ..Command::new("ps", "List containers", run)
};

const HEADS: &[(&str, &str)] = &[
    ("ID", "CONTAINER ID"),
    ("Name", "NAME"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("Project", "PROJECT"),
    ("Service", "SERVICE"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("State", "STATE"),
    ("Health", "HEALTH"),
    ("ExitCode", "EXIT CODE"),
    ("Status", "STATUS"),
    ("Ports", "PORTS"),
    ("Labels", "LABELS"),
    ("Networks", "NETWORKS"),
    ("Mounts", "MOUNTS"),
    ("Size", "SIZE"),
];
const SHOWN: &[&str] = &["Name", "Image", "Command", "Service", "RunningFor", "Status", "Ports"];

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let scope = Scope::of(ctx, matches)?;
    let mut states: Vec<String> = matches.list("status").into_iter().map(str::to_owned).collect();
    for (key, value) in filters(matches)? {
        match key.as_str() {
            "status" => states.push(value),
            other => {
                return Err(Failure::new(format!("unknown filter {other}")).hint("status=…"));
            }
        }
    }
    let all = matches.switch("all") || !states.is_empty();
    let ids: BTreeSet<&str> = match all {
        true => {
            scope.services(&matches.operands)?;
            let wanted = |service: &String| {
                matches.operands.is_empty() || matches.operands.contains(service)
            };
            scope.containers.iter().filter(|c| wanted(&c.service)).map(|c| c.id.as_str()).collect()
        }
        false => {
            let running = scope.services(&matches.operands)?.into_iter().filter(|c| c.runs());
            running.map(|c| c.id.as_str()).collect()
        }
    };
    let filter = ("label".to_owned(), format!("{}={}", labels::PROJECT, scope.name));
    let options = ListOptions { all: true, filters: vec![filter], ..ListOptions::default() };
    let mut list = ctx.containers()?.list(&options)?;
    list.retain(|container| {
        let state = state_word(container.state.status);
        ids.contains(container.id.as_str())
            && (states.is_empty() || states.iter().any(|wanted| wanted == state))
    });
    list.sort_by(|a, b| a.name.cmp(&b.name));
    if matches.text("orphans") == Some("false")
        && let Some(project) = &scope.project
    {
        let known = &project.model.services;
        list.retain(|c| c.labels.get(labels::SERVICE).is_some_and(|s| known.contains_key(s)));
    }
    if matches.switch("services") {
        let names: BTreeSet<&String> =
            list.iter().filter_map(|container| container.labels.get(labels::SERVICE)).collect();
        ctx.print(&names.iter().map(|name| format!("{name}\n")).collect::<String>())?;
        return Ok(0);
    }
    let (whole, now) = (matches.switch("no-trunc"), time::now_ns());
    let format = matches.nonempty("format");
    let quiet = matches.switch("quiet");
    // `--quiet` gives whole ids, as Docker's does.
    let rows = list.iter().map(|container| row(container, whole || quiet, now)).collect();
    let listing = Listing { heads: HEADS, shown: SHOWN, quiet: "ID", rows };
    ctx.list(&listing, Style { format, quiet, whole, ..Style::default() })?;
    Ok(0)
}

fn row(container: &Summary, whole: bool, now_ns: i64) -> Row {
    let id = if whole { container.id.as_str() } else { short_id(&container.id) };
    let mut command = container.command.join(" ");
    if !whole {
        command = ellipsis(&command, COMMAND_COLUMNS);
    }
    let label = |key: &str| container.labels.get(key).cloned().unwrap_or_default();
    let health = container.state.health.as_ref().map(|h| h.status.clone()).unwrap_or_default();
    let publishers: Vec<serde_json::Value> = container
        .ports
        .iter()
        .map(|port| {
            json!({
                "URL": port.host.map(|(address, _)| address.to_string()).unwrap_or_default(),
                "TargetPort": port.container_port,
                "PublishedPort": port.host.map_or(0, |(_, number)| number),
                "Protocol": port.protocol,
            })
        })
        .collect();
    let labels: &BTreeMap<String, String> = &container.labels;
    Row::new()
        .field("Command", quoted(&command))
        .field("CreatedAt", time::listed(container.created_ns))
        .field("ExitCode", container.state.exit_code)
        .field("Health", health)
        .field("ID", id)
        .field("Image", container.image.as_str())
        .labels(labels)
        .field("Name", container.name.as_str())
        .field("Names", container.name.as_str())
        .field("Networks", container.networks.join(","))
        .field("Ports", ports(&container.ports))
        .field("Project", label(labels::PROJECT))
        .field("Publishers", publishers)
        .field("RunningFor", time::ago(container.created_ns, now_ns))
        .field("Service", label(labels::SERVICE))
        .field("State", state_word(container.state.status))
        .field("Status", status_line(&container.state, now_ns))
}
