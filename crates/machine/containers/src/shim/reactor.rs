//! What the shim sleeps in: one epoll and a list of deadlines. With no deadline it sleeps for ever.
//!
//! Every descriptor is registered under a [`Source`]; numbers in it are never used twice, so an
//! event of something that has gone since finds nobody, and is nobody's.

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// Most events taken at a time.
const BATCH: usize = 16;

/// Both directions, and the other side's end.
const EDGES: EventFlags =
    EventFlags::IN.union(EventFlags::OUT).union(EventFlags::RDHUP).union(EventFlags::ET);

/// Who a descriptor belongs to. Numbers are keys of containers, clients, sinks and execs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// `shim.sock`.
    Listener,
    /// SIGTERM and the like.
    Signals,
    /// The name server.
    Names,
    /// A connection.
    Client(u32),
    /// Output of a container, or its terminal.
    Stdout(u32),
    /// Errors of a container.
    Stderr(u32),
    /// Input of a container, writable.
    Stdin(u32),
    /// First process of a container.
    Exit(u32),
    /// Memory of a container.
    Oom(u32),
    /// A client's input for a container.
    Input(u32),
    /// A client's output.
    Sink(u32),
    /// A further process.
    Exec(u32),
    /// Output of a probe.
    ProbeOutput(u32),
    /// A port that the shim itself listens on.
    Published(u32),
    /// A connection to such a port, either end.
    Flow(u32),
    /// What stands for a sender of datagrams.
    Session(u32),
}

/// What is due at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    /// SIGKILL of a container that is being stopped.
    Kill(u32),
    /// Next run of a container.
    Restart(u32),
    /// Next probe of a container.
    Probe(u32),
    /// A probe has taken too long.
    ProbeTimeout(u32),
    /// A client has not read for too long.
    Stalled(u32),
    /// Memory that bursts needed is given back.
    Trim,
    /// Connections are accepted again.
    Listen,
    /// A network has been idle for long enough.
    Networks,
    /// Senders of datagrams are looked through.
    Sessions,
    /// Nobody has asked for anything.
    Idle,
}

#[derive(Debug)]
pub(super) struct Reactor {
    epoll: OwnedFd,
    timers: Vec<(Instant, Timer)>,
    /// See [`Reactor::sleep_lean`].
    lean: bool,
}

/// Something happened.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wake {
    Ready { source: Source, hung_up: bool },
    Due(Timer),
}

