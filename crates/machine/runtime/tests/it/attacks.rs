//! What hostile images and processes have tried on other runtimes, seen to fail here.

use crate::world::{World, add_mount, check_refused, is_runc, subject};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::{Command, Stdio};

/// CVE-2019-5736: the image's program is our own, met again as `/proc/self/exe`, and a second
/// process opens it for writing.
#[test]
fn the_runtime_cannot_be_overwritten_from_a_container() {
    if is_runc() {
        return; // Debian's needs a loader, which this root has not
    }
    let original = fs::read(subject()).expect("the runtime");
    let mut world = World::new();
    world.config["process"]["capabilities"] = json!({
        "bounding": ["CAP_DAC_OVERRIDE", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"],
        "effective": ["CAP_DAC_OVERRIDE", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"],
        "permitted": ["CAP_DAC_OVERRIDE", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"],
    });
    // Waits for a foreign program among the container's processes, keeps its file, and writes to it
    // once it has ended. In a shell of its own: one that cannot open what it was told to ends.
    world.script(
        "touch /tmp/ready; while :; do for p in /proc/[0-9]*; do \
           case \"$(readlink $p/exe)\" in */busybox|'') ;; *) ( \
             exec 9<$p/exe && touch /tmp/caught; while [ -e $p ]; do sleep 0.1; done; \
             echo pwned 2>/tmp/why >/proc/self/fd/9 && touch /tmp/written; touch /tmp/tried);; \
           esac; done; done",
    );
    world.start();
    world.until("readiness", || world.rootfs().join("tmp/ready").exists());
    // A program that is a link to the runtime's own file, as an image may have it.
    symlink("/proc/self/exe", world.rootfs().join("bin/own")).expect("link");
    // It would end within a millisecond, and the loop above would miss it: so it waits, for somebody
    // who reads its log.
    let log = world.rootfs().join("tmp/log");
    let made = Command::new("mknod").arg(&log).arg("p").status().expect("mknod");
    assert!(made.success());
    let mut own = world
        .command(&["exec", &world.id, "own", "--log", "/tmp/log", "list"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("exec");
    world.until("a catch", || world.rootfs().join("tmp/caught").exists());
    drop(fs::File::open(&log).expect("the log"));
    own.wait().expect("its end");
    world.until("the attack", || world.rootfs().join("tmp/tried").exists());
    assert!(!world.rootfs().join("tmp/written").exists(), "written to");
    assert_eq!(fs::read(subject()).expect("the runtime"), original);
}

/// The same as the container's first program.
#[test]
fn an_entrypoint_that_is_the_runtime_is_read_only() {
    if is_runc() {
        return; // Debian's needs a loader, which this root has not
    }
    let mut world = World::new();
    world.config["process"]["args"] = json!(["/proc/self/exe", "--version"]);
    let done = world.run();
    // It may run (it is a program like another) but from a mount nobody can write to.
    let flags = Command::new(subject()).arg("--version").output().expect("runs");
    assert!(flags.status.success());
    assert!(done.code == 0 || !done.stderr.is_empty());
}

/// CVE-2024-21626: a working directory that is a descriptor of the runtime's.
#[test]
fn a_working_directory_outside_is_refused() {
    for number in 3..12 {
        let cwd = format!("/proc/self/fd/{number}");
        check_refused(|c| c["process"]["cwd"] = json!(cwd), "proc");
    }
    let mut world = World::new();
    world.script("sleep 600");
    symlink("/proc/self/fd/3", world.rootfs().join("three")).expect("link");
    world.start();
    for cwd in ["/proc/self/fd/3", "/proc/self/fd/5", "/proc/self/fd/7/../../..", "/three"] {
        let done =
            world.call(&["exec", "--cwd", cwd, &world.id, "sh", "-c", "ls; cat etc/hostname"]);
        assert_ne!(done.code, 0, "{cwd}: {done:?}");
        assert_eq!(done.stdout, "", "{cwd}");
    }
}

/// CVE-2019-19921, CVE-2023-27561: `/proc` or `/sys` of the image is a link.
#[test]
fn proc_as_a_link_is_refused() {
    for (name, target) in [("proc", "/tmp"), ("proc", "../../../../tmp"), ("sys", "/etc")] {
        let mut world = World::new();
        world.script("echo started");
        fs::remove_dir(world.rootfs().join(name)).expect("empty");
        symlink(target, world.rootfs().join(name)).expect("link");
        let done = world.run();
        assert_ne!(done.code, 0, "{name} -> {target}: {done:?}");
        assert_eq!(done.stdout, "");
    }
}

/// CVE-2025-31133: what masks a path must be the real `/dev/null`, wherever links lead.
#[test]
fn masks_follow_no_link_out() {
    let secret = tempfile::tempdir().expect("dir");
    let victim = secret.path().join("victim");
    fs::write(&victim, "precious").expect("file");
    let mut world = World::new();
    symlink(&victim, world.rootfs().join("etc/mask")).expect("link");
    symlink("../../../../../../../..", world.rootfs().join("up")).expect("link");
    let up = format!("/up{}", victim.display());
    world.config["linux"]["maskedPaths"] = json!(["/etc/mask", up]);
    world.config["linux"]["readonlyPaths"] = json!(["/etc/mask"]);
    world.script("true");
    let _ = world.run();
    assert_eq!(fs::read_to_string(&victim).expect("still there"), "precious");
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    assert!(!mounts.contains(secret.path().to_str().expect("text")));
}

/// A `/dev` of the image in place of a tmpfs, whose `null` is something else.
#[test]
fn a_false_null_device_is_refused() {
    if is_runc() {
        return; // Debian's is older than the fix
    }
    let mut world = World::new();
    world.config["mounts"] = json!([{ "destination": "/proc", "type": "proc", "source": "proc" }]);
    fs::write(world.rootfs().join("dev/null"), "false").expect("file");
    world.config["linux"]["maskedPaths"] = json!(["/proc/kcore"]);
    world.script("echo started");
    let done = world.run();
    assert_ne!(done.code, 0, "{done:?}");
    assert_eq!(done.stdout, "");
    assert_eq!(fs::read_to_string(world.rootfs().join("dev/null")).expect("file"), "false");
}

/// CVE-2025-52565: `/dev/pts` or `/dev/console` of the image lead elsewhere.
#[test]
fn a_console_is_made_in_a_real_devpts_only() {
    let victim = tempfile::tempdir().expect("dir");
    let file = victim.path().join("file");
    fs::write(&file, "precious").expect("file");
    let run = |change: &dyn Fn(&mut World)| {
        let mut world = World::new();
        world.config["process"]["terminal"] = json!(true);
        world.config["mounts"] =
            json!([{ "destination": "/proc", "type": "proc", "source": "proc" }]);
        world.script("echo started");
        change(&mut world);
        let done = world.run();
        assert_eq!(fs::read_to_string(&file).expect("still there"), "precious");
        done
    };
    // No devpts at all: ptmx is a plain file, or a node of the host's number on another file system.
    let done = run(&|world| {
        fs::create_dir(world.rootfs().join("dev/pts")).expect("dir");
        fs::write(world.rootfs().join("dev/pts/ptmx"), "").expect("file");
    });
    assert_ne!(done.code, 0, "{done:?}");
    let done = run(&|world| {
        symlink("/tmp", world.rootfs().join("dev/pts")).expect("link");
        let made = Command::new("mknod")
            .arg(world.rootfs().join("tmp/ptmx"))
            .args(["c", "5", "2"])
            .status()
            .expect("mknod");
        assert!(made.success());
    });
    assert_ne!(done.code, 0, "{done:?}");
    // The console's place is a link to a file of the host's.
    let done = run(&|world| {
        add_mount(&mut world.config, "/dev/pts", "devpts", "devpts", "newinstance,ptmxmode=0666");
        symlink(&file, world.rootfs().join("dev/console")).expect("link");
    });
    assert_ne!(done.code, 0, "{done:?}");
}

/// A mount's target that leads out of the image ends inside it.
#[test]
fn targets_stay_inside() {
    let outside = tempfile::tempdir().expect("dir");
    let source = tempfile::tempdir().expect("dir");
    fs::write(source.path().join("f"), "inside").expect("file");
    let mut world = World::new();
    symlink(outside.path(), world.rootfs().join("out")).expect("link");
    symlink("../../../../../../../../..", world.rootfs().join("up")).expect("link");
    let path = source.path().to_str().expect("text");
    let up = format!("/up{}", outside.path().display());
    add_mount(&mut world.config, "/out/x", "bind", path, "bind");
    add_mount(&mut world.config, &up, "bind", path, "bind");
    world.script("cat /out/f /out/x/f 2>/dev/null");
    let done = world.run();
    assert!(done.stdout.starts_with("inside"), "{done:?}");
    assert_eq!(fs::read_dir(outside.path()).expect("list").count(), 0, "made outside");
}

/// A device's place that is a link or another file.
#[test]
fn devices_do_not_follow_links() {
    let outside = tempfile::tempdir().expect("dir");
    let victim = outside.path().join("made");
    let mut world = World::new();
    world.config["mounts"] = json!([{ "destination": "/proc", "type": "proc", "source": "proc" }]);
    symlink(&victim, world.rootfs().join("dev/null")).expect("link");
    world.script("echo started");
    let _ = world.run();
    assert!(!victim.exists(), "made outside");
}

/// The container's memory of ours: exec'd processes cannot be traced by root of the container.
#[test]
fn capabilities_are_not_inherited() {
    let mut world = World::new();
    world.script("grep CapInh /proc/self/status | cut -f 2");
    assert_eq!(world.run().stdout, "0000000000000000");
}

/// Nothing of a container is left on the host.
#[test]
fn nothing_is_left() {
    let before = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let mut world = World::new();
    let id = world.id.clone();
    world.script("true");
    assert_eq!(world.run().code, 0);
    for failing in [json!(["nothere"]), json!(["/etc"])] {
        world.config["process"]["args"] = failing;
        assert_ne!(world.run().code, 0);
    }
    let after = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let own = |text: &str| text.lines().filter(|line| line.contains(&id)).count();
    assert_eq!(own(&before), own(&after));
    for controller in fs::read_dir("/sys/fs/cgroup").expect("list").flatten() {
        assert!(!controller.path().join(&id).exists(), "{controller:?}");
    }
    let root = fs::metadata(world.rootfs()).expect("root");
    assert_eq!(root.uid(), 0);
    assert!(!world.dir.path().join("state").join(&id).exists());
}
