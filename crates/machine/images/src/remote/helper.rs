//! `docker-credential-NAME`: programs that keep passwords. One word as argument, the question on
//! standard input, the answer on standard output; bounded in bytes and time.

use super::credentials::Credentials;
use super::error::{RemoteError, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

/// Bytes of an answer.
const ANSWER_LIMIT_BYTES: u64 = 1 << 20;
/// How long a person may take to unlock a keychain.
const DEADLINE: Duration = Duration::from_secs(60);
const PREFIX: &str = "docker-credential-";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    #[serde(rename = "ServerURL")]
    server_url: &'a str,
    username: &'a str,
    secret: &'a str,
}

/// Asks a helper; nothing is known where it says that it has none.
pub(super) fn get(name: &str, server: &str) -> Result<Credentials> {
    match run(name, "get", server.as_bytes()) {
        Ok(bytes) => {
            let answer: Answer = serde_json::from_slice(&bytes)
                .map_err(|e| failed(name, format!("its answer is no JSON: {e}")))?;
            Ok(Credentials::of(&answer.username, &answer.secret))
        }
        Err(RemoteError::Helper { reason, .. }) if reason.contains("credentials not found") => {
            Ok(Credentials::Anonymous)
        }
        Err(error) => Err(error),
    }
}

/// Gives a helper something to keep.
pub(super) fn store(name: &str, server: &str, username: &str, secret: &str) -> Result<()> {
    let entry = Entry { server_url: server, username, secret };
    let bytes = serde_json::to_vec(&entry).map_err(|e| failed(name, e.to_string()))?;
    run(name, "store", &bytes).map(drop)
}

/// Lets a helper forget.
pub(super) fn erase(name: &str, server: &str) -> Result<()> {
    run(name, "erase", server.as_bytes()).map(drop)
}

fn failed(name: &str, reason: String) -> RemoteError {
    RemoteError::Helper { program: format!("{PREFIX}{name}"), reason }
}

fn run(name: &str, verb: &str, input: &[u8]) -> Result<Vec<u8>> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.is_empty() || !name.bytes().all(plain) {
        return Err(failed(name, "the name is not a program's".to_owned()));
    }
    let mut child = Command::new(format!("{PREFIX}{name}"))
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| failed(name, format!("cannot be started: {e}")))?;
    let begun = Instant::now();
    let answer = talk(&mut child, input);
    let ended = answer.as_ref().is_some_and(|_| has_ended(&child, begun));
    if !ended {
        // It may have ended by itself meanwhile.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|e| failed(name, e.to_string()))?;
    match answer {
        Some(bytes) if ended && status.success() => Ok(bytes),
        Some(bytes) if ended => {
            let text: String = String::from_utf8_lossy(&bytes).trim().chars().take(300).collect();
            Err(failed(name, if text.is_empty() { status.to_string() } else { text }))
        }
        _ => Err(failed(name, format!("no answer within {} s", DEADLINE.as_secs()))),
    }
}

/// Writes the question and reads the answer; `None` after the deadline.
fn talk(child: &mut Child, input: &[u8]) -> Option<Vec<u8>> {
    let (stdin, stdout) = (child.stdin.take()?, child.stdout.take()?);
    let input = input.to_vec();
    let (sender, receiver) = sync_channel(1);
    std::thread::spawn(move || {
        let mut stdin = stdin;
        // A helper that does not want to know has its reasons.
        let _ = stdin.write_all(&input);
        drop(stdin);
        let mut bytes = Vec::new();
        let _ = stdout.take(ANSWER_LIMIT_BYTES).read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver.recv_timeout(DEADLINE).ok()
}

fn has_ended(child: &Child, begun: Instant) -> bool {
    let left = DEADLINE.saturating_sub(begun.elapsed());
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let Some(Ok(pidfd)) = pid.map(|pid| pidfd_open(pid, PidfdFlags::empty())) else { return true };
    let timeout = Timespec::try_from(left).ok();
    let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
    matches!(poll(&mut fds, timeout.as_ref()), Ok(1..))
}
