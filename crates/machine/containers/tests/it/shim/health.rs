//! Probes, limits of memory, pauses, signals to the shim itself.

use super::streams::exec;
use super::world::{World, call, exited, script, words};
use std::time::Duration;
use teu_containers::record::RestartPolicy;
use teu_containers::shim::protocol::{Reply, Request};
use teu_containers::state::Status;
use teu_oci::image::Healthcheck;
use teu_oci::runtime::Resources;
use teu_oci::runtime::linux::Memory;

const MILLISECOND: i64 = 1_000_000;

fn check(script: &str) -> Healthcheck {
    Healthcheck {
        test: vec!["CMD-SHELL".to_owned(), script.to_owned()],
        interval: 100 * MILLISECOND,
        timeout: 500 * MILLISECOND,
        retries: 2,
        ..Healthcheck::default()
    }
}

#[test]
fn health_changes_are_noticed() {
    let mut world = World::new();
    let record = world.edited(words("sleep 1000"), |_, record| {
        record.healthcheck = Some(check("echo look; test -e /tmp/fine"));
    });
    let health = |status: &'static str| {
        move |state: &teu_containers::state::ContainerState| {
            state.health.as_ref().is_some_and(|health| health.status == status)
        }
    };
    world.start(&record);
    world.until(&record, health("unhealthy"));
    let fine = exec(&record.id, words("touch /tmp/fine"));
    let connection = world.shim(&record.pod);
    assert!(matches!(call(&connection, &fine, &[]), Reply::Executing { .. }));
    assert_eq!(exited(&connection), 0);
    world.until(&record, health("healthy"));
    let state = world.state(&record);
    let probe = state.health.unwrap().log.pop().unwrap();
    assert_eq!((probe.exit_code, probe.output.as_str()), (0, "look\n"));
    assert!(probe.end_ns >= probe.start_ns);
    // The journal is written after the state.
    std::thread::sleep(Duration::from_millis(100));
    let expected = ["start", "health_status: unhealthy", "exec_die", "health_status: healthy"];
    assert_eq!(world.events(&record), expected);
}

#[test]
fn a_probe_is_bounded_in_time_and_output() {
    let mut world = World::new();
    let slow = world.edited(words("sleep 1000"), |_, record| {
        record.healthcheck = Some(Healthcheck { retries: 1, ..check("sleep 777; true") });
    });
    let loud = world.edited(words("sleep 1000"), |_, record| {
        record.healthcheck = Some(check("yes | head -c 1000000"));
    });
    world.start(&slow);
    world.start(&loud);
    world.until(&slow, |state| state.health.as_ref().is_some_and(|h| h.status == "unhealthy"));
    world.until(&loud, |state| state.health.as_ref().is_some_and(|h| h.status == "healthy"));
    let probe = world.state(&slow).health.unwrap().log.pop().unwrap();
    assert_eq!(probe.exit_code, -1);
    assert_eq!(probe.output, "Health check exceeded timeout (500ms)");
    assert_eq!(world.state(&loud).health.unwrap().log.pop().unwrap().output.len(), 4096);
    // What the slow probe started has gone with it.
    let ps = exec(&slow.id, script("! ps | grep -q '[s]leep 777'"));
    let connection = world.shim(&slow.pod);
    assert!(matches!(call(&connection, &ps, &[]), Reply::Executing { .. }));
    assert_eq!(exited(&connection), 0);
}

#[test]
fn a_probe_may_leave_something_running() {
    let mut world = World::new();
    let record = world.edited(words("sleep 1000"), |_, record| {
        record.healthcheck = Some(check("sleep 778 & echo left"));
    });
    world.start(&record);
    // What is left holds the probe's output open; the verdict does not wait for it, nor the shim.
    world.until(&record, |state| state.health.as_ref().is_some_and(|h| h.status == "healthy"));
    let probe = world.state(&record).health.unwrap().log.pop().unwrap();
    assert_eq!((probe.exit_code, probe.output.as_str()), (0, "left\n"));
    let connection = world.shim(&record.pod);
    let check = exec(&record.id, words("true"));
    assert!(matches!(call(&connection, &check, &[]), Reply::Executing { .. }));
    assert_eq!(exited(&connection), 0);
}

