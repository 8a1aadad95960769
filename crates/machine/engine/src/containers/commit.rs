//! `POST /commit`

use crate::call::{Answer, Call};
use crate::engine::Engine;
use crate::error::Result;
use serde_json::json;
use teu_containers::CommitRequest;

/// Makes an image of a container. The configuration that Docker's clients send as a body is empty
/// but for what `changes` says again.
pub fn commit(engine: &Engine, call: &Call) -> Result<Answer> {
    let query = &call.query;
    let text = |name: &str| query.nonempty(name).map(str::to_owned);
    let names = match crate::images::repository(query.text("repo"), query.text("tag"))? {
        Some(name) => vec![name],
        None => Vec::new(),
    };
    let request = CommitRequest {
        names,
        author: text("author"),
        message: text("comment"),
        changes: query
            .all("changes")
            .flat_map(|text| text.split('\n'))
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect(),
        pause: query.flag_or("pause", true),
    };
    let id = engine.containers().commit(query.text("container"), &request)?;
    Answer::json(201, &json!({ "Id": id }))
}
