//! A client of Docker's API that costs as little as can be: a connection for each request, so that
//! many come at the same time.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// For one answer; dockerd needs its time for fifty at once.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// Creates and starts containers that stay, all at once, without a network of their own to make.
pub fn start_many(socket: &Path, count: usize, prefix: &str) -> Result<()> {
    let body = json!({
        "Image": "busybox:latest", "Cmd": ["sleep", "3600"],
        "HostConfig": {"NetworkMode": "bridge"},
    });
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..count)
            .map(|number| (format!("{prefix}{number}"), &body))
            .map(|(name, body)| scope.spawn(move || start(socket, &name, body)))
            .collect();
        all.into_iter().try_for_each(|one| one.join().unwrap_or_else(|_| bail!("a thread broke")))
    })
}

/// Creates and starts containers that publish a port each, one after another.
pub fn start_published(socket: &Path, count: usize) -> Result<()> {
    let body = json!({
        "Image": "busybox:latest", "Cmd": ["sleep", "3600"], "ExposedPorts": {"80/tcp": {}},
        "HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}},
    });
    (0..count).try_for_each(|number| start(socket, &format!("i{number}"), &body))
}

fn start(socket: &Path, name: &str, body: &Value) -> Result<()> {
    let made = ask(socket, "POST", &format!("/containers/create?name={name}"), &body.to_string())?;
    let made: Value = serde_json::from_str(&made)?;
    let id = made["Id"].as_str().context("no id")?;
    ask(socket, "POST", &format!("/containers/{id}/start"), "").map(drop)
}

/// Lists the containers that run, of which there are so many.
pub fn list(socket: &Path, count: usize) -> Result<()> {
    let all: Vec<Value> = serde_json::from_str(&ask(socket, "GET", "/containers/json", "")?)?;
    if all.len() != count {
        bail!("{} containers are listed, not {count}", all.len());
    }
    Ok(())
}

/// A request of HTTP/1.0, so that the answer ends with the connection; the answer's body.
fn ask(socket: &Path, method: &str, path: &str, body: &str) -> Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut text = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").context("no answer")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if !status.starts_with('2') {
        bail!("{method} {path}: {status}: {}", body.trim());
    }
    Ok(body.to_owned())
}
