//! Pods, restart policies, and the death of a shim. Issue 2, must show 4.

use crate::world::World;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Waits, bounded, for something that another process does.
#[track_caller]
fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !check() {
        assert!(begun.elapsed() < Duration::from_secs(15), "never happened: {what}");
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

/// Lines of the kernel's links, addresses and tables in which one of the needles stands.
fn kernel_has(needles: &[&str]) -> Vec<String> {
    let run = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().expect("it runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let all = [
        run("ip", &["-o", "link"]),
        run("ip", &["-o", "addr"]),
        run("ip", &["route"]),
        run("nft", &["list", "tables"]),
    ];
    let lines = all.iter().flat_map(|text| text.lines());
    let found = lines.filter(|line| needles.iter().any(|needle| line.contains(needle)));
    found.map(str::to_owned).collect()
}

#[test]
fn the_last_container_takes_the_network_along_and_nobody_waits_for_it() {
    let world = World::busybox();
    let run = "run -d --name first -p 127.0.0.1:0:80 busybox sleep 1000";
    world.line(run).ok();
    let network = "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}";
    let gateway = format!(" {}/", world.teu(["inspect", "--format", network, "first"]).ok());
    let bridge = kernel_has(&[&gateway]).first().expect("a bridge has the gateway").clone();
    let bridge = bridge.split_whitespace().nth(1).expect("its name").to_owned();
    let instance = bridge.strip_prefix("teu0-").expect("an instance's bridge").to_owned();
    let port = world.line("port first 80").ok();
    let port = port.rsplit(':').next().expect("a port").to_owned();
    world.line("rm -f first").ok();
    // At once: the name and the port are free.
    let again = format!("run -d --name first -p 127.0.0.1:{port}:80 busybox sleep 1000");
    let again = world.line(&again);
    assert!(again.err.is_empty(), "{}", again.err);
    again.ok();
    world.line("kill first").ok();
    world.line("rm -f first").ok();
    world.line("run --rm --name first busybox true").ok();
    let needles = [bridge.as_str(), instance.as_str(), gateway.as_str()];
    eventually("bridge, table and routes are gone", || kernel_has(&needles).is_empty());
    // One who keeps a network idle and is killed leaves that to the next command.
    eventually("a network that is idle is kept for a moment", || {
        world.line("run --rm busybox true").ok();
        !kernel_has(&needles).is_empty()
    });
    let root = world.root().display().to_string();
    eventually("the keeper is found and killed", || {
        let found = Command::new("pgrep").args(["-f", &root]).output().expect("pgrep runs");
        let pids = String::from_utf8_lossy(&found.stdout).into_owned();
        for pid in pids.split_whitespace() {
            let _ = Command::new("kill").args(["-9", pid]).output();
        }
        let found = Command::new("pgrep").args(["-f", &root]).output().expect("pgrep runs");
        found.stdout.is_empty()
    });
    world.line("ps").ok();
    assert_eq!(kernel_has(&needles), Vec::<String>::new());
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
