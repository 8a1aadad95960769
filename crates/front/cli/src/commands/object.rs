//! What objects of a cluster were: shared by `history`, `diff` and `undo`, which ask the server that
//! runs on this machine.

use super::server::config_of;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Flag, Matches};
use crate::output::{Listing, Row, Style};
use crate::time;
use teu_server::history::Question;
use teu_server::{Config, control};

/// Where an object is.
pub const NAMESPACE: Flag =
    Flag::text("namespace", "string", "Namespace of an object (default \"default\")").short('n');
/// Whose.
pub const DATA_DIR: Flag =
    Flag::text("data-dir", "dir", "Data folder of the server, if not the usual one");
/// When.
pub const AT: Flag =
    Flag::text("at", "when", "A time (2026-01-31T12:00:00Z, or 10m for so long ago) or a revision");

/// The command `undo`.
pub const UNDO: Command = Command {
    usage: "[OPTIONS] KIND/NAME",
    arity: Arity::Exactly(1),
    flags: &[&[AT, DATA_DIR, NAMESPACE]],
    examples: &[
        ("teu undo deployment/web", "as it was before its last change; again: as it was after it"),
        ("teu undo --at 30m configmap/app", "as it was half an hour ago"),
    ],
    ..Command::new("undo", "Make an object of the cluster what it was", undo)
};

const HEADS: &[(&str, &str)] =
    &[("Revision", "REVISION"), ("Time", "TIME"), ("By", "BY"), ("Change", "CHANGE")];

/// Whether an operand can only be an object: `KIND/NAME`.
pub fn is_object(operand: &str) -> bool {
    operand.split('/').filter(|part| !part.is_empty()).count() == 2
        && operand.matches('/').count() == 1
        && !operand.contains(':')
}

/// Shows the changes of an object; `None` if no server runs here, or none that has such objects.
pub fn history(ctx: &Context, matches: &Matches) -> Result<Option<u8>> {
    let config = config(ctx, matches)?;
    let question = question(matches, "")?;
    let told = match control::history(&config, &question) {
        Ok(Some(told)) => told,
        Ok(None) | Err(control::AskError::NoKind { .. }) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let row = |row: &teu_server::history::Row| {
        Row::new()
            .field("Revision", row.revision.to_string())
            .field("Time", row.time.clone())
            .field("By", row.by.clone())
            .field("Change", row.change.clone())
    };
    if told.rows.is_empty() && matches.nonempty("format").is_none() {
        ctx.line(&format!("{} was not changed since {}", question.object, told.since))?;
        return Ok(Some(0));
    }
    let listing = Listing {
        heads: HEADS,
        shown: &["Revision", "Time", "By", "Change"],
        quiet: "Revision",
        rows: told.rows.iter().map(row).collect(),
    };
    let (format, quiet) = (matches.nonempty("format"), matches.switch("quiet"));
    ctx.list(&listing, Style { format, quiet, whole: true, ..Style::default() })?;
    Ok(Some(0))
}

/// Shows how an object differs from what it was.
pub fn diff(ctx: &Context, matches: &Matches) -> Result<u8> {
    let config = config(ctx, matches)?;
    let question = question(matches, matches.nonempty("at").unwrap_or_default())?;
    let told = control::diff(&config, &question).map_err(failed)?.ok_or_else(nobody)?;
    ctx.print(&told)?;
    Ok(0)
}

fn undo(ctx: &Context, matches: &Matches) -> Result<u8> {
    let config = config(ctx, matches)?;
    let question = question(matches, matches.nonempty("at").unwrap_or_default())?;
    let told = control::undo(&config, &question).map_err(failed)?.ok_or_else(nobody)?;
    ctx.line(&told)?;
    Ok(0)
}

fn config(ctx: &Context, matches: &Matches) -> Result<Config> {
    config_of(ctx, None, matches.nonempty("data-dir"))
}

fn question(matches: &Matches, at: &str) -> Result<Question> {
    Ok(Question {
        object: matches.operand(0).to_owned(),
        namespace: matches.nonempty("namespace").unwrap_or("default").to_owned(),
        at: moment(at)?,
    })
}

/// A revision as it is; a time as the server reads it.
fn moment(at: &str) -> Result<String> {
    if at.is_empty() || at.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(at.to_owned());
    }
    let ns = time::instant(at, time::now_ns()).map_err(|error| {
        Failure::new(format!("--at {at:?}: {error}"))
            .hint("a time such as 2026-01-31T12:00:00Z, 10m for so long ago, or a revision")
    })?;
    Ok(time::rfc3339(ns))
}

fn failed(error: control::AskError) -> Failure {
    Failure::new(error.to_string())
}

/// For what is no image here, and may be an object that nobody here knows of.
pub fn neither(failure: &Failure) -> Failure {
    Failure::new(format!("{failure}, and no server runs here that knows it as KIND/NAME"))
        .hint("for an object of a cluster, start `teu server`, or say --data-dir for one with other data; for an image, `teu pull` it")
}

fn nobody() -> Failure {
    Failure::new("no server runs here that could be asked")
        .hint("start `teu server`, or say --data-dir for one with other data")
}
