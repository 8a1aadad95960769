//! An engine that is killed in the middle of everything: nothing is lost of what it served.

use super::{Engine, eventually, finish};
use crate::world::World;
use serde_json::Value;
use std::process::{Command, Stdio};

impl Engine {
    /// A request by hand: method, path, body.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> (String, Value) {
        let mut command = Command::new("curl");
        command.args(["-s", "--max-time", "120", "-X", method, "--unix-socket"]);
        command.arg(&self.socket).args(["-H", "Content-Type: application/json"]);
        if !body.is_empty() {
            command.args(["--data-binary", body]);
        }
        command.args(["-w", "\n%{http_code}", &format!("http://engine{path}")]);
        let output = finish(&mut command);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').unwrap_or(("", &text));
        (status.to_owned(), serde_json::from_str(body).unwrap_or_default())
    }
}

/// To the nanosecond: what clients make of "0s" is cut to the second.
fn now() -> String {
    let since = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
    format!("{}.{:09}", since.as_secs(), since.subsec_nanos())
}

fn numbers(text: &str) -> Vec<u32> {
    text.lines().filter_map(|line| line.trim().parse().ok()).collect()
}

#[test]
fn a_killed_engine_loses_no_container_no_line_and_no_exec() {
    let world = World::busybox();
    let engine = Engine::start(&world);
    let script = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); echo $i; sleep 0.02; done";
    engine.ok(&["run", "-d", "--name", "counter", "busybox", "sh", "-c", script]);
    let mut clients: Vec<_> = [
        vec!["logs", "-f", "counter"],
        vec!["attach", "--no-stdin", "counter"],
        vec!["exec", "counter", "sh", "-c", "while :; do echo busy; sleep 0.05; done"],
        vec!["wait", "counter"],
    ]
    .iter()
    .map(|args| {
        let mut command = engine.docker(args);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("docker starts")
    })
    .collect();
    let body = r#"{"Cmd":["sh","-c","trap 'exit 9' TERM; while :; do sleep 0.05; done"]}"#;
    let (_, made) = engine.ask("POST", "/containers/counter/exec", body);
    let exec = made["Id"].as_str().expect("an id").to_owned();
    engine.ask("POST", &format!("/exec/{exec}/start"), r#"{"Detach":true}"#);
    eventually("the execs run", || {
        engine.ok(&["top", "counter"]).matches("sleep 0.05").count() >= 2
    });
    engine.kill();
    for client in &mut clients {
        let _ = client.wait();
    }
    let meanwhile = world.teu(["logs", "--tail", "1", "counter"]).ok();
    let engine = Engine::start(&world);
    assert_eq!(engine.ok(&["ps", "--format", "{{.Names}} {{.State}}"]), "counter running");
    let last = numbers(&meanwhile)[0];
    eventually("it counts on", || {
        numbers(&engine.ok(&["logs", "--tail", "1", "counter"]))[0] > last + 10
    });
    let lines = numbers(&engine.ok(&["logs", "counter"]));
    let whole: Vec<u32> = (1..=u32::try_from(lines.len()).expect("few")).collect();
    assert_eq!(lines, whole, "a line is missing, or there twice");
    // Both execs go on: the one whose output somebody read, too.
    assert!(engine.ok(&["top", "counter"]).contains("echo busy"));
    let (_, state) = engine.ask("GET", &format!("/exec/{exec}/json"), "");
    assert_eq!(state["Running"], true, "{state}");
    let pid = state["Pid"].to_string();
    assert!(Command::new("kill").arg(pid).status().expect("kill").success());
    eventually("its exit code is known", || {
        engine.ask("GET", &format!("/exec/{exec}/json"), "").1["ExitCode"] == 9
    });
    engine.ok(&["rm", "-f", "counter"]);
}

#[test]
fn events_go_on_where_a_subscriber_left() {
    let world = World::busybox();
    let engine = Engine::start(&world);
    engine.ok(&["run", "--name", "before", "busybox", "true"]);
    let format = "{{.TimeNano}} {{.Action}}";
    let seen = engine.ok(&["events", "--since", "10m", "--until", &now(), "--format", format]);
    let last: u64 = seen
        .lines()
        .filter_map(|line| line.split(' ').next()?.parse().ok())
        .max()
        .expect("there were events");
    engine.kill();
    world.line("run --name between busybox true").ok();
    let engine = Engine::start(&world);
    let since = format!("{}.{:09}", last / 1_000_000_000, last % 1_000_000_000 + 1);
    let format = "{{.Actor.Attributes.name}} {{.Action}}";
    let more = engine.ok(&["events", "--since", &since, "--until", &now(), "--format", format]);
    assert!(more.contains("between die"), "{more}");
    assert!(!more.contains("before"), "{more}");
}

#[test]
fn a_client_that_goes_leaves_no_thread_behind() {
    let world = World::busybox();
    let engine = Engine::start(&world);
    engine.ok(&["run", "-d", "--name", "quiet", "busybox", "sleep", "1000"]);
    let threads = || {
        let path = format!("/proc/{}/task", engine.child.id());
        std::fs::read_dir(path).map_or(0, Iterator::count)
    };
    engine.ok(&["ps"]);
    let before = threads();
    let mut clients: Vec<_> = (0..5)
        .flat_map(|_| [vec!["logs", "-f", "quiet"], vec!["events"], vec!["wait", "quiet"]])
        .map(|args| {
            let mut command = engine.docker(&args);
            command.stdout(Stdio::null()).spawn().expect("docker starts")
        })
        .collect();
    eventually("all are served", || threads() >= before + 15);
    for client in &mut clients {
        let _ = client.kill();
        let _ = client.wait();
    }
    eventually("their threads have ended", || threads() < before + 5);
    engine.ok(&["rm", "-f", "quiet"]);
}

#[test]
fn a_killed_nursery_is_replaced_and_its_shims_live() {
    let world = World::busybox();
    let engine = Engine::start(&world);
    let root = world.root().display().to_string();
    let nursery = || {
        let all = std::fs::read_dir("/proc").expect("/proc").flatten();
        let read = |pid: &str, file: &str| {
            let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        all.filter_map(|entry| entry.file_name().into_string().ok()).find(|pid| {
            read(pid, "comm") == "teu-nursery\n" && read(pid, "cmdline").contains(&root)
        })
    };
    assert_eq!(nursery(), None, "none is kept before it is needed");
    engine.ok(&["run", "-d", "--name", "first", "busybox", "sleep", "1000"]);
    let pid = nursery().expect("a shim was born");
    assert!(Command::new("kill").args(["-9", &pid]).status().expect("kill").success());
    eventually("it is gone", || nursery().as_ref() != Some(&pid));
    engine.ok(&["run", "-d", "--name", "second", "busybox", "sleep", "1000"]);
    assert_eq!(engine.ok(&["exec", "first", "echo", "alive"]), "alive");
    assert_eq!(engine.ok(&["exec", "second", "echo", "alive"]), "alive");
    engine.kill();
    eventually("it goes with its engine", || nursery().is_none());
    assert_eq!(world.line("exec first echo alive").ok(), "alive");
    world.line("rm -f first second").ok();
}
