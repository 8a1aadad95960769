//! A further process in a container that runs.
//!
//! Its first steps are taken with our memory inside the container's pid namespace, in sight of what
//! runs there: it cannot be traced or read (`dumpable` is off), runs from a file that cannot be
//! written, has no descriptors of ours past exec, and its working directory is checked
//! (CVE-2019-5736, CVE-2024-21626).

use crate::cgroup::{Cgroup, Entry};
use crate::channel::{self, At, Channel, Report, Step};
use crate::error::{Error, Stage, Warning};
use crate::init::{console, fail, identity, namespaces, program, protect};
use crate::launch::{self, Running, Stdio};
use crate::listener::Listener;
use crate::plan::ProcessPlan;
use crate::plan::process::Keyring;
use crate::spawn;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions};
use rustix::thread::{ThreadNameSpaceType as Kinds, move_into_thread_name_spaces};
use std::convert::Infallible;
use teu_oci::runtime::{Process, Seccomp};
use teu_sys::process::{CloneFlags, Forked, clone3, exit_now};

/// What is asked for.
#[derive(Debug)]
pub struct Exec<'a> {
    /// First process of the container, as seen by the caller: its namespaces and root are entered.
    pub target: Pid,
    /// What runs. `terminal` is not looked at, `stdio` is.
    pub process: &'a Process,
    /// The container's filter (`spec.linux.seccomp`).
    pub seccomp: Option<&'a Seccomp>,
    /// Standard streams.
    pub stdio: Stdio,
    /// The container's.
    pub cgroup: Option<&'a Cgroup>,
    /// Given to the program as descriptors 3, 4, …
    pub descriptors: Vec<OwnedFd>,
    /// The program shares the caller's session keyring.
    pub keep_keyring: bool,
}

fn system(what: &'static str) -> impl Fn(Errno) -> Error {
    move |error| Error::System { what, source: error.into() }
}

/// What the child works with.
struct Child<'a> {
    plan: &'a ProcessPlan,
    channel: Channel,
    target: BorrowedFd<'a>,
    /// What is joined by one that leaves.
    kinds: Kinds,
    stdio: &'a Stdio,
    descriptors: &'a [OwnedFd],
    entry: Option<&'a Entry>,
}

/// Runs a process in the namespaces, the root and the cgroup of a running container.
///
/// # Errors
/// As [`crate::create`] and [`crate::Created::start`].
pub fn exec(request: Exec<'_>) -> Result<Running, Error> {
    let mut plan = ProcessPlan::bare(request.process, request.seccomp)?;
    if !request.keep_keyring {
        plan.keyring = Keyring::Anonymous;
    }
    let target = rustix::process::pidfd_open(request.target, PidfdFlags::empty())
        .map_err(system("find the container's first process"))?;
    let entry = request.cgroup.map(Cgroup::entry).transpose()?;
    let (uid, gid) = (request.process.user.uid, request.process.user.gid);
    let has_own_users = has_own_users(request.target)?;
    plan.limits_by_parent = has_own_users;
    let (uid, gid) = if has_own_users { (None, None) } else { (Some(uid), Some(gid)) };
    let stdio = launch::own_streams(request.stdio, uid, gid)?;
    let (ours, theirs) = channel::pair().map_err(system("make a channel"))?;
    let in_own = teu_sys::namespace::is_own_user_namespace();
    let all = Kinds::USER | Kinds::PROCESS_ID | SHARED;
    let child = Child {
        kinds: if in_own { others(request.target, all) } else { all },
        plan: &plan,
        channel: theirs,
        target: target.as_fd(),
        stdio: &stdio,
        descriptors: &request.descriptors,
        entry: entry.as_ref(),
    };
    let aside = has_own_users || in_own;
    let forked = if aside { by_intermediate(child, ours)? } else { direct(child, ours)? };
    let listener = request.seccomp.and_then(Listener::for_exec);
    let started = until_running(&forked, listener.as_ref());
    if started.is_err() {
        let _ = rustix::process::pidfd_send_signal(&forked.pidfd, rustix::process::Signal::KILL);
        let _ = rustix::process::waitid(WaitId::PidFd(forked.pidfd.as_fd()), WaitIdOptions::EXITED);
    }
    let (terminal, warnings) = started?;
    Ok(Running { pid: forked.pid, pidfd: forked.pidfd, terminal, warnings })
}

/// Whether the container has another user namespace than the caller.
fn has_own_users(target: Pid) -> Result<bool, Error> {
    let theirs = format!("/proc/{}/ns/user", target.as_raw_nonzero());
    let namespace = |path: &str| {
        let found = rustix::fs::stat(path).map_err(|error| Error::Host {
            what: "cannot find namespace",
            path: path.into(),
            source: error.into(),
        })?;
        Ok::<_, Error>((found.st_dev, found.st_ino))
    };
    Ok(namespace("/proc/self/ns/user")? != namespace(&theirs)?)
}

fn direct(child: Child<'_>, parent: Channel) -> Result<spawn::Child, Error> {
    let _pids = spawn::BorrowedPids::enter_of(child.target)?;
    let cgroup = child.entry.and_then(Entry::clone_into);
    match spawn::fork(CloneFlags::NONE, cgroup).map_err(system("fork"))? {
        (Forked::Parent { pid, pidfd }, _) => {
            drop(child.channel);
            Ok(spawn::Child { pid, pidfd, channel: parent })
        }
        (Forked::Child, born) => {
            drop(parent);
            child.run(born)
        }
    }
}

