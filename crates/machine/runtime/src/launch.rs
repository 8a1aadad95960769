//! The first process of a container: made, held before its program, released.

use crate::cgroup::Cgroup;
use crate::channel::{self, Channel, Order, Report};
use crate::error::{Error, Warning};
use crate::hooks::{self, StateSeed};
use crate::init::{Init, identity};
use crate::listener::Listener;
use crate::plan::{Plan, Source, UserNamespace, namespaces};
use crate::{spawn, user_namespace};
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use std::path::{Path, PathBuf};
use teu_oci::runtime::{HookList, Spec};

/// Where a container's root file system comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rootfs {
    /// A directory on the host.
    Directory(PathBuf),
    /// Layers joined by overlayfs, inside the container's mount namespace only: nothing is ever
    /// mounted on the host.
    Overlay {
        /// Read-only layers, topmost first.
        lower: Vec<PathBuf>,
        /// Where changes go.
        upper: PathBuf,
        /// Overlayfs's own, on the same file system as `upper`.
        work: PathBuf,
    },
}

/// The standard streams of a process.
#[derive(Debug)]
pub enum Stdio {
    /// The caller's own.
    Inherit,
    /// `/dev/null`, all three.
    Null,
    /// Given: input, output, error.
    Descriptors([OwnedFd; 3]),
    /// A new terminal of the container's; its master is in [`Created::terminal`].
    Terminal,
}

/// When a created process goes on to its program.
#[derive(Debug)]
pub enum Gate {
    /// When [`Created::start`] is called; when [`Created`] is dropped instead, it ends.
    Caller,
    /// When a byte can be read from this descriptor (a FIFO opened for reading and writing): the
    /// process outlives its creator, and another command starts it.
    Fifo(OwnedFd),
}

/// What is asked for.
#[derive(Debug)]
pub struct Launch<'a> {
    /// Names the container in hooks and in its keyring.
    pub id: &'a str,
    /// Everything else about it. Namespace paths and bind sources may be `/proc/self/fd/N` for
    /// descriptors the caller holds.
    pub spec: &'a Spec,
    /// Relative paths in the specification start here.
    pub bundle: &'a Path,
    /// Takes the place of `spec.root.path`.
    pub rootfs: Rootfs,
    /// Standard streams. `spec.process.terminal` is not looked at.
    pub stdio: Stdio,
    /// Made by the caller, with its limits; the process is born or moved into it. None: the
    /// caller's own.
    pub cgroup: Option<&'a Cgroup>,
    /// Given to the program as descriptors 3, 4, …
    pub descriptors: Vec<OwnedFd>,
    /// What releases it.
    pub gate: Gate,
    /// Rarely wanted choices.
    pub choices: Choices,
}

/// Rarely wanted choices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Choices {
    /// The root is moved instead of pivoted, for roots on a RAM disk.
    pub no_pivot: bool,
    /// The program shares the caller's session keyring.
    pub keep_keyring: bool,
}

/// A container whose first process is complete but for its program.
#[derive(Debug)]
pub struct Created {
    /// First process, as seen by the caller.
    pub pid: Pid,
    /// The same, safe against the reuse of numbers.
    pub pidfd: OwnedFd,
    /// Master of its terminal, for [`Stdio::Terminal`].
    pub terminal: Option<OwnedFd>,
    /// What was left out.
    pub warnings: Vec<Warning>,
    pub(crate) channel: Option<Channel>,
    pub(crate) hooks: Option<(HookList, StateSeed)>,
    pub(crate) listener: Option<Listener>,
    pub(crate) ends_with_us: bool,
}

/// A process that runs its program.
#[derive(Debug)]
pub struct Running {
    /// As seen by the caller, who is its parent and must wait for it.
    pub pid: Pid,
    /// The same, safe against the reuse of numbers.
    pub pidfd: OwnedFd,
    /// Master of its terminal, for [`Stdio::Terminal`].
    pub terminal: Option<OwnedFd>,
    /// What was left out.
    pub warnings: Vec<Warning>,
}

