//! Row 18: parsers and streams have limits, and long use leaks nothing.

use crate::pods::eventually;
use crate::world::World;

fn parent_of(pid: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).expect("has a parent");
    parent.trim().to_owned()
}

fn descriptors(pid: &str) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).expect("readable").count()
}

fn resident_kib(pid: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("has a size");
    line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
}

/// CVE-2025-64329, CVE-2022-31030: exec and attach leak, or an exec prints without end.
#[test]
fn many_execs_leave_the_shim_as_it_was() {
    let world = World::busybox();
    world.line("run -d --name soaked --network=none busybox sleep 1000").ok();
    let shim = parent_of(&world.teu(["inspect", "--format", "{{.State.Pid}}", "soaked"]).ok());
    for _ in 0..20 {
        world.line("exec soaked true").ok();
    }
    let before = (descriptors(&shim), resident_kib(&shim));
    for _ in 0..200 {
        world.line("exec soaked true").ok();
    }
    // The connections of the last clients may not be closed yet.
    eventually(&format!("no more descriptors than {}", before.0), || {
        descriptors(&shim) <= before.0
    });
    eventually(&format!("no more memory than {} KiB", before.1 + 256), || {
        resident_kib(&shim) <= before.1 + 256
    });
}

/// A log without end stays within its bound.
#[test]
fn logs_are_bounded() {
    let world = World::busybox();
    let flood =
        "yes aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa | head -c 20000000";
    world
        .teu([
            "run",
            "--name",
            "flood",
            "-d",
            "--network=none",
            "--log-opt",
            "max-size=1m",
            "--log-opt",
            "max-file=2",
            "busybox",
            "sh",
            "-c",
            flood,
        ])
        .ok();
    world.line("wait flood").ok();
    let used =
        std::process::Command::new("du").args(["-sb"]).arg(world.root().join("pods")).output();
    let used = String::from_utf8_lossy(&used.expect("du runs").stdout).into_owned();
    let bytes: u64 = used.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number");
    assert!(bytes < 4_000_000, "the log takes {bytes} bytes");
    let tail = world.line("logs --tail 1 flood").ok();
    assert!(tail.starts_with('a'), "{tail}");
}

/// Input files larger than anything sensible are refused with their name.
#[test]
fn huge_inputs_are_refused() {
    let world = World::busybox();
    let huge = "A=b\n".repeat(5 << 20);
    let file = world.file("huge.env", &huge);
    let path = file.to_str().expect("plain");
    let error = world
        .teu(["run", "--rm", "--network=none", "--env-file", path, "busybox", "true"])
        .fails(125);
    assert!(error.contains("huge.env"), "{error}");
    world.file("huge/Dockerfile", &format!("FROM busybox\n{}", "RUN true\n".repeat(1 << 20)));
    let context = world.root().join("files/huge");
    let error = world.teu(["build", context.to_str().expect("plain")]).fails(1);
    assert!(error.contains("Dockerfile"), "{error}");
}

/// A process bomb in a container stays there.
#[test]
fn a_process_bomb_is_contained() {
    let world = World::busybox();
    let bomb = "for i in $(seq 200); do sleep 600 & done; wait";
    let said = world.teu([
        "run",
        "--rm",
        "--network=none",
        "--pids-limit",
        "20",
        "busybox",
        "sh",
        "-c",
        bomb,
    ]);
    assert_ne!(said.code, 0);
    assert!(said.err.contains("fork"), "{said:?}");
}

/// Memory without end is killed, and said to be.
#[test]
fn a_memory_hog_is_killed_and_reported() {
    let world = World::busybox();
    let hog = "tail /dev/zero";
    let said = world.teu([
        "run",
        "--name",
        "hog",
        "--network=none",
        "-m",
        "16m",
        "--memory-swap",
        "16m",
        "busybox",
        "sh",
        "-c",
        hog,
    ]);
    assert_eq!(said.code, 137, "{said:?}");
    assert_eq!(world.teu(["inspect", "--format", "{{.State.OOMKilled}}", "hog"]).ok(), "true");
}