/// In another user namespace, that and the pid namespace are joined first, by a process that leaves.
fn by_intermediate(child: Child<'_>, parent: Channel) -> Result<spawn::Child, Error> {
    match clone3(CloneFlags::NONE, None).map_err(system("fork"))? {
        Forked::Parent { pidfd, .. } => {
            drop(child.channel);
            spawn::adopt(parent, &pidfd)
        }
        Forked::Child => {
            drop(parent);
            let warn = |text| child.warn(text);
            let prepared = hide()
                .and_then(|()| child.limit_on_host(false))
                .and_then(|()| identity::set_limits(child.plan, None, &warn))
                .and_then(|()| child.join(child.kinds));
            if let Err(failure) = prepared {
                fail(&child.channel, failure);
            }
            match clone3(CloneFlags::SIBLING, None) {
                Ok(Forked::Child) => child.run_joined(),
                Ok(Forked::Parent { pid, .. }) => {
                    let report = Report::Pid(pid.as_raw_nonzero().get());
                    exit_now(i32::from(child.channel.report(&report).is_err()))
                }
                Err(errno) => {
                    let subject = "fork".to_owned();
                    let stage = Stage::Namespace;
                    fail(&child.channel, channel::Failure { stage, subject, errno })
                }
            }
        }
    }
}

/// Kinds that every exec joins, besides users and pids.
const SHARED: Kinds = Kinds::MOUNT
    .union(Kinds::NETWORK)
    .union(Kinds::INTER_PROCESS_COMMUNICATION)
    .union(Kinds::HOST_NAME_AND_NIS_DOMAIN_NAME)
    .union(Kinds::CONTROL_GROUP)
    .union(Kinds::TIME);

/// Those of the kinds that are not the caller's already: in a user namespace of one's own, one may not
/// join even where one is, if that is the machine's.
fn others(target: Pid, kinds: Kinds) -> Kinds {
    const NAMES: [(Kinds, &str); 8] = [
        (Kinds::USER, "user"),
        (Kinds::PROCESS_ID, "pid"),
        (Kinds::MOUNT, "mnt"),
        (Kinds::NETWORK, "net"),
        (Kinds::INTER_PROCESS_COMMUNICATION, "ipc"),
        (Kinds::HOST_NAME_AND_NIS_DOMAIN_NAME, "uts"),
        (Kinds::CONTROL_GROUP, "cgroup"),
        (Kinds::TIME, "time"),
    ];
    let number = |of: &str, name: &str| {
        let found = rustix::fs::stat(format!("/proc/{of}/ns/{name}")).ok()?;
        Some((found.st_dev, found.st_ino))
    };
    let target = target.as_raw_nonzero().to_string();
    NAMES
        .into_iter()
        .filter(|(_, name)| number("self", name) == number(&target, name))
        .fold(kinds, |kinds, (kind, _)| kinds.difference(kind))
}

/// Keeps what runs in the container from reading or tracing this process.
fn hide() -> Step {
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .at(Stage::Namespace, "")
}

impl Child<'_> {
    fn run(mut self, born_in_cgroup: bool) -> ! {
        let joined = hide()
            .and_then(|()| self.limit_on_host(born_in_cgroup))
            .and_then(|()| self.join(SHARED));
        if let Err(failure) = joined {
            fail(&self.channel, failure);
        }
        let Err(failure) = self.walk();
        fail(&self.channel, failure)
    }

    fn run_joined(mut self) -> ! {
        let walked = hide().and_then(|()| namespaces::become_root()).and_then(|()| self.walk());
        let Err(failure) = walked;
        fail(&self.channel, failure)
    }

    /// What needs the host's files or rights.
    fn limit_on_host(&self, born_in_cgroup: bool) -> Step {
        if let Some(entry) = self.entry {
            let entered = if born_in_cgroup { entry.enter_v1() } else { entry.enter() };
            entered.at(Stage::Cgroup, "")?;
        }
        identity::set_oom_score(self.plan, &|text| self.warn(text))
    }

    fn join(&self, kinds: Kinds) -> Step {
        move_into_thread_name_spaces(self.target, kinds).at(Stage::Namespace, "of the container")
    }

    fn warn(&self, text: String) -> Step {
        self.channel.report(&Report::Warning(text)).at(Stage::Protocol, "")
    }

    fn walk(&mut self) -> Step<Infallible> {
        let plan = self.plan;
        rustix::process::setsid().at(Stage::Session, "")?;
        if plan.apparmor.is_some() || plan.selinux.is_some() {
            let proc = protect::private_proc().at(Stage::Label, "/proc")?;
            protect::set_labels(&proc, plan.apparmor.as_deref(), plan.selinux.as_deref())?;
        }
        let terminal = matches!(self.stdio, Stdio::Terminal)
            .then(|| console::make_in_own_root(plan.console_size, &self.channel))
            .transpose()?;
        console::set_stdio(self.stdio, terminal.as_ref(), plan.uid)?;
        let (late, environment) = program::enter(plan, &|text| {
            self.channel.report(&Report::Warning(text)).at(Stage::Protocol, "")
        })?;
        let path = program::look_up(plan)?;
        program::install_listener(plan, &self.channel)?;
        program::finish(&mut self.channel, self.descriptors, plan, &path, late, &environment)
    }
}

fn until_running(
    child: &spawn::Child,
    listener: Option<&Listener>,
) -> Result<(Option<OwnedFd>, Vec<Warning>), Error> {
    let (mut terminal, mut warnings) = (None, Vec::new());
    while let Some(report) = child.channel.next().map_err(system("listen to the new process"))? {
        match report {
            Report::Terminal(master) => terminal = Some(master),
            Report::Warning(text) => warnings.push(Warning(text)),
            Report::Failed(failure) => return Err(failure.into_error()),
            Report::Listener(descriptor) => {
                if let Some(target) = listener {
                    target.send(&descriptor, child.pid)?;
                }
            }
            Report::Ready | Report::Hooks | Report::Pid(_) => {}
        }
    }
    Ok((terminal, warnings))
}