#[test]
fn too_much_memory_is_flagged() {
    let mut world = World::new();
    let command = script("x=x; while :; do x=$x$x$x; done");
    let record = world.edited(command, |_, record| {
        let memory = Memory { limit: Some(16 << 20), swap: Some(16 << 20), ..Memory::default() };
        record.resources = Resources { memory: Some(memory), ..Resources::default() };
    });
    let (code, ..) = world.run(&record);
    assert_eq!(code, 137);
    assert!(world.state(&record).oom_killed);
    assert_eq!(world.events(&record), ["start", "oom", "die"]);
}

#[test]
fn a_paused_container_stands_still() {
    let mut world = World::new();
    let record = world.container(script("while :; do echo x; sleep 0.01; done"));
    let connection = world.start(&record);
    let id = || record.id.clone();
    assert!(matches!(call(&connection, &Request::Pause { id: id() }, &[]), Reply::Done));
    assert_eq!(world.state(&record).status, Status::Paused);
    let refused = call(&connection, &exec(&record.id, words("true")), &[]);
    assert!(matches!(refused, Reply::Failed { .. }));
    std::thread::sleep(Duration::from_millis(50));
    let before = world.log(&record).len();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(world.log(&record).len(), before);
    assert!(matches!(call(&connection, &Request::Unpause { id: id() }, &[]), Reply::Done));
    std::thread::sleep(Duration::from_millis(100));
    assert!(world.log(&record).len() > before);
    // A stop reaches it though it is paused.
    call(&connection, &Request::Pause { id: id() }, &[]);
    let stop = Request::Stop { id: id(), signal: 9, timeout_ms: Some(1000) };
    assert!(matches!(call(&connection, &stop, &[]), Reply::Done));
    assert_eq!(world.state(&record).exit_code, 137);
}

#[test]
fn a_terminated_shim_stops_its_pod_cleanly() {
    let mut world = World::new();
    let record =
        world.edited(script("trap 'exit 0' TERM; while :; do sleep 0.01; done"), |_, record| {
            record.restart = RestartPolicy::Always;
        });
    world.start(&record);
    std::thread::sleep(Duration::from_millis(100));
    let shim = rustix::process::Pid::from_raw(world.shim_pid(&record.pod)).unwrap();
    rustix::process::kill_process(shim, rustix::process::Signal::TERM).unwrap();
    world.ended(&record.pod);
    let state = world.state(&record);
    assert_eq!((state.status, state.exit_code), (Status::Exited, 0));
}

#[test]
fn an_init_hands_on_and_reaps() {
    let mut world = World::new();
    let command = script(
        "trap 'echo bye; exit 3' TERM; (sleep 0.01 & exec true) ; echo $$; cat /proc/1/comm; \
         while :; do sleep 0.01; done",
    );
    let record = world.edited(command, |_, record| record.init = true);
    let connection = world.start(&record);
    std::thread::sleep(Duration::from_millis(300));
    let zombies = exec(&record.id, script("! grep -l '^State:.*Z' /proc/[0-9]*/status"));
    let other = world.shim(&record.pod);
    let reply = call(&other, &zombies, &[]);
    assert!(matches!(reply, Reply::Executing { .. }), "{reply:?} {:?}", world.log(&record));
    assert_eq!(exited(&other), 0, "a zombie stays");
    let stop = Request::Stop { id: record.id.clone(), signal: 0, timeout_ms: None };
    assert!(matches!(call(&connection, &stop, &[]), Reply::Done));
    assert_eq!(world.state(&record).exit_code, 3);
    assert_eq!(world.log(&record), "2\ndocker-init\nbye\n");
    let absent = world.edited(words("not-there"), |_, record| record.init = true);
    assert_eq!(world.run(&absent).0, 127);
}
