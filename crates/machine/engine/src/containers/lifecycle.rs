//! Start, stop, kill, pause, rename, remove, prune.

use crate::call::{Answer, Call};
use crate::engine::Engine;
use crate::error::{Error, Result};
use serde_json::{Value, json};
use teu_containers::lifecycle::{Attach, Remove, Stop};
use teu_containers::signal;
use teu_containers::state::Status;

const KILL: i32 = 9;

/// `POST /containers/{id}/start`
pub fn start(engine: &Engine, id: &str, call: &Call) -> Result<Answer> {
    if call.query.nonempty("checkpoint").is_some() {
        return checkpoint(engine, id);
    }
    let found = engine.containers().find(id)?;
    match found.state.status {
        Status::Running | Status::Restarting => return Ok(Answer::Empty(304)),
        Status::Paused => {
            return Err(Error::conflict("cannot start a paused container, try unpause instead"));
        }
        _ => {}
    }
    let id = found.record.id;
    let mut waiting = engine.waiting.take(&id);
    // The first one is connected before the process runs, so that it misses nothing.
    let first = if waiting.is_empty() { None } else { Some(waiting.remove(0)) };
    let (streams, tell) = match first {
        Some(first) => (first.streams, Some(first.tell)),
        None => (Attach::default(), None),
    };
    let session = engine.containers().start(&id, streams).map_err(failed_start)?;
    if let Some(tell) = tell {
        tell.attached(session);
    }
    for other in waiting {
        if let Ok(session) = engine.containers().attach(&id, other.streams) {
            other.tell.attached(session);
        }
    }
    Answer::done()
}

/// The client that waits for the exit code of a failed start reads it from this message.
fn failed_start(error: teu_containers::Error) -> Error {
    match &error {
        teu_containers::Error::Shim { exit_code: 126 | 127, message } => Error::bad(format!(
            "failed to create task for container: failed to create shim task: OCI runtime create failed: unable to start container process: {}: unknown",
            super::exec::plain(message)
        )),
        _ => error.into(),
    }
}

fn seconds(call: &Call, name: &str) -> Result<Option<i64>> {
    call.query.number(name)
}

fn how(call: &Call) -> Result<Stop> {
    let signal = match call.query.nonempty("signal") {
        None => None,
        Some(text) => Some(signal_of(text)?),
    };
    Ok(Stop { signal, timeout_s: seconds(call, "t")? })
}

fn signal_of(text: &str) -> Result<i32> {
    signal::parse(text).ok_or_else(|| Error::bad(format!("Invalid signal: {text}")))
}

/// `POST /containers/{id}/stop`
pub fn stop(engine: &Engine, id: &str, call: &Call) -> Result<Answer> {
    let found = engine.containers().find(id)?;
    if !found.state.needs_shim() {
        return Ok(Answer::Empty(304));
    }
    engine.containers().stop(&found.record.id, how(call)?)?;
    Answer::done()
}

/// `POST /containers/{id}/restart`
pub fn restart(engine: &Engine, id: &str, call: &Call) -> Result<Answer> {
    engine.containers().restart(id, how(call)?).map_err(failed_start)?;
    Answer::done()
}

/// `POST /containers/{id}/kill`
pub fn kill(engine: &Engine, id: &str, call: &Call) -> Result<Answer> {
    let signal = match call.query.nonempty("signal") {
        None => KILL,
        Some(text) => signal_of(text)?,
    };
    engine.containers().kill(id, signal)?;
    Answer::done()
}

/// `POST /containers/{id}/pause`
pub fn pause(engine: &Engine, id: &str) -> Result<Answer> {
    let id = engine.containers().find(id)?.record.id;
    engine.containers().pause(&id)?;
    Answer::done()
}

/// `POST /containers/{id}/unpause`
pub fn unpause(engine: &Engine, id: &str) -> Result<Answer> {
    let id = engine.containers().find(id)?.record.id;
    engine.containers().unpause(&id)?;
    Answer::done()
}

/// `POST /containers/{id}/rename`
pub fn rename(engine: &Engine, id: &str, call: &Call) -> Result<Answer> {
    let name = call.query.text("name");
    if name.is_empty() {
        return Err(Error::bad("Neither old nor new names may be empty"));
    }
    match engine.containers().rename(id, name) {
        Err(error @ teu_containers::Error::NameInUse { .. }) => {
            Err(Error::conflict(format!("Error when allocating new name: {error}")))
        }
        done => {
            done?;
            Answer::done()
        }
    }
}

/// `POST /containers/{id}/resize`
pub fn resize(engine: &Engine, id: &str, call: &Call) -> Result<Answer> {
    let (rows, columns) = size(call)?;
    engine.containers().resize(id, rows, columns)?;
    Ok(Answer::Empty(200))
}

/// `h` and `w`.
pub(super) fn size(call: &Call) -> Result<(u16, u16)> {
    let side = |name: &str| -> Result<u16> {
        let missing = || Error::bad(format!("invalid resize {name}: expected a number"));
        call.query.number(name)?.ok_or_else(missing)
    };
    Ok((side("h")?, side("w")?))
}

/// `DELETE /containers/{id}`
pub fn remove(engine: &Engine, id: &str, call: &Call) -> Result<Answer> {
    let query = &call.query;
    if query.flag("link") {
        return Err(Error::bad("links are names only: nothing can be removed of them"));
    }
    let remove = Remove { force: query.flag("force"), volumes: query.flag("v") };
    let found = engine.containers().find(id)?;
    let remains = engine.containers().remove_all_but_files(&found.record.id, remove)?;
    // The client need not wait for the disk. What is not deleted now the next command deletes.
    crate::serve::in_background(move || drop(remains.clear()));
    engine.waiting.forget(&found.record.id);
    engine.execs.forget_container(&found.record.id);
    Answer::done()
}

/// `POST /containers/prune`
pub fn prune(engine: &Engine, call: &Call) -> Result<Answer> {
    let pruned = engine.containers().prune(&call.query.filters()?)?;
    let ids = if pruned.removed.is_empty() { Value::Null } else { json!(pruned.removed) };
    Answer::ok(&json!({ "ContainersDeleted": ids, "SpaceReclaimed": pruned.reclaimed_bytes }))
}

/// Checkpoints, of whatever kind.
pub fn checkpoint(engine: &Engine, id: &str) -> Result<Answer> {
    engine.containers().find(id)?;
    Err(Error::unsupported(
        "checkpoints are not supported: Teu does not freeze processes to disk (CRIU)",
    ))
}
