//! create, start, state, kill, delete, pause, resume, list, ps, update, events, hooks.

use crate::hierarchies::lacks;
use crate::world::{World, finish, is_runc};
use serde_json::{Value, json};
use std::fs;
use std::io::Read as _;

#[test]
fn from_created_to_deleted() {
    let mut world = World::new();
    world.script("touch /tmp/started; sleep 600");
    world.config["annotations"] = json!({ "a": "b" });
    world.create();
    let state = world.state();
    assert_eq!(state["status"], "created");
    assert_eq!(state["id"], world.id.as_str());
    assert_eq!(state["annotations"]["a"], "b");
    assert_eq!(
        state["bundle"],
        fs::canonicalize(world.dir.path()).expect("path").to_str().expect("text")
    );
    assert!(state["pid"].as_i64().is_some_and(|pid| pid > 0));
    assert!(!world.rootfs().join("tmp/started").exists());

    assert_ne!(world.call(&["create", &world.id]).code, 0, "the id is taken");
    assert_eq!(world.call(&["start", &world.id]).code, 0);
    world.until("the start", || world.rootfs().join("tmp/started").exists());
    assert_eq!(world.state()["status"], "running");
    assert_ne!(world.call(&["start", &world.id]).code, 0, "it runs already");
    assert_ne!(world.call(&["delete", &world.id]).code, 0, "it still runs");

    assert_eq!(world.call(&["kill", &world.id, "KILL"]).code, 0);
    world.until("the end", || world.state()["status"] == "stopped");
    let refused = world.call(&["kill", &world.id, "TERM"]);
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("not running") || refused.stderr.contains("finished"));
    assert_eq!(world.call(&["delete", &world.id]).code, 0);
    assert!(world.call(&["state", &world.id]).stderr.contains("does not exist"));
    assert!(!fs::exists(format!("/sys/fs/cgroup/memory/{}", world.id)).expect("path"));
}

#[test]
fn deleting_by_force() {
    let mut world = World::new();
    world.script("sleep 600 & sleep 600");
    world.start();
    assert_eq!(world.call(&["delete", "--force", &world.id]).code, 0);
    assert_eq!(world.call(&["delete", "--force", &world.id]).code, 0, "gone is gone");
    assert_ne!(world.call(&["delete", &world.id]).code, 0);
    let mut created = World::new();
    created.script("true");
    created.create();
    assert_eq!(created.call(&["delete", &created.id]).code, 0, "a created one needs no force");
}

#[test]
fn bad_ids_and_missing_bundles() {
    let world = World::new();
    for id in ["", "..", "a/b", "a b", "-x"] {
        assert_ne!(world.call(&["create", id]).code, 0, "{id:?}");
    }
    let done = world.call(&["run", &world.id]);
    assert_ne!(done.code, 0);
    assert!(done.stderr.contains("config.json"), "{}", done.stderr);
    assert!(!world.dir.path().join("state").join(&world.id).exists());
}

#[test]
fn signals() {
    let mut world = World::new();
    world.script("trap 'touch /tmp/usr1' USR1; touch /tmp/ready; while :; do sleep 0.05; done");
    world.start();
    world.until("readiness", || world.rootfs().join("tmp/ready").exists());
    for name in ["SIGUSR1", "usr1", "10"] {
        let _ = fs::remove_file(world.rootfs().join("tmp/usr1"));
        assert_eq!(world.call(&["kill", &world.id, name]).code, 0);
        world.until(name, || world.rootfs().join("tmp/usr1").exists());
    }
    assert_ne!(world.call(&["kill", &world.id, "NONSENSE"]).code, 0);
    assert_eq!(world.call(&["kill", "--all", &world.id, "KILL"]).code, 0);
    world.until("the end", || world.state()["status"] == "stopped");
}

#[test]
fn a_pid_file_and_lists() {
    let mut world = World::new();
    world.script("exec sleep 600");
    world.write_config();
    let mut command = world.command(&["run", "--detach", "--pid-file", "pid", &world.id]);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    assert!(command.status().expect("run").success());
    let pid = fs::read_to_string(world.dir.path().join("pid")).expect("pid file");
    assert_eq!(world.state()["pid"].to_string(), pid);
    assert!(world.call(&["list"]).stdout.contains(&world.id));
    assert_eq!(world.call(&["list", "-q"]).stdout, world.id);
    let list: Value =
        serde_json::from_str(&world.call(&["list", "--format", "json"]).stdout).expect("JSON");
    assert_eq!(list[0]["status"], "running");
    let pids = world.call(&["ps", "--format", "json", &world.id]).stdout;
    assert!(pids.contains(&pid), "{pids}");
    // Its shell is about to become it.
    world.until("the program", || world.call(&["ps", &world.id]).stdout.contains("sleep 600"));
}