/// Makes the container: namespaces, mounts, limits and everything else but the program itself,
/// which waits for the [`Gate`]. On an error nothing is left: the process has been killed and
/// reaped. The cgroup stays the caller's.
///
/// The caller should have one thread (see [`teu_sys::process::clone3`]) and run from a protected
/// copy of itself ([`teu_sys::reexec::ensure_protected`]).
///
/// # Errors
/// With the step that failed; [`Error::exit_code`] tells a missing program from the rest.
pub fn create(launch: Launch<'_>) -> Result<Created, Error> {
    let plan = Plan::new(&launch)?;
    let entry = launch.cgroup.map(Cgroup::entry).transpose()?;
    let needs_view = plan.mounts.iter().any(|step| matches!(step.source, Source::Cgroups));
    let views = match launch.cgroup {
        Some(cgroup) if needs_view => cgroup.views(),
        _ => Vec::new(),
    };
    let hooks = launch.spec.hooks.as_ref().filter(|hooks| !is_empty(hooks));
    let seed = StateSeed {
        id: launch.id.to_owned(),
        bundle: launch.bundle.to_owned(),
        annotations: launch.spec.annotations.clone(),
    };
    let stdio = ready(launch.stdio, &plan)?;
    let (ours, theirs) = channel::pair().map_err(system("make a channel"))?;
    let init = Init {
        plan: &plan,
        channel: theirs,
        stdio: &stdio,
        descriptors: &launch.descriptors,
        gate: &launch.gate,
        hooks,
        state: &seed,
        cgroups: &views,
        entry: entry.as_ref(),
        early: Vec::new(),
        born_in_cgroup: false,
    };
    let child = spawn::first(init, ours)?;
    let mut created = Created {
        pid: child.pid,
        pidfd: child.pidfd,
        terminal: None,
        warnings: Vec::new(),
        channel: Some(child.channel),
        listener: Listener::new(launch.spec.linux.as_ref(), &seed),
        hooks: hooks.map(|hooks| (hooks.clone(), seed)),
        ends_with_us: true,
    };
    if let UserNamespace::New { users, groups } = &plan.namespaces.user {
        user_namespace::write_mappings(created.pid, users, groups)?;
        created.order(Order::Mapped)?;
    }
    created.until_ready()?;
    if plan.process.limits_by_parent {
        created.limit(&plan)?;
    }
    created.ends_with_us = matches!(launch.gate, Gate::Caller);
    Ok(created)
}

fn is_empty(hooks: &HookList) -> bool {
    *hooks == HookList::default()
}

fn system(what: &'static str) -> impl Fn(rustix::io::Errno) -> Error {
    move |error| Error::System { what, source: error.into() }
}

/// Streams as the child takes them. Those given become the user's own, so that `/dev/stdout` can be
/// opened again by a program that is not root.
pub(crate) fn ready(stdio: Stdio, plan: &Plan) -> Result<Stdio, Error> {
    let id = |mappings: &[_], id| namespaces::host_id(mappings, id);
    let (uid, gid) = match &plan.namespaces.user {
        UserNamespace::New { users, groups } => {
            (id(users, plan.process.uid), id(groups, plan.process.gid))
        }
        _ => (Some(plan.process.uid), Some(plan.process.gid)),
    };
    own_streams(stdio, uid, gid)
}

pub(crate) fn own_streams(
    stdio: Stdio,
    uid: Option<u32>,
    gid: Option<u32>,
) -> Result<Stdio, Error> {
    let streams = match stdio {
        Stdio::Null => {
            let null = || {
                let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
                rustix::fs::open(c"/dev/null", flags, rustix::fs::Mode::empty())
                    .map_err(system("open /dev/null"))
            };
            return Ok(Stdio::Descriptors([null()?, null()?, null()?]));
        }
        Stdio::Descriptors(streams) => streams,
        other => return Ok(other),
    };
    if let (Some(uid), Some(gid)) = (uid, gid)
        && uid != 0
    {
        for stream in &streams {
            let Ok(found) = rustix::fs::fstat(stream) else { continue };
            let kind = rustix::fs::FileType::from_raw_mode(found.st_mode);
            // Only what was made for the process; a file, a device or a terminal has its owner.
            if matches!(kind, rustix::fs::FileType::Fifo) && found.st_uid != uid {
                let (uid, gid) = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
                let _ = rustix::fs::fchown(stream, Some(uid), Some(gid));
            }
        }
    }
    Ok(Stdio::Descriptors(streams))
}

