//! `teu pod ps`, `inspect`: what there is.

use super::{LATEST, chosen, newest, podmans, verb};
use crate::commands::inspect::{INSPECT_FLAGS, show};
use crate::commands::{FILTER, FORMAT, NO_TRUNC, QUIET, filters};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Command, Completes, Flag, Matches};
use crate::output::{Listing, Row, Style};
use crate::text::short_id;
use crate::time;
use serde_json::Value;
use teu_containers::list::PodSummary;

/// `pod inspect`.
pub const INSPECT: Command = Command {
    flags: &[INSPECT_FLAGS, &[LATEST]],
    examples: &[("teu pod inspect -f '{{.State}}' shop", "one field")],
    ..verb("inspect", "Display detailed information on one or more pods", |ctx, matches| {
        podmans(inspect(ctx, matches))
    })
};
/// `pod ps`.
pub const PS: Command = Command {
    aliases: &["ls", "list"],
    usage: "[OPTIONS]",
    flags: &[&[
        Flag::switch("ctr-ids", "Display the IDs of containers"),
        Flag::switch("ctr-names", "Display the names of containers"),
        Flag::switch("ctr-status", "Display the states of containers"),
        FILTER,
        FORMAT,
        LATEST,
        NO_TRUNC,
        Flag::switch("noheading", "Do not print headers"),
        Flag::switch("ns", "Display which namespaces containers share"),
        QUIET,
        Flag::text("sort", "string", "Sort by created, id, name, status or number")
            .completes(Completes::Words(&SORTS)),
    ]],
    examples: &[
        ("teu pod ps --ctr-names --ctr-status", "with what is in them"),
        ("teu pod ps --filter status=exited -q", "for scripts"),
    ],
    ..Command::new("ps", "List pods", |ctx, matches| podmans(ps(ctx, matches)))
};

const SORTS: [&str; 5] = ["created", "id", "name", "number", "status"];

const HEADS: &[(&str, &str)] = &[
    ("ID", "POD ID"),
    ("Id", "POD ID"),
    ("Name", "NAME"),
    ("Status", "STATUS"),
    ("Created", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("NumberOfContainers", "# OF CONTAINERS"),
    ("ContainerIds", "IDS"),
    ("ContainerNames", "CONTAINERS"),
    ("ContainerStatuses", "STATUS"),
    ("Namespaces", "NAMESPACES"),
    ("Networks", "NETWORKS"),
    ("Labels", "LABELS"),
];

fn inspect(ctx: &Context, matches: &Matches) -> Result<u8> {
    let named = Matches { operands: chosen(ctx, matches, |_| true)?, ..matches.clone() };
    show(ctx, &named, &[("pod", look_up)], false)
}

/// A pod as podman's `inspect` shows it.
pub fn look_up(ctx: &Context, name: &str, _size: bool) -> Result<Option<Value>> {
    match ctx.containers()?.inspect_pod(name) {
        Ok(value) => Ok(Some(value)),
        Err(teu_containers::Error::NoSuchPod(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn ps(ctx: &Context, matches: &Matches) -> Result<u8> {
    let mut pods = ctx.containers()?.list_pods(&filters(matches)?)?;
    if matches.switch("latest") {
        let latest = newest(ctx)?;
        pods.retain(|pod| pod.id == latest);
    }
    sort(&mut pods, matches.nonempty("sort").unwrap_or("created"))?;
    let now = time::now_ns();
    let whole = matches.switch("no-trunc");
    let mut shown = vec!["ID", "Name", "Status", "Created"];
    let parts = [
        ("ctr-ids", "ContainerIds"),
        ("ctr-names", "ContainerNames"),
        ("ctr-status", "ContainerStatuses"),
    ];
    let wanted = parts.iter().filter(|(flag, _)| matches.switch(flag)).map(|(_, field)| *field);
    let wanted: Vec<&str> = wanted.collect();
    match wanted.is_empty() {
        true => shown.extend(["NumberOfContainers", "ContainerNames"]),
        false => shown.extend(wanted),
    }
    if matches.switch("ns") {
        shown.push("Namespaces");
    }
    let mut rows = Vec::with_capacity(pods.len());
    for pod in &pods {
        rows.push(row(ctx, pod, now, whole)?);
    }
    let listing = Listing { heads: HEADS, shown: &shown, quiet: "ID", rows };
    let (format, quiet) = (matches.nonempty("format"), matches.switch("quiet"));
    let style = Style { format, quiet, whole, ..Style::default() };
    match matches.switch("noheading") && format.is_none() && !quiet {
        false => ctx.list(&listing, style)?,
        true => {
            let width = crate::context::terminal_width();
            let text = listing.render(Style { width, ..style })?;
            ctx.print(text.split_once('\n').map_or("", |(_, rows)| rows))?;
        }
    }
    Ok(0)
}

fn row(ctx: &Context, pod: &PodSummary, now: i64, whole: bool) -> Result<Row> {
    let short = |id: &str| if whole { id.to_owned() } else { short_id(id).to_owned() };
    let column = |part: &dyn Fn(&(String, String, teu_containers::state::Status)) -> String| {
        pod.containers.iter().map(part).collect::<Vec<_>>().join(",")
    };
    let shares_pid = ctx.containers()?.find_pod(&pod.id).is_ok_and(|(record, _)| record.share_pid);
    Ok(Row::new()
        .field("ID", short(&pod.id))
        .field("Id", short(&pod.id))
        .field("Name", pod.name.as_str())
        .field("Status", pod.status.as_str())
        .field("Created", time::ago(pod.created_ns, now))
        .field("CreatedAt", time::listed(pod.created_ns))
        .field("NumberOfContainers", pod.containers.len().to_string())
        .field("ContainerIds", column(&|(id, _, _)| short(id)))
        .field("ContainerNames", column(&|(_, name, _)| name.clone()))
        .field("ContainerStatuses", column(&|(_, _, status)| status.name().to_owned()))
        .field("Namespaces", if shares_pid { "net,ipc,uts,pid" } else { "net,ipc,uts" })
        .field("Networks", pod.networks.join(","))
        .labels(&pod.labels))
}

fn sort(pods: &mut [PodSummary], by: &str) -> Result<()> {
    match by {
        // As they come: newest first.
        "created" => {}
        "id" => pods.sort_by(|a, b| a.id.cmp(&b.id)),
        "name" => pods.sort_by(|a, b| a.name.cmp(&b.name)),
        "number" => pods.sort_by_key(|pod| pod.containers.len()),
        "status" => pods.sort_by(|a, b| a.status.cmp(&b.status)),
        other => {
            return Err(Failure::new(format!("{other:?} is not a valid value for --sort"))
                .hint(SORTS.join(", "))
                .code(125));
        }
    }
    Ok(())
}
