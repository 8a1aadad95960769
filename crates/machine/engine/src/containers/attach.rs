//! `POST /containers/{id}/attach`: a connection becomes a container's standard streams.
//!
//! Clients attach before they start a container. Its streams are made at once and kept until the
//! start takes them ([`Waiting`]), so that no output is too early to be seen. Without a terminal the
//! container's shim reads the connection itself; with one, it writes to it. What is left for a thread
//! of ours is to put frames around outputs, and to look for the keys that detach.

use super::logs;
use super::pump::{Ended, Input, Keys, Pump, pipe};
use crate::call::{Answer, Call};
use crate::engine::Engine;
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use teu_containers::lifecycle::{Attach, Session};
use teu_containers::logs::LogOptions;
use teu_containers::state::Status;
use teu_containers::{Containers, Found};
use teu_docker::frame::Stream;

/// Most attachments that wait for the start of one container.
const WAITING_LIMIT: usize = 64;

/// Attachments to containers that do not run yet.
#[derive(Debug, Default)]
pub struct Waiting {
    all: Mutex<HashMap<String, Vec<Early>>>,
    next: AtomicU64,
}

/// One of them.
#[derive(Debug)]
pub struct Early {
    number: u64,
    /// For the container.
    pub streams: Attach,
    /// Who is told when it is attached.
    pub tell: Tell,
}

/// Tells a waiting attachment. Dropped without a word: it will not be attached.
#[derive(Debug)]
pub struct Tell {
    session: Arc<Mutex<Option<Session>>>,
    /// Its closing is heard.
    _end: OwnedFd,
}

impl Tell {
    /// It is attached: the session ends with the attachment.
    pub fn attached(self, session: Session) {
        if let Ok(mut slot) = self.session.lock() {
            *slot = Some(session);
        }
    }
}

impl Waiting {
    /// Takes those of a container.
    pub fn take(&self, id: &str) -> Vec<Early> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(id).unwrap_or_default()
    }

    /// The container has gone.
    pub fn forget(&self, id: &str) {
        drop(self.take(id));
    }

    fn add(&self, id: &str, streams: Attach, tell: Tell) -> Option<u64> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let list = all.entry(id.to_owned()).or_default();
        if list.len() >= WAITING_LIMIT {
            return None;
        }
        list.push(Early { number, streams, tell });
        Some(number)
    }

    fn leave(&self, id: &str, number: u64) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(list) = all.get_mut(id) {
            list.retain(|early| early.number != number);
            if list.is_empty() {
                all.remove(id);
            }
        }
    }
}

/// What a client asks for.
#[derive(Debug, Clone)]
struct Wanted {
    stdin: bool,
    stdout: bool,
    stderr: bool,
    stream: bool,
    logs: bool,
    keys: String,
}

impl Wanted {
    fn of(call: &Call) -> Result<Self> {
        let query = &call.query;
        let keys = query.text("detachKeys").to_owned();
        if Keys::parse(&keys).is_none() {
            return Err(Error::bad(format!("Invalid detach keys ({keys}) provided")));
        }
        Ok(Self {
            stdin: query.flag("stdin"),
            stdout: query.flag("stdout"),
            stderr: query.flag("stderr"),
            stream: query.flag("stream"),
            logs: query.flag("logs"),
            keys,
        })
    }
}

/// Attaches.
pub fn attach(engine: &Arc<Engine>, id: &str, call: &Call) -> Result<Answer> {
    let wanted = Wanted::of(call)?;
    let found = attachable(engine.containers(), id)?;
    let multiplexed = !found.record.tty;
    let engine = engine.clone();
    let take = move |client: OwnedFd| {
        // A client that cannot be attached sees its connection end.
        let _ = run(&engine, &found, &wanted, client);
    };
    Ok(Answer::Hijack { multiplexed, take: Box::new(take) })
}

/// `GET /containers/{id}/attach/ws`
pub fn attach_web_socket(engine: &Arc<Engine>, id: &str, call: &Call) -> Result<Answer> {
    let _ = (engine, call);
    Err(Error::bad(format!("container {id}: WebSocket is asked for without an upgrade")))
}

