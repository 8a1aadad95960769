//! The two engines, each in a folder and a network namespace of its own, ended with the case and
//! everything it started.

use super::super::super::World;
use super::super::super::incumbents::Docker;
use super::super::super::shell::Shell;
use super::super::memory;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// For an engine to answer.
const START_LIMIT: Duration = Duration::from_secs(30);

/// What an engine started is not counted with it.
const INSIDE: &str = "sleep";

/// An engine, and how it is reached.
pub struct Host {
    pub name: &'static str,
    /// The client's command up to the verb.
    pub docker: String,
    pub socket: PathBuf,
    /// Named in the arguments or the environment of all that belongs to it.
    folder: PathBuf,
    pid: u32,
    kind: Kind,
}

enum Kind {
    Teu(Child),
    Docker(#[expect(dead_code, reason = "ended when it is dropped")] Docker),
}

impl Host {
    pub fn teu(world: &World<'_>) -> Result<Self> {
        let folder = world.scratch.join("teu-engine");
        std::fs::create_dir_all(&folder)?;
        let registries = folder.join("registries.conf");
        std::fs::write(&registries, "[[registry]]\nprefix = \"*\"\nblocked = true\n")?;
        let log = std::fs::File::create(folder.join("log"))?;
        let script = format!("ip link set lo up && exec {} engine", world.teu.display());
        let mut command = Command::new("unshare");
        command.args(["-n", "sh", "-c", &script]);
        command.env("TEU_ROOT", &folder).env("TEU_REGISTRIES_CONF", registries);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().context("starting teu engine")?;
        let socket = folder.join("run/engine.sock");
        let docker = format!("docker -H unix://{}", socket.display());
        let pid = child.id();
        let host = Self { name: "teu engine", docker, socket, folder, pid, kind: Kind::Teu(child) };
        let begun = Instant::now();
        while std::os::unix::net::UnixStream::connect(&host.socket).is_err() {
            if begun.elapsed() > START_LIMIT {
                bail!("teu engine does not listen");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let archive = world.images.join("busybox.tar");
        let mut shell = Shell::plain(&world.scratch)?;
        shell.run(&format!("{} load -i {}", host.docker, archive.display()))?;
        Ok(host)
    }

    pub fn docker(world: &World<'_>) -> Result<Self> {
        let started = Docker::start(world, "busybox.tar")?;
        let (folder, pid) = (started.folder.clone(), started.pid());
        Ok(Self {
            name: "dockerd",
            docker: started.command.clone(),
            socket: folder.join("sock"),
            folder,
            pid,
            kind: Kind::Docker(started),
        })
    }

    /// A shell whose clients talk to it, without settings of the user's.
    pub fn shell(&self, world: &World<'_>) -> Result<Shell> {
        let mut shell = Shell::plain(&world.scratch)?;
        shell.set("DOCKER_HOST", Path::new(&format!("unix://{}", self.socket.display())))?;
        shell.set("DOCKER_CONFIG", &world.scratch.join("docker-config"))?;
        Ok(shell)
    }

    /// A shell in its network namespace, with its home.
    pub fn inside(&self, world: &World<'_>) -> Result<Shell> {
        let net = format!("--net=/proc/{}/ns/net", self.pid);
        let mut command = Command::new("nsenter");
        command.args([&net, "sh"]);
        let mut shell = Shell::start(&world.scratch, command)?;
        shell.set("TEU_ROOT", &self.folder)?;
        Ok(shell)
    }

    /// Removes all containers there are.
    pub fn sweep(&self) {
        let script = format!(
            "ids=$({0} ps -aq --no-trunc) && [ -z \"$ids\" ] || {0} rm -fv $ids >/dev/null 2>&1",
            self.docker
        );
        let _ = Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).status();
    }

    /// The engine itself and those it started that are still its children.
    pub fn processes(&self) -> BTreeSet<u32> {
        let mut all = memory::processes();
        all.retain(|pid| self.is_below(*pid));
        all
    }

    /// Whether a process is the engine's, and not what runs in a container.
    pub fn owns(&self, pid: u32) -> bool {
        let inside = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let named = memory::names(pid, &self.folder.to_string_lossy());
        inside.trim() != INSIDE && (self.is_below(pid) || named)
    }

    /// Whether it is the engine, or a child of one that is.
    fn is_below(&self, pid: u32) -> bool {
        const DEPTH_MAX: usize = 32;
        let mut pid = Some(pid);
        for _ in 0..DEPTH_MAX {
            match pid {
                Some(one) if one == self.pid => return true,
                Some(one) => pid = memory::parent(one),
                None => return false,
            }
        }
        false
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.sweep();
        if let Kind::Teu(child) = &mut self.kind {
            let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
            if let Some(pid) = pid {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            let _ = child.wait();
        }
    }
}
