//! Ending a group: every process killed, every directory removed, no long sleeps.

use super::{Cgroup, Error, files, freeze};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::time::{Duration, Instant};

/// Rounds of v1's freeze, kill, thaw: each kills what the one before missed.
const V1_ROUNDS: u32 = 20;

/// How long killed processes may take to go (an exiting process frees its memory first).
const DEATH: Duration = Duration::from_secs(10);

/// Waits between attempts start here and double.
const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// How long a group with dying processes may refuse to be removed.
const REMOVAL: Duration = Duration::from_secs(2);

pub fn kill_all(group: &Cgroup) -> Result<(), Error> {
    if let Some(directory) = group.unified() {
        let path = directory.join("cgroup.kill");
        match files::write(&path, "1") {
            Ok(()) => {
                freeze::wait_event(&directory, "populated", 0, DEATH)?;
            }
            // Before Linux 5.14: one by one, below.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::Write { path, source }),
        }
    }
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut round = 0;
    loop {
        let pids = group.pids()?;
        if pids.is_empty() {
            return Ok(());
        }
        // Frozen, a fork bomb cannot outrun us; thawed, it receives what was sent.
        let frozen = round < V1_ROUNDS && freeze::freeze(group).is_ok();
        for pid in group.pids()? {
            if let Some(pid) = Pid::from_raw(pid) {
                match kill_process(pid, Signal::KILL) {
                    Ok(()) | Err(Errno::SRCH | Errno::PERM) => {}
                    Err(errno) => {
                        let path = format!("/proc/{}", pid.as_raw_nonzero()).into();
                        return Err(Error::Write { path, source: errno.into() });
                    }
                }
            }
        }
        if frozen {
            freeze::thaw(group)?;
        }
        if begun.elapsed() > DEATH {
            return Err(Error::NotKilled { path: group.path.clone(), pids });
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
        round += 1;
    }
}

pub fn delete(group: &Cgroup) -> Result<(), Error> {
    group.all_places().try_for_each(|place| remove(&group.directory(place)))
}

/// Removes a group and those below it in one hierarchy.
fn remove(directory: &Path) -> Result<(), Error> {
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let errno = match rustix::fs::rmdir(directory) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(errno) => errno,
        };
        // Groups below are the container's own; the deepest go first.
        for below in files::below(directory)?.iter().skip(1).rev() {
            let _ = rustix::fs::rmdir(below.as_path());
        }
        let waited = begun.elapsed() > REMOVAL;
        if waited || !matches!(errno, Errno::BUSY | Errno::NOTEMPTY) {
            let mut pids = Vec::new();
            files::pids_below(directory, &mut pids)?;
            let source = errno.into();
            return Err(Error::Remove { path: directory.into(), pids, source });
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
