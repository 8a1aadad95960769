//! The defaults as `docker run` shows them.

use super::capabilities::{all, defaults, merge, number, parse};
use super::*;

fn merged(add: &[&str], drop: &[&str]) -> Vec<String> {
    let own = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    merge(&defaults(), &own(add), &own(drop)).unwrap()
}

#[test]
fn capabilities_are_added_and_dropped() {
    let has = |list: &[String], name: &str| list.iter().any(|have| have == name);
    assert_eq!(merged(&[], &[]), defaults());
    let list = merged(&["net_admin", "CAP_CHOWN"], &["KILL", "cap_mknod"]);
    assert!(has(&list, "CAP_NET_ADMIN") && !has(&list, "CAP_KILL") && !has(&list, "CAP_MKNOD"));
    assert_eq!(list.iter().filter(|name| *name == "CAP_CHOWN").count(), 1);
    assert_eq!(merged(&[], &["ALL"]), Vec::<String>::new());
    assert_eq!(merged(&["NET_RAW"], &["all"]), ["CAP_NET_RAW"]);
    assert_eq!(merged(&["ALL"], &[]), all());
    let list = merged(&["ALL", "SYS_ADMIN"], &["SYS_ADMIN"]);
    assert!(!has(&list, "CAP_SYS_ADMIN") && has(&list, "CAP_SYS_TIME"));
    assert_eq!(merged(&["ALL"], &["ALL"]), all(), "as the field's tool does");
    let list = merged(&["KILL"], &["KILL"]);
    assert!(has(&list, "CAP_KILL"));
}

#[test]
fn names_of_capabilities() {
    assert_eq!(parse("net_admin"), Ok("CAP_NET_ADMIN"));
    assert_eq!(parse("Cap_Bpf"), Ok("CAP_BPF"));
    assert_eq!(number("CAP_CHOWN"), Some(0));
    assert_eq!(number("CAP_CHECKPOINT_RESTORE"), Some(40));
    assert_eq!(parse("FLY").unwrap_err().to_string(), "invalid capability \"FLY\"");
    let hint = "invalid capability \"SYS_ADMINS\"; did you mean CAP_SYS_ADMIN?";
    assert_eq!(parse("SYS_ADMINS").unwrap_err().to_string(), hint);
    for odd in ["", "CAP_", "é", "ALL_"] {
        assert!(parse(odd).is_err(), "{odd}");
    }
}

#[test]
fn the_specification_confines() {
    let spec = spec(Privilege::Confined);
    let (linux, process) = (spec.linux.unwrap(), spec.process.unwrap());
    assert!(linux.seccomp.is_some());
    assert!(linux.masked_paths.contains(&"/proc/kcore".to_owned()));
    assert!(linux.readonly_paths.contains(&"/proc/sys".to_owned()));
    let capabilities = process.capabilities.unwrap();
    assert_eq!(capabilities.bounding.len(), 14);
    assert!(capabilities.inheritable.is_empty() && capabilities.ambient.is_empty());
    let sys = spec.mounts.iter().find(|mount| mount.destination == "/sys").unwrap();
    assert!(sys.options.contains(&"ro".to_owned()));
    assert!(!linux.resources.unwrap().devices[0].allow);
}

#[test]
fn the_privileged_one_does_not() {
    let spec = spec(Privilege::Full);
    let linux = spec.linux.unwrap();
    assert!(linux.seccomp.is_none() && linux.masked_paths.is_empty());
    assert!(linux.resources.unwrap().devices.iter().all(|rule| rule.allow));
    assert_eq!(spec.process.unwrap().capabilities.unwrap().effective, all());
}

#[test]
fn another_user_holds_nothing() {
    let sets = capability_sets(&defaults(), 1000);
    assert!(sets.effective.is_empty() && sets.permitted.is_empty());
    assert_eq!(sets.bounding.len(), 14);
}

#[test]
fn the_filter_follows_the_capabilities() {
    let allows = |caps: &[&str], name: &str| {
        let caps: Vec<String> = caps.iter().map(ToString::to_string).collect();
        let profile = seccomp_profile(&caps);
        profile.syscalls.iter().any(|rule| {
            rule.action == "SCMP_ACT_ALLOW"
                && rule.args.is_empty()
                && rule.names.iter().any(|known| known == name)
        })
    };
    assert!(!allows(&[], "mount") && allows(&["CAP_SYS_ADMIN"], "mount"));
    assert!(!allows(&[], "clone3") && allows(&["CAP_SYS_ADMIN"], "clone3"));
    assert!(!allows(&[], "chroot") && allows(&["CAP_SYS_CHROOT"], "chroot"));
    assert!(!allows(&["CAP_SYS_ADMIN"], "io_uring_setup"));
    assert!(allows(&[], "ptrace"));
}
