//! `GET /containers/{id}/logs`: framed, or raw where the container has a terminal.

use super::pump::write_all;
use crate::call::{Answer, Call, Outlet};
use crate::engine::Engine;
use crate::error::{Error, Result};
use std::io::{self, Write};
use std::os::fd::{AsFd as _, OwnedFd};
use teu_containers::logs::{LogLine, LogLines, LogOptions, LogStream};
use teu_containers::time::{now_ns, parse, rfc3339_nanos};
use teu_containers::{Containers, Found};
use teu_docker::frame::{Stream, header};

/// What a line looks like on the wire.
#[derive(Debug, Clone, Copy)]
struct Shape {
    /// Of a terminal: no frames.
    raw: bool,
    /// With its time before it.
    timestamps: bool,
}

/// Reads them.
pub fn logs(engine: &Engine, id: &str, call: &Call) -> Result<Answer> {
    let query = &call.query;
    let (stdout, stderr) = (query.flag("stdout"), query.flag("stderr"));
    if !stdout && !stderr {
        return Err(Error::bad("Bad parameters: you must choose at least one stream"));
    }
    let time = |name: &str| -> Result<Option<i64>> {
        match query.nonempty(name) {
            None | Some("0") => Ok(None),
            Some(text) => Ok(Some(parse(text, now_ns())?)),
        }
    };
    let options = LogOptions {
        follow: query.flag("follow"),
        since_ns: time("since")?,
        until_ns: time("until")?,
        // What is no number means all, as in Docker.
        tail: query.nonempty("tail").and_then(|text| text.parse().ok()),
        stdout,
        stderr,
    };
    let found = engine.containers().find(id)?;
    let raw = found.record.tty;
    let lines = engine.containers().logs(&found.record.id, &options)?;
    let shape = Shape { raw, timestamps: query.flag("timestamps") };
    let content_type = match (raw, call.version.0) {
        (false, 42..) => "application/vnd.docker.multiplexed-stream",
        _ => "application/vnd.docker.raw-stream",
    };
    Ok(Answer::stream(content_type, move |out| send(lines, shape, out)))
}

fn send(lines: LogLines, shape: Shape, out: &mut Outlet) -> io::Result<()> {
    // Clients wait for the headers before there is a line.
    out.flush()?;
    let mut lines = lines.until(out.hangup.clone());
    while let Some(line) = lines.next() {
        match line {
            Ok(line) => out.write_all(&frame(&line, shape))?,
            Err(error) => {
                let text = format!("Error grabbing logs: {error}\n");
                return out.write_all(&framed(Stream::Error, text.as_bytes()));
            }
        }
        if !lines.has_more() {
            out.flush()?;
        }
    }
    Ok(())
}

fn framed(stream: Stream, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut all = header(stream, length).to_vec();
    all.extend_from_slice(bytes);
    all
}

fn frame(line: &LogLine, shape: Shape) -> Vec<u8> {
    let mut bytes = Vec::new();
    if shape.timestamps {
        bytes = rfc3339_nanos(line.time_ns).into_bytes();
        bytes.push(b' ');
    }
    bytes.extend_from_slice(&line.bytes);
    let stream = match line.stream {
        LogStream::Stdout => Stream::Stdout,
        LogStream::Stderr => Stream::Stderr,
    };
    if shape.raw { bytes } else { framed(stream, &bytes) }
}

/// What was written so far, before a client is attached.
pub(super) fn replay(
    containers: &Containers,
    found: &Found,
    options: &LogOptions,
    client: &OwnedFd,
) -> Result<()> {
    let shape = Shape { raw: found.record.tty, timestamps: false };
    for line in containers.logs(&found.record.id, options)? {
        if !write_all(client.as_fd(), &frame(&line?, shape)) {
            break;
        }
    }
    Ok(())
}
