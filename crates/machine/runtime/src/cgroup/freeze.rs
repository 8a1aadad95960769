//! Stopping and continuing all processes of a group.
//!
//! v2 (and the v2 tree of a hybrid) freezes by itself and says so in `cgroup.events`; v1's `freezer`
//! has to be asked again while new processes appear.

use super::{Cgroup, Error, files};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// A process in uninterruptible sleep can hold the group up; then we give in and say so.
const LIMIT: Duration = Duration::from_secs(10);

/// Pause between looks at v1's state, which has no notification.
const V1_PAUSE: Duration = Duration::from_millis(1);

pub fn freeze(group: &Cgroup) -> Result<(), Error> {
    let result = match group.unified() {
        Some(directory) => {
            set(&directory.join("cgroup.freeze"), "1")?;
            wait_event(&directory, "frozen", 1, LIMIT).and_then(|reached| match reached {
                true => Ok(()),
                false => Err(not_frozen(&directory, "freezing".to_owned())),
            })
        }
        None => freeze_v1(&freezer(group)?),
    };
    if result.is_err() {
        let _ = thaw(group);
    }
    result
}

pub fn thaw(group: &Cgroup) -> Result<(), Error> {
    match group.unified() {
        Some(directory) => {
            set(&directory.join("cgroup.freeze"), "0")?;
            wait_event(&directory, "frozen", 0, LIMIT).map(drop)
        }
        None => set(&freezer(group)?.join("freezer.state"), "THAWED"),
    }
}

pub fn is_frozen(group: &Cgroup) -> Result<bool, Error> {
    match group.unified() {
        Some(directory) => {
            Ok(files::number(&directory.join("cgroup.freeze"))?.is_some_and(|state| state == 1))
        }
        None => match group.v1("freezer") {
            Some(directory) => {
                Ok(files::read(&directory.join("freezer.state"))?.trim() != "THAWED")
            }
            None => Ok(false),
        },
    }
}

fn freeze_v1(directory: &Path) -> Result<(), Error> {
    let path = directory.join("freezer.state");
    let begun = Instant::now();
    loop {
        set(&path, "FROZEN")?;
        let state = files::read(&path)?.trim().to_owned();
        if state == "FROZEN" {
            return Ok(());
        }
        if begun.elapsed() > LIMIT {
            return Err(not_frozen(directory, state));
        }
        std::thread::sleep(V1_PAUSE);
    }
}

fn not_frozen(path: &Path, state: String) -> Error {
    Error::NotFrozen { path: path.into(), seconds: LIMIT.as_secs(), state }
}

fn freezer(group: &Cgroup) -> Result<std::path::PathBuf, Error> {
    let none = Error::NoController { controller: "freezer", field: "pause" };
    group.v1("freezer").ok_or_else(|| none.of_layout(group.layout))
}

fn set(path: &Path, value: &str) -> Result<(), Error> {
    files::write(path, value).map_err(|source| Error::Write { path: path.into(), source })
}

/// Waits until `key` of `cgroup.events` has `value`; false when the time is over, or the group gone.
pub fn wait_event(directory: &Path, key: &str, value: u64, limit: Duration) -> Result<bool, Error> {
    let path = directory.join("cgroup.events");
    let begun = Instant::now();
    loop {
        // Reading first and polling the same descriptor: no change between the two is missed.
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(Error::Read { path, source }),
        };
        let text = std::io::read_to_string(&file).unwrap_or_default();
        if files::keyed(&text, key) == Some(value) {
            return Ok(true);
        }
        let left = limit.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Ok(false);
        }
        let timeout = Timespec {
            tv_sec: left.as_secs().cast_signed(),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let mut descriptors = [PollFd::from_borrowed_fd(file.as_fd(), PollFlags::PRI)];
        match poll(&mut descriptors, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(Error::Read { path, source: errno.into() }),
        }
    }
}
