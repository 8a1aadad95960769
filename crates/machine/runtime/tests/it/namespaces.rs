//! `linux.namespaces`, mappings, names, kernel parameters and clocks.

use crate::world::{World, add_namespace, check, check_refused, is_runc};
use serde_json::json;
use std::process::{Child, Command, Stdio};

/// A process in new namespaces, held for the time of a test.
struct Holder(Child);

impl Holder {
    fn new(flags: &str) -> Self {
        let child = Command::new("unshare")
            .args(flags.split(' '))
            .args(["sh", "-c", "hostname held 2>/dev/null; echo; exec sleep 600"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare");
        let mut holder = Self(child);
        let mut byte = [0];
        let stdout = holder.0.stdout.as_mut().expect("piped");
        std::io::Read::read_exact(stdout, &mut byte).expect("it has started");
        holder
    }

    fn namespace(&self, name: &str) -> std::path::PathBuf {
        format!("/proc/{}/ns/{name}", self.0.id()).into()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn new_ones() {
    check(|_| {}, "echo $$; hostname; ls /sys/class/net", "1\ninside\nlo");
    check(|_| {}, "grep -c . /proc/net/route; cat /sys/class/net/lo/operstate", "1\nunknown");
}

#[test]
fn joined_ones() {
    let holder = Holder::new("--uts --ipc --net");
    check(
        |c| {
            for (kind, file) in [("uts", "uts"), ("ipc", "ipc"), ("network", "net")] {
                add_namespace(c, kind, Some(&holder.namespace(file)));
            }
            c.as_object_mut().expect("config").remove("hostname");
        },
        "hostname",
        "held",
    );
    let link = std::fs::read_link(holder.namespace("net")).expect("link");
    check(
        |c| add_namespace(c, "network", Some(&holder.namespace("net"))),
        "readlink /proc/self/ns/net",
        link.to_str().expect("text"),
    );
}

#[test]
fn a_joined_pid_namespace() {
    let mut world = World::new();
    world.sleep();
    let pid = world.state()["pid"].as_i64().expect("pid");
    check(
        |c| add_namespace(c, "pid", Some(format!("/proc/{pid}/ns/pid").as_ref())),
        "cat /proc/1/cmdline | tr '\\0' ' '; test $$ != 1 && echo second",
        "sleep 600 second",
    );
}

#[test]
fn the_hosts_where_none_is_named() {
    let host = std::fs::read_link("/proc/self/ns/net").expect("link");
    check(
        |c| {
            let list = c["linux"]["namespaces"].as_array_mut().expect("list");
            list.retain(|namespace| namespace["type"] != "network");
        },
        "readlink /proc/self/ns/net",
        host.to_str().expect("text"),
    );
}

#[test]
fn users_are_mapped() {
    let change = |c: &mut serde_json::Value| {
        add_namespace(c, "user", None);
        let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
        c["linux"]["uidMappings"] = map.clone();
        c["linux"]["gidMappings"] = map;
    };
    // The directory is root's: its root must be allowed in.
    let mut world = World::new();
    world.script("id -u; cat /proc/self/uid_map | tr -s ' '; echo x > /tmp/f; stat -c %u /tmp/f; echo y > /dev/null && ls -l /dev/null | cut -c 1");
    change(&mut world.config);
    open_up(&world);
    let done = world.run();
    assert_eq!(done.stdout, "0\n 0 100000 65536\n0\nc", "{}", done.stderr);
    let owner = std::fs::metadata(world.rootfs().join("tmp/f")).expect("made");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&owner), 100_000);
    check_refused(|c| add_namespace(c, "user", None), "mapping");
}

fn open_up(world: &World) {
    use std::os::unix::fs::PermissionsExt;
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(world.dir.path(), open).expect("mode");
}

#[test]
fn users_are_mapped_in_joined_namespaces() {
    let holder = Holder::new("--net --uts");
    let mut world = World::new();
    open_up(&world);
    world.script("id -u; readlink /proc/self/ns/net");
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
    world.config["linux"]["uidMappings"] = map.clone();
    world.config["linux"]["gidMappings"] = map;
    add_namespace(&mut world.config, "user", None);
    add_namespace(&mut world.config, "network", Some(&holder.namespace("net")));
    if is_runc() {
        // It cannot show a network that the new users' root does not own.
        world.config["mounts"].as_array_mut().expect("mounts").retain(|m| m["type"] != "sysfs");
    } else {
        world.script("id -u; readlink /proc/self/ns/net; ls /sys/class/net");
    }
    let link = std::fs::read_link(holder.namespace("net")).expect("link");
    let done = world.run();
    let sysfs = if is_runc() { "" } else { "\nlo" };
    assert_eq!(done.stdout, format!("0\n{}{sysfs}", link.display()), "{}", done.stderr);
}

#[test]
fn a_joined_user_namespace() {
    let mut world = World::new();
    open_up(&world);
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
    let mut second = World::new();
    for config in [&mut world.config, &mut second.config] {
        config["linux"]["uidMappings"] = map.clone();
        config["linux"]["gidMappings"] = map.clone();
    }
    add_namespace(&mut world.config, "user", None);
    world.sleep();
    let pid = world.state()["pid"].as_i64().expect("pid");
    open_up(&second);
    for (kind, file) in [("user", "user"), ("network", "net"), ("pid", "pid")] {
        let path = format!("/proc/{pid}/ns/{file}");
        add_namespace(&mut second.config, kind, Some(path.as_ref()));
    }
    second.script("id -u; cat /proc/self/uid_map | tr -s ' '; cat /proc/1/cmdline | tr '\\0' ' '");
    let done = second.run();
    assert_eq!(done.stdout, "0\n 0 100000 65536\nsleep 600", "{}", done.stderr);
}

#[test]
fn cgroup_and_time() {
    check(|c| add_namespace(c, "cgroup", None), "cut -d : -f 3 /proc/self/cgroup | sort -u", "/");
    if is_runc() {
        return; // newer than Debian's runc
    }
    check(
        |c| {
            add_namespace(c, "time", None);
            c["linux"]["timeOffsets"] =
                json!({ "boottime": { "secs": 864_000_000, "nanosecs": 0 } });
        },
        "test $(cut -d . -f 1 /proc/uptime) -gt 864000000 && echo later",
        "later",
    );
    check_refused(
        |c| c["linux"]["timeOffsets"] = json!({ "boottime": { "secs": 1 } }),
        "time namespace",
    );
}

#[test]
fn names() {
    check(|c| c["hostname"] = json!("other"), "hostname", "other");
    if !is_runc() {
        // newer than Debian's runc
        check(|c| c["domainname"] = json!("example"), "cat /proc/sys/kernel/domainname", "example");
    }
}

#[test]
fn kernel_parameters_of_namespaces_only() {
    check(
        |c| {
            c["linux"]["sysctl"] = json!({ "net.ipv4.ip_forward": "1", "kernel.shmmax": "4096" });
        },
        "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmax",
        "1\n4096",
    );
    check_refused(|c| c["linux"]["sysctl"] = json!({ "kernel.panic": "1" }), "kernel.panic");
    check_refused(
        |c| {
            c["linux"]["sysctl"] = json!({ "net.ipv4.ip_forward": "1" });
            let list = c["linux"]["namespaces"].as_array_mut().expect("list");
            list.retain(|namespace| namespace["type"] != "network");
        },
        "net.ipv4.ip_forward",
    );
}

/// Somebody who is not root, with the one id he has.
#[test]
fn without_any_right() {
    use std::os::unix::process::CommandExt;
    const UID: u32 = 1500;
    let mut world = World::new();
    open_up(&world);
    world.script("id -u; cat /proc/self/uid_map | tr -s ' '; echo x > /dev/null; hostname");
    let map = json!([{ "containerID": 0, "hostID": UID, "size": 1 }]);
    world.config["linux"]["uidMappings"] = map.clone();
    world.config["linux"]["gidMappings"] = map;
    world.config["linux"].as_object_mut().expect("linux").remove("cgroupsPath");
    add_namespace(&mut world.config, "user", None);
    for mount in world.config["mounts"].as_array_mut().expect("mounts") {
        if mount["type"] == "devpts" {
            mount["options"] = json!(["newinstance", "ptmxmode=0666"]);
        }
        // The kernel wants a network of one's own for a sysfs of one's own; so it is here.
    }
    world.write_config();
    let program = if is_runc() { "runc".into() } else { world.dir.path().join("runtime") };
    if !is_runc() {
        crate::world::copy_program(&crate::world::subject(), &program);
    }
    let owned = Command::new("chown").args(["-R", "1500:1500"]).arg(world.dir.path()).status();
    assert!(owned.expect("chown").success());
    let mut command = Command::new(program);
    command.current_dir(world.dir.path()).arg("--root").arg(world.dir.path().join("state"));
    command.env("XDG_RUNTIME_DIR", world.dir.path()).args(["run", &world.id]);
    command.stdin(Stdio::null()).uid(UID).gid(UID);
    let done = crate::world::finish(command);
    assert_eq!(done.stdout, "0\n 0 1500 1\ninside", "{}", done.stderr);
}
