//! What commands say to a shim: one JSON document a message over `SOCK_SEQPACKET`, descriptors beside.
//!
//! A client sends a [`Request`] and reads [`Reply`]s: exactly one, except where noted. The command
//! that starts a shim hands it its first connection (a socketpair), so a start waits for no listen.
//! Peers with another uid than the shim's (or root) are refused; a message is at most
//! [`MESSAGE_LIMIT_BYTES`]; at most [`CLIENT_LIMIT`] clients are connected.

use crate::record::RestartPolicy;
use serde::{Deserialize, Serialize};
use teu_oci::runtime::{Process, Resources};

/// Longest message.
pub const MESSAGE_LIMIT_BYTES: usize = 256 << 10;
/// Most clients at a time.
pub const CLIENT_LIMIT: usize = 256;
/// Most descriptors beside a message.
pub const DESCRIPTOR_LIMIT: usize = 4;

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Starts a container whose records are on disk. With `attach`, descriptors follow as in
    /// [`Request::Attach`] and are connected before the process runs; then [`Reply::Started`] is
    /// followed by [`Reply::Exited`] once it has ended for good (restarts are over, its output is
    /// handed on, and with `auto_remove` it is removed): no exit is too quick to be seen.
    Start {
        /// Container id.
        id: String,
        /// Attach first.
        attach: Option<Streams>,
    },
    /// Connects a client to a running container. Descriptors: for each stream named, in the order
    /// stdin (read end), stdout (write end), stderr (write end). They are closed when it ends.
    /// They may be whatever the client was given itself (pipe, terminal, file, socket): their flags
    /// stay as they are. Output: what a client started with is waited for like a full pipe; one that
    /// attached later and does not read for 30 s is cut off.
    /// Input: its end is the end of the container's, where `stdin_once` says so and there is no tty.
    Attach {
        /// Container id.
        id: String,
        /// Which.
        streams: Streams,
    },
    /// Sends a signal to the first process.
    Signal {
        /// Container id.
        id: String,
        /// Number.
        signal: i32,
    },
    /// Signal, time, SIGKILL; answers when it has ended. The restart policy holds still.
    Stop {
        /// Container id.
        id: String,
        /// Number; 0 for the container's own.
        signal: i32,
        /// Milliseconds; negative for never; `None` for the container's own.
        timeout_ms: Option<i64>,
    },
    /// Stops everything in the pod, and the shim after it.
    StopPod {
        /// As above.
        timeout_ms: Option<i64>,
    },
    /// Freezes.
    Pause {
        /// Container id.
        id: String,
    },
    /// Thaws.
    Unpause {
        /// Container id.
        id: String,
    },
    /// Runs a further process. Descriptors: stdin, stdout, stderr given straight to it (all three),
    /// or none for `/dev/null`; with `process.terminal`, none: the reply carries the terminal's
    /// master. Replies [`Reply::Executing`], then [`Reply::Exited`].
    ///
    /// Of `process` the shim takes `args`, `cwd` (empty for the container's), `env` (beyond the
    /// container's), `terminal` and `console_size`; the rest is the container's own.
    Exec {
        /// Container id.
        id: String,
        /// What runs.
        process: Box<Process>,
        /// `user[:group]` by name or number, looked up in the container; its own without.
        user: Option<String>,
        /// All capabilities.
        privileged: bool,
        /// Names it in events; its terminal then stays open when the client goes.
        #[serde(default)]
        exec_id: Option<String>,
    },
    /// New size of a container's terminal. (An exec's terminal is in its client's hands.)
    Resize {
        /// Container id.
        id: String,
        /// Rows.
        rows: u16,
        /// Columns.
        columns: u16,
    },
    /// New limits or policy.
    Update {
        /// Container id.
        id: String,
        /// Limits to change.
        resources: Box<Resources>,
        /// New policy.
        restart: Option<RestartPolicy>,
    },
    /// Answers [`Reply::Exited`] when the container next is not running (at once if it is not).
    Wait {
        /// Container id.
        id: String,
        /// Wait until it has also been removed (`--rm`).
        removed: bool,
    },
    /// Joins a network.
    Connect {
        /// What is asked for.
        endpoint: crate::record::network::EndpointRecord,
    },
    /// Leaves a network.
    Disconnect {
        /// Network, by name.
        network: String,
    },
    /// Answers [`Reply::Done`].
    Ping,
}

/// Which streams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Streams {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
}

/// What a further process is to be, as the shim hands it on.
#[derive(Debug)]
pub(super) struct Further {
    pub(super) process: Box<Process>,
    pub(super) user: Option<String>,
    pub(super) privileged: bool,
    pub(super) id: Option<String>,
}

/// What is answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Done.
    Done,
    /// Done, but for what it says ([`Request::Update`], [`Request::Connect`]).
    DoneWith {
        /// For a person.
        warnings: Vec<String>,
    },
    /// The process runs.
    Started {
        /// On the host.
        pid: i32,
        /// What was left out, for a person.
        #[serde(default)]
        warnings: Vec<String>,
    },
    /// An exec runs; with a terminal, its master is attached.
    Executing {
        /// On the host.
        pid: i32,
    },
    /// It has ended.
    Exited {
        /// 0 to 255.
        code: i32,
    },
    /// It failed.
    Failed {
        /// 125, 126 or 127 for a start or exec; 125 otherwise.
        exit_code: i32,
        /// For a person.
        message: String,
    },
}
