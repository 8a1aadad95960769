//! The first process of a container, from its birth to its program: it walks through a
//! [`crate::plan::Plan`], makes system calls, and reports the first that fails.
//!
//! The order is the argument: what needs the host's files comes before the root changes, what needs
//! rights before they are dropped, and the filter of system calls after everything else.

use crate::cgroup::{Entry, View};
use crate::channel::{At, Channel, Failure, Order, Report, Step};
use crate::error::Stage;
use crate::hooks;
use crate::launch::{Gate, Stdio};
use crate::plan::{Plan, UserNamespace};
use rustix::fd::OwnedFd;
use rustix::fs::Mode;
use rustix::io::Errno;
use teu_oci::runtime::HookList;
use teu_sys::process::{CloneFlags, exit_now};

pub mod console;
pub mod devices;
pub mod identity;
pub mod mounts;
pub mod namespaces;
pub mod program;
pub mod protect;
pub mod root;

/// Exit code of a process of ours that failed after telling why.
const EXIT_FAILED: i32 = 125;

/// What the child works with; all of it made before the fork.
#[derive(Debug)]
pub struct Init<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// To the parent.
    pub channel: Channel,
    /// Standard streams.
    pub stdio: &'a Stdio,
    /// Further descriptors of the program.
    pub descriptors: &'a [OwnedFd],
    /// When to go on to the program.
    pub gate: &'a Gate,
    /// Programs to run on the way.
    pub hooks: Option<&'a HookList>,
    /// The state handed to them, but for pid and status.
    pub state: &'a hooks::StateSeed,
    /// The container's control groups, for `/sys/fs/cgroup`.
    pub cgroups: &'a [View],
    /// Those that this process enters by itself.
    pub entry: Option<&'a Entry>,
    /// File systems made with the caller's rights, by their place among the mounts.
    pub early: Vec<(usize, OwnedFd)>,
    /// It was born into that of the v2 hierarchy.
    pub born_in_cgroup: bool,
}

impl Init<'_> {
    /// Does everything, and ends as the container's program or not at all.
    pub fn run(mut self) -> ! {
        let Err(failure) = self.walk();
        fail(&self.channel, failure)
    }

    fn walk(&mut self) -> Step<std::convert::Infallible> {
        identity::set_oom_score(&self.plan.process, &|text| self.warn(text))?;
        self.namespaces()?;
        rustix::process::umask(Mode::empty());
        let mut root = root::prepare(&self.plan.root)?;
        let late = mounts::run_all(self, &mut root)?;
        if let Some(devices) = &self.plan.devices {
            devices::make_all(&root, devices)?;
        }
        let terminal = matches!(self.stdio, Stdio::Terminal)
            .then(|| console::open(self, &root))
            .transpose()?;
        protect::make_readonly(&root, &late)?;
        identity::make_directory(&root.fd, &self.plan.process)?;
        let pid = self.hooks_before_pivot()?;
        root::change(&root, &self.plan.root)?;
        self.protect(&root)?;
        namespaces::name(self.plan)?;
        console::set_stdio(self.stdio, terminal.as_ref(), self.plan.process.uid)?;
        let program = program::prepare(self)?;
        drop(root);
        self.report(&Report::Ready)?;
        self.wait_at_gate()?;
        program::start_hooks(self, pid)?;
        program::exec(self, program)
    }

    fn namespaces(&mut self) -> Step {
        let namespaces = &self.plan.namespaces;
        if matches!(namespaces.user, UserNamespace::New { .. }) {
            self.expect(Order::Mapped)?;
            namespaces::become_root()?;
        }
        self.cgroups()?;
        if !namespaces.needs_intermediate() {
            namespaces::join_all(&namespaces.joined)?;
        } else if matches!(namespaces.user, UserNamespace::Joined(_)) {
            namespaces::become_root()?;
        }
        if let Some(offsets) = &namespaces.new_time {
            namespaces::enter_new_time(offsets)?;
        }
        rustix::process::setsid().at(Stage::Session, "")?;
        if namespaces.new.contains(CloneFlags::NEW_NET) {
            namespaces::raise_loopback();
        }
        if namespaces.pid.is_some() {
            // Others are in there already: our memory is not theirs to look at.
            let secret = rustix::process::DumpableBehavior::NotDumpable;
            rustix::process::set_dumpable_behavior(secret).at(Stage::Namespace, "pid")?;
        }
        Ok(())
    }

    /// Enters the container's cgroups, and takes them as the root of a new cgroup namespace.
    fn cgroups(&self) -> Step {
        if let Some(entry) = self.entry {
            let entered = if self.born_in_cgroup { entry.enter_v1() } else { entry.enter() };
            entered.at(Stage::Cgroup, "")?;
        }
        if self.plan.namespaces.new_cgroup { namespaces::unshare_cgroup() } else { Ok(()) }
    }

    /// Hooks of the runtime's side, then those of the container's; the pid the host knows us by.
    fn hooks_before_pivot(&mut self) -> Step<i32> {
        let Some(hooks) = self.hooks else { return Ok(0) };
        self.report(&Report::Hooks)?;
        let order = self.channel.wait().at(Stage::Protocol, "")?;
        let Some(Order::Continue(pid)) = order else { orphaned() };
        let state = self.state.state(pid, "created");
        hooks::run_inside(hooks::Kind::CreateContainer, &hooks.create_container, &state)?;
        Ok(pid)
    }

    fn protect(&self, root: &root::Root) -> Step {
        let plan = self.plan;
        if !plan.sysctls.is_empty() {
            protect::sysctls(&plan.sysctls, root)?;
        }
        protect::mask_all(&plan.masked)?;
        protect::readonly_all(&plan.readonly)?;
        protect::label(plan, root)
    }

    fn wait_at_gate(&self) -> Step {
        match self.gate {
            Gate::Caller => self.expect(Order::Start),
            Gate::Fifo(fifo) => {
                let mut byte = [0];
                loop {
                    match rustix::io::read(fifo, &mut byte[..]) {
                        Err(Errno::INTR) => {}
                        result => return result.map(drop).at(Stage::Protocol, "start FIFO"),
                    }
                }
            }
        }
    }

    /// Tells the parent.
    pub fn report(&self, report: &Report) -> Step {
        self.channel.report(report).at(Stage::Protocol, "")
    }

    /// Tells the parent what was left out.
    pub fn warn(&self, text: String) -> Step {
        self.report(&Report::Warning(text))
    }

    fn expect(&self, expected: Order) -> Step {
        match self.channel.wait().at(Stage::Protocol, "")? {
            Some(order) if order == expected => Ok(()),
            None => orphaned(),
            Some(_) => Err(Errno::PROTO).at(Stage::Protocol, ""),
        }
    }
}

/// The parent has gone: nobody wants this container.
fn orphaned() -> ! {
    exit_now(EXIT_FAILED)
}

/// Reports a failure and ends. When nobody listens any more (`create` has returned), the reason goes
/// to the container's standard error, with the exit code of the case.
pub fn fail(channel: &Channel, failure: Failure) -> ! {
    let report = Report::Failed(failure);
    let sent = channel.report(&report);
    let Report::Failed(failure) = report else { exit_now(EXIT_FAILED) };
    if sent.is_ok() {
        exit_now(EXIT_FAILED);
    }
    let error = failure.into_error();
    let text = format!("teu: {}\n", error.report());
    let _ = rustix::io::write(rustix::stdio::stderr(), text.as_bytes());
    exit_now(error.exit_code())
}