#[test]
fn pausing() {
    let mut world = World::new();
    world.script("while :; do date +%N > /tmp/now; done");
    world.start();
    let now = world.rootfs().join("tmp/now");
    world.until("life", || now.exists());
    assert_eq!(world.call(&["pause", &world.id]).code, 0);
    assert_eq!(world.state()["status"], "paused");
    let before = fs::read(&now).expect("read");
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(fs::read(&now).expect("read"), before);
    assert_ne!(world.call(&["exec", &world.id, "true"]).code, 0);
    assert_eq!(world.call(&["resume", &world.id]).code, 0);
    world.until("life again", || fs::read(&now).expect("read") != before);
    assert_ne!(world.call(&["resume", &world.id]).code, 0);
    assert_eq!(world.call(&["pause", &world.id]).code, 0);
    let done = world.call(&["delete", "--force", &world.id]);
    assert_eq!(done.code, 0, "frozen ones can be killed: {}", done.stderr);
    world.start();
    assert_eq!(world.call(&["pause", &world.id]).code, 0);
    assert_eq!(world.call(&["kill", &world.id, "KILL"]).code, 0);
    world.until("the end", || world.state()["status"] == "stopped");
}

#[test]
fn limits_are_set_updated_and_shown() {
    if lacks(&["memory", "pids"]) {
        return;
    }
    let mut world = World::new();
    world.config["linux"]["resources"] =
        json!({ "memory": { "limit": 67_108_864 }, "pids": { "limit": 50 } });
    world.script("sleep 600");
    world.start();
    let stats = |world: &World| -> Value {
        serde_json::from_str(&world.call(&["events", "--stats", &world.id]).stdout).expect("JSON")
    };
    let first = stats(&world);
    assert_eq!(first["type"], "stats");
    assert_eq!(first["data"]["memory"]["usage"]["limit"], 67_108_864);
    assert_eq!(first["data"]["pids"]["limit"], 50);
    let done = world.call(&["update", "--memory", "32m", "--pids-limit", "20", &world.id]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(stats(&world)["data"]["memory"]["usage"]["limit"], 33_554_432);
    fs::write(world.dir.path().join("r.json"), r#"{"pids":{"limit":30}}"#).expect("file");
    assert_eq!(world.call(&["update", "-r", "r.json", &world.id]).code, 0);
    assert_eq!(stats(&world)["data"]["pids"]["limit"], 30);
}

#[test]
fn hooks_run_in_order_with_the_state() {
    let mut world = World::new();
    let log = world.dir.path().join("hooks.log");
    let hook = |name: &str| {
        let script = format!(
            "read -r state; echo \"{name} $V $(echo $state | grep -o '\"status\":\"[a-z]*\"')\" >> {}",
            log.display()
        );
        json!([{ "path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin", "V=1"] }])
    };
    let inside = json!([{ "path": "/bin/sh", "args": ["sh", "-c", "cat > /tmp/inside"] }]);
    world.config["hooks"] = json!({
        "prestart": hook("prestart"), "createRuntime": hook("createRuntime"),
        "createContainer": hook("createContainer"), "startContainer": inside,
        "poststart": hook("poststart"), "poststop": hook("poststop"),
    });
    world.script("true");
    let done = world.run();
    assert_eq!(done.code, 0, "{}", done.stderr);
    let text = fs::read_to_string(&log).expect("log");
    let names: Vec<_> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["prestart", "createRuntime", "createContainer", "poststart", "poststop"]);
    assert!(text.lines().all(|line| line.contains(" 1 ") && line.contains("status")), "{text}");
    assert!(text.contains("poststop 1 \"status\":\"stopped\""), "{text}");
    let inside = fs::read_to_string(world.rootfs().join("tmp/inside")).expect("ran");
    assert!(inside.contains(&world.id));
}

#[test]
fn a_hook_that_fails_or_hangs_refuses_the_start() {
    let hook = |script: &str, timeout: i64| json!([{ "path": "/bin/sh", "args": ["sh", "-c", script], "timeout": timeout }]);
    for (kind, script) in [
        ("prestart", "echo why >&2; exit 3"),
        ("createRuntime", "sleep 30"),
        ("createContainer", "exit 1"),
        ("startContainer", "exit 1"),
    ] {
        let mut world = World::new();
        world.config["hooks"] = json!({ kind: hook(script, 1) });
        world.script("touch /tmp/started");
        let done = world.run();
        assert_ne!(done.code, 0, "{kind}");
        assert!(!world.rootfs().join("tmp/started").exists(), "{kind}");
        assert!(done.stderr.contains("hook"), "{kind}: {}", done.stderr);
    }
}

