//! `RUN`: the key of everything the command can see, and its container when the key is new.

use super::{At, Ending, Made, Solver, lock};
use crate::beneath;
use crate::dockerfile::instruction::{Run, Script};
use crate::dockerfile::mount::Mount;
use crate::dockerfile::problem::Problem;
use crate::error::Cause;
use crate::key::Key;
use crate::overlay;
use crate::request::{Attached, Entitlement, NetworkMode};
use crate::stage::{DEFAULT_PATH, StageState, history};
use crate::step::{Bind, NetworkOrder, Order, Source};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use teu_oci::Platform;
use teu_runtime::Cgroup;

mod mounts;
mod process;
mod stubs;

const SHM_BYTES: u64 = 64 << 20;

/// What all steps of one build share: a network namespace and a control group.
#[derive(Debug, Default)]
pub struct Network {
    joined: Mutex<Option<Arc<Joined>>>,
    cgroup: Mutex<Option<String>>,
}

#[derive(Debug)]
pub struct Joined {
    netns: OwnedFd,
    attached: Option<Attached>,
}

/// A `RUN`, ready to be hashed and run.
struct Command {
    /// Program and arguments.
    args: Vec<String>,
    /// What errors and history call them.
    shown: String,
    env: Vec<String>,
    /// Proxies: in the environment, not in the key.
    proxies: Vec<String>,
    network: NetworkMode,
    insecure: bool,
    mounts: Vec<mounts::Prepared>,
    /// The program of a heredoc.
    program: Option<(String, String)>,
}

