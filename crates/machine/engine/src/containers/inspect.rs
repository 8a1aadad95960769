//! Inspect, top, changes.

use crate::call::{Answer, Call};
use crate::engine::Engine;
use crate::error::{Error, Result};
use serde_json::{Value, json};

/// `GET /containers/{id}/json`
pub fn inspect(engine: &Engine, id: &str, call: &Call) -> Result<Answer> {
    let mut document = engine.containers().inspect(id, call.query.flag("size"))?;
    if let Some(fields) = document.as_object_mut() {
        let id = fields.get("Id").and_then(Value::as_str).unwrap_or_default();
        let execs = engine.execs.of_container(id);
        if !execs.is_empty() {
            fields.insert("ExecIDs".to_owned(), json!(execs));
        }
    }
    Answer::ok(&document)
}

/// `GET /containers/{id}/top`
pub fn top(engine: &Engine, id: &str, call: &Call) -> Result<Answer> {
    let arguments: Vec<String> =
        call.query.text("ps_args").split_whitespace().map(str::to_owned).collect();
    let found = engine.containers().find(id)?;
    if !found.state.needs_shim() {
        return Err(Error::conflict(format!("container {} is not running", found.record.id)));
    }
    let processes = engine.containers().top(&found.record.id, &arguments)?;
    Answer::ok(&json!({ "Processes": processes.rows, "Titles": processes.titles }))
}

/// `GET /containers/{id}/changes`
pub fn changes(engine: &Engine, id: &str) -> Result<Answer> {
    let kind = |kind: char| match kind {
        'C' => 0,
        'A' => 1,
        _ => 2,
    };
    let changes = engine.containers().diff(id)?;
    let all: Vec<Value> = changes
        .iter()
        .map(|change| json!({ "Path": change.path.to_string_lossy(), "Kind": kind(change.kind) }))
        .collect();
    match all.is_empty() {
        // Go's nil slice.
        true => Answer::ok(&Value::Null),
        false => Answer::ok(&all),
    }
}
