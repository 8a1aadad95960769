//! Which kernel parameters belong to a pod, and where they are.

use super::*;

#[test]
fn owners_of_parameters() {
    for (name, owner) in [
        ("net.ipv4.ip_forward", Some(CloneFlags::NEW_NET)),
        ("net/ipv4/ip_forward", Some(CloneFlags::NEW_NET)),
        ("kernel.shm_rmid_forced", Some(CloneFlags::NEW_IPC)),
        ("fs.mqueue.msg_max", Some(CloneFlags::NEW_IPC)),
        ("kernel.domainname", Some(CloneFlags::NEW_UTS)),
        ("kernel.panic", None),
        ("kernel.core_pattern", None),
        ("kernel.shmmaxx", None),
        ("vm.overcommit_memory", None),
        ("netx.y", None),
    ] {
        assert_eq!(sysctl_owner(name), owner, "{name}");
    }
}

#[test]
fn paths_of_parameters() {
    for (name, path) in [
        ("net.ipv4.ip_forward", Some("/proc/sys/net/ipv4/ip_forward")),
        ("net.ipv4.conf.eth0/1.forwarding", Some("/proc/sys/net/ipv4/conf/eth0.1/forwarding")),
        ("net/ipv4/conf/eth0.1/forwarding", Some("/proc/sys/net/ipv4/conf/eth0.1/forwarding")),
        ("net/../kernel/core_pattern", None),
        ("net.//.kernel", None),
        ("net..kernel", None),
        ("net.", None),
    ] {
        assert_eq!(sysctl_path(name).as_deref(), path.map(Path::new), "{name}");
    }
}