impl Solver<'_> {
    pub(super) fn run(
        &self,
        state: &mut StageState,
        run: &Run,
        at: &At<'_>,
    ) -> Result<Ending, Cause> {
        let command = self.command(state, run, at)?;
        let key = self.run_key(state, &command);
        let build_args = state.scope.run_args();
        let description = history::run(&command.args, &build_args);
        let snapshot = state.clone();
        self.layer(state, at, &key, description, || {
            let platform = snapshot.platform();
            if !crate::build::runs(&platform) {
                let (wanted, host) = (platform.to_string(), Platform::host().to_string());
                return Err(Cause::Foreign { wanted, host });
            }
            self.execute(&snapshot, command, at)
        })
    }

    fn command(&self, state: &StageState, run: &Run, at: &At<'_>) -> Result<Command, Cause> {
        let lookup = |name: &str| state.scope.get(name);
        let mut mounts = Vec::new();
        for text in &run.mounts {
            let mount = Mount::parse(text, state.scope.escape, &lookup).map_err(Problem::from)?;
            mounts.push(self.prepare(state, mount, at)?);
        }
        let (args, program) = match run.script() {
            Script::Command(line) => (line.with_shell(&state.shell()), None),
            Script::Program { name, content } => {
                (vec![format!("/dev/pipes/{name}")], Some((name, content)))
            }
        };
        let pairs = |(name, value): (String, String)| format!("{name}={value}");
        let mut env: Vec<String> = state.image.config.env.clone();
        env.extend(state.scope.run_args().into_iter().map(pairs));
        if !env.iter().any(|variable| variable.starts_with("PATH=")) {
            env.push(format!("PATH={DEFAULT_PATH}"));
        }
        Ok(Command {
            shown: args.join(" "),
            args,
            env,
            proxies: state.scope.proxies().into_iter().map(pairs).collect(),
            network: self.network_mode(state, run)?,
            insecure: self.is_insecure(state, run)?,
            mounts,
            program,
        })
    }

    fn network_mode(&self, state: &StageState, run: &Run) -> Result<NetworkMode, Cause> {
        let given = run.network.as_deref().map(|word| state.expand(word)).transpose()?;
        let mode = match given.as_deref() {
            None => return Ok(self.request.network),
            Some("default") => NetworkMode::Default,
            Some("none") => NetworkMode::None,
            Some("host") => NetworkMode::Host,
            Some(other) => {
                let (flag, value) = ("network".to_owned(), other.to_owned());
                let expected = "default, none or host";
                return Err(Problem::FlagInvalid { flag, value, expected }.into());
            }
        };
        if mode == NetworkMode::Host && !self.request.allows(Entitlement::NetworkHost) {
            let what = "RUN --network=host";
            return Err(Cause::Entitlement { what, entitlement: "network.host" });
        }
        Ok(mode)
    }

    fn is_insecure(&self, state: &StageState, run: &Run) -> Result<bool, Cause> {
        let given = run.security.as_deref().map(|word| state.expand(word)).transpose()?;
        match given.as_deref() {
            None | Some("sandbox") => Ok(false),
            Some("insecure") if self.request.allows(Entitlement::SecurityInsecure) => Ok(true),
            Some("insecure") => {
                let what = "RUN --security=insecure";
                Err(Cause::Entitlement { what, entitlement: "security.insecure" })
            }
            Some(other) => {
                let (flag, value) = ("security".to_owned(), other.to_owned());
                Err(Problem::FlagInvalid { flag, value, expected: "sandbox or insecure" }.into())
            }
        }
    }

    fn run_key(&self, state: &StageState, command: &Command) -> String {
        let config = &state.image.config;
        let limits =
            self.request.rlimits.iter().map(|l| format!("{} {} {}", l.kind, l.soft, l.hard));
        let mut key = Key::new("run")
            .optional("chain", state.chain.as_ref().map(ToString::to_string))
            .optional("epoch", self.epoch.map(i64::to_le_bytes))
            .field("platform", state.platform().to_string())
            .list("args", &command.args)
            .list("env", &command.env)
            .field("user", &config.user)
            .field("cwd", &config.working_dir)
            .field("network", format!("{:?}", command.network))
            .field("insecure", [u8::from(command.insecure)])
            .list("hosts", self.request.add_hosts.iter().map(|(name, ip)| format!("{name} {ip}")))
            .number("shm", i128::from(self.request.shm_size_bytes))
            .list("limits", limits)
            .optional("program", command.program.as_ref().map(|(_, content)| content));
        for mount in &command.mounts {
            key = mount.key(key);
        }
        key.number("mounts", command.mounts.len() as i128).hex()
    }

    fn execute(&self, state: &StageState, command: Command, at: &At<'_>) -> Result<Made, Cause> {
        let lower = self.lower(state, at.base)?;
        let scratch = self.session.scratch(lower.first().map(PathBuf::as_path), state.base_time)?;
        let empty = self.session.directory("empty")?;
        let view = overlay::readable(&lower, &empty)?;
        let user = teu_runtime::users::resolve(&view, &state.image.config.user, &[])
            .map_err(|error| Cause::User(error.to_string().into()))?;
        let (network, resolv_conf) = self.step_network(command.network)?;
        let mut env = command.env;
        env.extend(command.proxies);
        let mut binds = self.files(resolv_conf, &scratch.dir)?;
        let mut locks = Vec::new();
        for mount in command.mounts {
            self.take(mount, &mut binds, &mut env, &mut locks)?;
        }
        if let Some((name, content)) = &command.program {
            binds.push(program(name, content, &self.session.directory("program")?)?);
        }
        if !env.iter().any(|variable| variable.starts_with("HOME=")) {
            env.push(format!("HOME={}", user.home));
        }
        // Outer mounts before those within them; otherwise as written.
        binds.sort_by_key(|bind| Path::new(&bind.target).components().count());
        let stubs = stubs::make(&view, &binds, &self.session.directory("stubs")?, state.base_time)?;
        drop(view);
        let order = Order {
            id: format!("{}-{}", self.session.id, at.id),
            lower: lower.iter().cloned().chain([stubs.dir.clone()]).collect(),
            upper: scratch.upper.clone(),
            work: scratch.work.clone(),
            args: command.args,
            env,
            cwd: match state.image.config.working_dir.as_str() {
                "" => "/".to_owned(),
                cwd => cwd.to_owned(),
            },
            user: (user.uid, user.gid, user.additional_gids),
            network,
            insecure: command.insecure,
            shm_bytes: match self.request.shm_size_bytes {
                0 => SHM_BYTES,
                bytes => bytes,
            },
            rlimits: self.request.rlimits.clone(),
            cgroup: Some(self.cgroup(command.insecure)?),
            binds,
        };
        let result = self.launch(&order, &command.shown, at);
        drop(locks);
        if let Err(cause) = result {
            scratch.discard();
            return Err(cause);
        }
        stubs.clean(&scratch.upper)?;
        Ok(Made { scratch, trusted: true })
    }

    /// `/etc/hosts` and `/etc/resolv.conf`, which are never part of a layer.
    fn files(&self, resolv_conf: Option<String>, dir: &Path) -> Result<Vec<Bind>, Cause> {
        let mut hosts =
            "127.0.0.1\tlocalhost buildkitsandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n"
                .to_owned();
        for (name, address) in &self.request.add_hosts {
            hosts.push_str(&format!("{address}\t{name}\n"));
        }
        let mut binds = Vec::new();
        for (target, content) in [("/etc/hosts", Some(hosts)), ("/etc/resolv.conf", resolv_conf)] {
            let Some(content) = content else { continue };
            let path = dir.join(target.trim_start_matches("/etc/"));
            std::fs::write(&path, content).map_err(|source| Cause::io("write", &path, source))?;
            let source = Source::Within(path, String::new());
            let target = target.to_owned();
            binds.push(Bind { target, readonly: true, directory: false, source });
        }
        Ok(binds)
    }

    fn step_network(&self, mode: NetworkMode) -> Result<(NetworkOrder, Option<String>), Cause> {
        match mode {
            NetworkMode::None => Ok((NetworkOrder::Own, Some(String::new()))),
            NetworkMode::Host => {
                let resolv = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
                Ok((NetworkOrder::Host, Some(resolv)))
            }
            NetworkMode::Default => {
                let Some(joined) = self.network.join(self)? else {
                    return Ok((NetworkOrder::Own, Some(String::new())));
                };
                let path = format!("/proc/{}/fd/{}", std::process::id(), joined.netns.as_raw_fd());
                let resolv = joined.attached.as_ref().map(|a| a.resolv_conf.clone());
                Ok((NetworkOrder::Join(PathBuf::from(path)), Some(resolv.unwrap_or_default())))
            }
        }
    }

    /// The group of all steps of this build (another one for those with every privilege).
    fn cgroup(&self, insecure: bool) -> Result<String, Cause> {
        let failed = |error: teu_runtime::cgroup::Error| Cause::Start {
            command: "control group".to_owned(),
            reason: error.to_string().into(),
        };
        let mut made = lock(&self.network.cgroup);
        let base = match &*made {
            Some(base) => base.clone(),
            None => made.insert(self.cgroup_path(&self.session.id)).clone(),
        };
        let path = if insecure { format!("{base}-insecure") } else { base };
        if Cgroup::exists(&path).map_err(failed)? {
            return Ok(path);
        }
        let privilege = if insecure {
            teu_runtime::defaults::Privilege::Full
        } else {
            teu_runtime::defaults::Privilege::Confined
        };
        let mut resources = self.request.resources.clone();
        resources.devices = teu_runtime::defaults::device_rules(privilege);
        Cgroup::create(&path, &resources).map_err(failed)?;
        Ok(path)
    }

    fn cgroup_parent(&self) -> String {
        let instance = &self.environment.instance;
        match (&self.request.cgroup_parent, instance.is_empty()) {
            (Some(parent), _) => parent.clone(),
            (None, true) => "/teu".to_owned(),
            (None, false) => format!("/teu-{instance}"),
        }
    }

    fn cgroup_path(&self, build: &str) -> String {
        format!("{}/build-{build}", self.cgroup_parent())
    }
}