#[test]
fn a_terminal_over_a_console_socket() {
    let mut world = World::new();
    world.config["process"]["terminal"] = json!(true);
    world.config["process"]["consoleSize"] = json!({ "height": 33, "width": 77 });
    world.script(
        "tty; stty size; test -c /dev/console && echo console; read x; echo got $x; sleep 600",
    );
    world.write_config();
    let path = world.dir.path().join("console.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("socket");
    let path = path.to_str().expect("text").to_owned();
    let done = finish(world.command(&["create", "--console-socket", &path, &world.id]));
    assert_eq!(done.code, 0, "{}", done.stderr);
    let (connection, _) = listener.accept().expect("connection");
    let mut master = fs::File::from(receive(&connection));
    assert_eq!(world.call(&["start", &world.id]).code, 0);
    std::io::Write::write_all(&mut master, b"hello\n").expect("write");
    let mut text = String::new();
    while !text.contains("got hello") {
        let mut buffer = [0; 1024];
        let length = master.read(&mut buffer).expect("read");
        text.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    assert!(text.contains("/dev/pts/0"), "{text}");
    assert!(text.contains("33 77"), "{text}");
    assert!(text.contains("console"), "{text}");
}

fn receive(connection: &std::os::unix::net::UnixStream) -> std::os::fd::OwnedFd {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut buffer = [0; 64];
    let mut parts = [std::io::IoSliceMut::new(&mut buffer)];
    recvmsg(connection, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC).expect("message");
    let mut found = ancillary.drain();
    match found.next() {
        Some(RecvAncillaryMessage::ScmRights(mut descriptors)) => descriptors.next().expect("one"),
        _ => panic!("no descriptor came"),
    }
}

#[test]
fn the_log_has_the_reason_as_json() {
    let mut world = World::new();
    world.config["process"]["args"] = json!(["nothere"]);
    world.write_config();
    let done = world.call(&["--log", "log.json", "--log-format", "json", "run", &world.id]);
    assert_ne!(done.code, 0);
    let log = fs::read_to_string(world.dir.path().join("log.json")).expect("log");
    let last: Value = serde_json::from_str(log.lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["level"], "error");
    assert!(last["msg"].as_str().expect("text").contains("executable file not found in $PATH"));
}

#[test]
fn what_describes_itself() {
    let world = World::new();
    assert!(world.call(&["--version"]).stdout.contains("version"));
    assert_eq!(world.call(&["spec"]).code, 0);
    let text = fs::read_to_string(world.dir.path().join("config.json")).expect("written");
    let mut config: Value = serde_json::from_str(&text).expect("JSON");
    assert_ne!(world.call(&["spec"]).code, 0, "it is there already");
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(["/bin/sh", "-c", "echo from spec"]);
    fs::write(world.dir.path().join("config.json"), config.to_string()).expect("write");
    let done = world.call(&["run", &world.id]);
    assert_eq!(done.stdout, "from spec", "{}", done.stderr);
    let features: Value = serde_json::from_str(&world.call(&["features"]).stdout).expect("JSON");
    assert_eq!(features["linux"]["seccomp"]["enabled"], true);
}

/// `create` may be killed at any instant; `delete --force` puts everything right.
#[test]
fn a_create_that_is_killed_leaves_nothing_behind() {
    if is_runc() {
        return; // it leaves its init behind
    }
    let mut world = World::new();
    world.script("sleep 600");
    world.write_config();
    for step in 0..24 {
        let mut command = world.command(&["create", &world.id]);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut child = command.spawn().expect("create");
        std::thread::sleep(std::time::Duration::from_micros(step * 700));
        let _ = child.kill();
        let _ = child.wait();
        let done = world.call(&["delete", "--force", &world.id]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        assert!(!world.dir.path().join("state").join(&world.id).exists());
        for controller in fs::read_dir("/sys/fs/cgroup").expect("list").flatten() {
            assert!(!controller.path().join(&world.id).exists(), "{controller:?}");
        }
    }
    world.until("the end of all", || {
        let processes = fs::read_dir("/proc").expect("list").flatten();
        processes
            .filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok())
            .all(|line| !(line.contains("create") && line.contains(&world.id)))
    });
    world.start();
    assert_eq!(world.state()["status"], "running");
}
