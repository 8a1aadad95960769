//! Killed commands, killed shims, damaged records: the next command repairs.

use super::life::kill_shim;
use super::world::{World, cgroups_of, until};
use std::fs;
use std::io::BufRead as _;
use std::os::unix::fs::DirBuilderExt as _;
use teu_containers::Containers;
use teu_containers::lifecycle::{Attach, Remove};
use teu_containers::list::ListOptions;
use teu_containers::state::Status;

const ALL: ListOptions = ListOptions { all: true, last: None, size: false, filters: Vec::new() };

#[test]
fn a_killed_shim_is_noticed_and_reported() {
    let world = World::new();
    let created = world.running("web", "sleep 1000");
    kill_shim(&world, "web");
    // Its lock is free at once, or a moment later.
    let mut state = Default::default();
    until("the shim's end", || {
        state = world.containers.find("web").unwrap().state;
        state.status != Status::Running
    });
    assert_eq!((state.status, state.exit_code, state.pid), (Status::Exited, 255, 0));
    assert_eq!(state.error.as_deref(), Some("the shim was lost; what it ran was killed"));
    assert_eq!(cgroups_of(&created.id), Vec::<std::path::PathBuf>::new());
    world.containers.start("web", Attach::default()).unwrap();
    assert_eq!(world.containers.find("web").unwrap().state.status, Status::Running);
    kill_shim(&world, "web");
    world.containers.remove("web", Remove { force: true, volumes: true }).unwrap();
    assert_eq!(cgroups_of(&created.id), Vec::<std::path::PathBuf>::new());
    world.assert_clean();
}

#[test]
fn a_frozen_container_of_a_killed_shim_goes_too() {
    let world = World::new();
    let created = world.running("web", "sleep 1000");
    world.containers.pause("web").unwrap();
    kill_shim(&world, "web");
    world.remove("web");
    assert_eq!(cgroups_of(&created.id), Vec::<std::path::PathBuf>::new());
    world.assert_clean();
}

