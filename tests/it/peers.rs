//! Other engines run containers through `teu runtime`. Issue 2, must show 5 (second half).

use crate::world::{World, binary, image_archive};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A link whose name makes the binary speak runc's command line.
pub fn runtime_link(world: &World) -> String {
    let link = world.root().join("teu-runtime");
    std::os::unix::fs::symlink(binary(), &link).expect("links");
    link.display().to_string()
}

/// Settings of a podman that shares nothing with those of other tests: by itself it takes its locks
/// from the machine's shared memory, and `podman system reset` frees those of all.
pub fn own_locks(folder: &Path) -> String {
    let path = folder.join("containers.conf");
    std::fs::write(&path, "[engine]\nlock_type = \"file\"\n").expect("writes");
    path.display().to_string()
}

pub fn succeed(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

#[test]
fn podman_runs_containers_through_it() {
    let world = World::empty();
    let runtime = runtime_link(&world);
    let podman = |args: &[&str]| {
        let mut command = Command::new("podman");
        let dir = |name: &str| world.root().join(name).display().to_string();
        command.args(["--root", &dir("podman"), "--runroot", &dir("podman-run")]);
        command.args(["--tmpdir", &dir("podman-tmp")]);
        command.env("CONTAINERS_CONF", own_locks(world.root()));
        command.args([
            "--cgroup-manager",
            "cgroupfs",
            "--runtime",
            &runtime,
            "--events-backend",
            "file",
        ]);
        command.args(args);
        command
    };
    succeed(podman(&["load", "-q", "-i"]).arg(image_archive("busybox")));
    let run =
        ["run", "--rm", "--network=none", "busybox", "sh", "-c", "echo through; id -u; exit 3"];
    let output = podman(&run).output().expect("it starts");
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "through\n0\n");
    let run = [
        "run",
        "-d",
        "--network=none",
        "--memory=64m",
        "--name",
        "long",
        "busybox",
        "sleep",
        "100",
    ];
    succeed(&mut podman(&run));
    assert_eq!(succeed(&mut podman(&["exec", "long", "cat", "/proc/1/comm"])), "sleep");
    succeed(&mut podman(&["rm", "-f", "-t", "0", "long"]));
    succeed(&mut podman(&["system", "reset", "-f"]));
}

/// A dockerd of our own, ended with the test.
pub struct Daemon {
    child: Child,
    socket: String,
}

impl Daemon {
    /// Starts it in a folder.
    pub fn start(root: &Path, runtime: &str) -> Self {
        Self::with(root, &["--add-runtime", &format!("teu={runtime}")])
    }

    /// With more arguments.
    pub fn with(root: &Path, arguments: &[&str]) -> Self {
        let dir = |name: &str| root.join(name).display().to_string();
        let socket = format!("unix://{}", dir("docker.sock"));
        let log = std::fs::File::create(dir("dockerd.log")).expect("creates");
        let child = Command::new("dockerd")
            .args([
                "--data-root",
                &dir("docker"),
                "--exec-root",
                &dir("docker-exec"),
                "-H",
                &socket,
            ])
            .args(["--pidfile", &dir("docker.pid"), "--bridge=none", "--iptables=false"])
            .args(arguments)
            // Whatever it is asked for, it reaches no further than this machine.
            .env("HTTPS_PROXY", "http://127.0.0.1:1")
            .env("HTTP_PROXY", "http://127.0.0.1:1")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("dockerd is installed");
        let daemon = Self { child, socket };
        let begun = Instant::now();
        while !daemon.docker(&["version"]).output().is_ok_and(|output| output.status.success()) {
            let log = std::fs::read_to_string(dir("dockerd.log")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(120), "dockerd does not answer:\n{log}");
            std::thread::sleep(Duration::from_millis(100));
        }
        daemon
    }

    /// `unix://…`
    pub fn socket(&self) -> &str {
        &self.socket
    }

    /// A command of its client.
    pub fn docker(&self, args: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.args(["-H", &self.socket]).args(args);
        command
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").arg(pid).status();
        let _ = self.child.wait();
    }
}

#[test]
fn dockerd_runs_containers_through_it() {
    let world = World::empty();
    let daemon = Daemon::start(world.root(), &runtime_link(&world));
    succeed(daemon.docker(&["load", "-q", "-i"]).arg(image_archive("busybox")));
    let run = [
        "run",
        "--rm",
        "--runtime",
        "teu",
        "--network=none",
        "busybox",
        "sh",
        "-c",
        "echo through; exit 3",
    ];
    let output = daemon.docker(&run).output().expect("it starts");
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "through\n");
    let run = ["run", "-d", "--runtime", "teu", "--network=none", "-m", "64m", "--name", "long"];
    succeed(daemon.docker(&run).args(["busybox", "sleep", "100"]));
    assert_eq!(succeed(&mut daemon.docker(&["exec", "long", "cat", "/proc/1/comm"])), "sleep");
    succeed(&mut daemon.docker(&["pause", "long"]));
    succeed(&mut daemon.docker(&["unpause", "long"]));
    succeed(&mut daemon.docker(&["stop", "-t", "0", "long"]));
    succeed(&mut daemon.docker(&["rm", "long"]));
    let missing =
        ["run", "--rm", "--runtime", "teu", "--network=none", "busybox", "no-such-command"];
    let code = daemon.docker(&missing).output().expect("it starts").status.code();
    assert_eq!(code, Some(127));
}
