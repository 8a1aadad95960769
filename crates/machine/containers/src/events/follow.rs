//! Reading the journal: first what is there, then what comes.

use super::{Event, EventOptions};
use crate::{Error, Hangup, Result, time};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

const KEYS: [&str; 9] =
    ["container", "event", "image", "label", "type", "volume", "network", "pod", "scope"];
/// Longest line that is believed.
const LINE_LIMIT_BYTES: u64 = 64 << 10;

/// Events, oldest first.
#[derive(Debug)]
pub struct Events {
    dir: PathBuf,
    options: EventOptions,
    watch: OwnedFd,
    journal: Option<BufReader<File>>,
    partial: Vec<u8>,
    pending: VecDeque<Event>,
    since_ns: i64,
    hangup: Hangup,
}

impl Events {
    pub(super) fn open(dir: &Path, options: &EventOptions) -> Result<Self> {
        if let Some((key, _)) =
            options.filters.iter().find(|(key, _)| !KEYS.contains(&key.as_str()))
        {
            return Err(Error::InvalidFilter(key.clone()));
        }
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .map_err(Error::sys("watch", dir))?;
        let flags = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
        inotify::add_watch(&watch, dir, flags).map_err(Error::sys("watch", dir))?;
        let now = time::now_ns();
        // With only an end in the past, Docker shows what was before it.
        let past = options.until_ns.is_some_and(|until| until <= now);
        let since_ns = options.since_ns.unwrap_or(if past { 0 } else { now });
        let mut events = Self {
            dir: dir.to_owned(),
            options: options.clone(),
            watch,
            journal: None,
            partial: Vec::new(),
            pending: VecDeque::new(),
            since_ns,
            hangup: Hangup::default(),
        };
        if options.since_ns.is_none() && !past {
            // What was before is nobody's: a line is one write, so the end is the end of a line.
            events.journal = events.open_file("journal")?;
            if let Some(journal) = &mut events.journal {
                journal.seek(SeekFrom::End(0)).map_err(Error::io("read", dir))?;
            }
            return Ok(events);
        }
        events.journal = events.open_file("journal.1")?;
        events.read_journal()?;
        events.journal = events.open_file("journal")?;
        events.partial.clear();
        events.read_journal()?;
        Ok(events)
    }

    /// Ends when this hangs up.
    #[must_use]
    pub fn until(mut self, hangup: Hangup) -> Self {
        self.hangup = hangup;
        self
    }

    /// What has happened and was not taken yet; never waits.
    pub(crate) fn taken(&mut self) -> Result<Option<Event>> {
        if self.pending.is_empty() {
            self.read_new()?;
        }
        Ok(self.pending.pop_front())
    }

    /// For callers with a loop of their own: readable when `next` may have something.
    pub fn descriptor(&self) -> std::os::fd::BorrowedFd<'_> {
        self.watch.as_fd()
    }

    fn open_file(&self, name: &str) -> Result<Option<BufReader<File>>> {
        let path = self.dir.join(name);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(BufReader::new(File::from(fd)))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::sys("open", &path)(errno)),
        }
    }

    fn read_journal(&mut self) -> Result<()> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        loop {
            let count = journal
                .by_ref()
                .take(LINE_LIMIT_BYTES)
                .read_until(b'\n', &mut self.partial)
                .map_err(Error::io("read", &self.dir))?;
            if count == 0 {
                return Ok(());
            }
            if !self.partial.ends_with(b"\n") {
                continue;
            }
            // A line torn by a full disk is skipped.
            if let Ok(event) = serde_json::from_slice::<Event>(&self.partial)
                && event.time_ns >= self.since_ns
                && fits(&event, &self.options.filters)
            {
                self.pending.push_back(event);
            }
            self.partial.clear();
        }
    }

    /// What has happened already, without waiting; `None` when there is nothing new.
    pub fn try_next(&mut self) -> Result<Option<Event>> {
        if self.pending.is_empty() {
            self.wait(true)?;
        }
        Ok(self.pending.pop_front())
    }

    /// Waits until something happens in the directory (or only looks); false when `until` comes
    /// first.
    fn wait(&mut self, only_look: bool) -> Result<bool> {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let timeout = match self.options.until_ns {
            _ if only_look => Some(now),
            None => None,
            Some(until) => {
                let left = until - time::now_ns();
                if left <= 0 {
                    return Ok(false);
                }
                let (tv_sec, tv_nsec) = (left / 1_000_000_000, left % 1_000_000_000);
                Some(Timespec { tv_sec, tv_nsec: tv_nsec as _ })
            }
        };
        let mut wanted = vec![PollFd::new(&self.watch, PollFlags::IN)];
        wanted.extend(self.hangup.poll());
        match poll(&mut wanted, timeout.as_ref()) {
            Ok(0) => return Ok(false),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::sys("watch", &self.dir)(errno)),
        }
        if wanted.get(1).is_some_and(|end| !end.revents().is_empty()) {
            return Ok(false);
        }
        self.read_new()?;
        Ok(true)
    }

    /// Empties the watch and reads what came.
    fn read_new(&mut self) -> Result<()> {
        let mut space = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.watch, &mut space);
        let mut rotated = false;
        while let Ok(event) = reader.next() {
            let is_journal = event.file_name().is_some_and(|name| name.to_bytes() == b"journal");
            let made = event.events().contains(inotify::ReadFlags::CREATE);
            rotated |= is_journal && made;
        }
        // The old file to its end first: it may have got lines before it was renamed.
        self.read_journal()?;
        if rotated || self.journal.is_none() {
            self.journal = self.open_file("journal")?;
            self.partial.clear();
            self.read_journal()?;
        }
        Ok(())
    }
}

impl Iterator for Events {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                let over = self.options.until_ns.is_some_and(|until| event.time_ns > until);
                return (!over).then_some(Ok(event));
            }
            match self.wait(false) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Filters of one key are alternatives, labels must all fit.
fn fits(event: &Event, filters: &[(String, String)]) -> bool {
    let attribute = |key: &str| event.attributes.get(key).map(String::as_str);
    let is = |kind: &str, value: &str| {
        event.kind == kind && (event.id.starts_with(value) || attribute("name") == Some(value))
    };
    let one = |key: &str, value: &str| match key {
        "type" => event.kind == value,
        "event" => event.action == value || event.action.split(':').next() == Some(value),
        "container" | "volume" | "network" => is(key, value),
        "pod" => is(key, value) || attribute("pod").is_some_and(|pod| pod.starts_with(value)),
        "image" => is("image", value) || attribute("image") == Some(value),
        "label" => match value.split_once('=') {
            Some((name, wanted)) => attribute(name) == Some(wanted),
            None => attribute(value).is_some(),
        },
        _ => true,
    };
    KEYS.iter().all(|key| {
        let mut of_key = filters.iter().filter(|(other, _)| other == key).peekable();
        of_key.peek().is_none()
            || match *key {
                "label" => of_key.all(|(key, value)| one(key, value)),
                _ => of_key.any(|(key, value)| one(key, value)),
            }
    })
}

#[cfg(test)]
mod tests;
