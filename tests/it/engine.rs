//! `teu engine` under real clients. Issue 4, must show 1 and 2 (and the engine's half of 4).

use crate::world::{World, binary};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub mod clients;
mod doors;
mod faults;
mod gone;
mod limits;
mod registries;
mod rust;
pub mod steps;

/// Anything that should happen has happened by then.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// An engine of its own world.
pub struct Engine {
    child: Child,
    pub socket: PathBuf,
    client_home: tempfile::TempDir,
}

impl Engine {
    /// Starts one, and waits until it listens.
    pub fn start(world: &World) -> Self {
        let socket = world.root().join("run/engine.sock");
        // No registry of the outside is ever asked.
        let registries = world.file(
            "registries.conf",
            "[[registry]]\nprefix = \"docker.io\"\nlocation = \"docker.io\"\nblocked = true\n",
        );
        let mut child = Command::new(binary())
            .arg("engine")
            .env("TEU_ROOT", world.root())
            .env("TEU_REGISTRIES_CONF", registries)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("it is piped");
        BufReader::new(out).read_line(&mut line).expect("it says where it listens");
        assert!(line.contains("API listen on"), "{line:?}");
        let client_home = tempfile::tempdir().expect("a folder");
        Self { child, socket, client_home }
    }

    /// `docker ARGS` against it.
    pub fn docker(&self, args: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command
            .env("DOCKER_HOST", format!("unix://{}", self.socket.display()))
            .env("DOCKER_CONFIG", self.client_home.path())
            .env("DOCKER_BUILDKIT", "0")
            .stdin(Stdio::null())
            .args(args);
        command
    }

    /// What a command said that must succeed.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        let output = finish(&mut self.docker(args));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        assert!(output.status.success(), "docker {args:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Ends it with no chance to clean up.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = Command::new("kill").arg(pid).status();
            let _ = self.child.wait();
        }
    }
}

/// Runs a command that must end in time.
pub fn finish(command: &mut Command) -> std::process::Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let pid = child.id().to_string();
    let (done, ended) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        let late = ended.recv_timeout(Duration::from_secs(300));
        if late == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-9", &pid]).status();
        }
    });
    let output = child.wait_with_output().expect("its output is read");
    drop(done);
    let _ = watch.join();
    output
}

/// Waits for a condition.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn says_who_it_is_and_refuses_a_second() {
    let world = World::busybox();
    let engine = Engine::start(&world);
    let version = engine.ok(&["version", "--format", "{{.Server.APIVersion}}"]);
    assert!(version.starts_with("1."), "{version}");
    let second = world.teu(["engine"]);
    assert!(second.fails(1).contains("another engine (process "));
    let plain = world.teu(["engine", "-H", "tcp://127.0.0.1:0"]);
    assert_ne!(plain.code, 0);
}

#[test]
fn shows_the_same_containers_as_teu() {
    let world = World::busybox();
    let engine = Engine::start(&world);
    engine.ok(&["run", "-d", "--name", "theirs", "busybox", "sleep", "1000"]);
    world.line("run -d --name ours busybox sleep 1000").ok();
    let shown = |text: String| {
        let mut names: Vec<String> = text.lines().map(str::to_owned).collect();
        names.sort();
        names
    };
    let format = "{{.ID}} {{.Names}} {{.Image}} {{.State}}";
    let docker = shown(engine.ok(&["ps", "-a", "--format", format]));
    assert_eq!(docker.len(), 2);
    assert_eq!(docker, shown(world.teu(["ps", "-a", "--format", format]).ok()));
    world.line("exec theirs touch /from-teu").ok();
    engine.ok(&["exec", "ours", "true"]);
    assert_eq!(engine.ok(&["exec", "theirs", "ls", "/from-teu"]), "/from-teu");
    engine.ok(&["rm", "-f", "ours"]);
    world.line("rm -f theirs").ok();
    assert_eq!(engine.ok(&["ps", "-aq"]), "");
}
