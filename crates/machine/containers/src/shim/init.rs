//! The init of `--init`: first process of a container, parent of its program.
//!
//! It hands every signal on, reaps what its children orphan, and ends as the program ends. In the
//! container it is `/sbin/docker-init`, a read-only bind of this binary.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus};
use std::ffi::OsString;
use std::io::{ErrorKind, IsTerminal as _};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use teu_sys::signal::{SignalFd, SignalSet, send, set_mask};

/// Begins the command of a check that is ours: what follows is `http HOST PORT PATH [HEADER...]` or
/// `tcp HOST PORT`.
pub const PROBE: [&str; 2] = ["/sbin/docker-init", "--probe"];

/// Between init and program: gives the signals back, then becomes the program.
const BECOME: &str = "--become";

/// Runs a program as an init does; `arguments` are those after the program's own name, a first
/// `--` being left out. Returns the exit code.
pub fn init(arguments: impl Iterator<Item = OsString>) -> i32 {
    let mut words = arguments.peekable();
    if words.next_if(|word| word == PROBE[1]).is_some() {
        return super::inquiry::inquire(words);
    }
    match words.next_if(|word| word == "--" || word == BECOME) {
        Some(word) if word == BECOME => become_program(words),
        _ if words.peek().is_none() => fail("docker-init: no program is named", 127),
        _ => watch_over(words),
    }
}

fn watch_over(words: impl Iterator<Item = OsString>) -> i32 {
    // Blocked before the child exists, so that no signal is lost between. The child inherits that:
    // it is this program once more, which undoes it and becomes the other.
    let Ok(signals) = set_mask(SignalSet::ALL).and_then(|_| SignalFd::new(SignalSet::ALL)) else {
        return fail("docker-init: signals cannot be watched", 125);
    };
    let mut child = Command::new("/proc/self/exe");
    // A group of its own, so that the terminal's signals reach it once.
    child.arg0("docker-init").arg(BECOME).args(words).process_group(0);
    match child.spawn().map(|child| Pid::from_raw(child.id().cast_signed())) {
        Ok(Some(child)) => watch(&signals, child),
        Ok(None) => 125,
        Err(error) => fail(&format!("docker-init: cannot fork: {error}"), 125),
    }
}

fn become_program(mut words: impl Iterator<Item = OsString>) -> i32 {
    let Some(program) = words.next() else { return 127 };
    if std::io::stdin().is_terminal() {
        // Still blocked: a process that takes the terminal would be stopped for it.
        let _ = rustix::termios::tcsetpgrp(std::io::stdin(), rustix::process::getpid());
    }
    let _ = teu_sys::signal::restore_defaults();
    let error = Command::new(&program).args(words).exec();
    let code = if error.kind() == ErrorKind::NotFound { 127 } else { 126 };
    fail(&format!("exec: {:?}: {error}", program.display()), code)
}

fn watch(signals: &SignalFd, child: Pid) -> i32 {
    let process = rustix::process::pidfd_open(child, PidfdFlags::empty());
    loop {
        let mut wanted = [PollFd::new(signals, PollFlags::IN)];
        let _ = poll(&mut wanted, None);
        while let Ok(Some(received)) = signals.read() {
            if received.signal == Signal::CHILD.as_raw() {
                if let Some(code) = reap(child) {
                    return code;
                }
            } else if let Ok(process) = &process {
                let _ = send(process.as_fd(), received.signal);
            }
        }
    }
}

/// Reaps all that have ended; the exit code of the child if it is among them.
fn reap(child: Pid) -> Option<i32> {
    let mut ended = None;
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        if pid == child {
            ended = Some(code(status));
        }
    }
    ended
}

fn code(status: WaitStatus) -> i32 {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 255,
    }
}

/// The container's own error stream is the only place where this can be said.
fn fail(message: &str, code: i32) -> i32 {
    let _ = rustix::io::write(std::io::stderr(), format!("{message}\n").as_bytes());
    code
}
