//! How a process enters a group by itself: see the header of [`super`] for what this saves.

use super::plan::Place;
use super::{Cgroup, Error};
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Open descriptors (close-on-exec) of a group's files; opened by the parent, used by the child.
#[derive(Debug)]
pub struct Entry {
    tasks: Vec<OwnedFd>,
    unified: Option<(OwnedFd, OwnedFd)>,
}

impl Entry {
    pub(super) fn open(group: &Cgroup) -> Result<Self, Error> {
        let mut tasks = Vec::with_capacity(group.places.len());
        let mut unified = None;
        for place in &group.places {
            let directory = group.directory(*place);
            match place {
                Place::V1(_) => tasks.push(open(&directory.join("tasks"), OFlags::WRONLY)?),
                Place::Unified => {
                    let procs = open(&directory.join("cgroup.procs"), OFlags::WRONLY)?;
                    unified = Some((open(&directory, OFlags::DIRECTORY)?, procs));
                }
            }
        }
        Ok(Self { tasks, unified })
    }

    /// Directory of the v2 group for `CLONE_INTO_CGROUP`; pass it, then [`Entry::enter_v1`].
    #[must_use]
    pub fn clone_into(&self) -> Option<BorrowedFd<'_>> {
        self.unified.as_ref().map(|(directory, _)| directory.as_fd())
    }

    /// Moves the calling thread, which must be its process's only one, in the v1 hierarchies.
    /// Nothing but `write`: fit for a child between fork and exec.
    pub fn enter_v1(&self) -> rustix::io::Result<()> {
        self.tasks.iter().try_for_each(|file| rustix::io::write(file, b"0").map(drop))
    }

    /// Moves the calling process everywhere; for a child that was not cloned into the v2 group.
    pub fn enter(&self) -> rustix::io::Result<()> {
        self.enter_v1()?;
        if let Some((_, procs)) = &self.unified {
            rustix::io::write(procs, b"0")?;
        }
        Ok(())
    }
}

fn open(path: &Path, flags: OFlags) -> Result<OwnedFd, Error> {
    rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| Error::Read { path: path.into(), source: errno.into() })
}
