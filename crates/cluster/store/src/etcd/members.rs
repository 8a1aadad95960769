//! The members of a cluster: which one is spoken to, and what is tried again.
//!
//! One connection serves everything until it fails; then the next member is tried, round and round
//! until the call's time is over. A read is tried again whatever happened. A write is tried again
//! only when it is sure that it did not happen: it may otherwise have, and doing it twice is not
//! the same as doing it once.

use super::rpc::{Connection, Failure, Target};
use crate::error::Error;
use prost::Message;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// gRPC's code for "not now".
const UNAVAILABLE: u32 = 14;
/// Between two rounds over all members.
const PAUSE: Duration = Duration::from_millis(50);

/// How a call may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It changes nothing.
    Always,
    /// Only what surely did not happen.
    IfNotDone,
}

/// Times of calls.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// One try.
    pub attempt: Duration,
    /// All of them.
    pub call: Duration,
}

/// All members.
#[derive(Debug)]
pub struct Members {
    targets: Vec<Target>,
    times: Times,
    current: Mutex<(usize, Option<Connection>)>,
    /// One at a time connects; the others use what it made.
    connecting: tokio::sync::Mutex<()>,
}

impl Members {
    pub fn new(targets: Vec<Target>, times: Times) -> Self {
        Self {
            targets,
            times,
            current: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        }
    }

    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    pub fn times(&self) -> Times {
        self.times
    }

    /// How messages call them.
    pub fn describe(&self) -> String {
        let each = self.targets.iter().map(|target| format!("{}:{}", target.host, target.port));
        each.collect::<Vec<_>>().join(", ")
    }

    fn living(&self) -> Option<Connection> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.1.as_ref().is_some_and(Connection::is_dead) {
            *current = (current.0 + 1, None);
        }
        current.1.clone()
    }

    /// A connection to some member; each failure moves on to the next one.
    pub async fn connection(&self) -> Result<Connection, Failure> {
        if let Some(connection) = self.living() {
            return Ok(connection);
        }
        let _only = self.connecting.lock().await;
        let mut last = Failure::NotSent("no endpoint is configured".to_owned());
        for _ in &self.targets {
            if let Some(connection) = self.living() {
                return Ok(connection);
            }
            let at = self.current.lock().unwrap_or_else(PoisonError::into_inner).0;
            let made = Connection::open(&self.targets[at % self.targets.len()]).await;
            let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            match made {
                Ok(connection) => {
                    current.1 = Some(connection.clone());
                    return Ok(connection);
                }
                Err(error) => {
                    *current = (at + 1, None);
                    last = error;
                }
            }
        }
        Err(last)
    }

    /// One request, one answer, from whichever member can.
    pub async fn call<Q: Message, A: Message + Default>(
        &self,
        path: &str,
        request: &Q,
        repeat: Repeat,
    ) -> Result<A, Failure> {
        let end = Instant::now() + self.times.call;
        loop {
            let (connection, result) = match self.connection().await {
                Err(failure) => (None, Err(failure)),
                Ok(connection) => {
                    let result = connection.unary(path, request, self.times.attempt).await;
                    (Some(connection), result)
                }
            };
            let failure = match result {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let again = match &failure {
                Failure::NotSent(_) => true,
                Failure::Lost(_) => repeat == Repeat::Always,
                Failure::Status { code, message } => {
                    let undone = message.contains("no leader");
                    *code == UNAVAILABLE && (repeat == Repeat::Always || undone)
                }
            };
            let at_fault = match &failure {
                Failure::Status { code, .. } => *code == UNAVAILABLE,
                _ => true,
            };
            if let Some(connection) = connection.filter(|_| at_fault) {
                connection.give_up();
            }
            if !again || Instant::now() + PAUSE >= end {
                return Err(failure);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A failure in the store's words.
    pub fn error(&self, failure: Failure, repeat: Repeat) -> Error {
        match failure {
            Failure::Lost(reason) if repeat == Repeat::IfNotDone => Error::Uncertain { reason },
            Failure::Status { code: UNAVAILABLE, message }
                if repeat == Repeat::IfNotDone && !message.contains("no leader") =>
            {
                Error::Uncertain { reason: message }
            }
            Failure::NotSent(reason)
            | Failure::Lost(reason)
            | Failure::Status { code: UNAVAILABLE, message: reason } => {
                Error::Unavailable { endpoints: self.describe(), reason }
            }
            Failure::Status { code, message } => Error::Backend { code, message },
        }
    }
}