fn attachable(containers: &Containers, id: &str) -> Result<Found> {
    let found = containers.find(id)?;
    match found.state.status {
        Status::Paused => Err(Error::conflict(format!(
            "container {} is paused, unpause the container before attach",
            found.record.id
        ))),
        Status::Restarting => Err(Error::conflict(format!(
            "container {} is restarting, wait until the container is running",
            found.record.id
        ))),
        _ => Ok(found),
    }
}

/// Everything on the client's side of the container's streams.
struct Ours {
    pump: Pump,
    /// For the container.
    streams: Attach,
}

/// Splits a connection: what the container's shim is given, and what stays here.
fn split(found: &Found, wanted: &Wanted, client: OwnedFd) -> Result<Ours> {
    let sys = |errno: rustix::io::Errno| Error::io("make a pipe")(errno.into());
    let same = |fd: &OwnedFd| rustix::io::fcntl_dupfd_cloexec(fd, 3).map_err(sys);
    let tty = found.record.tty;
    let mut streams = Attach::default();
    let mut input = None;
    let mut outputs = Vec::new();
    if wanted.stdin && found.record.stdin_open {
        if tty {
            let (read, write) = pipe().map_err(sys)?;
            streams.stdin = Some(read);
            input = Some(Input::new(write, Keys::parse(&wanted.keys)).map_err(sys)?);
        } else {
            streams.stdin = Some(same(&client)?);
        }
    }
    let mut output = |frame: Stream| -> Result<OwnedFd> {
        let (read, write) = pipe().map_err(sys)?;
        outputs.push((read, Some(frame)));
        Ok(write)
    };
    match tty {
        true if wanted.stdout || wanted.stderr => streams.stdout = Some(same(&client)?),
        true => {}
        false => {
            if wanted.stdout {
                streams.stdout = Some(output(Stream::Stdout)?);
            }
            if wanted.stderr {
                streams.stderr = Some(output(Stream::Stderr)?);
            }
        }
    }
    Ok(Ours { pump: Pump { client, input, outputs, end: None }, streams })
}

fn run(engine: &Engine, found: &Found, wanted: &Wanted, client: OwnedFd) -> Result<()> {
    let containers = engine.containers();
    let id = &found.record.id;
    if wanted.logs {
        let options =
            LogOptions { stdout: wanted.stdout, stderr: wanted.stderr, ..LogOptions::default() };
        logs::replay(containers, found, &options, &client)?;
    }
    if !wanted.stream {
        return Ok(());
    }
    let Ours { mut pump, streams } = split(found, wanted, client)?;
    // As it is now: it may have been started since.
    let now = containers.find(id)?;
    let mut session = match now.state.status {
        Status::Running => containers.attach(id, streams)?,
        _ => match wait_for_start(engine, id, streams, &pump)? {
            Some(session) => session,
            None => return Ok(()),
        },
    };
    if pump.outputs.is_empty() {
        // Else the outputs' ends say when it is over, and nothing is lost of them.
        pump.end = Some(session.end()?);
    }
    if pump.run() == Ended::Detached {
        let event = teu_containers::events::Event::of_container(&found.record, "detach");
        // An event that cannot be written stops nothing.
        let _ = containers.emit(&event);
    }
    // Dropping the session ends the attachment: the shim closes what it holds of the connection.
    Ok(())
}

/// Waits for the start to take the streams; `None` when the client goes first, or nothing comes.
fn wait_for_start(
    engine: &Engine,
    id: &str,
    streams: Attach,
    pump: &Pump,
) -> Result<Option<Session>> {
    let sys = |errno: rustix::io::Errno| Error::io("make a pipe")(errno.into());
    let (told, end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(sys)?;
    let session = Arc::new(Mutex::new(None));
    let tell = Tell { session: session.clone(), _end: end };
    let Some(number) = engine.waiting.add(id, streams, tell) else {
        return Err(Error::conflict("too many clients wait for the start of this container"));
    };
    let client = rustix::io::fcntl_dupfd_cloexec(&pump.client, 3).map_err(sys)?;
    let hangup = teu_containers::Hangup::of(client);
    let told = hangup.wait_beside(&[told.as_fd()]).map_err(sys)?;
    if !told {
        engine.waiting.leave(id, number);
    }
    let session = session.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok(session)
}
