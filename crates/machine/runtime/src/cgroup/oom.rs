//! Noticing that the kernel killed for lack of memory.
//!
//! v1 tells an eventfd registered in `cgroup.event_control`; v2 changes `memory.events`, which
//! inotify sees. Both may wake without a kill, so the counter decides.

use super::{Cgroup, Error, files};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::inotify;
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// A descriptor for `poll`, and the counter behind it.
#[derive(Debug)]
pub struct OomWatch {
    events: OwnedFd,
    counter: PathBuf,
    /// v1 reports on this descriptor as long as it is open.
    _control: Option<File>,
}

impl OomWatch {
    pub(super) fn open(group: &Cgroup) -> Result<Self, Error> {
        let counter = counter(group)?;
        let fail = |source: std::io::Error| Error::Watch { path: counter.clone(), source };
        if group.v1("memory").is_none() {
            let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
            let events = inotify::init(flags).map_err(|errno| fail(errno.into()))?;
            inotify::add_watch(&events, &counter, inotify::WatchFlags::MODIFY)
                .map_err(|errno| fail(errno.into()))?;
            return Ok(Self { events, counter, _control: None });
        }
        let events = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|errno| fail(errno.into()))?;
        let control = File::open(&counter).map_err(fail)?;
        let line = format!("{} {}", events.as_raw_fd(), control.as_raw_fd());
        let path = counter.with_file_name("cgroup.event_control");
        files::write(&path, &line).map_err(|source| Error::Watch { path, source })?;
        Ok(Self { events, counter, _control: Some(control) })
    }

    /// After the descriptor was readable: takes the event and says how many kills there were ever.
    pub fn drain(&self) -> Result<u64, Error> {
        let mut buffer = [0; 1024];
        while let Ok(_) | Err(Errno::INTR) = rustix::io::read(&self.events, &mut buffer) {}
        kills_in(&self.counter)
    }
}

impl AsFd for OomWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

/// How many processes of the group were killed for lack of memory.
pub fn kills(group: &Cgroup) -> Result<u64, Error> {
    kills_in(&counter(group)?)
}

fn kills_in(path: &std::path::Path) -> Result<u64, Error> {
    let text = files::read_if_exists(path)?.unwrap_or_default();
    Ok(files::keyed(&text, "oom_kill").unwrap_or_default())
}

fn counter(group: &Cgroup) -> Result<PathBuf, Error> {
    let v1 = group.v1("memory").map(|directory| directory.join("memory.oom_control"));
    v1.or_else(|| group.unified().map(|directory| directory.join("memory.events")))
        .ok_or(Error::NoController { controller: "memory", field: "memory" })
}
