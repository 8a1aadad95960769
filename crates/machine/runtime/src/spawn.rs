//! The forks: one for most containers, two where namespaces have to be joined before others can be
//! made in them.

use crate::channel::{Channel, Failure, Report, Step};
use crate::error::{Error, Stage};
use crate::init::{Init, fail, mounts, namespaces as enter};
use crate::plan::{Plan, UserNamespace};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions};
use rustix::thread::{
    LinkNameSpaceType, ThreadNameSpaceType, move_into_link_name_space, move_into_thread_name_spaces,
};
use teu_sys::process::{CloneFlags, Forked, clone3, exit_now};

/// A child of ours.
#[derive(Debug)]
pub struct Child {
    /// Number.
    pub pid: Pid,
    /// Descriptor.
    pub pidfd: OwnedFd,
    /// To it.
    pub channel: Channel,
}

fn system(what: &'static str) -> impl Fn(Errno) -> Error {
    move |error| Error::System { what, source: error.into() }
}

/// Forks a container's first process. In it, this does not return.
pub fn first(init: Init<'_>, parent: Channel) -> Result<Child, Error> {
    if init.plan.namespaces.needs_intermediate() {
        return by_intermediate(init, parent);
    }
    let _pid_namespace = match &init.plan.namespaces.pid {
        Some(pid) => Some(BorrowedPids::enter(pid.file.as_fd())?),
        None => None,
    };
    let early = mounts::make_early(init.plan).map_err(Failure::into_error)?;
    let init = Init { early, ..init };
    let flags = init.plan.namespaces.new;
    let forked = fork(flags, init.entry.and_then(crate::cgroup::Entry::clone_into));
    match forked.map_err(system("make the namespaces of the container"))? {
        (Forked::Parent { pid, pidfd }, _) => {
            // The child's end must be the child's alone, or its death would not be seen.
            drop(init.channel);
            Ok(Child { pid, pidfd, channel: parent })
        }
        (Forked::Child, born_in_cgroup) => {
            drop(parent);
            Init { born_in_cgroup, ..init }.run()
        }
    }
}

/// Forks into a cgroup where the kernel can; tells whether it did.
pub fn fork(
    flags: CloneFlags,
    cgroup: Option<BorrowedFd<'_>>,
) -> rustix::io::Result<(Forked, bool)> {
    if cgroup.is_some()
        && let Ok(forked) = clone3(flags, cgroup)
    {
        return Ok((forked, true));
    }
    Ok((clone3(flags, None)?, false))
}

/// A process of ours joins what exists, and makes the container's first process as its sibling.
fn by_intermediate(init: Init<'_>, parent: Channel) -> Result<Child, Error> {
    match clone3(CloneFlags::NONE, None).map_err(system("fork"))? {
        Forked::Parent { pidfd, .. } => {
            drop(init.channel);
            adopt(parent, &pidfd)
        }
        Forked::Child => {
            drop(parent);
            let early = match join(init.plan) {
                Ok(early) => early,
                Err(failure) => fail(&init.channel, failure),
            };
            let init = Init { early, ..init };
            let flags = init.plan.namespaces.new | CloneFlags::SIBLING;
            let cgroup = init.entry.and_then(crate::cgroup::Entry::clone_into);
            match fork(flags, cgroup) {
                Ok((Forked::Child, born_in_cgroup)) => Init { born_in_cgroup, ..init }.run(),
                Ok((Forked::Parent { pid, .. }, _)) => {
                    let number = pid.as_raw_nonzero().get();
                    exit_now(i32::from(init.channel.report(&Report::Pid(number)).is_err()))
                }
                Err(errno) => {
                    let subject = "new ones".to_owned();
                    fail(&init.channel, Failure { stage: Stage::Namespace, subject, errno })
                }
            }
        }
    }
}

/// Joins what there is; on the way, with the rights for it, makes the file systems that show it.
fn join(plan: &Plan) -> Step<Vec<(usize, OwnedFd)>> {
    let namespaces = &plan.namespaces;
    let user = match &namespaces.user {
        UserNamespace::Joined(joined) => Some(joined),
        _ => None,
    };
    let later = enter::join_first(user.is_some(), &namespaces.joined)?;
    // A pid namespace that is the user namespace's own can be joined only from there.
    let pid = namespaces.pid.as_ref().filter(|pid| user.is_none() || enter::join(pid).is_err());
    // What could not be joined yet could not be shown either.
    let early = if later.is_empty() { mounts::make_early(plan)? } else { Vec::new() };
    if let Some(user) = user {
        enter::join(user)?;
    }
    later.into_iter().try_for_each(enter::join)?;
    pid.map_or(Ok(()), enter::join)?;
    Ok(early)
}

/// Learns the pid of a sibling from the intermediate process, and reaps the latter.
pub fn adopt(parent: Channel, intermediate: &OwnedFd) -> Result<Child, Error> {
    let child = loop {
        match parent.receive().map_err(system("listen to the first process"))? {
            Some(Report::Pid(number)) => {
                let pid =
                    Pid::from_raw(number).ok_or_else(|| system("read a pid")(Errno::PROTO))?;
                let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())
                    .map_err(system("open a pidfd"))?;
                break Ok((pid, pidfd));
            }
            Some(Report::Failed(failure)) => break Err(failure.into_error()),
            // The sibling may be quicker than whoever made it.
            Some(report) => parent.keep(report),
            None => {
                break Err(Error::InitDied {
                    during: "while it joined namespaces",
                    how: "no report".to_owned(),
                });
            }
        }
    };
    let wait = WaitId::PidFd(intermediate.as_fd());
    let _ = rustix::process::waitid(wait, WaitIdOptions::EXITED);
    child.map(|(pid, pidfd)| Child { pid, pidfd, channel: parent })
}

/// Children of this process are born in another pid namespace, until this is dropped.
pub struct BorrowedPids {
    own: OwnedFd,
}

impl BorrowedPids {
    /// By the namespace's file, from now on.
    pub fn enter(namespace: BorrowedFd<'_>) -> Result<Self, Error> {
        let borrowed = Self::own()?;
        move_into_link_name_space(namespace, Some(LinkNameSpaceType::ProcessID))
            .map_err(system("join the pid namespace"))?;
        Ok(borrowed)
    }

    /// Likewise, that of a process.
    pub fn enter_of(process: BorrowedFd<'_>) -> Result<Self, Error> {
        let borrowed = Self::own()?;
        move_into_thread_name_spaces(process, ThreadNameSpaceType::PROCESS_ID)
            .map_err(system("join the pid namespace of the container (is it still running?)"))?;
        Ok(borrowed)
    }

    fn own() -> Result<Self, Error> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let own = rustix::fs::open(c"/proc/self/ns/pid", flags, Mode::empty())
            .map_err(system("open the own pid namespace"))?;
        Ok(Self { own })
    }
}

impl Drop for BorrowedPids {
    fn drop(&mut self) {
        let own = self.own.as_fd();
        let _ = move_into_link_name_space(own, Some(LinkNameSpaceType::ProcessID));
    }
}
