//! `POST /commit`

use crate::call::{Answer, Call, Input};
use crate::engine::Engine;
use crate::error::Result;
use serde_json::json;
use teu_containers::CommitRequest;
use teu_oci::image::Config;

/// Makes an image of a container; a configuration may come as the body.
pub fn commit(engine: &Engine, call: &Call) -> Result<Answer> {
    let query = &call.query;
    let text = |name: &str| query.nonempty(name).map(str::to_owned);
    let names = match crate::images::repository(query.text("repo"), query.text("tag"))? {
        Some(name) => vec![name],
        None => Vec::new(),
    };
    let config = match &call.input {
        Input::Document(bytes) if !bytes.is_empty() => call.body::<Option<Config>>()?,
        _ => None,
    };
    let request = CommitRequest {
        names,
        config,
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
