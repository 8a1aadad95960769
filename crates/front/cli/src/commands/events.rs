//! `teu events`: what happens, as it happens.

use super::{FILTER, filters};
use crate::context::{Context, out_is_terminal};
use crate::failure::{Failure, Result};
use crate::flags::{Command, Flag, Matches};
use crate::output::parse;
use crate::template::{Mode, Template};
use crate::text::plain;
use crate::time;
use serde_json::{Value, json};
use teu_containers::events::{Event, EventOptions};

/// The command.
pub const EVENTS: Command = Command {
    usage: "[OPTIONS]",
    flags: &[&[
        FILTER,
        Flag::text("format", "string", "'json' or a Go TEMPLATE"),
        Flag::text("since", "string", "Show all events created since timestamp"),
        Flag::text("until", "string", "Stream events until this timestamp"),
    ]],
    examples: &[("teu events --since 1h --filter event=die", "what ended in the last hour")],
    ..Command::new("events", "Get real time events", run)
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let now = time::now_ns();
    let instant =
        |flag: &str| matches.nonempty(flag).map(|text| time::instant(text, now)).transpose();
    let options = EventOptions {
        since_ns: instant("since")?,
        until_ns: instant("until")?,
        filters: filters(matches)?,
    };
    let format = matches.nonempty("format");
    let template = match format {
        None | Some("json") => None,
        Some(format) => Some(parse(format)?),
    };
    for event in ctx.containers()?.events(&options)? {
        let line = shown(&event?, format, template.as_ref())?;
        let line = if out_is_terminal() { plain(&line).into_owned() } else { line };
        ctx.print(&(line + "\n"))?;
    }
    Ok(0)
}

fn shown(event: &Event, format: Option<&str>, template: Option<&Template>) -> Result<String> {
    match (format, template) {
        (None, _) => {
            let attributes: Vec<String> =
                event.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let behind = match attributes.is_empty() {
                true => String::new(),
                false => format!(" ({})", attributes.join(", ")),
            };
            let time = time::rfc3339_nano(event.time_ns);
            Ok(format!("{time} {} {} {}{behind}", event.kind, event.action, event.id))
        }
        (Some(_), None) => Ok(document(event).to_string()),
        (Some(_), Some(template)) => template
            .render(&document(event), Some(&event.attributes), Mode::Data)
            .map_err(|error| Failure::new(format!("template parsing error: {error}"))),
    }
}

/// Docker's `events.Message`.
fn document(event: &Event) -> Value {
    json!({
        "status": event.action,
        "id": event.id,
        "from": event.attributes.get("image").cloned().unwrap_or_default(),
        "Type": event.kind,
        "Action": event.action,
        "Actor": { "ID": event.id, "Attributes": event.attributes },
        "scope": "local",
        "time": event.time_ns / 1_000_000_000,
        "timeNano": event.time_ns,
    })
}
