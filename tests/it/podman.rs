//! `teu pod` against Debian's podman, step by step: issue 4, section 3.
//!
//! `podman/steps.txt` has the steps, `podman/differences.txt` those whose outcome may differ, each with
//! the reason. Podman keeps its things in a folder of the test, runs containers through `teu runtime`,
//! and has no network.

use crate::engine::steps::{Outcome, disagreements, fields, run_each};
use crate::peers::{own_locks, runtime_link, succeed};
use crate::world::{World, binary};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

const STEPS: &str = include_str!("podman/steps.txt");
const DIFFERENCES: &str = include_str!("podman/differences.txt");
/// What every pod is made with.
const COMMON: &str = "--network=none";

fn podman(world: &World) -> String {
    let folder = |name: &str| world.root().join(name).display().to_string();
    let script = format!(
        "#!/bin/sh\n\
         case \"$1 $2\" in 'pod create') shift 2; set -- pod create --infra-image busybox \
         --infra-command 'sleep 1000' \"$@\";; esac\n\
         export CONTAINERS_CONF={}\n\
         exec podman --root {} --runroot {} --tmpdir {} --storage-driver vfs \
         --cgroup-manager cgroupfs --events-backend file --runtime {} \"$@\"\n",
        own_locks(world.root()),
        folder("podman"),
        folder("podman-run"),
        folder("podman-tmp"),
        runtime_link(world),
    );
    let path = world.file("podman", &script);
    succeed(Command::new("chmod").arg("+x").arg(&path));
    path.display().to_string()
}

fn run(program: &str, world: &World, folder: &Path) -> BTreeMap<&'static str, Outcome> {
    let mut all = run_each(STEPS, folder, |command| {
        command.env("P", program).env("C", COMMON).env("TEU_ROOT", world.root());
    });
    // Each has its own words for what is wrong; that something is must be said.
    for outcome in all.values_mut().filter(|outcome| !outcome.err.is_empty()) {
        outcome.err = "(words)".to_owned();
    }
    all
}

#[test]
fn pods_are_what_podman_makes_of_them() {
    let (ours, theirs) = (World::empty(), World::empty());
    let folders = [ours.root().join("steps"), theirs.root().join("steps")];
    for folder in &folders {
        std::fs::create_dir(folder).expect("creates");
    }
    let peer = podman(&theirs);
    let (ours, theirs) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| {
            let outcomes = run(&peer, &theirs, &folders[1]);
            let _ = Command::new(&peer).args(["system", "reset", "-f"]).output();
            outcomes
        });
        let ours = run(&binary().display().to_string(), &ours, &folders[0]);
        (ours, theirs.join().expect("no panic"))
    });
    let wrong = disagreements(&ours, &theirs, DIFFERENCES);
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), ours.len(), wrong.join("\n"));
}

#[test]
fn differences_are_about_steps_and_have_reasons() {
    let steps: Vec<&str> = fields(STEPS).map(|fields| fields[0]).collect();
    for difference in fields(DIFFERENCES) {
        let [name, what, why] = difference[..] else { panic!("three fields: {difference:?}") };
        assert!(steps.contains(&name), "{name} is no step");
        assert!(["text", "code", "anything"].contains(&what), "{name}: {what}");
        assert!(why.len() > 20, "{name}: why?");
    }
}
