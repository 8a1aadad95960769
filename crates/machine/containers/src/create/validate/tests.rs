//! What is refused, and with which words.

use super::*;
use crate::record::network::EndpointRecord;
use crate::record::{MountRecord, NetworkRecord};
use teu_oci::image::Healthcheck;
use teu_oci::runtime::{Resources, Rlimit, linux};

const MACHINE: Machine = Machine { cpus: 2 };

fn sound() -> ContainerRecord {
    ContainerRecord { working_dir: "/".into(), ..Default::default() }
}

fn check(change: impl FnOnce(&mut ContainerRecord), expected: &str) {
    let mut record = sound();
    change(&mut record);
    let got = container(&PodRecord::default(), &mut record, MACHINE);
    let text = got.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(text.starts_with(expected) && text.is_empty() == expected.is_empty(), "{text:?}");
}

fn memory(limit: i64, swap: i64, reservation: i64) -> Resources {
    let memory = linux::Memory {
        limit: Some(limit),
        swap: Some(swap),
        reservation: Some(reservation),
        ..Default::default()
    };
    Resources { memory: Some(memory), ..Default::default() }
}

#[test]
fn limits_are_dockers() {
    const MIB: i64 = 1 << 20;
    for (limit, swap, reservation, expected) in [
        (0, 0, 0, ""),
        (64 * MIB, 0, 0, ""),
        (64 * MIB, -1, 0, ""),
        (64 * MIB, 64 * MIB, 32 * MIB, ""),
        (5 * MIB, 0, 0, "Minimum memory limit allowed is 6MB"),
        (0, 64 * MIB, 0, "You should always set the Memory limit"),
        (64 * MIB, 32 * MIB, 0, "Minimum memoryswap limit should be larger"),
        (64 * MIB, 0, 128 * MIB, "Minimum memory limit can not be less than memory reservation"),
        (0, 0, MIB, "Minimum memory reservation allowed is 6MB"),
    ] {
        check(|record| record.resources = memory(limit, swap, reservation), expected);
    }
    let cpu = |cpu: linux::Cpu| Resources { cpu: Some(cpu), ..Default::default() };
    let quota = |quota| cpu(linux::Cpu { quota: Some(quota), ..Default::default() });
    check(|record| record.resources = quota(200_000), "");
    check(|record| record.resources = quota(200_001), "Range of CPUs is from 0.01 to 2.00");
    check(|record| record.resources = quota(999), "CPU cfs quota");
    let cpus = |list: &str| cpu(linux::Cpu { cpus: Some(list.into()), ..Default::default() });
    check(|record| record.resources = cpus("0-1"), "");
    check(|record| record.resources = cpus("0,2"), "Requested CPUs are not available");
    check(|record| record.resources = cpus("1-0"), "Invalid value 1-0 for cpuset cpus");
    check(|record| record.resources = cpus("a"), "Invalid value a for cpuset cpus");
}

#[test]
fn processes_are_dockers() {
    check(|record| record.oom_score_adj = Some(1001), "Invalid value 1001");
    check(|record| record.stop_signal = "NOSUCH".into(), "Invalid signal: NOSUCH");
    check(|record| record.security.cap_add = vec!["net_admin".into(), "ALL".into()], "");
    check(|record| record.security.cap_drop = vec!["FLY".into()], "invalid CapAdd/CapDrop");
    let limit = |soft, hard| vec![Rlimit { kind: "nofile".into(), soft, hard }];
    check(|record| record.rlimits = limit(1, 2), "");
    check(|record| record.rlimits = limit(3, 2), "ulimit nofile: soft limit");
    check(|record| record.working_dir = "srv".into(), "the working directory 'srv' is invalid");
    check(
        |record| {
            record.auto_remove = true;
            record.restart = RestartPolicy::Always;
        },
        "can't create 'AutoRemove' container with restart policy",
    );
    let health = |interval| {
        Some(Healthcheck { test: vec!["CMD".into()], interval, ..Healthcheck::default() })
    };
    check(|record| record.healthcheck = health(1_000_000), "");
    check(|record| record.healthcheck = health(999), "Interval in Healthcheck");
}

