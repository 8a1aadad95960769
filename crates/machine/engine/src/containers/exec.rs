//! Further processes: created with an id, started once, inspected as long as their container lives.
//!
//! What is known of one stands in a file of `run/engine/execs`, so that an engine that is killed and
//! started again still knows it. Whether it runs is asked of the kernel; how it ended, of the
//! journal, into which the shim (its parent) writes the id. Its outputs are pipes that it holds open
//! itself: it outlives the engine, and is not killed by writing to nobody.

use super::lifecycle::size;
use super::pump::{Input, Keys, Pump, pipe};
use crate::call::{Answer, Call};
use crate::engine::Engine;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use teu_containers::events::{Event, EventOptions};
use teu_containers::exec::{ExecRequest, ExecStreams, Execution};
use teu_containers::state::Status;
use teu_docker::exec::{ExecBody, StartBody};
use teu_docker::frame::Stream;

/// Most execs that are remembered of one container; the oldest that ended go first.
const REMEMBERED_LIMIT: usize = 256;
/// Rows and columns of a terminal nobody sees yet.
const SIZE_DEFAULT: (u16, u16) = (24, 80);

/// What is known of one.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Exec {
    id: String,
    container: String,
    command: Vec<String>,
    env: Vec<String>,
    user: String,
    working_dir: String,
    tty: bool,
    privileged: bool,
    stdin: bool,
    stdout: bool,
    stderr: bool,
    console: Option<(u16, u16)>,
    keys: String,
    created_ns: i64,
    /// On the host; 0 before the start.
    pid: i32,
    pid_start: Option<u64>,
    started: bool,
    exit_code: Option<i32>,
}

/// All of them.
#[derive(Debug)]
pub struct Execs {
    folder: PathBuf,
    all: Mutex<HashMap<String, Exec>>,
    /// Terminals of those that run here.
    terminals: Mutex<HashMap<String, OwnedFd>>,
}

impl Execs {
    /// Reads what an engine before this one has left.
    pub fn open(folder: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&folder).map_err(Error::io("make the folder of execs"))?;
        let mut all = HashMap::new();
        let entries = std::fs::read_dir(&folder).map_err(Error::io("read the folder of execs"))?;
        for entry in entries.flatten() {
            let bytes = std::fs::read(entry.path()).unwrap_or_default();
            // One that was half written is nobody's yet.
            if let Ok(exec) = serde_json::from_slice::<Exec>(&bytes) {
                all.insert(exec.id.clone(), exec);
            }
        }
        let (all, terminals) = (Mutex::new(all), Mutex::default());
        Ok(Self { folder, all, terminals })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Exec>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, exec: Exec) -> Result<()> {
        let failed = "keep the record of an exec";
        let bytes = serde_json::to_vec(&exec).map_err(|e| Error::io(failed)(e.into()))?;
        let path = self.folder.join(&exec.id);
        let beside = self.folder.join(format!(".{}", exec.id));
        std::fs::write(&beside, bytes).map_err(Error::io(failed))?;
        std::fs::rename(&beside, &path).map_err(Error::io(failed))?;
        self.lock().insert(exec.id.clone(), exec);
        Ok(())
    }

    fn get(&self, id: &str) -> Result<Exec> {
        let all = self.lock();
        let exact = all.get(id);
        let found = exact.or_else(|| {
            let mut fitting = all.values().filter(|exec| exec.id.starts_with(id));
            fitting.next().filter(|_| id.len() >= 12 && fitting.next().is_none())
        });
        found.cloned().ok_or_else(|| Error::missing(format!("No such exec instance: {id}")))
    }

    /// One that is about to start: of two who ask at once, one is told that it has been started.
    fn begin(&self, id: &str) -> Result<Exec> {
        let id = self.get(id)?.id;
        let mut all = self.lock();
        let exec = all.get_mut(&id);
        let exec = exec.ok_or_else(|| Error::missing(format!("No such exec instance: {id}")))?;
        if exec.started {
            return Err(Error::conflict(format!("exec {id} has already been started")));
        }
        exec.started = true;
        Ok(exec.clone())
    }

    /// Ids of those of a container.
    pub fn of_container(&self, container: &str) -> Vec<String> {
        let all = self.lock();
        let mut own: Vec<&Exec> = all
            .values()
            .filter(|exec| exec.container == container && exec.exit_code.is_none())
            .collect();
        own.sort_by_key(|exec| exec.created_ns);
        own.into_iter().map(|exec| exec.id.clone()).collect()
    }

    /// Their container has gone.
    pub fn forget_container(&self, container: &str) {
        self.lock().retain(|id, exec| {
            let gone = exec.container == container;
            if gone {
                let _ = std::fs::remove_file(self.folder.join(id));
            }
            !gone
        });
    }

    /// Makes room for one more of a container.
    fn trim(&self, container: &str) {
        let mut all = self.lock();
        let mut ended: Vec<(i64, String)> = all
            .values()
            .filter(|exec| exec.container == container)
            .filter(|exec| exec.exit_code.is_some() || !exec.started)
            .map(|exec| (exec.created_ns, exec.id.clone()))
            .collect();
        ended.sort();
        let excess = ended.len().saturating_sub(REMEMBERED_LIMIT);
        for (_, id) in ended.into_iter().take(excess) {
            let _ = std::fs::remove_file(self.folder.join(&id));
            all.remove(&id);
        }
    }
}

