//! Pods, restart policies, and the death of a shim. Issue 2, must show 4.

use crate::world::World;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Waits, bounded, for something that another process does.
#[track_caller]
pub fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !check() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never happened: {what}");
        std::thread::sleep(Duration::from_millis(30));
    }
}

fn shim_pid(world: &World, container: &str) -> String {
    let id = world.teu(["inspect", "--format", "{{.State.Pid}}", container]).ok();
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).expect("has a parent");
    parent.trim().to_owned()
}

#[test]
fn two_containers_of_a_pod_talk_over_localhost() {
    let world = World::busybox();
    world.line("pod create --name shop").ok();
    world.file("www/index.html", "from the pod\n");
    let www = format!("{}:/www:ro", world.root().join("files/www").display());
    let serve = ["run", "-d", "--pod", "shop", "--name", "page", "-v", &www, "busybox"];
    world.teu(serve.into_iter().chain(["httpd", "-f", "-p", "8080", "-h", "/www"])).ok();
    let fetch = "run --rm --pod shop busybox wget -q -O - http://127.0.0.1:8080/index.html";
    eventually("the page answers on the pod's localhost", || {
        world.line(fetch).out == "from the pod\n"
    });
    let names = world.teu(["pod", "inspect", "shop"]).ok();
    assert!(names.contains("page"), "{names}");
    world.line("pod rm -f shop").ok();
    assert_eq!(world.line("ps -aq").ok(), "");
}

#[test]
fn a_clone_is_another_pod_with_the_same_containers() {
    let world = World::busybox();
    world.line("pod create --network none --label a=b --hostname inn first").ok();
    let run = ["run", "-d", "--pod", "first", "--name", "web", "-e", "A=x y", "-v", "kept:/d"];
    world.teu(run.into_iter().chain(["busybox", "sh", "-c", "echo $A; exec sleep 1000"])).ok();
    world.line("exec web touch /written").ok();
    world.line("pod clone --start first second").ok();
    let logs = || world.line("logs web-clone").out;
    eventually("the clone's container has said so", || logs() == "x y\n");
    assert_eq!(world.line("exec web-clone hostname").ok(), "inn");
    assert_eq!(world.line("exec web-clone ls /d").code, 0, "the volume is the same");
    assert_eq!(world.line("exec web-clone test -e /written").code, 1, "its own layer is new");
    let labelled = ["pod", "ps", "--filter", "label=a=b", "--sort", "name", "--format"];
    let names = world.teu(labelled.into_iter().chain(["{{.Name}}"])).ok();
    assert_eq!(names, "first\nsecond");
    // A name that is taken leaves nothing half.
    assert_eq!(world.line("pod clone first second").code, 125);
    world.line("pod clone first third").fails(125);
    assert_eq!(world.line("pod exists third").code, 1);
    world.line("pod rm -f second").ok();
    world.line("pod clone --destroy first").ok();
    assert_eq!(world.line("pod ps --format {{.Name}}").ok(), "first-clone");
    world.line("pod rm -f first-clone").ok();
    assert_eq!(world.line("ps -aq").ok(), "");
}

/// A container needs two letters, as in Docker; a pod one, as in Podman and Kubernetes.
#[test]
fn one_letter_is_a_name_for_a_pod() {
    let world = World::busybox();
    world.line("pod create --network none --name p").ok();
    world.line("run -d --pod p --name web busybox sleep 1000").ok();
    assert_eq!(
        world.teu(["pod", "ps", "--format", "{{.Name}} {{.NumberOfContainers}}"]).ok(),
        "p 1"
    );
    let err = world.line("pod create --name -p").fails(125);
    assert!(err.contains("Invalid pod name (-p)"), "{err}");
    let err = world.line("create --name p busybox").fails(125);
    assert!(err.contains("Invalid container name (p)"), "{err}");
    world.line("pod rm -f p").ok();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: q}\nspec:\n  hostNetwork: true\n  containers:\n  - {name: c, image: busybox, command: [sleep, '1000']}\n";
    let file = world.file("pod.yaml", pod);
    world.teu(["kube", "play", file.to_str().expect("plain")]).ok();
    assert_eq!(world.teu(["ps", "--format", "{{.Names}}"]).ok(), "q-c");
    world.line("pod rm -f q").ok();
}

