//! Start, stop, kill, pause, wait, exec, attach, logs, top, stats, events.

use super::world::{Ran, World, pipe, read, until};
use teu_containers::Hangup;
use teu_containers::events::EventOptions;
use teu_containers::exec::{ExecRequest, ExecStreams};
use teu_containers::lifecycle::{Attach, Remove, Stop, Update, WaitFor};
use teu_containers::logs::LogOptions;
use teu_containers::state::Status;

fn status(world: &World, name: &str) -> Status {
    world.containers.find(name).unwrap().state.status
}

#[test]
fn run_gives_output_and_exit_code() {
    let world = World::new();
    let ran = world.run("echo out; echo err >&2; exit 3");
    assert_eq!(ran, Ran { code: 3, out: "out\n".into(), err: "err\n".into() });
    world.assert_clean();
}

#[test]
fn what_cannot_run_has_its_exit_code() {
    let world = World::new();
    for (program, code) in [("/bin/nothere", 127), ("nothere", 127), ("/etc/passwd", 126)] {
        let mut request = world.request("");
        request.container.command = vec![program.to_owned()];
        let error = world.run_request(request).unwrap_err();
        assert_eq!(error.exit_code(), code, "{error}");
    }
    world.assert_clean();
}

#[test]
fn a_container_that_removes_itself() {
    let world = World::new();
    let mut request = world.request("echo bye");
    request.container.auto_remove = true;
    let created = world.containers.create(request).unwrap();
    assert_eq!(world.start_attached(&created.id).unwrap().out, "bye\n");
    assert!(world.containers.find(&created.id).is_err());
    until("the end of the shim", || world.entries("run/pods").is_empty());
    world.assert_clean();
}

#[test]
fn from_running_to_exited_and_back() {
    let world = World::new();
    let created = world.running("web", "trap 'exit 7' TERM; echo up; while :; do sleep 0.02; done");
    world.said("web", "up\n");
    assert_eq!(status(&world, "web"), Status::Running);
    world.containers.start("web", Attach::default()).unwrap();
    let error = world.containers.remove("web", Remove::default()).unwrap_err().to_string();
    assert!(error.starts_with("cannot remove container \"/web\": container is running"), "{error}");
    world.containers.pause("web").unwrap();
    assert_eq!(status(&world, "web"), Status::Paused);
    assert!(world.containers.pause("web").unwrap_err().to_string().contains("already paused"));
    let error = world.containers.exec("web", &sh("true"), ExecStreams::default()).unwrap_err();
    assert!(error.to_string().contains("is paused, unpause the container before exec"), "{error}");
    world.containers.unpause("web").unwrap();
    world.containers.stop("web", Stop { signal: None, timeout_s: Some(60) }).unwrap();
    assert_eq!(status(&world, "web"), Status::Exited);
    assert_eq!(world.containers.wait("web", WaitFor::NotRunning).unwrap(), 7);
    world.containers.stop("web", Stop::default()).unwrap();
    let error = world.containers.kill("web", 9).unwrap_err().to_string();
    let expected = format!("cannot kill container: web: container {} is not running", created.id);
    assert_eq!(error, expected);
    world.containers.restart("web", Stop::default()).unwrap();
    assert_eq!(status(&world, "web"), Status::Running);
    world.containers.kill("web", 9).unwrap();
    assert_eq!(world.containers.wait("web", WaitFor::NotRunning).unwrap(), 137);
    world.remove("web");
    world.assert_clean();
}

fn sh(script: &str) -> ExecRequest {
    ExecRequest { command: vec!["sh".into(), "-c".into(), script.into()], ..ExecRequest::default() }
}

fn exec(world: &World, name: &str, request: &ExecRequest) -> (i32, String) {
    let (out, write) = pipe();
    let streams = ExecStreams { stdout: Some(write), ..ExecStreams::default() };
    let execution = world.containers.exec(name, request, streams).unwrap();
    let text = read(out);
    (execution.wait().unwrap(), text)
}

#[test]
fn exec_runs_beside() {
    let world = World::new();
    world.running("web", "export HIDDEN=1; touch /here; sleep 100");
    until("readiness", || world.containers.stat_path("web", "/here").is_ok());
    assert_eq!(exec(&world, "web", &sh("ls /here; exit 4")), (4, "/here\n".into()));
    let request = ExecRequest {
        env: vec!["A=b".into()],
        user: Some("app".into()),
        working_dir: Some("/srv".into()),
        ..sh("echo $A $(id -u) $(pwd)")
    };
    assert_eq!(exec(&world, "web", &request), (0, "b 1000 /srv\n".into()));
    let error = world
        .containers
        .exec(
            "web",
            &ExecRequest { command: vec!["nothere".into()], ..Default::default() },
            ExecStreams::default(),
        )
        .unwrap_err();
    assert_eq!(error.exit_code(), 127, "{error}");
    let request = ExecRequest { working_dir: Some("srv".into()), ..sh("true") };
    assert!(world.containers.exec("web", &request, ExecStreams::default()).is_err());
}

#[test]
fn attach_reads_and_writes() {
    let world = World::new();
    let mut request = world.request("while read line; do echo got $line; done; echo end");
    request.name = Some("web".into());
    request.container.stdin_open = true;
    request.container.stdin_once = true;
    world.containers.create(request).unwrap();
    let (stdin, stdin_write) = pipe();
    let (out, stdout) = pipe();
    let attach = Attach { stdin: Some(stdin), stdout: Some(stdout), stderr: None };
    let session = world.containers.start("web", attach).unwrap();
    rustix::io::write(&stdin_write, b"a\nb\n").unwrap();
    drop(stdin_write);
    assert_eq!(read(out), "got a\ngot b\nend\n");
    assert_eq!(session.wait().unwrap(), 0);
}

