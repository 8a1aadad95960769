//! Networks that nobody is on, kept for a moment: the next container finds its bridge standing.
//!
//! ```text
//! <run>/networks/
//!   .minders        shared by all who have left a network and are not done; see `disconnect`
//!   .keeper         held by the one who waits
//!   .marks/<id>     there is work on this network; when it is to go, once nobody is on it
//! ```
//! One process at a time is the keeper. Whoever makes a network idle writes its mark and then tries
//! to become the keeper; a keeper without work stops being it and looks at the marks once more. So
//! one of the two sees the mark.
//!
//! Times are the machine's since its start (`CLOCK_BOOTTIME`): setting the clock changes nothing.

use crate::error::Result;
use crate::files::{self, Lock, failed};
use crate::kernel::Kernel;
use crate::networks::Networks;
use crate::place::Active;
use crate::site::Need;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the deletion of the networks' few files may take once it has begun.
const DELETION: Duration = Duration::from_secs(1);

/// Whoever waits until networks that nobody is on have been idle for long enough.
#[derive(Debug)]
pub struct Keeper {
    networks: Networks,
    lock: Option<Lock>,
    /// Says when the lock's file is deleted, with the instance's folder.
    watch: OwnedFd,
    /// What is kept, so that it can be taken down without its files.
    kept: BTreeMap<String, Active>,
    minder: Option<Lock>,
}

impl Keeper {
    /// Becomes the keeper, if there is something to keep and nobody keeps it.
    pub(crate) fn attempt(
        networks: Networks,
        kept: &BTreeMap<String, Active>,
    ) -> Result<Option<Self>> {
        if networks.idle()?.is_empty() {
            return Ok(None);
        }
        let Some(lock) = files::try_lock(&networks.keeper())? else { return Ok(None) };
        let watch = watch(&networks.keeper())?;
        // Marks of others, too: what they remember of their networks ends with them.
        let marks = networks.run().join(".marks");
        inotify::add_watch(&watch, &marks, WatchFlags::CLOSE_WRITE)
            .map_err(|errno| failed("watch", &marks)(errno.into()))?;
        let (lock, kept) = (Some(lock), kept.clone());
        Ok(Some(Self { networks, lock, watch, kept, minder: None }))
    }

    /// While that lives, what is marked is not a dead process's.
    pub(crate) fn minded_by(self, minder: Lock) -> Self {
        Self { minder: Some(minder), ..self }
    }

    /// Takes down what has been idle for long enough, and says how long it is until the next is;
    /// `None` when nothing is kept any more, or by somebody else.
    pub fn tend(&mut self) -> Result<Option<Duration>> {
        let mut space = [MaybeUninit::<u8>::uninit(); 4096];
        while rustix::io::read(&self.watch, &mut space).is_ok_and(|(read, _)| !read.is_empty()) {}
        if self.is_deleted() {
            return self.end().map(|()| None);
        }
        let tended = self.tend_marked();
        let is_over = !matches!(tended, Ok(Some(_)));
        if is_over && self.networks.is_being_deleted(&self.kept, &self.networks.keeper()) {
            return self.take_down_kept().map(|()| None);
        }
        tended
    }

    fn tend_marked(&mut self) -> Result<Option<Duration>> {
        loop {
            if self.lock.is_none() {
                self.lock = files::try_lock(&self.networks.keeper())?;
            }
            if self.lock.is_none() {
                return Ok(None);
            }
            if let Some(pause) = self.tend_once()? {
                return Ok(Some(pause));
            }
            self.lock = None;
            if self.networks.idle()?.is_empty() {
                return Ok(None);
            }
        }
    }

    /// Takes down at once what nobody is on.
    pub fn end(&mut self) -> Result<()> {
        if self.is_deleted() {
            return self.take_down_kept();
        }
        self.networks.idle()?.keys().try_for_each(|id| self.networks.take_down_idle(id))
    }

    fn tend_once(&mut self) -> Result<Option<Duration>> {
        let now = now();
        let mut next: Option<Duration> = None;
        for (id, due) in self.networks.idle()? {
            // One that is due later than can be was written before the machine was started anew.
            let pause = due.saturating_sub(now);
            if pause.is_zero() || pause > self.networks.config.linger {
                self.networks.take_down_idle(&id)?;
                self.kept.remove(&id);
                continue;
            }
            if let Some(active) = self.networks.place(&id).active()? {
                self.kept.insert(id, active);
            }
            next = Some(next.map_or(pause, |next| next.min(pause)));
        }
        Ok(next)
    }

    /// Whether somebody has deleted the whole instance.
    fn is_deleted(&self) -> bool {
        [&self.lock, &self.minder].into_iter().flatten().any(Lock::is_deleted)
    }

