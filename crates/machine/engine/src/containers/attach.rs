//! `POST /containers/{id}/attach`: a connection becomes a container's standard streams.
//!
//! Clients attach before they start a container. Its streams are made before the client is answered
//! and kept until the start takes them ([`Waiting`]), so that no output is too early to be seen.

use super::pump::{Ended, Input, Keys, Pump, pipe};
use super::{logs, websocket};
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
use teu_containers::{Containers, Found, Hangup};
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

/// Attaches. Everything is made before the client hears that it is attached, since it starts the
/// container then.
pub fn attach(engine: &Arc<Engine>, id: &str, call: &Call) -> Result<Answer> {
    let wanted = Wanted::of(call)?;
    let found = attachable(engine.containers(), id)?;
    let multiplexed = !found.record.tty;
    let attached = Attached::new(engine, found, wanted)?;
    // A client that cannot be attached sees its connection end.
    let take = move |client: OwnedFd| drop(attached.run(client));
    Ok(Answer::Hijack { multiplexed, take: Box::new(take) })
}

/// `GET /containers/{id}/attach/ws`: the same in WebSocket's frames, outputs as they are.
pub fn attach_web_socket(engine: &Arc<Engine>, id: &str, call: &Call) -> Result<Answer> {
    let Some(accepted) = call.web_socket.clone() else {
        return Err(Error::bad("this path is for WebSocket clients"));
    };
    let found = attachable(engine.containers(), id)?;
    let mut attached = Attached::new(engine, found, Wanted::of(call)?)?;
    attached.outputs.iter_mut().for_each(|(_, frame)| *frame = None);
    let take = move |client: OwnedFd| {
        if let Ok(client) = websocket::bridge(client) {
            drop(attached.run(client));
        }
    };
    Ok(Answer::WebSocket { accepted, take: Box::new(take) })
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

/// An attachment, or one that waits for the start.
struct Attached {
    engine: Arc<Engine>,
    found: Found,
    wanted: Wanted,
    input: Option<Input>,
    outputs: Vec<(OwnedFd, Option<Stream>)>,
    state: State,
}

enum State {
    /// Only what was written before is wanted.
    Past,
    /// As long as this lives.
    Now(Box<Session>),
    /// Told by its end.
    Early(Place),
}

/// A place among those that wait; given up when it is dropped.
struct Place {
    engine: Arc<Engine>,
    id: String,
    number: u64,
    told: OwnedFd,
    session: Arc<Mutex<Option<Session>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.engine.waiting.leave(&self.id, self.number);
    }
}

fn sys(errno: rustix::io::Errno) -> Error {
    Error::io("make a pipe")(errno.into())
}

impl Attached {
    fn new(engine: &Arc<Engine>, found: Found, wanted: Wanted) -> Result<Self> {
        let mut attached = Self {
            engine: engine.clone(),
            found,
            wanted,
            input: None,
            outputs: Vec::new(),
            state: State::Past,
        };
        if attached.wanted.stream {
            let streams = attached.pipes()?;
            attached.state = match attached.found.state.status {
                Status::Running => attached.now(streams)?,
                _ => attached.early(streams)?,
            };
        }
        Ok(attached)
    }

    /// The container's ends; ours are kept.
    fn pipes(&mut self) -> Result<Attach> {
        let (tty, wanted) = (self.found.record.tty, &self.wanted);
        let mut streams = Attach::default();
        if wanted.stdin && self.found.record.stdin_open {
            let (read, write) = pipe().map_err(sys)?;
            streams.stdin = Some(read);
            let keys = if tty { Keys::parse(&wanted.keys) } else { None };
            self.input = Some(Input::new(write, keys).map_err(sys)?);
        }
        let stdout = wanted.stdout || (tty && wanted.stderr);
        for (wants, frame, slot) in [
            (stdout, Stream::Stdout, &mut streams.stdout),
            (wanted.stderr && !tty, Stream::Stderr, &mut streams.stderr),
        ] {
            if wants {
                let (read, write) = pipe().map_err(sys)?;
                self.outputs.push((read, (!tty).then_some(frame)));
                *slot = Some(write);
            }
        }
        Ok(streams)
    }

    fn now(&self, streams: Attach) -> Result<State> {
        let session = self.engine.containers().attach(&self.found.record.id, streams)?;
        Ok(State::Now(Box::new(session)))
    }

    fn early(&self, streams: Attach) -> Result<State> {
        let id = self.found.record.id.clone();
        let (told, end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(sys)?;
        let session = Arc::new(Mutex::new(None));
        let tell = Tell { session: session.clone(), _end: end };
        let engine = self.engine.clone();
        let Some(number) = engine.waiting.add(&id, streams, tell) else {
            return Err(Error::conflict("too many clients wait for the start of this container"));
        };
        Ok(State::Early(Place { engine, id, number, told, session }))
    }

    fn run(self, client: OwnedFd) -> Result<()> {
        let containers = self.engine.containers();
        if self.wanted.logs {
            let options = LogOptions {
                stdout: self.wanted.stdout,
                stderr: self.wanted.stderr,
                ..LogOptions::default()
            };
            logs::replay(containers, &self.found, &options, &client)?;
        }
        let mut session = match self.state {
            State::Past => return Ok(()),
            State::Now(session) => *session,
            State::Early(place) => match place.wait(&client)? {
                Some(session) => session,
                None => return Ok(()),
            },
        };
        let mut pump = Pump { client, input: self.input, outputs: self.outputs, end: None };
        if pump.outputs.is_empty() {
            // Else the outputs' ends say when it is over, and nothing is lost of them.
            pump.end = Some(session.end()?);
        }
        if pump.run() == Ended::Detached {
            let event = teu_containers::events::Event::of_container(&self.found.record, "detach");
            // An event that cannot be written stops nothing.
            let _ = containers.emit(&event);
        }
        // Dropping the session ends the attachment.
        Ok(())
    }
}

impl Place {
    /// Waits for the start to take the streams; `None` when the client goes first, or none comes.
    fn wait(self, client: &OwnedFd) -> Result<Option<Session>> {
        let same = rustix::io::fcntl_dupfd_cloexec(client, 3).map_err(sys)?;
        Hangup::of(same).wait_beside(&[self.told.as_fd()]).map_err(sys)?;
        Ok(self.session.lock().unwrap_or_else(PoisonError::into_inner).take())
    }
}
