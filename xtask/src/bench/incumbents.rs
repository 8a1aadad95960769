//! The others, each with folders of its own that go with the run.

use super::World;
use super::shell::Shell;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long dockerd may take to answer, and to end.
const DOCKER_LIMIT: Duration = Duration::from_secs(30);

/// A bundle of busybox that runs a program, for crun and runc.
pub fn bundle(world: &World<'_>, name: &str, filtered: bool, program: &[&str]) -> Result<PathBuf> {
    let path = world.scratch.join(name);
    std::fs::create_dir_all(&path)?;
    let status = Command::new("runc").arg("spec").current_dir(&path).status()?;
    if !status.success() {
        bail!("runc spec failed");
    }
    let file = path.join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(program);
    config["root"] = json!({"path": world.images.join("busybox-rootfs"), "readonly": true});
    config["linux"]["cgroupsPath"] = json!(format!("/{}/{name}", super::CGROUP));
    if filtered {
        config["linux"]["seccomp"] = profile()?;
    }
    std::fs::write(file, config.to_string())?;
    Ok(path)
}

/// The rules of Debian's default profile that need no capability.
fn profile() -> Result<Value> {
    let text = std::fs::read("/usr/share/containers/seccomp.json").context("Debian's profile")?;
    let all: Value = serde_json::from_slice(&text)?;
    let rules = all["syscalls"].as_array().context("no rules")?;
    let holds = |rule: &&Value| {
        let includes = &rule["includes"];
        let arches = includes["arches"].as_array();
        includes["caps"].as_array().is_none_or(Vec::is_empty)
            && arches.is_none_or(|arches| arches.iter().any(|arch| arch == "amd64"))
    };
    let rules = rules.iter().filter(holds);
    let rules: Vec<Value> = rules
        .map(|rule| {
            let mut rule = rule.clone();
            for key in ["includes", "excludes", "comment", "errno"] {
                rule.as_object_mut().map(|rule| rule.remove(key));
            }
            rule
        })
        .collect();
    Ok(json!({
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": rules,
    }))
}

/// Options of `podman run`: no higher limits than ours, which this machine may refuse; our cgroup.
pub fn podman_run() -> String {
    format!(
        "run --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --cgroup-parent /{}/podman",
        super::CGROUP
    )
}

/// podman with an image loaded: its shell, and the command up to the verb. It runs crun, with the
/// mount and network namespaces of the shell.
pub fn podman(world: &World<'_>, archive: &str) -> Result<(Shell, String)> {
    storage(
        world,
        "podman",
        "--cgroup-manager cgroupfs --runtime crun --events-backend file",
        archive,
    )
}

/// buildah, likewise.
pub fn buildah(world: &World<'_>) -> Result<(Shell, String)> {
    let mut shell = Shell::apart(&world.scratch, &["-m", "-n"])?;
    let folder = fresh(world, "buildah")?;
    let storage = format!("--root {0}/root --runroot {0}/run", folder.display());
    let archive = world.images.join("busybox.tar");
    shell.run(&format!("buildah {storage} pull docker-archive:{}", archive.display()))?;
    Ok((shell, format!("buildah {storage}")))
}

fn storage(
    world: &World<'_>,
    program: &str,
    options: &str,
    archive: &str,
) -> Result<(Shell, String)> {
    let mut shell = Shell::apart(&world.scratch, &["-m", "-n"])?;
    let folder = fresh(world, program)?;
    let command = format!(
        "{program} --root {0}/root --runroot {0}/run --tmpdir {0}/tmp {options}",
        folder.display()
    );
    let archive = world.images.join(archive);
    shell.run(&format!("{command} load -i {}", archive.display()))?;
    Ok((shell, command))
}

fn fresh(world: &World<'_>, name: &str) -> Result<PathBuf> {
    let number = std::fs::read_dir(&world.scratch)?.count();
    let path = world.scratch.join(format!("{name}-{number}"));
    std::fs::create_dir_all(&path)?;
    Ok(path)
}

/// The command of a dockerd that keeps everything in a folder.
fn dockerd(folder: &str) -> String {
    format!(
        "dockerd -H unix://{folder}/sock --data-root {folder}/data --exec-root {folder}/exec \
         --pidfile {folder}/pid --bip 10.213.7.1/24 --cgroup-parent /{}/docker",
        super::CGROUP
    )
}

/// A contestant with a new dockerd each round, in a folder of the round's (`{n}` in its name): what
/// the last one loaded is not there, and nothing had to be deleted.
pub fn docker_afresh(
    name: &str,
    shell: Shell,
    folder: &str,
    verb: &str,
) -> super::measure::Contestant {
    let client = format!("docker -H unix://{folder}/sock");
    let mut made = super::measure::Contestant::new(name, shell, format!("{client} {verb}"));
    made.before = Some(format!(
        "mkdir -p {folder}; {} 2>{folder}/log & \
         for i in $(seq 300); do {client} version >{folder}/version 2>&1 && break; sleep 0.1; done; \
         {client} version",
        dockerd(folder)
    ));
    made.after = Some(format!("kill $(cat {folder}/pid); wait"));
    made
}

/// A dockerd in a network namespace of its own: its bridge and its rules are nobody else's, and it
/// has no way out.
pub struct Docker {
    child: Child,
    /// The command up to the verb.
    pub command: String,
    /// Where everything of it is.
    pub folder: PathBuf,
}

impl Docker {
    /// Starts it and loads an image.
    pub fn start(world: &World<'_>, archive: &str) -> Result<Self> {
        let folder = fresh(world, "docker")?;
        let (socket, log) = (folder.join("sock"), std::fs::File::create(folder.join("log"))?);
        let script = format!("ip link set lo up && exec {}", dockerd(&text(&folder)));
        let mut command = Command::new("unshare");
        command.args(["-n", "sh", "-c", &script]).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.stderr(log).spawn().context("starting dockerd")?;
        let command = format!("docker -H unix://{}", socket.display());
        let docker = Self { child, command, folder: folder.clone() };
        let begun = Instant::now();
        while !docker.says("version") {
            if begun.elapsed() > DOCKER_LIMIT {
                let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
                bail!("dockerd does not answer: {}", log.lines().last().unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let mut shell = Shell::plain(&world.scratch)?;
        let archive = world.images.join(archive);
        shell.run(&format!("{} load -i {}", docker.command, archive.display()))?;
        Ok(docker)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn says(&self, verb: &str) -> bool {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{} {verb} >/dev/null 2>&1", self.command)]);
        command.status().is_ok_and(|status| status.success())
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

/// Teu with an image loaded: its shell, where the home is set, and its command.
pub fn teu(world: &World<'_>, mut shell: Shell, archive: &str) -> Result<(Shell, String)> {
    let home = fresh(world, "teu")?;
    shell.set("TEU_ROOT", &home)?;
    let command = world.teu.display().to_string();
    let archive = world.images.join(archive);
    shell.run(&format!("{command} load -i {}", archive.display()))?;
    Ok((shell, command))
}

/// Names of a folder that exists, for commands.
pub fn text(path: &Path) -> String {
    path.display().to_string()
}