#[test]
fn mounts_are_dockers() {
    let volume = |destination: &str| MountRecord {
        ..crate::create::anonymous_volume(destination, "x".into())
    };
    check(|record| record.mounts = vec![volume("/a"), volume("/b")], "");
    check(|record| record.mounts = vec![volume("/a"), volume("/a/")], "Duplicate mount point: /a");
    check(|record| record.mounts = vec![volume("a")], "invalid mount path: 'a'");
    check(|record| record.mounts = vec![volume("/")], "invalid specification: destination");
    check(|record| record.mounts = vec![volume("/x/..")], "invalid specification: destination");
    let bind = |source: &str| MountRecord {
        kind: MountKind::Bind { source: source.into(), recursive: true },
        ..volume("/a")
    };
    check(|record| record.mounts = vec![bind("/srv")], "");
    check(|record| record.mounts = vec![bind("srv")], "invalid mount config for type \"bind\"");
    let sub = |path: &str| MountRecord {
        kind: MountKind::Volume {
            name: "v".into(),
            anonymous: false,
            nocopy: false,
            subpath: Some(path.into()),
        },
        ..volume("/a")
    };
    check(|record| record.mounts = vec![sub("a/b")], "");
    check(|record| record.mounts = vec![sub("../b")], "invalid mount config for type \"volume\"");
    check(|record| record.mounts = vec![sub("/b")], "invalid mount config for type \"volume\"");
}

fn check_pod(change: impl FnOnce(&mut PodRecord), expected: &str) {
    let mut record = PodRecord::default();
    change(&mut record);
    let text = pod(&record, MACHINE).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(text.starts_with(expected) && text.is_empty() == expected.is_empty(), "{text:?}");
}

#[test]
fn pods_are_checked() {
    check_pod(|_| {}, "");
    check_pod(|pod| pod.hostname = "web-1.example.org".into(), "");
    check_pod(|pod| pod.hostname = "-web".into(), "invalid hostname format");
    check_pod(|pod| pod.hostname = "a".repeat(65), "invalid hostname format");
    check_pod(|pod| pod.cgroup_parent = Some("/a/../b".into()), "invalid cgroup parent");
    let joined = |pod: &mut PodRecord| pod.network.choice = NetworkChoice::Container("x".into());
    check_pod(joined, "");
    check_pod(
        |pod| {
            joined(pod);
            pod.hostname = "web".into();
        },
        "conflicting options: hostname and the network mode",
    );
    check_pod(
        |pod| {
            joined(pod);
            pod.network.publish_all = true;
        },
        "conflicting options: port publishing and the container type network mode",
    );
    let on = |endpoint: EndpointRecord| NetworkRecord {
        choice: NetworkChoice::Networks(vec![endpoint]),
        ..Default::default()
    };
    let address = "10.1.2.3".parse().ok();
    check_pod(
        |pod| {
            let network = "bridge".into();
            pod.network = on(EndpointRecord { network, ipv4: address, ..Default::default() });
        },
        "user specified IP address is supported on user defined networks only",
    );
    check_pod(
        |pod| {
            let network = "mine".into();
            pod.network = on(EndpointRecord { network, ipv4: address, ..Default::default() });
        },
        "",
    );
}

#[test]
fn only_sysctls_of_own_namespaces() {
    let set = |key: &str| {
        let key = key.to_owned();
        move |pod: &mut PodRecord| {
            pod.sysctls.insert(key, "1".into());
        }
    };
    for fits in ["net.core.somaxconn", "kernel.shmmax", "fs.mqueue.msg_max", "net/ipv4/ip_forward"]
    {
        check_pod(set(fits), "");
    }
    for refused in [
        "kernel.core_pattern",
        "vm.swappiness",
        "net/../kernel/core_pattern",
        "net..x",
        "fs.file-max",
    ] {
        check_pod(set(refused), "sysctl '");
    }
    check_pod(
        |pod| {
            set("net.core.somaxconn")(pod);
            pod.network.choice = NetworkChoice::Host;
        },
        "sysctl 'net.core.somaxconn' is not allowed in the host's network namespace",
    );
}

#[test]
fn ports() {
    for (text, expected) in [
        ("80", Some("80/tcp")),
        ("53/UDP", Some("53/udp")),
        ("8000-8010/tcp", Some("8000-8010/tcp")),
        ("0", None),
        ("65536", None),
        ("80/icmp", None),
        ("9-8", None),
        ("", None),
    ] {
        assert_eq!(port(text).ok().as_deref(), expected, "{text}");
    }
}
