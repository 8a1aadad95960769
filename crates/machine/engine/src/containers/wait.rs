//! `POST /containers/{id}/wait`: the answer begins at once, since `docker run` starts the container
//! only after it; the exit code follows when there is one.

use crate::call::{Answer, Call};
use crate::engine::Engine;
use crate::error::{Error, Result};
use serde_json::json;
use teu_containers::lifecycle::WaitFor;

/// Waits.
pub fn wait(engine: &Engine, id: &str, call: &Call) -> Result<Answer> {
    let what = match call.query.text("condition") {
        "" | "not-running" => WaitFor::NotRunning,
        "next-exit" => WaitFor::NextExit,
        "removed" => WaitFor::Removed,
        other => return Err(Error::bad(format!("invalid condition: {other:?}"))),
    };
    let waiting = engine.containers().waiting(id, what)?;
    Ok(Answer::stream("application/json", move |out| {
        let answer = match waiting.finish(&out.hangup) {
            Ok(Some(code)) => json!({ "StatusCode": code }),
            Ok(None) => return Ok(()),
            Err(error) => json!({ "StatusCode": -1, "Error": { "Message": error.to_string() } }),
        };
        out.line(&answer)
    }))
}
