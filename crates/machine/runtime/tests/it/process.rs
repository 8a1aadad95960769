//! `process`: user, rights, limits, environment, exit codes.

use crate::world::{World, check, check_refused, is_runc};
use serde_json::json;

#[test]
fn user_groups_and_umask() {
    check(|_| {}, "id -u; id -g; umask", "0\n0\n0022");
    check(
        |c| {
            c["process"]["user"] =
                json!({ "uid": 1000, "gid": 1001, "additionalGids": [5, 7], "umask": 0o77 });
        },
        "id -u; id -g; id -G; umask",
        "1000\n1001\n1001 5 7\n0077",
    );
}

#[test]
fn environment_and_home() {
    check(|_| {}, "echo $HOME $TERM", "/root xterm");
    check(|c| c["process"]["user"] = json!({ "uid": 1000, "gid": 0 }), "echo $HOME", "/home/u");
    check(|c| c["process"]["user"] = json!({ "uid": 77, "gid": 0 }), "echo $HOME", "/");
    check(
        |c| c["process"]["env"] = json!(["PATH=/bin", "HOME=/x", "A=b c"]),
        "echo $HOME $A",
        "/x b c",
    );
}

#[test]
fn working_directory() {
    check(|c| c["process"]["cwd"] = json!("/tmp"), "pwd", "/tmp");
    check(|c| c["process"]["cwd"] = json!("/made/for/it"), "pwd", "/made/for/it");
    check_refused(|c| c["process"]["cwd"] = json!("relative"), "absolute");
    check_refused(|c| c["process"]["cwd"] = json!("/etc/passwd"), "not a directory");
}

#[test]
fn capabilities_by_set() {
    let caps = "grep ^Cap /proc/self/status | cut -f 2 | tr '\\n' ' '";
    // CHOWN 0, DAC_OVERRIDE 1, KILL 5, SETGID 6, SETUID 7.
    let five = "00000000000000e3";
    let none = "0000000000000000";
    check(|_| {}, caps, &format!("{none} {five} {five} {five} {none}"));
    check(
        |c| {
            let kill = json!(["CAP_KILL"]);
            c["process"]["user"] = json!({ "uid": 1000, "gid": 1000 });
            for set in ["bounding", "effective", "permitted", "inheritable", "ambient"] {
                c["process"]["capabilities"][set] = kill.clone();
            }
        },
        caps,
        "0000000000000020 0000000000000020 0000000000000020 0000000000000020 0000000000000020",
    );
    // Without ambient capabilities another user has none after exec.
    check(
        |c| c["process"]["user"] = json!({ "uid": 1000, "gid": 1000 }),
        caps,
        &format!("{none} {none} {none} {five} {none}"),
    );
    check(
        |c| {
            c["process"].as_object_mut().expect("process").remove("capabilities");
        },
        caps,
        &format!("{none} {none} {none} {none} {none}"),
    );
}

#[test]
fn no_new_privileges() {
    let script = "grep NoNewPrivs /proc/self/status | cut -f 2";
    check(|_| {}, script, "0");
    check(|c| c["process"]["noNewPrivileges"] = json!(true), script, "1");
}

#[test]
fn limits() {
    check(
        |c| {
            c["process"]["rlimits"] = json!([
                { "type": "RLIMIT_NOFILE", "soft": 100, "hard": 200 },
                { "type": "RLIMIT_CORE", "soft": 0, "hard": 0 },
            ]);
        },
        "ulimit -Sn; ulimit -Hn; ulimit -c",
        "100\n200\n0",
    );
    check_refused(
        |c| c["process"]["rlimits"] = json!([{ "type": "RLIMIT_X", "soft": 1, "hard": 1 }]),
        "rlimit",
    );
    check(|c| c["process"]["oomScoreAdj"] = json!(500), "cat /proc/self/oom_score_adj", "500");
}

#[test]
fn what_the_caller_may_not_give_is_left_out_with_a_warning() {
    if is_runc() {
        return; // it refuses the start: those who have fewer rights are better served by a warning
    }
    let mut world = World::new();
    world.script("echo started");
    world.config["process"]["oomScoreAdj"] = json!(-900);
    world.config["process"]["rlimits"] =
        json!([{ "type": "RLIMIT_NOFILE", "soft": 1_u64 << 40, "hard": 1_u64 << 40 }]);
    let done = world.run();
    assert_eq!((done.code, done.stdout.as_str()), (0, "started"), "{}", done.stderr);
    assert!(done.stderr.contains("warning"), "{}", done.stderr);
}

