//! `teu shim nursery DATA RUN PROGRAM`: a process that does nothing but become shims.
//!
//! A program that is executed has a page of its own for everything that its loader relocates, 600 KiB
//! of ours, and takes a millisecond to be loaded. A server that starts many shims keeps one nursery,
//! in which both has happened once: a shim is a copy of it and shares what it never writes. The
//! nursery holds nothing but its end of a socket, over which it is told a pod and given the new
//! shim's first connection; it ends with whoever keeps it, and the shims do not.
//!
//! Commands start their shims themselves ([`super::spawn`]): they start one.

use super::client::{execute, remember};
use super::{Connection, Error, channel, main};
use crate::Home;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, socketpair};
use rustix::process::{Signal, WaitOptions};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use teu_sys::process::{CloneFlags, Forked};
use teu_sys::signal::{SignalFd, SignalSet};

/// The word that asks for one.
pub(super) const WORD: &str = "nursery";

/// A shim is wanted; its first connection comes beside this.
#[derive(Debug, Serialize, Deserialize)]
struct Wanted {
    pod: String,
}

/// A nursery as whoever keeps it sees it: started when it is first needed, and again when it has
/// been killed.
#[derive(Debug)]
pub struct Nursery {
    home: Home,
    program: PathBuf,
    socket: Mutex<Option<OwnedFd>>,
}

impl Nursery {
    /// None runs yet. `program` is what [`super::spawn`] takes.
    pub fn new(home: &Home, program: &Path) -> Self {
        Self { home: home.clone(), program: program.to_owned(), socket: Mutex::new(None) }
    }

    /// Does what [`super::spawn`] does.
    pub fn spawn(&self, pod: &str) -> Result<Connection, Error> {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let (ours, theirs) = pair()?;
        let wanted = Wanted { pod: pod.to_owned() };
        let ask = |nursery: &OwnedFd| {
            channel::send(nursery.as_fd(), &wanted, &[theirs.as_fd()], SendFlags::empty())
        };
        if socket.as_ref().is_some_and(|nursery| ask(nursery).is_ok()) {
            return Ok(Connection::of(ours));
        }
        let (nursery, end) = pair()?;
        remember(execute(&self.home, &[WORD.as_ref()], &[], &self.program, end)?);
        ask(&nursery)?;
        *socket = Some(nursery);
        Ok(Connection::of(ours))
    }
}

fn pair() -> Result<(OwnedFd, OwnedFd), Error> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(Error::Socket)
}

/// The nursery itself; `socket` leads to whoever keeps it. Returns the exit code, a shim's too.
pub(super) fn run(home: &Home, program: &Path, socket: OwnedFd) -> i32 {
    let _ = rustix::thread::set_name(c"teu-nursery");
    let children = SignalSet::of(&[Signal::CHILD]);
    let watch = teu_sys::signal::set_mask(children).and_then(|_| SignalFd::new(children));
    let Ok(watch) = watch else { return main::EXIT_USAGE };
    loop {
        let mut watched = [
            PollFd::new(&socket, PollFlags::IN),
            PollFd::from_borrowed_fd(watch.as_fd(), PollFlags::IN),
        ];
        match poll(&mut watched, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return main::EXIT_USAGE,
        }
        if !watched[1].revents().is_empty() {
            while watch.read().is_ok_and(|signal| signal.is_some()) {}
            while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
        }
        if watched[0].revents().is_empty() {
            continue;
        }
        let Ok(Some((wanted, mut descriptors))) =
            channel::receive::<Wanted>(socket.as_fd(), RecvFlags::empty())
        else {
            return 0;
        };
        let Some(first) = descriptors.pop() else { continue };
        // A copy that could not be made is seen by its connection's end.
        if let Ok(Forked::Child) = teu_sys::process::clone3(CloneFlags::NONE, None) {
            drop((socket, watch, descriptors));
            main::enter();
            teu_sys::process::exit_now(main::live(home, &wanted.pod, program, first));
        }
    }
}
