//! Namespaces of a pod: made, joined, held.

use super::open;
use crate::Home;
use crate::record::{NamespaceMode, NetworkChoice, PodRecord};
use crate::shim::failure::Failure;
use crate::shim::records;
use crate::state::{ContainerState, Status};
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use teu_runtime::cgroup::Cgroup;
use teu_sys::process::{CloneFlags, Forked};

/// What a pod has of its own, or joins; `None` for the host's.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) network: Option<OwnedFd>,
    pub(super) ipc: Option<OwnedFd>,
    pub(super) uts: Option<OwnedFd>,
}

/// Makes the namespaces a pod asks for, and opens those it joins.
///
/// The shim stays in the pod's IPC and UTS namespaces, which mean nothing to it, and comes back to
/// the host's network.
pub(super) fn namespaces(home: &Home, record: &PodRecord) -> Result<Made, Failure> {
    let mut made = Made::default();
    let mut fresh = CloneFlags::NONE;
    match &record.network.choice {
        NetworkChoice::Host => {}
        NetworkChoice::Container(id) => made.network = open_other(home, id, "net")?.into(),
        NetworkChoice::None | NetworkChoice::Networks(_) => fresh |= CloneFlags::NEW_NET,
    }
    match &record.ipc {
        NamespaceMode::Host => {}
        NamespaceMode::Container(id) => made.ipc = open_other(home, id, "ipc")?.into(),
        NamespaceMode::Private => fresh |= CloneFlags::NEW_IPC,
    }
    match &record.uts {
        NamespaceMode::Host => {}
        NamespaceMode::Container(id) => made.uts = open_other(home, id, "uts")?.into(),
        NamespaceMode::Private => fresh |= CloneFlags::NEW_UTS,
    }
    refuse_sysctls_of_the_host(record, fresh)?;
    if fresh.is_empty() {
        return Ok(made);
    }
    if teu_sys::namespace::is_own_user_namespace() {
        // Nobody could come back to a network that is the machine's: a thread goes, and stays.
        let fresh = teu_sys::namespace::aside(|| make(record, fresh))?;
        return Ok(joined(made, fresh));
    }
    let host = own("net")?;
    let inside = make(record, fresh);
    if fresh.contains(CloneFlags::NEW_NET) {
        // Whatever happened inside, the shim must not stay there.
        move_into_link_name_space(host.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(Failure::system("leave the pod's network namespace"))?;
    }
    Ok(joined(made, inside?))
}

fn joined(joined: Made, fresh: Made) -> Made {
    Made {
        network: joined.network.or(fresh.network),
        ipc: joined.ipc.or(fresh.ipc),
        uts: joined.uts.or(fresh.uts),
    }
}

/// One of the calling thread's namespaces.
fn own(kind: &str) -> Result<OwnedFd, Failure> {
    open(&Path::new("/proc/thread-self/ns").join(kind), OFlags::RDONLY)
}

/// Moves the calling thread into new namespaces, and opens them.
fn make(record: &PodRecord, fresh: CloneFlags) -> Result<Made, Failure> {
    let mut made = Made::default();
    teu_sys::namespace::unshare(fresh).map_err(Failure::system("make the pod's namespaces"))?;
    enter(record, fresh)?;
    if fresh.contains(CloneFlags::NEW_IPC) {
        made.ipc = Some(own("ipc")?);
    }
    if fresh.contains(CloneFlags::NEW_UTS) {
        made.uts = Some(own("uts")?);
    }
    if fresh.contains(CloneFlags::NEW_NET) {
        let network = own("net")?;
        teu_network::loopback_up(network.as_fd())?;
        made.network = Some(network);
    }
    Ok(made)
}

/// Sets names and kernel parameters from within.
fn enter(record: &PodRecord, fresh: CloneFlags) -> Result<(), Failure> {
    if fresh.contains(CloneFlags::NEW_UTS) {
        let name = super::texts::hostname(record);
        rustix::system::sethostname(name.as_bytes())
            .map_err(Failure::system("set the host name (at most 64 bytes)"))?;
        if !record.domainname.is_empty() {
            rustix::system::setdomainname(record.domainname.as_bytes())
                .map_err(Failure::system("set the domain name (at most 64 bytes)"))?;
        }
    }
    for (name, value) in &record.sysctls {
        let path = sysctl_path(name).ok_or_else(|| Failure::Sysctl { name: name.clone() })?;
        std::fs::write(&path, value).map_err(Failure::io("set the kernel parameter", &path))?;
    }
    Ok(())
}

/// A parameter that belongs to no namespace of the pod would be the machine's.
fn refuse_sysctls_of_the_host(record: &PodRecord, fresh: CloneFlags) -> Result<(), Failure> {
    for name in record.sysctls.keys() {
        let owner = sysctl_owner(name);
        if !owner.is_some_and(|owner| fresh.contains(owner)) {
            return Err(Failure::Sysctl { name: name.clone() });
        }
    }
    Ok(())
}

/// The namespace that a parameter belongs to.
fn sysctl_owner(name: &str) -> Option<CloneFlags> {
    const IPC: [&str; 8] = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
    ];
    let dotted = name.replace('/', ".");
    if IPC.contains(&dotted.as_str()) || dotted.starts_with("fs.mqueue.") {
        Some(CloneFlags::NEW_IPC)
    } else if dotted.starts_with("net.") {
        Some(CloneFlags::NEW_NET)
    } else if dotted == "kernel.domainname" {
        Some(CloneFlags::NEW_UTS)
    } else {
        None
    }
}