#[test]
fn on_failure_brings_a_killed_container_back() {
    let world = World::busybox();
    world.line("run -d --name again --restart=on-failure busybox sleep 1000").ok();
    let pid = || world.teu(["inspect", "--format", "{{.State.Pid}}", "again"]).ok();
    let first = pid();
    assert!(Command::new("kill").args(["-9", &first]).status().expect("kill runs").success());
    eventually("it runs again under another pid", || {
        let now = pid();
        now != "0" && now != first
    });
    let count = world.teu(["inspect", "--format", "{{.RestartCount}}", "again"]).ok();
    assert_eq!(count, "1");
    world.line("rm -f again").ok();
}

/// Everything on this machine that could belong to a home: mounts, links, rules, cgroups.
fn traces(needles: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut search = |what: &str, text: &str| {
        for line in text.lines() {
            if needles.iter().any(|needle| line.contains(needle.as_str())) {
                found.push(format!("{what}: {line}"));
            }
        }
    };
    search("mount", &std::fs::read_to_string("/proc/self/mountinfo").expect("readable"));
    let run = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().expect("it runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    search("rule", &run("nft", &["list", "ruleset"]));
    search("link", &run("ip", &["-o", "link"]));
    search("cgroup", &run("find", &["/sys/fs/cgroup", "-type", "d"]));
    found
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    entries.filter_map(Result::ok).map(|entry| entry.path()).collect()
}

#[test]
fn a_killed_shim_is_noticed_and_rm_leaves_nothing() {
    let world = World::busybox();
    let id = world.line("run -d --name lost -p 127.0.0.1:0:80 busybox sleep 1000").ok();
    let shim = shim_pid(&world, "lost");
    assert!(Command::new("kill").args(["-9", &shim]).status().expect("kill runs").success());
    eventually("the loss is reported", || {
        let state =
            world.teu(["inspect", "--format", "{{.State.Status}} {{.State.Error}}", "lost"]);
        state.out.starts_with("exited") && state.out.contains("shim")
    });
    assert!(world.line("ps -a").ok().contains("Exited (255)"));
    world.line("rm -f lost").ok();
    let needles = [id[..12].to_owned(), world.root().display().to_string()];
    assert_eq!(traces(&needles), Vec::<String>::new());
    for folder in ["pods", "names", "run/pods"] {
        assert_eq!(files_below(&world.root().join(folder)), Vec::<PathBuf>::new(), "{folder}");
    }
}

#[test]
fn restarts_hold_after_stop() {
    let world = World::busybox();
    world.line("run -d --name held --restart=always busybox sh").ok();
    world.line("run -d --name kept --restart=always busybox sleep 1000").ok();
    world.line("stop -t 0 kept").ok();
    let state = world.teu(["inspect", "--format", "{{.State.Status}}", "kept"]).ok();
    assert_eq!(state, "exited");
    eventually("a container that ends at once is started again", || {
        let count = world.teu(["inspect", "--format", "{{.RestartCount}}", "held"]).ok();
        count.parse::<u32>().is_ok_and(|count| count >= 2)
    });
    world.line("rm -f held kept").ok();
}

#[test]
fn what_is_to_run_always_is_started_after_a_boot() {
    let world = World::busybox();
    let id = world.line("run -d --name lasting --restart=always busybox sleep 1000").ok();
    world.line("run -d --name passing busybox sleep 1000").ok();
    assert_eq!(world.line("system resume").ok(), "", "they have run since the boot");
    world.line("stop -t 0 lasting passing").ok();
    // Another boot, as far as the records say.
    let found = world.teu(["inspect", "--format", "{{.Id}}", "passing"]).ok();
    for id in [id.as_str(), found.as_str()] {
        let path = format!("pods/{id}/containers/{id}/state.json");
        let path = world.root().join(path);
        let text = std::fs::read(&path).expect("a state");
        let mut state: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        state["boot_id"] = "an earlier one".into();
        std::fs::write(&path, state.to_string()).expect("written");
    }
    assert_eq!(world.line("system resume").ok(), "lasting");
    let state = |name| world.teu(["inspect", "--format", "{{.State.Status}}", name]).ok();
    assert_eq!((state("lasting").as_str(), state("passing").as_str()), ("running", "exited"));
    assert_eq!(world.line("system resume").ok(), "");
    world.line("rm -f lasting passing").ok();
}