impl Network {
    /// The build's namespace, connected when it is first needed.
    fn join(&self, solver: &Solver<'_>) -> Result<Option<Arc<Joined>>, Cause> {
        let Some(network) = solver.environment.network else { return Ok(None) };
        let mut joined = lock(&self.joined);
        if let Some(joined) = &*joined {
            return Ok(Some(Arc::clone(joined)));
        }
        let netns = new_namespace()?;
        let attached = network.attach(&solver.session.id, netns.as_fd()).map_err(Cause::Network)?;
        let new = Arc::new(Joined { netns, attached: Some(attached) });
        *joined = Some(Arc::clone(&new));
        Ok(Some(new))
    }

    /// Gives back what killed builds held.
    pub(super) fn repair(&self, solver: &Solver<'_>) {
        for build in &solver.session.dead {
            if let Some(network) = solver.environment.network {
                network.detach(build);
            }
            remove_groups(solver, &solver.cgroup_path(build));
        }
    }

    /// Gives everything back.
    pub(super) fn close(&self, solver: &Solver<'_>) {
        let joined = lock(&self.joined).take();
        if let (Some(_), Some(network)) = (joined, solver.environment.network) {
            network.detach(&solver.session.id);
        }
        if let Some(base) = lock(&self.cgroup).take() {
            remove_groups(solver, &base);
        }
    }
}

fn remove_groups(solver: &Solver<'_>, base: &str) {
    for path in [format!("{base}-insecure"), base.to_owned()] {
        let Ok(group) = Cgroup::open(&path) else { continue };
        let _ = group.kill_all();
        let _ = group.delete();
        if solver.request.cgroup_parent.is_none() {
            let _ = group.delete_empty_parents(&solver.cgroup_parent());
        }
    }
}

/// A network namespace that only a descriptor keeps: a thread goes there and ends.
fn new_namespace() -> Result<OwnedFd, Cause> {
    use rustix::fs::{CWD, Mode, OFlags};
    let fail = |errno| Cause::io("make", "a network namespace", errno);
    let make = || {
        teu_sys::namespace::unshare(teu_sys::process::CloneFlags::NEW_NET)?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        rustix::fs::openat(CWD, "/proc/thread-self/ns/net", flags, Mode::empty())
    };
    let made = std::thread::spawn(make).join();
    made.unwrap_or(Err(rustix::io::Errno::IO)).map_err(fail)
}

/// The program of a heredoc, where the container's `/dev` (which is no part of a layer) has it.
fn program(name: &str, content: &str, dir: &Path) -> Result<Bind, Cause> {
    use std::os::unix::fs::PermissionsExt;
    let clean = crate::tree::clamp(name);
    let path = dir.join(&clean);
    let fail = |source| Cause::io("write", &path, source);
    std::fs::write(&path, content).map_err(fail)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).map_err(fail)?;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).map_err(fail)?;
    let source = Source::Within(dir.to_owned(), String::new());
    Ok(Bind { target: "/dev/pipes".to_owned(), readonly: true, directory: true, source })
}

/// Says whether a path exists in an image's tree.
fn exists(view: &OwnedFd, path: &Path) -> bool {
    beneath::open(view, path, rustix::fs::OFlags::PATH).is_ok()
}