    /// Takes down what is kept by what is remembered of it.
    fn take_down_kept(&mut self) -> Result<()> {
        self.networks.take_down_all(std::mem::take(&mut self.kept))
    }
}

impl AsFd for Keeper {
    /// Readable once the instance's folder has been deleted, or another network is to be kept:
    /// [`Keeper::tend`] is then due.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }
}

/// Watches for a file's end. Its folder's would not be seen: open files in it keep it in being.
fn watch(file: &Path) -> Result<OwnedFd> {
    let make = || {
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        inotify::add_watch(&watch, file, WatchFlags::ATTRIB)?;
        Ok::<_, rustix::io::Errno>(watch)
    };
    make().map_err(|errno| failed("watch", file)(errno.into()))
}

/// Waits until a file is gone; false when it stays.
fn goes_within(file: &Path, limit: Duration) -> bool {
    let end = now() + limit;
    while file.exists() {
        let Ok(watch) = watch(file) else { continue };
        let left = end.saturating_sub(now());
        let Ok(timeout) = Timespec::try_from(left) else { return false };
        // Once more after the watch has begun: what happened before it says nothing.
        if file.exists() && poll(&mut [PollFd::new(&watch, PollFlags::IN)], Some(&timeout)) == Ok(0)
        {
            return false;
        }
    }
    true
}

/// Since the machine was started.
fn now() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

impl Networks {
    /// Takes down networks whose files are gone.
    pub(crate) fn take_down_all(&self, all: BTreeMap<String, Active>) -> Result<()> {
        all.into_iter().try_for_each(|(id, active)| {
            self.on_site(Need::Undo, |_| {
                let mut kernel = Kernel::open(&active.network.name)?;
                self.take_down(&mut kernel, &self.place(&id), &active)
            })
        })
    }

    /// Whether somebody is deleting the whole instance, whose files go one by one: some of those of
    /// networks are missing, and `file`, which is always there, goes too.
    pub(crate) fn is_being_deleted(&self, kept: &BTreeMap<String, Active>, file: &Path) -> bool {
        let is_gone = |id: &String| !matches!(self.place(id).active(), Ok(Some(_)));
        let has_begun = kept.keys().any(is_gone) || !self.run().join(".marks").exists();
        !kept.is_empty() && has_begun && goes_within(file, DELETION)
    }

    pub(crate) fn minders(&self) -> PathBuf {
        self.run().join(".minders")
    }

    fn keeper(&self) -> PathBuf {
        self.run().join(".keeper")
    }

    fn mark_path(&self, id: &str) -> PathBuf {
        self.run().join(".marks").join(id)
    }

    /// Networks with work that is still to be done.
    pub(crate) fn marks(&self) -> Result<Vec<String>> {
        files::names_in(&self.run().join(".marks"))
    }

    /// Notes that there is work on a network. The caller holds its lock, here and below.
    pub(crate) fn mark(&self, id: &str) -> Result<()> {
        let path = self.mark_path(id);
        let open = || fs::OpenOptions::new().append(true).create(true).open(&path);
        let made = match open() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                files::directory(&self.run().join(".marks"))?;
                open()
            }
            made => made,
        };
        made.map(drop).map_err(failed("write", &path))
    }

    /// Notes that nobody is on it, and when it is to go.
    pub(crate) fn mark_idle(&self, id: &str) -> Result<()> {
        let due = now() + self.config.linger;
        let path = self.mark_path(id);
        fs::write(&path, due.as_nanos().to_string()).map_err(failed("write", &path))
    }

    /// Notes that there is no more to do.
    pub(crate) fn unmark(&self, id: &str) -> Result<()> {
        files::remove(&self.mark_path(id))
    }

    /// Networks that nobody is on, and when they are to go.
    fn idle(&self) -> Result<BTreeMap<String, Duration>> {
        let mut idle = BTreeMap::new();
        for id in self.marks()? {
            let text = fs::read_to_string(self.mark_path(&id)).unwrap_or_default();
            if let Ok(due) = text.parse() {
                idle.insert(id, Duration::from_nanos(due));
            }
        }
        Ok(idle)
    }

    /// Takes a network down if nobody is on it; its mark goes unless somebody who left is at work.
    pub(crate) fn take_down_idle(&self, id: &str) -> Result<()> {
        let place = self.place(id);
        if !place.exists() {
            return self.unmark(id);
        }
        let _lock = place.lock()?;
        if !place.leaving()?.is_empty() {
            // The one who is at it says anew when it is to go.
            let path = self.mark_path(id);
            return fs::write(&path, "").map_err(failed("write", &path));
        }
        if place.pods()?.is_empty() {
            self.on_site(Need::Undo, |_| self.deactivate(&place))?;
        }
        self.unmark(id)
    }
}