#[test]
fn scheduling_and_personality() {
    if is_runc() {
        return; // newer than Debian's runc
    }
    check(
        |c| c["process"]["scheduler"] = json!({ "policy": "SCHED_BATCH", "nice": 5 }),
        "cut -d ' ' -f 19 /proc/self/stat",
        "5",
    );
    check(
        |c| c["process"]["ioPriority"] = json!({ "class": "IOPRIO_CLASS_IDLE", "priority": 0 }),
        "echo ok",
        "ok",
    );
    check(|c| c["linux"]["personality"] = json!({ "domain": "LINUX32" }), "uname -m", "i686");
    check_refused(|c| c["process"]["scheduler"] = json!({ "policy": "SCHED_NONE" }), "policy");
}

#[test]
fn exit_codes_are_the_programs() {
    for (script, code) in [("exit 7", 7), ("kill -9 $$", 137), ("kill -15 $$; sleep 5", 143)] {
        let mut world = World::new();
        // The shell is no pid 1, which the kernel would protect.
        world.script(&format!("sh -c '{script}'; exit $?"));
        let done = world.run();
        assert_eq!(done.code, code, "{script}: {done:?}");
    }
}

#[test]
fn programs_that_cannot_be_run() {
    let run = |args: serde_json::Value| {
        let mut world = World::new();
        world.config["process"]["args"] = args;
        std::fs::write(world.rootfs().join("bin/plain"), "text").expect("file");
        world.run()
    };
    for (args, reason) in [
        (json!(["nothere"]), "exec: \"nothere\": executable file not found in $PATH"),
        (json!(["/not/here"]), "no such file or directory"),
        (json!(["plain"]), "executable file not found in $PATH"),
        (json!(["/bin/plain"]), "permission denied"),
        (json!(["/etc"]), "is a directory"),
    ] {
        let done = run(args.clone());
        assert_ne!(done.code, 0);
        // Debian's runc finds a directory only when it executes it.
        if !(is_runc() && args == json!(["/etc"])) {
            assert!(
                done.stderr.replace('\\', "").to_lowercase().contains(&reason.to_lowercase()),
                "{args}: {done:?}"
            );
        }
    }
}

/// Who has just written a program may still be about to let go of it.
#[test]
fn a_program_that_is_being_written_is_waited_for() {
    if is_runc() {
        return; // it refuses the start
    }
    let done = || {
        let world = World::new();
        let writer =
            std::fs::OpenOptions::new().append(true).open(world.rootfs().join("bin/busybox"));
        let writer = writer.expect("a writer");
        std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(std::time::Duration::from_millis(200));
                drop(writer);
            });
            world.run()
        })
    };
    // Not for long: on a busy machine the writer may not let go in time.
    assert!((0..20).any(|_| done().code == 0), "{:?}", done());
}

#[test]
fn a_filter_is_in_force_and_a_broken_one_refuses_the_start() {
    let deny = |action: &str| {
        json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{ "names": ["mkdir", "mkdirat"], "action": action, "errnoRet": 13 }],
        })
    };
    for privileged in [false, true] {
        check(
            |c| {
                c["process"]["noNewPrivileges"] = json!(!privileged);
                c["linux"]["seccomp"] = deny("SCMP_ACT_ERRNO");
            },
            "mkdir /tmp/x 2>/dev/null || echo denied; grep ^Seccomp: /proc/self/status | cut -f 2",
            "denied\n2",
        );
    }
    check_refused(|c| c["linux"]["seccomp"] = deny("SCMP_ACT_NONSENSE"), "seccomp");
    if !is_runc() {
        // To it, an empty document is no filter.
        check_refused(|c| c["linux"]["seccomp"] = json!({ "defaultAction": "" }), "seccomp");
    }
}

#[test]
fn descriptors_of_ours_do_not_reach_the_program() {
    check(|_| {}, "ls /proc/self/fd | tr '\\n' ' '", "0 1 2 3");
    let mut world = World::new();
    world.script("cat <&3; ls /proc/self/fd | tr '\\n' ' '");
    world.write_config();
    let mut command = std::process::Command::new("/bin/sh");
    command.current_dir(world.dir.path()).arg("-c").arg(format!(
        "exec {} --root {}/state run --preserve-fds 1 {} 3<<X 5</dev/null\nhello\nX\n",
        crate::world::subject().display(),
        world.dir.path().display(),
        world.id
    ));
    let done = crate::world::finish(command);
    assert_eq!(done.stdout, "hello\n0 1 2 3 4", "{}", done.stderr);
}