/// 64 hex digits.
fn random_id() -> Result<String> {
    let mut bytes = [0_u8; 32];
    let mut filled = 0;
    while filled < bytes.len() {
        let flags = rustix::rand::GetRandomFlags::empty();
        filled += rustix::rand::getrandom(&mut bytes[filled..], flags)
            .map_err(|errno| Error::io("get randomness")(errno.into()))?;
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// `POST /containers/{id}/exec`
pub fn create(engine: &Engine, id: &str, call: &Call) -> Result<Answer> {
    let body: ExecBody = call.body()?;
    if body.cmd.is_empty() {
        return Err(Error::bad("No exec command specified"));
    }
    if Keys::parse(&body.detach_keys).is_none() {
        return Err(Error::bad(format!("Invalid detach keys ({}) provided", body.detach_keys)));
    }
    let found = engine.containers().find(id)?;
    let container = found.record.id.clone();
    match found.state.status {
        Status::Running => {}
        Status::Paused => {
            return Err(Error::conflict(format!(
                "Container {id} is paused, unpause the container before exec"
            )));
        }
        Status::Restarting => {
            return Err(Error::conflict(format!(
                "container {container} is restarting, wait until the container is running"
            )));
        }
        _ => return Err(Error::conflict(format!("container {container} is not running"))),
    }
    let console = body.console_size.map(|[rows, columns]| (rows, columns));
    let exec = Exec {
        id: random_id()?,
        container,
        command: body.cmd,
        env: body.env,
        user: body.user,
        working_dir: body.working_dir,
        tty: body.tty,
        privileged: body.privileged,
        stdin: body.attach_stdin,
        stdout: body.attach_stdout,
        stderr: body.attach_stderr,
        console,
        keys: body.detach_keys,
        created_ns: teu_containers::time::now_ns(),
        ..Exec::default()
    };
    let action = format!("exec_create: {}", exec.command.join(" "));
    let event = Event::of_container(&found.record, &action).with("execID", &exec.id);
    // An event that cannot be written stops nothing.
    let _ = engine.containers().emit(&event);
    engine.execs.trim(&exec.container);
    let answer = json!({ "Id": exec.id });
    engine.execs.keep(exec)?;
    Answer::json(201, &answer)
}

/// `POST /exec/{id}/start`
pub fn start(engine: &Arc<Engine>, id: &str, call: &Call) -> Result<Answer> {
    let body: StartBody = call.body()?;
    let mut exec = engine.execs.get(id)?;
    if exec.started {
        return Err(Error::conflict(format!("exec {} has already been started", exec.id)));
    }
    let found = engine.containers().find(&exec.container)?;
    match found.state.status {
        Status::Running => {}
        Status::Paused => {
            return Err(Error::conflict(format!(
                "container {} is paused, unpause the container before exec",
                exec.container
            )));
        }
        _ => {
            return Err(Error::conflict(format!("container {} is not running", exec.container)));
        }
    }
    exec = engine.execs.begin(&exec.id)?;
    if let Some([rows, columns]) = body.console_size {
        exec.console = Some((rows, columns));
    }
    engine.execs.keep(exec.clone())?;
    if body.detach {
        let exec = Exec { stdin: false, stdout: false, stderr: false, ..exec };
        let running = run(engine, exec)?;
        let engine = engine.clone();
        crate::serve::in_background(move || engine.finish(running));
        return Ok(Answer::Empty(200));
    }
    let multiplexed = !exec.tty;
    let engine = engine.clone();
    // As in Docker, the process is started once the client has its answer: libraries that read ahead
    // of the answer's head would lose what came too soon. What cannot be run is said as output; the
    // exit code is asked for.
    let take = move |client: OwnedFd| match run(&engine, exec) {
        Ok(running) => engine.pump(running, client),
        Err(error) => complain(&client, multiplexed, &error.message()),
    };
    Ok(Answer::Hijack { multiplexed, take: Box::new(take) })
}

fn complain(client: &OwnedFd, multiplexed: bool, message: &str) {
    let text = format!("{message}\r\n");
    let length = u32::try_from(text.len()).unwrap_or(0);
    let mut bytes = Vec::new();
    if multiplexed {
        bytes.extend_from_slice(&teu_docker::frame::header(Stream::Stdout, length));
    }
    bytes.extend_from_slice(text.as_bytes());
    super::pump::write_all(client.as_fd(), &bytes);
}

/// A process that runs, and our ends of its streams.
struct Running {
    exec: Exec,
    execution: Execution,
    input: Option<OwnedFd>,
    outputs: Vec<(OwnedFd, Option<Stream>)>,
}

fn sys(errno: rustix::io::Errno) -> Error {
    Error::io("make a pipe")(errno.into())
}

/// A pipe whose writer reads as well, so that it is never left without a reader.
fn lasting_pipe() -> Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe().map_err(sys)?;
    let path = format!("/proc/self/fd/{}", write.as_raw_fd());
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
    let both = rustix::fs::open(path, flags, rustix::fs::Mode::empty()).map_err(sys)?;
    Ok((read, both))
}

fn run(engine: &Engine, mut exec: Exec) -> Result<Running> {
    let mut streams = ExecStreams::default();
    let mut outputs = Vec::new();
    let mut input = None;
    if !exec.tty {
        if exec.stdin {
            let (read, write) = pipe().map_err(sys)?;
            (streams.stdin, input) = (Some(read), Some(write));
        }
        for (wanted, frame, slot) in [
            (exec.stdout, Stream::Stdout, &mut streams.stdout),
            (exec.stderr, Stream::Stderr, &mut streams.stderr),
        ] {
            if wanted {
                let (read, write) = lasting_pipe()?;
                outputs.push((read, Some(frame)));
                *slot = Some(write);
            }
        }
    }
    let request = ExecRequest {
        command: exec.command.clone(),
        env: exec.env.clone(),
        user: Some(exec.user.clone()).filter(|user| !user.is_empty()),
        working_dir: Some(exec.working_dir.clone()).filter(|dir| !dir.is_empty()),
        tty: exec.tty.then(|| exec.console.unwrap_or(SIZE_DEFAULT)),
        privileged: exec.privileged,
        id: Some(exec.id.clone()),
    };
    let started = engine.containers().exec(&exec.container, &request, streams);
    let mut execution = match started {
        Ok(execution) => execution,
        Err(error) => {
            let code = error.exit_code();
            exec.exit_code = Some(if code == 125 { 126 } else { code });
            engine.execs.keep(exec)?;
            return Err(failed_start(error));
        }
    };
    exec.pid = execution.pid;
    exec.pid_start = start_ticks(execution.pid);
    engine.execs.keep(exec.clone())?;
    if let Some(terminal) = execution.terminal.take() {
        let same = rustix::io::fcntl_dupfd_cloexec(&terminal, 3).map_err(sys)?;
        let mut terminals = engine.execs.terminals.lock().unwrap_or_else(PoisonError::into_inner);
        terminals.insert(exec.id.clone(), same);
        if exec.stdin {
            input = Some(rustix::io::fcntl_dupfd_cloexec(&terminal, 3).map_err(sys)?);
        }
        if exec.stdout || exec.stderr {
            outputs.push((terminal, None));
        }
    }
    Ok(Running { exec, execution, input, outputs })
}

fn failed_start(error: teu_containers::Error) -> Error {
    match &error {
        teu_containers::Error::Shim { exit_code: 126 | 127, message } => Error::bad(format!(
            "OCI runtime exec failed: exec failed: unable to start container process: {}: unknown",
            plain(message)
        )),
        _ => error.into(),
    }
}

/// Clients look for these words to find the exit code.
pub(super) fn plain(message: &str) -> String {
    message
        .replace("Permission denied (os error 13)", "permission denied")
        .replace("No such file or directory (os error 2)", "no such file or directory")
}

/// Field 22 of `/proc/<pid>/stat`.
fn start_ticks(pid: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

impl Engine {
    fn pump(&self, mut running: Running, client: OwnedFd) {
        let keys = match running.exec.tty {
            true => Keys::parse(&running.exec.keys),
            false => None,
        };
        let input = running.input.take().and_then(|sink| Input::new(sink, keys).ok());
        let outputs = std::mem::take(&mut running.outputs);
        // Background processes may hold the outputs; the exec is over when its own process is.
        let end = rustix::io::fcntl_dupfd_cloexec(&running.execution, 3).ok();
        let pump = Pump { client, input, outputs, end };
        // The connection ends with the process; its exit code is there before, since clients ask
        // for it at once.
        let client = rustix::io::fcntl_dupfd_cloexec(&pump.client, 3);
        let ended = pump.run();
        if ended == super::pump::Ended::Finished {
            self.finish(running);
            drop(client);
        } else {
            drop(client);
            self.finish(running);
        }
    }

    /// Waits for its end, and keeps how it ended.
    fn finish(&self, running: Running) {
        let Running { mut exec, execution, .. } = running;
        let code = execution.wait();
        let mut terminals = self.execs.terminals.lock().unwrap_or_else(PoisonError::into_inner);
        terminals.remove(&exec.id);
        drop(terminals);
        // Its container may have gone, and its record with it.
        if self.execs.get(&exec.id).is_ok() {
            exec.exit_code = Some(code.unwrap_or(137));
            let _ = self.execs.keep(exec);
        }
    }
}

/// `POST /exec/{id}/resize`
pub fn resize(engine: &Engine, id: &str, call: &Call) -> Result<Answer> {
    let exec = engine.execs.get(id)?;
    let (rows, columns) = size(call)?;
    let terminals = engine.execs.terminals.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(terminal) = terminals.get(&exec.id) else {
        return Err(Error::status_of(500, format!("exec {id} has no terminal that is open here")));
    };
    let size =
        rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(terminal, size)
        .map_err(|errno| Error::io("resize the terminal")(errno.into()))?;
    Ok(Answer::Empty(200))
}

/// `GET /exec/{id}/json`
pub fn inspect(engine: &Engine, id: &str) -> Result<Answer> {
    let mut exec = engine.execs.get(id)?;
    let lives =
        exec.pid != 0 && exec.pid_start.is_some() && start_ticks(exec.pid) == exec.pid_start;
    if exec.started && exec.exit_code.is_none() && !lives {
        // It ended while no engine was there to see it, or is just being reaped.
        exec.exit_code = ended_in_journal(engine, &exec)?;
        if exec.exit_code.is_some() {
            engine.execs.keep(exec.clone())?;
        }
    }
    let running = exec.started && exec.exit_code.is_none() && (lives || exec.pid == 0);
    let (entrypoint, arguments) = match exec.command.split_first() {
        Some((first, rest)) => (first.clone(), rest.to_vec()),
        None => (String::new(), Vec::new()),
    };
    let mut process = json!({
        "tty": exec.tty,
        "entrypoint": entrypoint,
        "arguments": arguments,
        "privileged": exec.privileged,
    });
    if !exec.user.is_empty() {
        process["user"] = json!(exec.user);
    }
    Answer::ok(&json!({
        "ID": exec.id,
        "Running": running,
        "ExitCode": exec.exit_code.map_or(Value::Null, Value::from),
        "ProcessConfig": process,
        "OpenStdin": exec.stdin,
        "OpenStderr": exec.stderr,
        "OpenStdout": exec.stdout,
        "CanRemove": exec.exit_code.is_some(),
        "ContainerID": exec.container,
        "DetachKeys": exec.keys,
        "Pid": exec.pid,
    }))
}

fn ended_in_journal(engine: &Engine, exec: &Exec) -> Result<Option<i32>> {
    let options = EventOptions {
        since_ns: Some(exec.created_ns),
        until_ns: Some(teu_containers::time::now_ns()),
        filters: vec![
            ("container".to_owned(), exec.container.clone()),
            ("event".to_owned(), "exec_die".to_owned()),
        ],
    };
    for event in engine.containers().events(&options)? {
        let attributes = event?.attributes;
        if attributes.get("execID") == Some(&exec.id) {
            return Ok(attributes.get("exitCode").and_then(|code| code.parse().ok()));
        }
    }
    Ok(None)
}