impl Created {
    /// Lets the program run, and waits until it does (or cannot: 126, 127). Poststart hooks are run.
    ///
    /// # Errors
    /// The program could not be executed, or a hook failed; the process has been reaped.
    pub fn start(mut self) -> Result<Running, Error> {
        self.order(Order::Start)?;
        while let Some(report) = self.next("while its program was started")? {
            self.take(report)?;
        }
        if let Some((hooks, seed)) = &self.hooks {
            let state = seed.state(self.pid.as_raw_nonzero().get(), "running");
            hooks::run(hooks::Kind::Poststart, &hooks.poststart, &state)?;
        }
        self.ends_with_us = false;
        Ok(Running {
            pid: self.pid,
            pidfd: rustix::io::fcntl_dupfd_cloexec(&self.pidfd, 3)
                .map_err(system("keep a pidfd"))?,
            terminal: self.terminal.take(),
            warnings: std::mem::take(&mut self.warnings),
        })
    }

    fn limit(&mut self, plan: &Plan) -> Result<(), Error> {
        let warnings = std::cell::RefCell::new(Vec::new());
        let warn = |text| {
            warnings.borrow_mut().push(Warning(text));
            Ok(())
        };
        identity::set_limits(&plan.process, Some(self.pid), &warn)
            .map_err(channel::Failure::into_error)?;
        self.warnings.append(&mut warnings.into_inner());
        Ok(())
    }

    fn until_ready(&mut self) -> Result<(), Error> {
        loop {
            match self.next("while the container was made")? {
                Some(Report::Ready) => return Ok(()),
                Some(Report::Hooks) => {
                    let pid = self.pid.as_raw_nonzero().get();
                    if let Some((hooks, seed)) = &self.hooks {
                        let state = seed.state(pid, "creating");
                        hooks::run(hooks::Kind::Prestart, &hooks.prestart, &state)?;
                        hooks::run(hooks::Kind::CreateRuntime, &hooks.create_runtime, &state)?;
                    }
                    self.order(Order::Continue(pid))?;
                }
                Some(report) => self.take(report)?,
                None => return Err(self.died("while the container was made")),
            }
        }
    }

    fn take(&mut self, report: Report) -> Result<(), Error> {
        match report {
            Report::Terminal(master) => self.terminal = Some(master),
            Report::Warning(text) => self.warnings.push(Warning(text)),
            Report::Failed(failure) => return Err(failure.into_error()),
            Report::Listener(listener) => {
                if let Some(target) = &self.listener {
                    target.send(&listener, self.pid)?;
                }
            }
            Report::Ready | Report::Hooks | Report::Pid(_) => {}
        }
        Ok(())
    }

    fn order(&self, order: Order) -> Result<(), Error> {
        match &self.channel {
            Some(channel) => channel.order(order).map_err(system("talk to the first process")),
            None => Ok(()),
        }
    }

    /// The next report. When a process ends without one after it was told to start, that is seen
    /// by its exit.
    fn next(&self, during: &'static str) -> Result<Option<Report>, Error> {
        let Some(channel) = &self.channel else { return Ok(None) };
        let _ = during;
        channel.next().map_err(system("listen to the first process"))
    }

    fn died(&self, during: &'static str) -> Error {
        let wait = WaitId::PidFd(self.pidfd.as_fd());
        let how = match rustix::process::waitid(wait, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
        {
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => format!("exit code {code}"),
                (_, Some(9)) => "killed (is its memory limit too low?)".to_owned(),
                (_, Some(signal)) => format!("signal {signal}"),
                _ => "unknown".to_owned(),
            },
            _ => "unknown".to_owned(),
        };
        Error::InitDied { during, how }
    }
}

impl Drop for Created {
    /// A container that was not started is not left waiting for ever.
    fn drop(&mut self) {
        if self.ends_with_us {
            let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
            let wait = WaitId::PidFd(self.pidfd.as_fd());
            let _ = rustix::process::waitid(wait, WaitIdOptions::EXITED);
        }
    }
}