#[test]
fn logs_are_followed_to_the_end() {
    let world = World::new();
    let options = LogOptions { stdout: true, stderr: true, follow: true, ..LogOptions::default() };
    world.running("web", "for i in 1 2 3 4 5; do echo $i; sleep 0.05; done");
    let lines: Vec<String> = world
        .containers
        .logs("web", &options)
        .unwrap()
        .map(|line| String::from_utf8(line.unwrap().bytes).unwrap())
        .collect();
    assert_eq!(lines.concat(), "1\n2\n3\n4\n5\n");
    let last = LogOptions { tail: Some(2), follow: false, ..options };
    assert_eq!(world.containers.logs("web", &last).unwrap().count(), 2);
}

#[test]
fn following_ends_when_the_shim_is_killed() {
    let world = World::new();
    world.running("web", "echo ready; sleep 1000");
    let options = LogOptions { stdout: true, follow: true, ..LogOptions::default() };
    let mut lines = world.containers.logs("web", &options).unwrap();
    assert_eq!(lines.next().unwrap().unwrap().bytes, b"ready\n");
    kill_shim(&world, "web");
    assert!(lines.next().is_none());
    let state = world.containers.find("web").unwrap().state;
    assert_eq!((state.status, state.exit_code), (Status::Exited, 255));
}

pub fn kill_shim(world: &World, name: &str) {
    let pod = world.containers.find(name).unwrap().pod.id;
    let connection = teu_containers::shim::connect(world.containers.home(), &pod).unwrap().unwrap();
    let peer = rustix::net::sockopt::socket_peercred(&connection).unwrap();
    rustix::process::kill_process(peer.pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn top_stats_and_update() {
    let world = World::new();
    world.running("web", "sleep 1000 & sleep 1000");
    let mut table = world.containers.top("web", &[]).unwrap();
    assert_eq!(table.titles[7], "CMD");
    until("both programs", || {
        table = world.containers.top("web", &[]).unwrap();
        table.rows.iter().filter(|row| row[7] == "sleep 1000").count() == 2
    });
    let args = vec!["-o".to_owned(), "pid,comm".to_owned(), "-A".to_owned()];
    let rows = world.containers.top("web", &args).unwrap().rows;
    assert_eq!(rows.len(), table.rows.len(), "{rows:?}");
    let mut update = Update::default();
    let memory = teu_oci::runtime::linux::Memory { limit: Some(64 << 20), ..Default::default() };
    update.resources.memory = Some(memory);
    world.containers.update("web", &update).unwrap();
    let stats = world.containers.stats(&[]).unwrap();
    assert_eq!(stats.len(), 1);
    assert_eq!(stats[0].memory_limit_bytes, 64 << 20);
    assert!(stats[0].pids >= 2 && stats[0].memory_bytes > 0, "{stats:?}");
    let shown = world.containers.inspect("web", false).unwrap();
    assert_eq!(shown["HostConfig"]["Memory"], 64 << 20);
    update.resources.memory.as_mut().unwrap().limit = Some(1 << 20);
    let error = world.containers.update("web", &update).unwrap_err().to_string();
    assert_eq!(error, "Minimum memory limit allowed is 6MB");
}

#[test]
fn events_tell_the_story() {
    let world = World::new();
    let since = EventOptions { since_ns: Some(1), ..EventOptions::default() };
    world.running("web", "exit 3");
    world.containers.wait("web", WaitFor::NotRunning).unwrap();
    world.remove("web");
    let options = EventOptions {
        until_ns: Some(teu_containers::time::now_ns()),
        filters: vec![("type".into(), "container".into())],
        ..since
    };
    let events: Vec<_> = world.containers.events(&options).unwrap().map(Result::unwrap).collect();
    let actions: Vec<&str> = events.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(actions, ["create", "start", "die", "destroy"]);
    assert_eq!(events[2].attributes["exitCode"], "3");
    assert_eq!(events[0].attributes["name"], "web");
}

#[test]
fn an_exec_starts_before_it_ends_in_the_journal_too() {
    let world = World::new();
    world.running("web", "sleep 1000");
    for _ in 0..8 {
        assert_eq!(exec(&world, "web", &sh("exit 0")), (0, String::new()));
    }
    let options = EventOptions {
        since_ns: Some(1),
        until_ns: Some(teu_containers::time::now_ns()),
        filters: vec![("type".into(), "container".into())],
    };
    let events = world.containers.events(&options).unwrap().map(|event| event.unwrap().action);
    let actions = events.map(|action| action.split(':').next().unwrap().to_owned());
    let actions: Vec<String> = actions.filter(|action| action.starts_with("exec")).collect();
    assert_eq!(actions, ["exec_start", "exec_die"].repeat(8));
}

#[test]
fn wait_sees_the_next_exit_and_the_removal() {
    let world = World::new();
    world.create("web", "sleep 0.1; exit 5");
    let next = world.containers.waiting("web", WaitFor::NextExit).unwrap();
    let gone = world.containers.waiting("web", WaitFor::Removed).unwrap();
    std::thread::scope(|scope| {
        let next = scope.spawn(|| next.finish(&Hangup::default()).unwrap());
        let gone = scope.spawn(|| gone.finish(&Hangup::default()).unwrap());
        world.containers.start("web", Attach::default()).unwrap();
        assert_eq!(next.join().unwrap(), Some(5));
        world.remove("web");
        gone.join().unwrap();
    });
}
