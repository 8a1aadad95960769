//! `wait`: through the shim where there is one, else by watching the container's directory.

use super::WaitFor;
use crate::ask::lost;
use crate::shim::protocol::{Reply, Request};
use crate::{Containers, Error, Found, Result};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

impl Containers {
    /// Waits, and answers its exit code.
    pub fn wait(&self, name: &str, what: WaitFor) -> Result<i32> {
        let found = self.find(name)?;
        let runs = found.state.needs_shim();
        match what {
            WaitFor::NotRunning if !runs => Ok(found.state.exit_code),
            WaitFor::NotRunning => self.wait_running(&found, false),
            WaitFor::Removed if runs => {
                let code = self.wait_running(&found, true)?;
                self.wait_gone(&found)?;
                Ok(code)
            }
            WaitFor::Removed => {
                self.wait_gone(&found)?;
                Ok(found.state.exit_code)
            }
            WaitFor::NextExit if runs => self.wait_running(&found, false),
            WaitFor::NextExit => self.wait_next(&found),
        }
    }

    fn wait_running(&self, found: &Found, removed: bool) -> Result<i32> {
        let pod = &found.pod.id;
        let state = || match self.load(pod, &found.record.id)? {
            Some(found) => Ok(found.state.exit_code),
            None => Err(Error::NoSuchContainer(found.record.id.clone())),
        };
        let Some(connection) = self.shim(pod)? else { return state() };
        let end = connection.end_of_shim();
        let request = Request::Wait { id: found.record.id.clone(), removed };
        match connection.call(&request, &[]) {
            Ok((Reply::Exited { code }, _)) => Ok(code),
            Ok((Reply::Failed { exit_code, message }, _)) => {
                Err(Error::Shim { exit_code, message })
            }
            Ok(_) | Err(crate::shim::Error::Gone) => {
                self.settle(end.as_ref());
                state()
            }
            Err(error) => Err(lost(error, pod)),
        }
    }

    /// It does not run: until it has run and ended.
    fn wait_next(&self, found: &Found) -> Result<i32> {
        let (pod, id) = (&found.pod.id, &found.record.id);
        let dir = self.home.container(pod, id);
        let watch = Watch::new(&dir)?;
        loop {
            let Some(now) = self.load(pod, id)? else {
                return Err(Error::NoSuchContainer(id.clone()));
            };
            if now.state.needs_shim() {
                return self.wait_running(&now, false);
            }
            if now.state.finished_ns > found.state.finished_ns {
                return Ok(now.state.exit_code);
            }
            watch.wait(&dir)?;
        }
    }

    /// Until its directory has gone.
    fn wait_gone(&self, found: &Found) -> Result<()> {
        let dir = self.home.container(&found.pod.id, &found.record.id);
        loop {
            let watch = match Watch::new(&dir) {
                Ok(watch) => watch,
                Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            if !dir.exists() {
                return Ok(());
            }
            watch.wait(&dir)?;
        }
    }
}

/// What happens in a container's directory, and to it.
struct Watch(OwnedFd);

impl Watch {
    fn new(dir: &std::path::Path) -> Result<Self> {
        let watch = inotify::init(CreateFlags::CLOEXEC).map_err(Error::sys("watch", dir))?;
        let flags = WatchFlags::MOVED_TO
            | WatchFlags::MOVE_SELF
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::ONLYDIR;
        inotify::add_watch(&watch, dir, flags).map_err(Error::sys("watch", dir))?;
        // An implicit pod moves as a whole: then it is the pod's directory that is renamed.
        if let Some(pod) = dir.parent().and_then(std::path::Path::parent) {
            inotify::add_watch(&watch, pod, flags).map_err(Error::sys("watch", pod))?;
        }
        Ok(Self(watch))
    }

    fn wait(&self, dir: &std::path::Path) -> Result<()> {
        let mut space = [MaybeUninit::<u8>::uninit(); 4096];
        loop {
            match rustix::io::read(&self.0, &mut space) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::sys("watch", dir)(errno)),
            }
        }
    }
}