/// `net.ipv4.conf.eth0/1.forwarding` style: the first separator tells which one is meant.
fn sysctl_path(name: &str) -> Option<PathBuf> {
    let dots = name.find(['.', '/']).is_some_and(|at| name.as_bytes()[at] == b'.');
    let swapped: String = name
        .chars()
        .map(|c| match c {
            '.' if dots => '/',
            '/' if dots => '.',
            other => other,
        })
        .collect();
    let sound = |part: &str| !part.is_empty() && part != "." && part != "..";
    swapped.split('/').all(sound).then(|| Path::new("/proc/sys").join(swapped))
}

/// Path of a namespace of another container that runs.
pub(in crate::shim) fn other(home: &Home, id: &str, kind: &'static str) -> Result<String, Failure> {
    let not_running = || Failure::JoinNotRunning { what: kind, id: id.to_owned() };
    let state = other_state(home, id).ok_or_else(not_running)?;
    let alive = matches!(state.status, Status::Running | Status::Paused)
        && records::start_ticks(state.pid) == Some(state.pid_start_ticks);
    if !alive {
        return Err(not_running());
    }
    Ok(format!("/proc/{}/ns/{kind}", state.pid))
}

fn open_other(home: &Home, id: &str, kind: &'static str) -> Result<OwnedFd, Failure> {
    open(Path::new(&other(home, id, kind)?), OFlags::RDONLY)
}

/// Pod and state of any container of this home.
fn other_state(home: &Home, id: &str) -> Option<ContainerState> {
    records::read(&pod_of(home, id)?.join("state.json")).ok().flatten()
}

/// Folder of a container wherever its pod is; ids of implicit pods are their container's.
pub(super) fn pod_of(home: &Home, id: &str) -> Option<PathBuf> {
    let sound = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let own = home.container(id, id);
    if sound && own.is_dir() {
        return Some(own);
    }
    let pods = std::fs::read_dir(home.data.join("pods")).ok()?;
    sound
        .then(|| {
            pods.flatten()
                .map(|pod| pod.path().join("containers").join(id))
                .find(|folder| folder.is_dir())
        })
        .flatten()
}

/// First process of a pid namespace that containers share: it sleeps, and reaps what they orphan.
/// A copy of the shim, so it costs the pages it writes.
#[derive(Debug)]
pub(in crate::shim) struct Reaper {
    pid: Pid,
    pidfd: OwnedFd,
}

impl Reaper {
    pub(super) fn start(cgroup: Option<&Cgroup>) -> Result<Self, Failure> {
        let entry = cgroup.map(Cgroup::entry).transpose()?;
        let into = entry.as_ref().and_then(|entry| entry.clone_into());
        let forked = teu_sys::process::clone3(CloneFlags::NEW_PID, into)
            .map_err(Failure::system("start the pod's first process"))?;
        match forked {
            Forked::Parent { pid, pidfd } => Ok(Self { pid, pidfd }),
            Forked::Child => reap_for_ever(),
        }
    }

    /// Path of its namespace.
    pub(super) fn namespace(&self) -> String {
        format!("/proc/{}/ns/pid", self.pid.as_raw_nonzero())
    }

    /// Ends it, and with it everything in the namespace.
    pub(super) fn end(self) {
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
        let options = rustix::process::WaitIdOptions::EXITED;
        let _ =
            rustix::process::waitid(rustix::process::WaitId::PidFd(self.pidfd.as_fd()), options);
    }
}

/// Never returns. It keeps no descriptor but its standard streams: `/proc/1` shows none of ours.
fn reap_for_ever() -> ! {
    let _ = teu_sys::descriptors::close_inherited_from(3);
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let _ = teu_sys::signal::set_mask(teu_sys::signal::SignalSet::of(&[Signal::CHILD]));
    let Ok(children) =
        teu_sys::signal::SignalFd::new(teu_sys::signal::SignalSet::of(&[Signal::CHILD]))
    else {
        teu_sys::process::exit_now(1)
    };
    loop {
        let mut wanted = [rustix::event::PollFd::new(&children, rustix::event::PollFlags::IN)];
        let _ = rustix::event::poll(&mut wanted, None);
        let _ = children.read();
        while let Ok(Some(_)) = rustix::process::wait(rustix::process::WaitOptions::NOHANG) {}
    }
}

#[cfg(test)]
mod tests;
