//! The ways in: sockets that somebody else opened, TLS with certificates of both sides, contexts,
//! WebSockets; and the way out, SIGTERM.

use super::{Engine, eventually, finish};
use crate::world::World;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A program that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An engine by these arguments; the addresses that it says it listens on.
fn listening(world: &World, args: &[&str], count: usize) -> (Running, Vec<String>) {
    let mut command = world.command(["engine"].iter().chain(args));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.expect("the engine starts");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let places = lines.take(count).map(|line| {
        let line = line.expect("a line");
        line.strip_prefix("API listen on ").unwrap_or_else(|| panic!("{line}")).to_owned()
    });
    let places = places.collect();
    (Running(child), places)
}

fn docker(world: &World, args: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.env("DOCKER_CONFIG", world.root().join("client")).args(args).stdin(Stdio::null());
    for name in ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"] {
        command.env_remove(name);
    }
    command
}

#[track_caller]
fn ok(mut command: Command) -> String {
    let output = finish(&mut command);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// What systemd does: listens, waits for somebody, and executes a program with the socket as
/// descriptor 3.
const ACTIVATE: &str = "
import os, select, socket, sys
made = socket.socket(socket.AF_UNIX)
made.bind(sys.argv[1])
made.listen(128)
select.select([made], [], [])
if made.fileno() != 3:
    os.dup2(made.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES='engine.socket')
os.execv(sys.argv[2], sys.argv[2:])
";

#[test]
fn a_socket_that_systemd_opened() {
    let world = World::busybox();
    let socket = world.root().join("activated.sock");
    let settings = world.command([""; 0]);
    let mut command = Command::new("python3");
    for (name, value) in settings.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.args(["-c", ACTIVATE]).arg(&socket).arg(crate::world::binary());
    command.args(["engine", "-H", "fd://"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _engine = Running(command.spawn().expect("python3 starts"));
    eventually("the socket is there", || socket.exists());
    let host = format!("unix://{}", socket.display());
    // The first connection starts it.
    let version = ok(docker(&world, &["-H", &host, "version", "--format", "{{.Server.Os}}"]));
    assert_eq!(version, "linux");
    ok(docker(&world, &["-H", &host, "run", "-d", "--name", "on", "busybox", "sleep", "1000"]));
    // What systemd handed on is the engine's alone.
    let shims = std::fs::read_dir("/proc").expect("/proc").flatten().filter(|entry| {
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let ours =
            String::from_utf8_lossy(&read("cmdline")).contains(&*world.root().to_string_lossy());
        ours && read("comm").starts_with(b"teu-")
    });
    let mut seen = 0;
    for shim in shims {
        seen += 1;
        for fd in std::fs::read_dir(shim.path().join("fd")).into_iter().flatten().flatten() {
            let target = std::fs::read_link(fd.path()).unwrap_or_default();
            assert!(!target.to_string_lossy().contains("activated.sock"), "{target:?}");
        }
    }
    assert!(seen > 0, "no shim was found");
    let refused = world.teu(["engine", "-H", "fd://"]).fails(1);
    assert!(refused.contains("no socket was handed on"), "{refused}");
}

/// `ca.pem`, `cert.pem`, `key.pem` of a client and a server, as Docker names them.
fn certificates(world: &World) -> (String, String) {
    let folder = |who: &str, identity: &teu_pki::Identity, authority: &teu_pki::Authority| {
        let path = world.file(&format!("{who}/ca.pem"), &authority.certificate_pem());
        let folder = path.parent().expect("written above").to_owned();
        identity.save(&folder.join("cert.pem"), &folder.join("key.pem")).expect("saves");
        folder.display().to_string()
    };
    let authority = teu_pki::Authority::create("doors").expect("an authority");
    let server = authority.issue(&teu_pki::Request::server(["127.0.0.1", "localhost"]));
    let client = authority.issue(&teu_pki::Request::client("somebody"));
    let server = folder("server", &server.expect("issued"), &authority);
    let client = folder("client", &client.expect("issued"), &authority);
    // Somebody whom another authority vouches for trusts the server all the same.
    let other = teu_pki::Authority::create("another").expect("an authority");
    let stranger = other.issue(&teu_pki::Request::client("stranger")).expect("issued");
    folder("stranger", &stranger, &authority);
    (server, client)
}

#[test]
fn tls_asks_both_sides_and_contexts_know_it() {
    let world = World::busybox();
    let (server, client) = certificates(&world);
    let (ca, cert, key) =
        (format!("{server}/ca.pem"), format!("{server}/cert.pem"), format!("{server}/key.pem"));
    let tls = ["--tlsverify", "--tlscacert", &ca, "--tlscert", &cert, "--tlskey", &key];
    let args: Vec<&str> = ["-H", "tcp://127.0.0.1:0"].iter().chain(&tls).copied().collect();
    let (_engine, places) = listening(&world, &args, 1);
    let address = places[0].clone();
    let host = format!("tcp://{address}");
    let with = |folder: &str, args: &[&str]| {
        let mut command = docker(&world, &["-H", &host, "--tlsverify"]);
        for (flag, file) in
            [("--tlscacert", "ca.pem"), ("--tlscert", "cert.pem"), ("--tlskey", "key.pem")]
        {
            command.arg(flag).arg(Path::new(folder).join(file));
        }
        command.args(args);
        command
    };
    // Streams over TLS: a hijacked connection is one, too.
    let mut run = with(&client, &["run", "--rm", "-i", "busybox", "cat"]);
    run.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut run = run.spawn().expect("docker starts");
    let text = "over tls\n".repeat(10_000);
    run.stdin.take().expect("piped").write_all(text.as_bytes()).expect("writes");
    let output = run.wait_with_output().expect("ends");
    assert!(output.status.success());
    assert!(output.stdout == text.as_bytes(), "{} bytes came back", output.stdout.len());

    let stranger = finish(&mut with(&client.replace("client", "stranger"), &["ps"]));
    assert!(!stranger.status.success(), "a stranger was let in");
    let mut plain = docker(&world, &["-H", &host, "ps"]);
    assert!(!finish(&mut plain).status.success(), "somebody without a certificate was let in");

    let at = format!("host={host},ca={client}/ca.pem,cert={client}/cert.pem,key={client}/key.pem");
    ok(docker(&world, &["context", "create", "teu", "--docker", &at]));
    let name = ok(docker(&world, &["--context", "teu", "info", "--format", "{{.OSType}}"]));
    assert_eq!(name, "linux");
    ok(docker(&world, &["context", "use", "teu"]));
    assert_eq!(ok(docker(&world, &["ps", "-aq"])), "");
}

#[test]
fn a_terminated_engine_lets_requests_end_and_followers_go() {
    let world = World::busybox();
    let (mut engine, _) = listening(&world, &[], 1);
    let host = format!("unix://{}", world.root().join("run/engine.sock").display());
    let at = |args: &[&str]| docker(&world, &[&["-H", &host], args].concat());
    ok(at(&["run", "-d", "--name", "talks", "busybox", "sh", "-c", "echo begun; sleep 1000"]));
    let mut followers: Vec<Running> = [vec!["logs", "-f", "talks"], vec!["events"]]
        .iter()
        .map(|args| {
            let mut command = at(args);
            command.stdout(Stdio::piped()).stderr(Stdio::null());
            Running(command.spawn().expect("docker starts"))
        })
        .collect();
    let mut first = [0; 6];
    let logs = followers[0].0.stdout.as_mut().expect("piped");
    logs.read_exact(&mut first).expect("the first line");
    assert_eq!(&first, b"begun\n");
    // A request that ends by itself while nobody is let in any more.
    let mut slow = at(&["stop", "-t", "2", "talks"]);
    let slow = slow.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let slow = slow.expect("docker starts");
    eventually("the stop is under way", || {
        let events = world.teu(["events", "--since", "1h", "--until", "0s"]).out;
        events.contains("container kill")
    });
    let pid = engine.0.id().to_string();
    assert!(Command::new("kill").arg(pid).status().expect("kill").success());
    let slow = slow.wait_with_output().expect("ends");
    assert!(slow.status.success(), "{}", String::from_utf8_lossy(&slow.stderr));
    eventually(
        "it has ended",
        || matches!(engine.0.try_wait(), Ok(Some(status)) if status.success()),
    );
    for follower in &mut followers {
        eventually("followers are gone", || matches!(follower.0.try_wait(), Ok(Some(_))));
    }
    let again = finish(&mut at(&["ps"]));
    assert!(!again.status.success(), "it still answers");
    world.line("rm -f talks").ok();
}

/// docker-py's own, over the websocket-client that it brings along.
#[test]
fn a_web_socket_attaches() {
    let world = World::busybox();
    let (_engine, places) = listening(&world, &["-H", "tcp://127.0.0.1:0", "--insecure-tcp"], 1);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/engine/web_socket_attach.py");
    let mut command = Command::new(super::clients::python());
    command.arg(script).env("DOCKER_HOST", format!("tcp://{}", places[0]));
    assert!(ok(command).contains("all is well"));
}

#[test]
fn two_engines_on_one_home_are_refused_whatever_the_door() {
    let world = World::busybox();
    let _engine = Engine::start(&world);
    let second = world.teu(["engine", "-H", "tcp://127.0.0.1:0", "--insecure-tcp"]);
    assert!(second.fails(1).contains("another engine"));
}
