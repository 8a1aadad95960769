//! `docker cp` and `docker export`: tars of paths in containers.

use crate::call::{Answer, Call};
use crate::engine::Engine;
use crate::error::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::io::{self, Read};
use teu_containers::CopyOptions;
use teu_containers::copy::{CopyOut, PathStat};
use teu_containers::time::rfc3339_nanos;

/// Docker's name of the header that says what is at a path.
const STAT: &str = "X-Docker-Container-Path-Stat";

fn path(call: &Call) -> Result<&str> {
    call.query.nonempty("path").ok_or_else(|| Error::bad("bad parameter: 'path' cannot be empty"))
}

/// `HEAD`
pub fn head(engine: &Engine, id: &str, call: &Call) -> Result<Answer> {
    let path = path(call)?;
    let stat = engine.containers().stat_path(id, path)?;
    Ok(Answer::Headers(vec![(STAT, header(&stat))]))
}

/// `GET`
pub fn get(engine: &Engine, id: &str, call: &Call) -> Result<Answer> {
    let copy = CopyOut { path: path(call)?.to_owned(), follow_link: false };
    let (stat, tar) = engine.containers().copy_out(id, &copy)?;
    Ok(Answer::Stream {
        content_type: "application/x-tar",
        headers: vec![(STAT, header(&stat))],
        write: Box::new(move |out| send(tar, out)),
    })
}

/// `PUT`
pub fn put(engine: &Engine, id: &str, call: Call) -> Result<Answer> {
    let path = path(&call)?.to_owned();
    let options = CopyOptions { follow_link: false, archive: call.query.flag("copyUIDGID") };
    let mut tar = crate::decompress::reader(call.stream()?)?;
    engine.containers().copy_in(id, &path, &mut tar, options)?;
    Ok(Answer::Empty(200))
}

/// `GET /containers/{id}/export`
pub fn export(engine: &Engine, id: &str) -> Result<Answer> {
    let tar = engine.containers().export(id)?;
    Ok(Answer::stream("application/octet-stream", move |out| send(tar, out)))
}

fn send(mut tar: impl Read, out: &mut crate::call::Outlet) -> io::Result<()> {
    io::copy(&mut tar, out).map(drop)
}

/// Base64 of what Go's `Stat` says; the mode in Go's bits.
fn header(stat: &PathStat) -> String {
    let document = json!({
        "name": stat.name,
        "size": stat.size_bytes,
        "mode": go_mode(stat.mode),
        "mtime": rfc3339_nanos(stat.mtime_ns),
        "linkTarget": stat.link_target,
    });
    STANDARD.encode(document.to_string())
}

/// Go's `os.FileMode` of a `st_mode`.
fn go_mode(mode: u32) -> u32 {
    let kind = match mode & 0o170_000 {
        0o040_000 => 1 << 31,
        0o120_000 => 1 << 27,
        0o060_000 => 1 << 26,
        0o020_000 => 1 << 26 | 1 << 21,
        0o010_000 => 1 << 25,
        0o140_000 => 1 << 24,
        _ => 0,
    };
    let mut bits = mode & 0o777;
    for (ours, theirs) in [(0o4000, 23), (0o2000, 22), (0o1000, 20)] {
        if mode & ours != 0 {
            bits |= 1 << theirs;
        }
    }
    kind | bits
}

#[cfg(test)]
mod tests {
    #[test]
    fn modes() {
        for (mode, expected) in
            [(0o100_644, 0o644), (0o040_755, 0x8000_01ed), (0o041_777, 0x8010_01ff)]
        {
            assert_eq!(super::go_mode(mode), expected, "{mode:o}");
        }
    }
}
