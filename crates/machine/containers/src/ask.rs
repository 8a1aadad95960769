//! Talking to a pod's shim: finding it, starting it when it is needed, waiting for its end.

use crate::disk::DirLock;
use crate::open::private;
use crate::shim::protocol::{Reply, Request};
use crate::shim::{self, Connection};
use crate::{Containers, Error, Result};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;

/// How often a start meets a shim that is just ending.
const START_TRIES: usize = 8;
/// A shim whose pod has ended has so long to undo what it did.
const SHIM_END: Duration = Duration::from_secs(20);

/// Sends a request; a refusal is an error.
pub(crate) fn ask(
    connection: &Connection,
    pod: &str,
    request: &Request,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(Reply, Vec<OwnedFd>)> {
    let (reply, received) =
        connection.call(request, descriptors).map_err(|error| lost(error, pod))?;
    match reply {
        Reply::Failed { exit_code, message } => Err(Error::Shim { exit_code, message }),
        reply => Ok((reply, received)),
    }
}

/// A conversation that broke off is about this pod's shim.
pub(crate) fn lost(error: shim::Error, pod: &str) -> Error {
    match error {
        shim::Error::Gone => Error::ShimLost(pod.to_owned()),
        other => Error::Channel(other),
    }
}

impl Containers {
    /// The shim of a pod, if it has one that listens.
    pub(crate) fn shim(&self, pod: &str) -> Result<Option<Connection>> {
        Ok(shim::connect(&self.home, pod)?)
    }

    /// Asks the pod's shim, starting it if there is none. The pod's lock is held from before a shim
    /// is started until it has answered.
    pub(crate) fn ask_started(
        &self,
        pod: &str,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(Connection, Reply)> {
        let mut tries = 0;
        loop {
            tries += 1;
            let done = self.try_started(pod, request, descriptors);
            match done {
                // It ended its pod while we asked; once it has gone, the next one is ours to start.
                Err(Error::ShimLost(_))
                    if tries < START_TRIES && self.shim_ends_within(pod, SHIM_END)? => {}
                Ok(Some(done)) => return Ok(done),
                Ok(None) => self.wait_for_shim_end(pod, SHIM_END)?,
                Err(error) => return Err(error),
            }
        }
    }

    /// `None` where a shim lives that listens no more.
    fn try_started(
        &self,
        pod: &str,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<Option<(Connection, Reply)>> {
        let lock = self.lock_pod(pod)?;
        if self.shim_lives(pod)? {
            drop(lock);
            let Some(connection) = self.shim(pod)? else { return Ok(None) };
            let (reply, _) = ask(&connection, pod, request, descriptors)?;
            return Ok(Some((connection, reply)));
        }
        self.repair_pod(pod)?;
        private(&self.home.pod_run(pod))?;
        let connection = match &self.nursery {
            Some(nursery) => nursery.spawn(pod)?,
            None => shim::spawn(&self.home, pod, &self.program)?,
        };
        match ask(&connection, pod, request, descriptors) {
            Ok((reply, _)) => Ok(Some((connection, reply))),
            Err(error) => {
                drop(lock);
                // A shim that could start nothing ends; what it leaves then is nobody's.
                drop(connection);
                Err(error)
            }
        }
    }

    /// Waits until the pod's shim has ended; one that does not in time is killed, and what it leaves
    /// is repaired by the caller.
    pub(crate) fn wait_for_shim_end(&self, pod: &str, limit: Duration) -> Result<()> {
        let path = self.home.pod_run(pod).join("shim.lock");
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            Err(errno) => return Err(Error::sys("open", &path)(errno)),
        };
        // The shim's pid, to see its end without asking again and again.
        let pidfd = self.shim(pod)?.and_then(|connection| connection.end_of_shim());
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => return Ok(()),
            Err(Errno::WOULDBLOCK | Errno::INTR) => {}
            Err(errno) => return Err(Error::sys("lock", &path)(errno)),
        }
        let Some(pidfd) = pidfd else {
            // It listens no more, so it is about to end: its lock tells when.
            return lock_shared(&file).map_err(Error::sys("lock", &path));
        };
        let ended = crate::poll::readable_within(pidfd.as_fd(), limit);
        if !ended {
            let _ = rustix::process::pidfd_send_signal(&pidfd, rustix::process::Signal::KILL);
        }
        lock_shared(&file).map_err(Error::sys("lock", &path))
    }

    /// After a connection has hung up: until the shim's locks are free, so that its state can be
    /// told. A shim that only closed the connection is not waited for long.
    pub(crate) fn settle(&self, end: Option<&OwnedFd>) {
        if let Some(end) = end {
            let _ = crate::poll::readable_within(end.as_fd(), SHIM_END);
        }
    }

    /// Says whether the pod's shim ends in time; it is left alone if not.
    pub(crate) fn shim_ends_within(&self, pod: &str, limit: Duration) -> Result<bool> {
        if !self.shim_lives(pod)? {
            return Ok(true);
        }
        let pidfd = self.shim(pod)?.and_then(|connection| connection.end_of_shim());
        // One that listens no more is at its end.
        Ok(pidfd.is_none_or(|pidfd| crate::poll::readable_within(pidfd.as_fd(), limit)))
    }

    /// Waits for the pod's lock and repairs what a dead shim left.
    pub(crate) fn lock_repaired(&self, pod: &str) -> Result<DirLock> {
        let lock = self.lock_pod(pod)?;
        self.repair_pod(pod)?;
        Ok(lock)
    }
}

fn lock_shared(file: &OwnedFd) -> Result<(), Errno> {
    loop {
        match rustix::fs::flock(file, FlockOperation::LockShared) {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}
