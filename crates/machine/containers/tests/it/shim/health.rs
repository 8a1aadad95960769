//! Probes, limits of memory, pauses, signals to the shim itself.

use super::streams::exec;
use super::world::{World, call, exited, script, until, words};
use std::time::Duration;
use teu_containers::record::RestartPolicy;
use teu_containers::shim::protocol::{Reply, Request};
use teu_containers::state::{ContainerState, Status};
use teu_oci::image::Healthcheck;
use teu_oci::runtime::Resources;
use teu_oci::runtime::linux::Memory;

const MILLISECOND: i64 = 1_000_000;

fn check(script: &str) -> Healthcheck {
    Healthcheck {
        test: vec!["CMD-SHELL".to_owned(), script.to_owned()],
        interval: 100 * MILLISECOND,
        timeout: 60_000 * MILLISECOND,
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
        move |state: &ContainerState| {
            state.health.as_ref().is_some_and(|health| health.status == status)
        }
    };
    world.start(&record);
    world.until(&record, health("unhealthy"));
    let fine = exec(&record.id, words("touch /tmp/fine"));
    let connection = world.shim(&record.pod);
    assert!(matches!(call(&connection, &fine, &[]), Reply::Executing { .. }));
    assert_eq!(exited(&connection), 0);
    let state = world.until(&record, health("healthy"));
    let probe = state.health.unwrap().log.pop().unwrap();
    assert_eq!((probe.exit_code, probe.output.as_str()), (0, "look\n"));
    assert!(probe.end_ns >= probe.start_ns);
    // The journal is written after the state; of the exec's end and the probe's either may be first.
    until("the journal", || world.events(&record).len() == 4);
    let mut events = world.events(&record);
    events.retain(|event| event != "exec_die");
    assert_eq!(events, ["start", "health_status: unhealthy", "health_status: healthy"]);
}

#[test]
fn a_probe_is_bounded_in_time_and_output() {
    let mut world = World::new();
    let slow = world.edited(words("sleep 1000"), |_, record| {
        let slow = check("sleep 777; true");
        record.healthcheck = Some(Healthcheck { retries: 1, timeout: 500 * MILLISECOND, ..slow });
    });
    let loud = world.edited(words("sleep 1000"), |_, record| {
        record.healthcheck = Some(check("yes | head -c 1000000"));
    });
    world.start(&slow);
    world.start(&loud);
    let is = |status: &'static str| {
        move |state: &ContainerState| state.health.as_ref().is_some_and(|h| h.status == status)
    };
    let probe = world.until(&slow, is("unhealthy")).health.unwrap().log.pop().unwrap();
    assert_eq!(probe.exit_code, -1);
    assert_eq!(probe.output, "Health check exceeded timeout (500ms)");
    let probe = world.until(&loud, is("healthy")).health.unwrap().log.pop().unwrap();
    assert_eq!(probe.output.len(), 4096);
    // What the slow probe started has gone with it; the next one may be there for a while.
    let ps = exec(&slow.id, script("while ps | grep -q '[s]leep 777'; do sleep 0.01; done"));
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
    let healthy = |state: &ContainerState| {
        state.health.as_ref().is_some_and(|health| health.status == "healthy")
    };
    let probe = world.until(&record, healthy).health.unwrap().log.pop().unwrap();
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
    // What it had said before is logged a moment later.
    let mut before = 0;
    until("the pause", || {
        before = world.log(&record).len();
        std::thread::sleep(Duration::from_millis(200));
        world.log(&record).len() == before
    });
    assert!(matches!(call(&connection, &Request::Unpause { id: id() }, &[]), Reply::Done));
    until("more", || world.log(&record).len() > before);
    // A stop reaches it though it is paused.
    call(&connection, &Request::Pause { id: id() }, &[]);
    let stop = Request::Stop { id: id(), signal: 9, timeout_ms: Some(1000) };
    assert!(matches!(call(&connection, &stop, &[]), Reply::Done));
    assert_eq!(world.state(&record).exit_code, 137);
}

#[test]
fn a_terminated_shim_stops_its_pod_cleanly() {
    let mut world = World::new();
    let command = script("trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done");
    let record = world.edited(command, |_, record| record.restart = RestartPolicy::Always);
    world.start(&record);
    world.said(&record, "ready\n");
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
    world.said(&record, "docker-init\n");
    // The one that lost its parent has ended by then; one that its parent is about to hear of may
    // be seen for a moment.
    let look = "sleep 0.1; while grep -q '^State:.*Z' /proc/[0-9]*/status; do sleep 0.01; done";
    let zombies = exec(&record.id, script(look));
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
