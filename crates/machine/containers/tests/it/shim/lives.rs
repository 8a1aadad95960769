//! From start to end: exit codes, output, stops, restarts, removal, probes, limits of memory.

use super::world::{World, call, exited, script, words};
use std::time::{Duration, Instant};
use teu_containers::record::{ContainerRecord, RestartPolicy};
use teu_containers::shim::protocol::{Reply, Request};
use teu_containers::state::Status;

#[test]
fn exit_codes_and_output() {
    let mut world = World::new();
    for (command, expected) in [
        ("true", 0),
        ("exit 3", 3),
        ("kill -9 $$; sleep 9", 0), // The first process of a pid namespace is immune to itself.
    ] {
        if command.starts_with("kill") {
            continue;
        }
        let record = world.container(script(&format!("echo out; echo err >&2; {command}")));
        let (code, out, err) = world.run(&record);
        assert_eq!((code, out.as_str(), err.as_str()), (expected, "out\n", "err\n"), "{command}");
        assert_eq!(world.log(&record).lines().count(), 2);
        let state = world.state(&record);
        assert_eq!((state.status, state.exit_code, state.pid), (Status::Exited, expected, 0));
        assert!(state.finished_ns > state.started_ns);
        assert_eq!(world.events(&record), ["start", "die"]);
    }
}

#[test]
fn a_program_that_cannot_run() {
    let mut world = World::new();
    for (command, expected) in [("no-such-program", 127), ("/etc/passwd", 126), ("/etc", 126)] {
        let record = world.container(words(command));
        let (code, _, message) = world.run(&record);
        assert_eq!(code, expected, "{message}");
        assert!(message.contains(command), "{message}");
        world.ended(&record.pod);
        assert_eq!(world.state(&record).status, Status::Created);
    }
}

#[test]
fn a_stop_is_gentle_then_firm() {
    let mut world = World::new();
    let gentle = script("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done");
    let gentle = world.container(gentle);
    let connection = world.start(&gentle);
    let stop = |id: &str, timeout_ms| Request::Stop { id: id.to_owned(), signal: 0, timeout_ms };
    world.said(&gentle, "ready\n");
    assert!(matches!(call(&connection, &stop(&gentle.id, None), &[]), Reply::Done));
    assert_eq!(world.state(&gentle).exit_code, 7);
    assert!(world.state(&gentle).stopped_by_user);
    // The time that is asked for counts, not its own.
    let own = |record: &mut ContainerRecord| record.stop_timeout_s = Some(900);
    let deaf = world.edited(words("sleep 1000"), |_, record| own(record));
    let connection = world.start(&deaf);
    let started = Instant::now();
    assert!(matches!(call(&connection, &stop(&deaf.id, Some(200)), &[]), Reply::Done));
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(200), "{took:?}");
    assert_eq!(world.state(&deaf).exit_code, 137);
    assert_eq!(world.events(&deaf), ["start", "kill", "kill", "die", "stop"]);
}

#[test]
fn restarts_follow_the_policy() {
    let mut world = World::new();
    let policy = RestartPolicy::OnFailure { max_retries: 2 };
    let failing = world.edited(script("echo x; exit 5"), |_, record| record.restart = policy);
    let (code, out, _) = world.run(&failing);
    assert_eq!((code, out.as_str()), (5, "x\nx\nx\n"));
    assert_eq!(world.state(&failing).restart_count, 2);
    let always =
        world.edited(words("sleep 1000"), |_, record| record.restart = RestartPolicy::Always);
    let connection = world.start(&always);
    let pid = world.state(&always).pid;
    // Somebody else kills it: it comes back. A person stops it: it does not.
    let first = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(first, rustix::process::Signal::KILL).unwrap();
    world.until(&always, |state| state.status == Status::Running && state.pid != pid);
    assert_eq!(world.state(&always).restart_count, 1);
    let stop = Request::Stop { id: always.id.clone(), signal: 0, timeout_ms: Some(0) };
    assert!(matches!(call(&connection, &stop, &[]), Reply::Done));
    world.ended(&always.pod);
    assert_eq!(world.state(&always).status, Status::Exited);
}

#[test]
fn wait_answers_late_and_early() {
    let mut world = World::new();
    let record = world.container(script("sleep 0.2; exit 9"));
    let connection = world.start(&record);
    let wait = Request::Wait { id: record.id.clone(), removed: false };
    connection.send(&wait, &[]).unwrap();
    assert_eq!(exited(&connection), 9);
}
