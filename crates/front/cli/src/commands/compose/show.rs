//! `teu compose top`, `port`, `events`, `ls`, `cp`, `stats`, `version`: what can be seen of a project.

use super::Scope;
use crate::commands::ps::host;
use crate::commands::{FILTER, FORMAT, QUIET};
use crate::context::{Context, out_is_terminal};
use crate::failure::{Failure, Result};
use crate::flags::{Action, Arity, Command, Completes, Flag, Matches};
use crate::output::{Listing, Row, Style, align};
use crate::text::plain;
use crate::time;
use serde_json::json;
use std::collections::BTreeMap;
use teu_compose::labels;
use teu_compose::observe::{self, Observed};
use teu_containers::events::EventOptions;

/// `top`.
pub const TOP: Command = Command {
    usage: "[SERVICE...]",
    arity: Arity::AtLeast(0),
    examples: &[("teu compose top", "")],
    ..Command::new("top", "Display the running processes", top)
};

/// `port`.
pub const PORT: Command = Command {
    usage: "[OPTIONS] SERVICE PRIVATE_PORT",
    arity: Arity::Exactly(2),
    flags: &[&[
        Flag::integer("index", "Index of the container if service has multiple replicas"),
        Flag::text("protocol", "string", "tcp or udp (default \"tcp\")"),
    ]],
    examples: &[("teu compose port web 80", "address and port of this machine")],
    ..Command::new("port", "Print the public port for a port binding", port)
};

/// `events`.
pub const EVENTS: Command = Command {
    usage: "[OPTIONS] [SERVICE...]",
    arity: Arity::AtLeast(0),
    flags: &[&[
        Flag::switch("json", "Output events as a stream of json objects"),
        Flag::text("since", "string", "Show all events created since timestamp"),
        Flag::text("until", "string", "Stream events until this timestamp"),
    ]],
    examples: &[("teu compose events --json", "")],
    ..Command::new("events", "Receive real time events from containers", events)
};

/// `ls`.
pub const LS: Command = Command {
    usage: "[OPTIONS]",
    flags: &[&[
        Flag::switch("all", "Show all stopped Compose projects").short('a'),
        FILTER,
        FORMAT,
        QUIET,
    ]],
    examples: &[("teu compose ls -a --format json", "")],
    ..Command::new("ls", "List running compose projects", ls)
};

/// `cp`.
pub const CP: Command = Command {
    usage: "[OPTIONS] SERVICE:SRC_PATH DEST_PATH|-\n\tteu compose cp [OPTIONS] SRC_PATH|- SERVICE:DEST_PATH",
    arity: Arity::Exactly(2),
    flags: &[&[
        Flag::switch("all", "Include containers created by the run command").hidden(),
        Flag::switch("archive", "Archive mode (copy all uid/gid information)").short('a'),
        Flag::switch("follow-link", "Always follow symbol link in SRC_PATH").short('L'),
        Flag::integer("index", "Index of the container if service has multiple replicas"),
    ]],
    operands: Completes::Files,
    examples: &[("teu compose cp web:/etc/nginx/nginx.conf .", "out of a container")],
    ..Command::new(
        "cp",
        "Copy files/folders between a service container and the local filesystem",
        cp,
    )
};

/// `stats`.
pub const STATS: Command = Command {
    usage: "[OPTIONS] [SERVICE]",
    arity: Arity::AtMost(1),
    flags: &[crate::commands::stats::STATS_FLAGS],
    examples: &[("teu compose stats --no-stream", "one sample")],
    ..Command::new(
        "stats",
        "Display a live stream of container(s) resource usage statistics",
        stats,
    )
};

/// `version`.
pub const VERSION: Command = Command {
    flags: &[&[
        Flag::text("format", "string", "Format the output (pretty|json)").short('f'),
        Flag::switch("short", "Shows only Compose's version number"),
    ]],
    examples: &[("teu compose version --short", "")],
    ..Command::new("version", "Show the Compose version information", version)
};

fn top(ctx: &Context, matches: &Matches) -> Result<u8> {
    let scope = Scope::of(ctx, matches)?;
    let mut rows: Vec<Vec<String>> = Vec::new();
    for container in scope.services(&matches.operands)?.into_iter().filter(|c| c.runs()) {
        let processes = ctx.containers()?.top(&container.id, &[])?;
        if rows.is_empty() {
            let mut head = vec!["SERVICE".to_owned(), "#".to_owned()];
            head.extend(processes.titles.iter().cloned());
            rows.push(head);
        }
        for process in processes.rows {
            let mut row = vec![container.service.clone(), container.number.to_string()];
            row.extend(process.iter().map(|cell| plain(cell).into_owned()));
            rows.push(row);
        }
    }
    ctx.print(&align(&rows))?;
    Ok(0)
}

fn port(ctx: &Context, matches: &Matches) -> Result<u8> {
    let scope = Scope::of(ctx, matches)?;
    let container = scope.one(matches.operand(0), matches.integer("index"))?;
    let text = matches.operand(1);
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = matches.nonempty("protocol").unwrap_or(protocol);
    let number: u16 =
        number.parse().map_err(|_| Failure::new(format!("invalid port: {text:?}")))?;
    let bindings = ctx.containers()?.port(&container.id)?;
    let found = bindings
        .iter()
        .filter(|port| port.container_port == number && port.protocol == protocol)
        .find_map(|port| port.host);
    let Some((address, public)) = found else {
        return Err(Failure::new(format!(
            "no port {number}/{protocol} for container {}",
            container.name
        )));
    };
    ctx.line(&format!("{}:{public}", host(address)))?;
    Ok(0)
}