impl Reactor {
    pub(super) fn new() -> Result<Self, Errno> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)?, timers: Vec::new(), lean: false })
    }

    /// Watches for reading. Regular files cannot be watched: `EPERM`.
    pub(super) fn watch(&self, fd: BorrowedFd<'_>, source: Source) -> Result<(), Errno> {
        epoll::add(&self.epoll, fd, source.data(), EventFlags::IN)
    }

    /// Watches for room to write.
    pub(super) fn watch_writable(&self, fd: BorrowedFd<'_>, source: Source) -> Result<(), Errno> {
        epoll::add(&self.epoll, fd, source.data(), EventFlags::OUT)
    }

    /// Watches for the events of a cgroup v2 file or an eventfd.
    pub(super) fn watch_priority(&self, fd: BorrowedFd<'_>, source: Source) -> Result<(), Errno> {
        epoll::add(&self.epoll, fd, source.data(), EventFlags::IN | EventFlags::PRI)
    }

    /// Watches for news of either kind: what is there already is told once, and then what comes.
    pub(super) fn watch_edges(&self, fd: BorrowedFd<'_>, source: Source) -> Result<(), Errno> {
        epoll::add(&self.epoll, fd, source.data(), EDGES)
    }

    /// What is there is told once more.
    pub(super) fn rearm_edges(&self, fd: BorrowedFd<'_>, source: Source) -> Result<(), Errno> {
        epoll::modify(&self.epoll, fd, source.data(), EDGES)
    }

    /// Watches no more; what was not watched is no error.
    pub(super) fn forget(&self, fd: BorrowedFd<'_>) {
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// Sets a timer, in place of one like it.
    pub(super) fn set(&mut self, timer: Timer, after: Duration) {
        self.cancel(timer);
        // A pause too long for the clock is one that never ends.
        if let Some(due) = Instant::now().checked_add(after) {
            self.timers.push((due, timer));
        }
    }

    pub(super) fn cancel(&mut self, timer: Timer) {
        self.timers.retain(|&(_, other)| other != timer);
    }

    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.timers.iter().any(|&(_, other)| other == timer)
    }

    /// Gives the program's pages back as the last thing before the next sleep: what runs between
    /// would map them again, sixteen at a time.
    pub(super) fn sleep_lean(&mut self) {
        self.lean = true;
    }

    /// Sleeps until something happens.
    pub(super) fn wait(&mut self, wakes: &mut Vec<Wake>) -> Result<(), Errno> {
        wakes.clear();
        let now = Instant::now();
        let next = self.timers.iter().map(|&(due, _)| due.saturating_duration_since(now)).min();
        let timeout = next.and_then(|pause| rustix::event::Timespec::try_from(pause).ok());
        let mut events: [Event; BATCH] =
            [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; BATCH];
        if std::mem::take(&mut self.lean) {
            // Without /proc they stay, which only costs.
            let _ = teu_sys::heap::forget_program();
        }
        let count = match epoll::wait(&self.epoll, &mut events[..], timeout.as_ref()) {
            Ok(count) => count,
            Err(Errno::INTR) => 0,
            Err(errno) => return Err(errno),
        };
        for event in &events[..count] {
            let data = event.data.u64();
            let flags = event.flags;
            if let Some(source) = Source::from_data(data) {
                let hung_up = flags.intersects(EventFlags::HUP | EventFlags::ERR);
                wakes.push(Wake::Ready { source, hung_up });
            }
        }
        if !self.timers.is_empty() {
            let now = Instant::now();
            let due = |&(due, _): &(Instant, Timer)| due <= now;
            wakes.extend(self.timers.iter().filter(|t| due(t)).map(|&(_, timer)| Wake::Due(timer)));
            self.timers.retain(|timer| !due(timer));
        }
        Ok(())
    }
}

impl Source {
    fn data(self) -> EventData {
        let (kind, key) = match self {
            Self::Listener => (0u64, 0),
            Self::Signals => (1, 0),
            Self::Names => (2, 0),
            Self::Client(key) => (3, key),
            Self::Stdout(key) => (4, key),
            Self::Stderr(key) => (5, key),
            Self::Stdin(key) => (6, key),
            Self::Exit(key) => (7, key),
            Self::Oom(key) => (8, key),
            Self::Input(key) => (9, key),
            Self::Sink(key) => (10, key),
            Self::Exec(key) => (11, key),
            Self::ProbeOutput(key) => (12, key),
            Self::Published(key) => (13, key),
            Self::Flow(key) => (14, key),
            Self::Session(key) => (15, key),
        };
        EventData::new_u64(kind << 32 | u64::from(key))
    }

    fn from_data(data: u64) -> Option<Self> {
        let key = u32::try_from(data & u64::from(u32::MAX)).ok()?;
        Some(match data >> 32 {
            0 => Self::Listener,
            1 => Self::Signals,
            2 => Self::Names,
            3 => Self::Client(key),
            4 => Self::Stdout(key),
            5 => Self::Stderr(key),
            6 => Self::Stdin(key),
            7 => Self::Exit(key),
            8 => Self::Oom(key),
            9 => Self::Input(key),
            10 => Self::Sink(key),
            11 => Self::Exec(key),
            12 => Self::ProbeOutput(key),
            13 => Self::Published(key),
            14 => Self::Flow(key),
            15 => Self::Session(key),
            _ => return None,
        })
    }
}