#[test]
fn after_a_reboot_nothing_runs() {
    let world = World::new();
    let created = world.create("web", "true");
    let path = world.containers.home().container(&created.pod, &created.id).join("state.json");
    fs::write(path, r#"{"status":"running","pid":1,"boot_id":"another"}"#).unwrap();
    let state = world.containers.find("web").unwrap().state;
    assert_eq!((state.status, state.exit_code), (Status::Exited, 255));
    assert_eq!(state.error.as_deref(), Some("the machine was restarted while it ran"));
}

#[test]
fn half_made_and_half_removed_things_are_finished_by_the_next_command() {
    let world = World::new();
    world.create("kept", "true");
    let id = "ab".repeat(32);
    // A create that was killed: a draft, its lease, its name.
    let draft = world.dir.join(format!("tmp/new-{id}"));
    fs::DirBuilder::new().mode(0o700).create(&draft).unwrap();
    let image = world.containers.images().resolve("busybox").unwrap();
    let lease = world.containers.images().lease(&format!("container-{id}")).unwrap();
    lease.keep(&[image.manifest_digest]).unwrap();
    std::os::unix::fs::symlink(format!("{id}/{id}"), world.dir.join("names/lost")).unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    fs::File::open(&draft).unwrap().set_modified(old).unwrap();
    // A removal that was killed after its rename.
    let gone = world.create("gone", "true");
    let to = world.dir.join(format!("tmp/gonev-{}", gone.id));
    fs::rename(world.containers.home().pod(&gone.pod), to).unwrap();
    let again =
        Containers::open(world.containers.home().clone(), std::path::PathBuf::new()).unwrap();
    assert!(world.entries("tmp").is_empty(), "{:?}", world.entries("tmp"));
    assert_eq!(again.list(&ALL).unwrap().len(), 1);
    // Their names can be taken.
    world.create("lost", "true");
    world.create("gone", "true");
    for name in ["kept", "lost", "gone"] {
        world.remove(name);
    }
    world.assert_clean();
}

#[test]
fn a_damaged_record_is_told_and_can_be_removed() {
    let world = World::new();
    let created = world.create("web", "true");
    world.create("other", "true");
    let dir = world.containers.home().container(&created.pod, &created.id);
    fs::write(dir.join("config.json"), "{ torn").unwrap();
    let error = world.containers.find("web").unwrap_err().to_string();
    assert!(error.contains("is damaged"), "{error}");
    assert_eq!(world.containers.list(&ALL).unwrap().len(), 1, "others are still listed");
    world.remove("web");
    world.remove("other");
    world.containers.repair().unwrap();
    world.assert_clean();
}

#[test]
fn repair_clears_everything_that_nobody_has() {
    let world = World::new();
    world.create("web", "true");
    let id = "cd".repeat(32);
    std::os::unix::fs::symlink(&id, world.dir.join("names/nobody")).unwrap();
    fs::create_dir(world.dir.join("run/pods").join(&id)).unwrap();
    let image = world.containers.images().resolve("busybox").unwrap();
    let lease = world.containers.images().lease(&format!("container-{id}")).unwrap();
    lease.keep(&[image.manifest_digest]).unwrap();
    world.containers.repair().unwrap();
    assert!(!world.entries("names").contains("nobody"));
    assert!(world.entries("run/pods").is_empty());
    assert_eq!(world.containers.images().leases().unwrap().len(), 1);
    world.remove("web");
    world.assert_clean();
}

/// `rm -f` of a container whose shim does not answer.
#[test]
fn a_stuck_shim_does_not_hold_up_a_removal() {
    let world = World::new();
    let created = world.running("web", "sleep 1000");
    let home = world.containers.home();
    let connection = teu_containers::shim::connect(home, &created.pod).unwrap().unwrap();
    let shim = rustix::net::sockopt::socket_peercred(&connection).unwrap().pid;
    drop(connection);
    rustix::process::kill_process(shim, rustix::process::Signal::STOP).unwrap();
    world.remove("web");
    assert_eq!(cgroups_of(&created.id), Vec::<std::path::PathBuf>::new());
    world.assert_clean();
}

const VICTIM: &str = "TEU_TEST_VICTIM";

/// Not a test: the process that [`commands_killed_at_any_instant`] kills.
#[test]
fn victim() {
    let Some(dir) = std::env::var_os(VICTIM) else { return };
    let containers = Containers::open(
        teu_containers::Home::at(std::path::Path::new(&dir)),
        super::world::program(),
    )
    .unwrap();
    println!("{VICTIM}");
    let mut round = 0;
    loop {
        round += 1;
        let name = format!("victim{}", round % 3);
        let mut pod = teu_containers::record::PodRecord::default();
        pod.network.choice = teu_containers::record::NetworkChoice::None;
        let request = teu_containers::create::CreateRequest {
            name: Some(name.clone()),
            image: "withvolume".to_owned(),
            pod: teu_containers::create::PodChoice::Own(Box::new(pod)),
            container: teu_containers::record::ContainerRecord {
                command: vec!["sleep".into(), "1000".into()],
                ..Default::default()
            },
            ..Default::default()
        };
        let _ = containers.create(request);
        let _ = containers.start(&name, Attach::default());
        let _ = containers.rename(&name, &format!("{name}x"));
        for name in [name.clone(), format!("{name}x")] {
            let _ = containers.remove(&name, Remove { force: true, volumes: true });
        }
    }
}

/// Kills at least, and at most until they have hit different states.
const KILLS: std::ops::Range<u64> = 24..240;

/// kill -9 of a command at any instant; the next one finds everything in order.
#[test]
fn commands_killed_at_any_instant() {
    let world = World::new();
    world.image("withvolume", &["VOLUME /data", "VOLUME /srv"]);
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..KILLS.end {
        if round >= KILLS.start && seen.len() > 1 {
            break;
        }
        let mut victim = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "neck::faults::victim", "--test-threads=1", "--nocapture"])
            .env(VICTIM, &world.dir)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let said = std::io::BufReader::new(victim.stdout.take().unwrap());
        assert!(said.lines().any(|line| line.unwrap().contains(VICTIM)), "it works now");
        // Later and later: on a busy machine much time passes before anything is made.
        std::thread::sleep(std::time::Duration::from_millis(round * 37 % (150 + round * 8)));
        victim.kill().unwrap();
        victim.wait().unwrap();
        let next =
            Containers::open(world.containers.home().clone(), super::world::program()).unwrap();
        let lines = next.list(&ALL).unwrap();
        seen.insert(lines.first().map(|line| line.state.status.name()));
        for line in lines {
            // Whatever it is, it can be found by its name, looked at and removed.
            let found = next.find(&line.name).unwrap();
            assert_eq!(found.record.id, line.id);
            next.inspect(&line.id, false).unwrap();
            next.remove(&line.name, Remove { force: true, volumes: true }).unwrap();
            assert!(cgroups_of(&line.id).is_empty());
        }
        // A draft may be fresh; nothing else is left.
        assert!(world.entries("pods").is_empty(), "{:?}", world.entries("pods"));
    }
    for draft in world.entries("tmp") {
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
        let draft = fs::File::open(world.dir.join("tmp").join(draft)).unwrap();
        draft.set_modified(old).unwrap();
    }
    world.containers.repair().unwrap();
    assert!(seen.len() > 1, "the kills hit different states: {seen:?}");
    world.assert_clean();
}
