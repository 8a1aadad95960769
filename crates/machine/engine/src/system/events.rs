//! `GET /events`: the journal, as Docker tells it.

use crate::call::{Answer, Call};
use crate::engine::Engine;
use crate::error::{Error, Result};
use std::io::Write as _;
use teu_containers::events::{Event as Ours, EventOptions};
use teu_docker::event::{Actor, Event};

/// Docker's filters that can fit nothing here, and are no mistake.
const FOREIGN: [&str; 8] =
    ["config", "daemon", "node", "plugin", "secret", "service", "scope", "builder"];

/// Seconds since the epoch, with a fraction; or what people write.
fn time(call: &Call, name: &str) -> Result<Option<i64>> {
    match call.query.nonempty(name) {
        None => Ok(None),
        Some(text) => {
            let now = teu_containers::time::now_ns();
            Ok(Some(teu_containers::time::parse(text, now)?))
        }
    }
}

/// Answers.
pub fn events(engine: &Engine, call: Call) -> Result<Answer> {
    let mut filters = call.query.filters()?;
    let foreign = filters.iter().any(|(key, _)| FOREIGN.contains(&key.as_str()));
    filters.retain(|(key, _)| !FOREIGN.contains(&key.as_str()));
    let options =
        EventOptions { since_ns: time(&call, "since")?, until_ns: time(&call, "until")?, filters };
    if let (Some(since), Some(until)) = (options.since_ns, options.until_ns)
        && since > until
    {
        return Err(Error::bad(format!(
            "`since` time ({since}) cannot be after `until` time ({until})"
        )));
    }
    let events = engine.containers().events(&options)?;
    Ok(Answer::stream("application/json", move |out| {
        // Clients wait for the headers before anything happens.
        out.flush()?;
        for event in events.until(out.hangup.clone()) {
            let event = event.map_err(std::io::Error::other)?;
            if !foreign && event.kind != "pod" {
                out.line(&shown(event))?;
            }
        }
        Ok(())
    }))
}

fn shown(event: Ours) -> Event {
    let mut attributes = event.attributes;
    // Ours alone.
    attributes.remove("pod");
    let old = matches!(event.kind.as_str(), "container" | "image");
    Event {
        status: old.then(|| event.action.clone()),
        id: old.then(|| event.id.clone()),
        from: match event.kind.as_str() {
            "container" => attributes.get("image").cloned(),
            _ => None,
        },
        actor: Actor { id: event.id, attributes },
        kind: event.kind,
        action: event.action,
        scope: "local",
        time: event.time_ns.div_euclid(1_000_000_000),
        time_nano: event.time_ns,
    }
}
