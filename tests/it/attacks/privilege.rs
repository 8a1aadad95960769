//! Rows 17 and 20: what a process in a container really has.

use crate::world::World;

fn status(world: &World, options: &[&str]) -> String {
    let mut words = vec!["run", "--rm", "--network=none"];
    words.extend(options);
    words.extend(["busybox", "cat", "/proc/self/status"]);
    world.teu(words).ok()
}

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.strip_prefix(':')).map_or("missing", str::trim)
}

#[test]
fn the_default_sets_are_the_fields() {
    let world = World::busybox();
    let text = status(&world, &[]);
    assert_eq!(field(&text, "CapInh"), "0000000000000000", "CVE-2022-27649");
    assert_eq!(field(&text, "CapAmb"), "0000000000000000");
    assert_eq!(field(&text, "CapEff"), "00000000a80425fb");
    assert_eq!(field(&text, "CapBnd"), "00000000a80425fb");
    assert_eq!(field(&text, "Seccomp"), "2");
    let text = status(&world, &["--cap-drop=ALL", "--security-opt=no-new-privileges"]);
    assert_eq!(field(&text, "CapEff"), "0000000000000000");
    assert_eq!(field(&text, "NoNewPrivs"), "1");
    let text = status(&world, &["-u", "1000"]);
    assert_eq!(field(&text, "CapEff"), "0000000000000000");
}

#[test]
fn exec_gets_no_more_than_run() {
    let world = World::busybox();
    world.line("run -d --name held --network=none --cap-drop=ALL busybox sleep 1000").ok();
    let text = world.line("exec held cat /proc/self/status").ok();
    assert_eq!(field(&text, "CapEff"), "0000000000000000");
    assert_eq!(field(&text, "CapInh"), "0000000000000000");
    assert_eq!(field(&text, "Seccomp"), "2");
}

#[test]
fn a_profile_that_cannot_be_applied_refuses_the_start() {
    let world = World::busybox();
    let empty = world.file("empty.json", "");
    let nothing = world.file("nothing.json", "{}");
    let wrong = world.file("wrong.json", r#"{"defaultAction":"SCMP_ACT_ALOW","syscalls":[]}"#);
    for profile in [empty, nothing, wrong] {
        let option = format!("seccomp={}", profile.display());
        let said = world.teu([
            "run",
            "--rm",
            "--network=none",
            "--security-opt",
            &option,
            "busybox",
            "true",
        ]);
        let error = said.fails(125);
        assert!(error.contains("seccomp"), "{error}");
    }
    let said =
        world.line("run --rm --network=none --security-opt seccomp=/nonexistent busybox true");
    said.fails(125);
    let deny = world.file(
        "deny.json",
        r#"{"defaultAction":"SCMP_ACT_ALLOW",
        "syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":1}]}"#,
    );
    let option = format!("seccomp={}", deny.display());
    let said = world.teu([
        "run",
        "--rm",
        "--network=none",
        "--security-opt",
        &option,
        "busybox",
        "mkdir",
        "/x",
    ]);
    assert!(said.fails(1).contains("Operation not permitted"));
}

#[test]
fn the_default_profile_denies_what_the_field_denies() {
    let world = World::busybox();
    for (command, expected) in [
        ("mount -t tmpfs none /mnt", "denied"),
        ("unshare -U true", "denied"),
        ("unshare -m true", "denied"),
    ] {
        let script = format!("mkdir -p /mnt; {command} 2>/dev/null && echo allowed || echo denied");
        let said = world.teu(["run", "--rm", "--network=none", "busybox", "sh", "-c", &script]);
        assert_eq!(said.ok(), expected, "{command}");
    }
}

#[test]
fn the_hosts_kernel_is_out_of_reach() {
    let world = World::busybox();
    for path in [
        "/proc/sys/kernel/core_pattern",
        "/proc/sysrq-trigger",
        "/sys/kernel/uevent_helper",
        "/sys/fs/cgroup/memory/release_agent",
        "/proc/sys/vm/panic_on_oom",
    ] {
        let script = format!("echo x 2>/dev/null >{path} && echo WROTE; true");
        let said = world.teu(["run", "--rm", "--network=none", "busybox", "sh", "-c", &script]);
        assert!(!said.ok().contains("WROTE"), "{path}");
    }
    let masked = world.teu([
        "run",
        "--rm",
        "--network=none",
        "busybox",
        "sh",
        "-c",
        "cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | wc -c",
    ]);
    assert_eq!(masked.ok(), "0");
}
