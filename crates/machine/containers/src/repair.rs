//! A shim that died without saying so: noticed by its free lock, cleared away by the next command.
//!
//! What is left then are processes in the pod's cgroup, endpoints on networks and a state that says
//! "running". The pod's lock is taken, processes are killed through the cgroup (never by a pid that
//! may be somebody else's by now), the network is given back, and the state becomes exited, 255,
//! with the reason. Each step may be repeated; a repair that is killed is repaired.

use crate::disk::{self, DirLock};
use crate::record::PodRecord;
use crate::remove::AnonymousVolumes;
use crate::state::{ContainerState, Status};
use crate::{Containers, Error, Result, time};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fs;
use teu_runtime::cgroup::Cgroup;

/// What a container ends with whose shim was lost, as Docker says of those its daemon lost.
const LOST_EXIT_CODE: i32 = 255;

impl ContainerState {
    /// Says whether there must be a shim for this to be true.
    pub fn needs_shim(&self) -> bool {
        matches!(self.status, Status::Running | Status::Paused | Status::Restarting)
    }
}

impl Containers {
    /// The state of a container, after a repair where that is needed. `None` when it is gone. Not to
    /// be called with the pod's lock held.
    pub(crate) fn true_state(&self, pod: &str, id: &str) -> Result<Option<ContainerState>> {
        let Some(state) = self.read_state(pod, id)? else { return Ok(None) };
        if !state.needs_shim() || self.shim_lives(pod)? {
            return Ok(Some(state));
        }
        let Some(_lock) = DirLock::wait(&self.home.pod(pod))? else { return Ok(None) };
        self.repair_pod(pod)?;
        self.read_state(pod, id)
    }

    /// Says whether the pod has a shim: its lock is taken.
    pub(crate) fn shim_lives(&self, pod: &str) -> Result<bool> {
        let path = self.home.pod_run(pod).join("shim.lock");
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(false),
            Err(errno) => return Err(Error::sys("open", &path)(errno)),
        };
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
                Ok(()) => return Ok(false),
                Err(Errno::WOULDBLOCK) => return Ok(true),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::sys("lock", &path)(errno)),
            }
        }
    }

    /// Clears away what a dead shim left, if the pod's shim is dead. The caller holds the pod's lock.
    pub(crate) fn repair_pod(&self, pod: &str) -> Result<()> {
        if self.shim_lives(pod)? {
            return Ok(());
        }
        let run = self.home.pod_run(pod);
        let ids = self.ids_of(pod)?;
        let mut lost = Vec::new();
        for id in ids {
            if let Some(state) = self.read_state(pod, &id)?
                && state.needs_shim()
            {
                lost.push((id, state));
            }
        }
        if lost.is_empty() && !run.exists() {
            return Ok(());
        }
        if let Some(record) = self.read_pod(pod)? {
            self.kill_remains(&record)?;
        }
        if teu_sys::namespace::is_own_user_namespace() {
            lost.iter().for_each(|(_, state)| kill_first(state));
        }
        self.networks.disconnect_pod(pod)?;
        for (id, state) in lost {
            self.lose(pod, &id, state)?;
        }
        clear_run(&run);
        Ok(())
    }

    /// Kills what runs in the pod's cgroup and removes it.
    pub(crate) fn kill_remains(&self, pod: &PodRecord) -> Result<()> {
        let path = self.home.pod_cgroup(pod);
        let group = match Cgroup::open(&path) {
            Ok(group) => group,
            Err(teu_runtime::cgroup::Error::Absent { .. }) => return Ok(()),
            Err(error) => return Err(Error::Cgroup(error)),
        };
        // A paused container does not die before it is thawed on v1.
        let _ = group.thaw();
        group.kill_all().map_err(Error::Cgroup)?;
        group.delete().map_err(Error::Cgroup)
    }

    fn lose(&self, pod: &str, id: &str, mut state: ContainerState) -> Result<()> {
        let same_boot = state.boot_id == disk::boot_id();
        let reason = match same_boot {
            true => "the shim was lost; what it ran was killed",
            false => "the machine was restarted while it ran",
        };
        state.status = Status::Exited;
        state.exit_code = LOST_EXIT_CODE;
        state.pid = 0;
        state.error = Some(reason.to_owned());
        state.finished_ns = time::now_ns();
        self.write_state(pod, id, &state)?;
        let record = self.read_record(pod, id)?;
        if let Some(record) = &record {
            self.journal(record, "die", &[("exitCode", "255"), ("error", reason)]);
        }
        if record.is_some_and(|record| record.auto_remove) {
            let implicit = self.read_pod(pod)?.is_some_and(|record| record.implicit);
            self.discard(pod, id, implicit, AnonymousVolumes::Remove)?;
        }
        Ok(())
    }

    /// Finishes what killed commands and shims have left, everywhere. Commands do this for what
    /// they touch; `system prune` and tests do it for all.
    pub fn repair(&self) -> Result<()> {
        self.sweep()?;
        for pod in self.pod_ids()? {
            let Some(_lock) = DirLock::wait(&self.home.pod(&pod))? else { continue };
            self.repair_pod(&pod)?;
        }
        self.lock_names()?.sweep()?;
        let live = |pod: &str| self.shim_lives(pod).unwrap_or(true);
        self.networks.repair(&live)?;
        for pod in disk::ids_in(&self.home.run.join("pods"))? {
            if !self.home.pod(&pod).exists() && !self.shim_lives(&pod)? {
                clear_run(&self.home.pod_run(&pod));
            }
        }
        // Listing finishes removals of volumes.
        self.volumes.list()?;
        self.sweep_leases()
    }

    /// Ends leases of containers that do not exist. One that is being made has its directory.
    fn sweep_leases(&self) -> Result<()> {
        for lease in self.images.leases()? {
            let Some(id) = lease.name().strip_prefix("container-") else { continue };
            let making = self.home.tmp().join(format!("new-{id}")).exists();
            if disk::is_id(id) && !making && self.locate(id).is_err() {
                lease.release()?;
            }
        }
        Ok(())
    }
}

/// Kills a container's first process, and with it all others, where no control group names them. The
/// time it began says that the number is still its own.
fn kill_first(state: &ContainerState) {
    let proc = std::path::PathBuf::from(format!("/proc/{}", state.pid));
    if let Some(pid) = rustix::process::Pid::from_raw(state.pid)
        && let Ok(process) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())
        && state.pid_start_ticks != 0
        && crate::root::start_ticks(&proc) == Some(state.pid_start_ticks)
    {
        let _ = rustix::process::pidfd_send_signal(&process, rustix::process::Signal::KILL);
    }
}

/// The run directory of a dead shim: sockets, locks, perhaps a name for its network namespace.
fn clear_run(run: &std::path::Path) {
    let _ = rustix::mount::unmount(run.join("netns"), rustix::mount::UnmountFlags::DETACH);
    let _ = fs::remove_dir_all(run);
}
