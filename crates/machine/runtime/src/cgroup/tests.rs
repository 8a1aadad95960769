//! Layouts, paths and the text of statistics.

use super::layout::{Hierarchy, Layout};
use super::stats::{block_io_v1_text, block_io_v2, cpu_v2};
use super::{BlockIoDevice, Memory, files, path};

#[test]
fn layouts_from_mountinfo() {
    let hybrid = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
33 31 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
34 31 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
35 31 0:31 / /mnt/again rw,relatime - cgroup cgroup rw,memory
36 31 0:38 / /sys/fs/cgroup/with\\040space rw,relatime - cgroup2 cgroup2 rw,nsdelegate
";
    let layout = Layout::parse(hybrid);
    let hierarchy = |controllers: &[&str], mount: &str| Hierarchy {
        controllers: controllers.iter().map(ToString::to_string).collect(),
        mount: mount.into(),
    };
    assert_eq!(
        layout.v1,
        [
            hierarchy(&["cpu", "cpuacct"], "/sys/fs/cgroup/cpu,cpuacct"),
            hierarchy(&["name=systemd"], "/sys/fs/cgroup/systemd"),
            hierarchy(&["memory"], "/sys/fs/cgroup/memory"),
        ]
    );
    let unified = layout.unified.as_ref().unwrap();
    assert_eq!(unified.mount, std::path::Path::new("/sys/fs/cgroup/with space"));
    assert_eq!(layout.hierarchy("cpuacct"), Some(0));
    assert_eq!(layout.hierarchy("pids"), None);
    assert_eq!(Layout::parse("garbage\n\n - \n"), Layout::default());
}

#[test]
fn cgroup_paths() {
    let check = |path: &str, expected: Option<&str>| {
        assert_eq!(path::normalise(path).ok().as_deref(), expected, "{path:?}");
    };
    check("/teu/pod/container", Some("/teu/pod/container"));
    check("docker/abc", Some("/docker/abc"));
    check("//a/./b//", Some("/a/b"));
    check("system.slice:docker:abc", Some("/system.slice/docker-abc.scope"));
    check(":docker:abc", Some("/system.slice/docker-abc.scope"));
    check("a-b-c.slice:p:x", Some("/a.slice/a-b.slice/a-b-c.slice/p-x.scope"));
    check("-.slice:p:x", Some("/p-x.scope"));
    check("user.slice::x", Some("/user.slice/x.scope"));
    check("user.slice:p:inner.slice", Some("/user.slice/inner.slice"));
    check("machine.slice:libpod:abc/def", Some("/machine.slice:libpod:abc/def"));
    for bad in ["", "/", "/..", "/a/../b", "a/..", "..", "no:p:x", "a--b.slice:p:x", "a\0b", "a\nb"]
    {
        check(bad, None);
    }
    check(&"x".repeat(4000), None);
}

#[test]
fn numbers_in_files() {
    assert_eq!(files::parse_number("42\n"), Some(42));
    assert_eq!(files::parse_number("max\n"), None);
    assert_eq!(files::parse_number("9223372036854771712\n"), None);
    assert_eq!(files::keyed("oom 3\noom_kill 2\n", "oom_kill"), Some(2));
    assert_eq!(files::keyed("oom_kill_disable 0\nunder_oom 0", "oom_kill"), None);
}

#[test]
fn statistics_from_text() {
    let device = BlockIoDevice {
        major: 8,
        minor: 16,
        read_bytes: 4096,
        write_bytes: 8192,
        read_operations: 1,
        write_operations: 2,
    };
    let v1 = block_io_v1_text(
        "8:16 Read 4096\n8:16 Write 8192\n8:16 Sync 12288\n8:16 Total 12288\nTotal 12288\n",
        "8:16 Read 1\n8:16 Write 2\nTotal 3\n",
    );
    let v2 = block_io_v2("8:16 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n");
    for io in [v1, v2] {
        assert_eq!(io.devices, std::slice::from_ref(&device));
        assert_eq!((io.read_bytes, io.write_operations), (4096, 2));
    }
    assert!(block_io_v2("8:16\nbad rbytes=1\n").devices.len() == 1);
    let cpu = cpu_v2("usage_usec 10\nuser_usec 7\nsystem_usec 3\nnr_throttled 2\n");
    assert_eq!((cpu.usage_ns, cpu.user_ns, cpu.system_ns), (10_000, 7000, 3000));
    assert_eq!(cpu.throttled_periods, 2);
    let memory = Memory { usage_bytes: 10, inactive_file_bytes: 4, ..Memory::default() };
    assert_eq!(memory.shown_bytes(), 6);
}
