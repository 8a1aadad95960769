//! `mounts`, the root, devices, masked and read-only paths.

use crate::world::{World, add_mount, add_namespace, check, check_refused, is_runc};
use serde_json::json;
use std::fs;

#[test]
fn default_devices_and_links() {
    check(
        |_| {},
        "ls /dev | grep -v core | tr '\\n' ' '",
        "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero",
    );
    check(
        |_| {},
        "for f in fd stdin ptmx; do readlink /dev/$f; done; stat -c '%a %t:%T' /dev/null /dev/tty; \
         echo x > /dev/null; head -c 2 /dev/zero | wc -c",
        "/proc/self/fd\n/proc/self/fd/0\npts/ptmx\n666 1:3\n666 5:0\n2",
    );
}

#[test]
fn further_devices() {
    check(
        |c| {
            c["linux"]["devices"] = json!([
                { "type": "c", "path": "/dev/mine", "major": 1, "minor": 3, "fileMode": 0o640, "uid": 5, "gid": 6 },
                { "type": "p", "path": "/dev/sub/pipe", "fileMode": 0o600 },
            ]);
        },
        "stat -c '%F %a %u %g' /dev/mine; stat -c %F /dev/sub/pipe",
        "character special file 640 5 6\nfifo",
    );
}

#[test]
fn binds_and_their_options() {
    let dir = tempfile::tempdir().expect("dir");
    fs::write(dir.path().join("f"), "content").expect("file");
    let path = dir.path().to_str().expect("text").to_owned();
    let file = format!("{path}/f");
    check(|c| add_mount(c, "/made/here", "bind", &path, "rbind,rw"), "cat /made/here/f", "content");
    check(|c| add_mount(c, "/etc/f", "bind", &file, "bind"), "cat /etc/f", "content");
    check(
        |c| add_mount(c, "/mnt", "bind", &path, "rbind,ro,nosuid,nodev,noexec"),
        "touch /mnt/x 2>&1 | cut -d : -f 3; grep ' /mnt ' /proc/self/mountinfo | cut -d ' ' -f 6",
        " Read-only file system\nro,nosuid,nodev,noexec,relatime",
    );
    check_refused(|c| add_mount(c, "/mnt", "bind", "/does/not/exist", "bind"), "no such file");
}

#[test]
fn recursive_read_only() {
    let world = tempfile::tempdir().expect("dir");
    let inner = world.path().join("inner");
    fs::create_dir(&inner).expect("dir");
    let path = world.path().to_str().expect("text").to_owned();
    check(
        |c| {
            add_mount(c, "/mnt", "bind", &path, "rbind,rro");
        },
        "touch /mnt/inner/x 2>/dev/null || echo ro",
        "ro",
    );
}

#[test]
fn a_tmpfs_and_its_options() {
    check(
        |c| add_mount(c, "/t", "tmpfs", "tmpfs", "nosuid,size=1m,mode=1770"),
        "stat -c %a /t; grep ' /t ' /proc/self/mountinfo | grep -c size=1024k",
        "1770\n1",
    );
    check(
        |c| add_mount(c, "/etc", "tmpfs", "tmpfs", "tmpcopyup"),
        "grep -c root /etc/passwd; touch /etc/new && echo written",
        "1\nwritten",
    );
    check(
        |c| add_mount(c, "/etc", "tmpfs", "tmpfs", "tmpcopyup,ro"),
        "grep -c root /etc/passwd; touch /etc/new 2>/dev/null || echo ro",
        "1\nro",
    );
}

#[test]
fn later_mounts_lie_on_earlier_ones() {
    check(
        |c| {
            add_mount(c, "/a", "tmpfs", "tmpfs", "");
            add_mount(c, "/a/b/c", "tmpfs", "tmpfs", "mode=700");
        },
        "stat -c %a /a/b/c",
        "700",
    );
}

#[test]
fn propagation() {
    let optional = "grep ' /mnt ' /proc/self/mountinfo | cut -d ' ' -f 7 | cut -d : -f 1";
    for (option, expected) in [("rprivate", "-"), ("rshared", "shared")] {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().to_str().expect("text").to_owned();
        check(
            |c| add_mount(c, "/mnt", "bind", &path, &format!("rbind,{option}")),
            optional,
            expected,
        );
    }
}

