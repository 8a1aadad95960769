//! `POST /containers/{id}/update`

use super::create::limits;
use crate::call::{Answer, Call};
use crate::engine::Engine;
use crate::error::Result;
use serde_json::{Value, json};
use teu_containers::lifecycle::Update;
use teu_docker::create::UpdateBody;

/// Changes limits and policy.
pub fn update(engine: &Engine, id: &str, call: &Call) -> Result<Answer> {
    let body: UpdateBody = call.body()?;
    let restart = match body.restart_policy.name.as_str() {
        "" => None,
        _ => Some(limits::restart(&body.restart_policy)?),
    };
    let update = Update { resources: limits::resources(&body.limits)?, restart };
    let warnings = engine.containers().update(id, &update)?;
    let warnings = if warnings.is_empty() { Value::Null } else { json!(warnings) };
    Answer::ok(&json!({ "Warnings": warnings }))
}