fn events(ctx: &Context, matches: &Matches) -> Result<u8> {
    let scope = Scope::of(ctx, matches)?;
    let now = time::now_ns();
    let instant =
        |flag: &str| matches.nonempty(flag).map(|text| time::instant(text, now)).transpose();
    let filters = vec![
        ("type".to_owned(), "container".to_owned()),
        ("label".to_owned(), format!("{}={}", labels::PROJECT, scope.name)),
    ];
    let options =
        EventOptions { since_ns: instant("since")?, until_ns: instant("until")?, filters };
    for event in ctx.containers()?.events(&options)? {
        let event = event?;
        let service = event.attributes.get(labels::SERVICE).cloned().unwrap_or_default();
        if !matches.operands.is_empty() && !matches.operands.contains(&service) {
            continue;
        }
        let own = |key: &&String| !key.starts_with("com.docker.compose.");
        let attributes: BTreeMap<&String, &String> =
            event.attributes.iter().filter(|(key, _)| own(key)).collect();
        let stamp = time::rfc3339_nano(event.time_ns);
        let line = match matches.switch("json") {
            true => json!({
                "time": stamp, "type": "container", "action": event.action, "id": event.id,
                "service": service, "attributes": attributes,
            })
            .to_string(),
            false => {
                let pairs: Vec<String> =
                    attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
                format!("{stamp} container {} {} ({})", event.action, event.id, pairs.join(", "))
            }
        };
        let line = if out_is_terminal() { plain(&line).into_owned() } else { line };
        ctx.print(&(line + "\n"))?;
    }
    Ok(0)
}

const LS_HEADS: &[(&str, &str)] =
    &[("Name", "NAME"), ("Status", "STATUS"), ("ConfigFiles", "CONFIG FILES")];

fn ls(ctx: &Context, matches: &Matches) -> Result<u8> {
    let mut projects: BTreeMap<String, Vec<Observed>> = BTreeMap::new();
    for container in observe::list_all(ctx.containers()?)? {
        projects.entry(container.project.clone()).or_default().push(container);
    }
    let names: Vec<String> = crate::commands::filters(matches)?
        .into_iter()
        .map(|(key, value)| match key.as_str() {
            "name" => Ok(value),
            other => Err(Failure::new(format!("unknown filter {other}")).hint("name=…")),
        })
        .collect::<Result<_>>()?;
    let mut rows = Vec::new();
    for (name, containers) in projects {
        let running = containers.iter().any(Observed::runs);
        if !(running || matches.switch("all")) || !(names.is_empty() || names.contains(&name)) {
            continue;
        }
        let mut states: BTreeMap<&str, usize> = BTreeMap::new();
        for container in containers.iter().filter(|c| !c.oneoff) {
            *states.entry(crate::commands::ps::state_word(container.status)).or_default() += 1;
        }
        let status: Vec<String> =
            states.iter().map(|(state, count)| format!("{state}({count})")).collect();
        let files = containers.iter().find_map(|c| c.labels.get(labels::CONFIG_FILES));
        rows.push(
            Row::new()
                .field("Name", name)
                .field("Status", status.join(", "))
                .field("ConfigFiles", files.cloned().unwrap_or_default()),
        );
    }
    let listing =
        Listing { heads: LS_HEADS, shown: &["Name", "Status", "ConfigFiles"], quiet: "Name", rows };
    let (format, quiet) = (matches.nonempty("format"), matches.switch("quiet"));
    ctx.list(&listing, Style { format, quiet, ..Style::default() })?;
    Ok(0)
}

/// Runs a command about containers with other operands.
fn through(
    ctx: &Context,
    matches: &Matches,
    command: &'static Command,
    operands: Vec<String>,
) -> Result<u8> {
    let known = |name: &str| command.all_flags().find(|flag| flag.long == name);
    let values = matches
        .values
        .iter()
        .filter_map(|(flag, value)| Some((known(flag.long)?, value.clone())))
        .collect();
    let inner =
        Matches { command, path: matches.path.clone(), values, operands, outer: Vec::new() };
    match command.action {
        Action::Run(run) => run(ctx, &inner),
        Action::Group(_) => Ok(0),
    }
}

fn cp(ctx: &Context, matches: &Matches) -> Result<u8> {
    let scope = Scope::of(ctx, matches)?;
    let mut operands = Vec::new();
    for text in &matches.operands {
        let local = text.starts_with(['/', '.']) || text == "-";
        operands.push(match text.split_once(':') {
            Some((service, path)) if !local && !service.contains('/') => {
                let container = scope.one(service, matches.integer("index"))?;
                format!("{}:{path}", container.id)
            }
            _ => text.clone(),
        });
    }
    through(ctx, matches, &crate::commands::cp::CP, operands)
}

fn stats(ctx: &Context, matches: &Matches) -> Result<u8> {
    let scope = Scope::of(ctx, matches)?;
    let all = scope.services(&matches.operands)?;
    let names: Vec<String> =
        all.iter().filter(|c| c.runs() || matches.switch("all")).map(|c| c.id.clone()).collect();
    if names.is_empty() {
        return Err(Failure::new(format!("nothing of project {:?} is running", scope.name)));
    }
    crate::commands::stats::show(ctx, matches, &crate::commands::stats::Scope::Containers(names))
}

fn version(ctx: &Context, matches: &Matches) -> Result<u8> {
    let version = env!("CARGO_PKG_VERSION");
    match (matches.switch("short"), matches.nonempty("format")) {
        (true, _) => ctx.line(version)?,
        (_, Some("json")) => ctx.line(&json!({ "version": version }).to_string())?,
        _ => ctx.line(&format!("Teu Compose version {version}"))?,
    }
    Ok(0)
}