#[test]
fn the_root() {
    check(
        |c| c["root"]["readonly"] = json!(true),
        "touch /x 2>/dev/null || echo ro; touch /dev/shm/x && echo rw",
        "ro\nrw",
    );
    check(|_| {}, "touch /x && echo rw; ls -d /..; cat /../../etc/passwd | wc -l", "rw\n/..\n2");
    check_refused(|c| c["root"]["path"] = json!("nowhere"), "no such file");
}

#[test]
fn masked_and_readonly_paths() {
    check(
        |c| {
            c["linux"]["maskedPaths"] = json!(["/etc/passwd", "/proc/kcore", "/tmp", "/not/there"]);
            c["linux"]["readonlyPaths"] = json!(["/root", "/proc/sys", "/not/there"]);
        },
        "wc -c < /etc/passwd; touch /tmp/x 2>/dev/null || echo masked; ls /tmp; \
         touch /root/x 2>/dev/null || echo ro; echo 1 2>/dev/null > /proc/sys/kernel/domainname || echo ro",
        "0\nmasked\nro\nro",
    );
}

#[test]
fn the_containers_own_cgroups() {
    let mut world = World::new();
    add_mount(&mut world.config, "/sys/fs/cgroup", "cgroup", "cgroup", "ro,nosuid,noexec,nodev");
    world.script(
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes; \
         cat /sys/fs/cgroup/pids/cgroup.procs | head -n 1; mkdir /sys/fs/cgroup/pids/x 2>/dev/null || echo ro",
    );
    world.config["linux"]["resources"] = json!({ "memory": { "limit": 33_554_432 } });
    let done = world.run();
    if fs::metadata("/sys/fs/cgroup/memory").is_ok() {
        assert_eq!(done.stdout, "33554432\n1\nro", "{}", done.stderr);
    }
}

#[test]
fn id_mapped_mounts() {
    if is_runc() {
        return; // newer than Debian's runc
    }
    // On ext4 or tmpfs; the file is root's on the host and 1000's in the mount.
    let dir = tempfile::tempdir().expect("dir");
    fs::write(dir.path().join("f"), "").expect("file");
    let path = dir.path().to_str().expect("text").to_owned();
    check(
        |c| {
            add_mount(c, "/mnt", "bind", &path, "rbind,idmap");
            let mount = c["mounts"].as_array_mut().expect("mounts").last_mut().expect("one");
            let map = json!([{ "containerID": 0, "hostID": 1000, "size": 1 }]);
            mount["uidMappings"] = map.clone();
            mount["gidMappings"] = map;
        },
        "stat -c %u:%g /mnt/f",
        "1000:1000",
    );
}

#[test]
fn proc_may_not_be_covered() {
    let dir = tempfile::tempdir().expect("dir");
    if is_runc() {
        return; // Debian's is older than the check
    }
    let path = dir.path().to_str().expect("text").to_owned();
    check_refused(|c| add_mount(c, "/proc", "bind", &path, "bind"), "proc");
    check_refused(|c| add_mount(c, "/proc/sys", "tmpfs", "tmpfs", ""), "proc");
}

#[test]
fn a_bind_in_a_user_namespace() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("dir");
    fs::write(dir.path().join("f"), "content").expect("file");
    let mut world = World::new();
    let open = || fs::Permissions::from_mode(0o755);
    fs::set_permissions(world.dir.path(), open()).expect("mode");
    // The mount's own directory must be readable to others; the way to it need not be.
    let private = tempfile::tempdir().expect("dir");
    let inner = private.path().join("inner");
    fs::create_dir(&inner).expect("dir");
    fs::write(inner.join("f"), "content").expect("file");
    fs::create_dir(world.rootfs().join("mnt")).expect("the new root may make nothing");
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
    world.config["linux"]["uidMappings"] = map.clone();
    world.config["linux"]["gidMappings"] = map;
    add_namespace(&mut world.config, "user", None);
    add_mount(&mut world.config, "/mnt", "bind", inner.to_str().expect("text"), "rbind,ro");
    world.script("cat /mnt/f; touch /mnt/x 2>/dev/null || echo ro");
    let done = world.run();
    assert_eq!(done.stdout, "contentro", "{}", done.stderr);
}
