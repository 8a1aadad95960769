//! Waiting for a process in the foreground: signals are passed on, its exit becomes ours.

use super::{Doing, Outcome};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Signal, WaitId, WaitIdOptions};
use teu_sys::signal::{SignalFd, SignalSet, set_mask};

/// Signals that are passed on.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks all but those that mean ourselves, and reads them from a descriptor instead.
    pub fn take() -> Outcome<Self> {
        let ours = [
            Signal::SEGV,
            Signal::BUS,
            Signal::ILL,
            Signal::FPE,
            Signal::ABORT,
            Signal::TRAP,
            Signal::SYS,
        ];
        let passed = SignalSet::all_but(&ours);
        set_mask(passed).doing("signals")?;
        Ok(Self(SignalFd::new(passed).doing("signals")?))
    }

    /// Passes on what is pending. Returns whether the terminal's size has changed.
    pub fn pass_on(&self, to: BorrowedFd<'_>) -> Outcome<bool> {
        let mut resized = false;
        while let Some(received) = self.0.read().doing("signals")? {
            match Signal::from_named_raw(received.signal) {
                Some(Signal::CHILD | Signal::URG) => {}
                Some(Signal::WINCH) => resized = true,
                Some(signal) => {
                    // It may have ended in the meantime.
                    let _ = rustix::process::pidfd_send_signal(to, signal);
                }
                None => {}
            }
        }
        Ok(resized)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Waits for the end of a child, passing signals on. Its exit code, or 128 and the signal.
pub fn until_end(child: &OwnedFd, signals: &Signals) -> Outcome {
    loop {
        let mut waited = [PollFd::new(child, PollFlags::IN), PollFd::new(signals, PollFlags::IN)];
        match poll(&mut waited, None) {
            Err(Errno::INTR) => continue,
            result => result.doing("waiting for the process")?,
        };
        if !waited[1].revents().is_empty() {
            signals.pass_on(child.as_fd())?;
        }
        if !waited[0].revents().is_empty() {
            return exit_code(child);
        }
    }
}

/// Reaps a child that has ended.
pub fn exit_code(child: &OwnedFd) -> Outcome {
    let status = rustix::process::waitid(WaitId::PidFd(child.as_fd()), WaitIdOptions::EXITED)
        .doing("waiting for the process")?;
    let Some(status) = status else { return Ok(255) };
    let code = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (_, Some(signal)) => 128 + signal,
        _ => 255,
    };
    Ok(u8::try_from(code).unwrap_or(255))
}
