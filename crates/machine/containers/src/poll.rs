//! Waiting for descriptors.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Says by hanging up that nobody wants an answer any more: the other end of a pipe or socket. For
/// callers with threads, which could not be told otherwise.
#[derive(Debug, Clone, Default)]
pub struct Hangup(Option<Arc<OwnedFd>>);

impl Hangup {
    /// When the other end of this one closes.
    pub fn of(end: OwnedFd) -> Self {
        Self(Some(Arc::new(end)))
    }

    /// For a poll: only its hanging up is waited for.
    pub(crate) fn poll(&self) -> Option<PollFd<'_>> {
        let end = self.0.as_ref()?;
        Some(PollFd::from_borrowed_fd(end.as_fd(), PollFlags::empty()))
    }

    /// Says whether it has hung up.
    pub fn has_happened(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        self.poll().is_some_and(|end| poll(&mut [end], Some(&now)).is_ok_and(|count| count > 0))
    }

    /// Waits for it so long; says whether it has hung up.
    pub fn happens_within(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).ok();
            let mut wanted: Vec<PollFd<'_>> = self.poll().into_iter().collect();
            match poll(&mut wanted, timeout.as_ref()) {
                Ok(count) => return count > 0,
                Err(_) if left.is_zero() => return false,
                Err(_) => {}
            }
        }
    }

    /// Waits until one of the descriptors can be read or has ended; false when this hung up.
    pub fn wait_beside(&self, fds: &[BorrowedFd<'_>]) -> Result<bool, Errno> {
        let mut wanted: Vec<PollFd<'_>> =
            fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        wanted.extend(self.poll());
        loop {
            match poll(&mut wanted, None) {
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
                Ok(_) => {
                    let mine = wanted.get(fds.len());
                    return Ok(mine.is_none_or(|end| end.revents().is_empty()));
                }
            }
        }
    }
}

/// Says whether the descriptor became readable (or ended) in time.
pub(crate) fn readable_within(fd: BorrowedFd<'_>, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).ok();
        let mut wanted = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
        match poll(&mut wanted, timeout.as_ref()) {
            Ok(0) => return false,
            Err(Errno::INTR) => {}
            _ => return true,
        }
    }
}
