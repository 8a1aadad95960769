//! Records in, specifications out, against what `docker run` does.

use super::*;
use crate::record::{MountKind, MountRecord, Propagation, SeccompChoice, SecurityRecord};
use teu_oci::runtime::{DeviceRule, Mount};

fn container() -> ContainerRecord {
    ContainerRecord { command: vec!["sh".to_owned()], ..ContainerRecord::default() }
}

fn facts() -> Facts {
    Facts {
        user_home: "/root".to_owned(),
        hostname: "box".to_owned(),
        files: "/pod".into(),
        init: "/bin/teu".into(),
        namespaces: Namespaces {
            network: Some("/proc/self/fd/7".to_owned()),
            ipc: Some("/proc/self/fd/8".to_owned()),
            uts: Some("/proc/self/fd/9".to_owned()),
            ..Namespaces::default()
        },
        ..Facts::default()
    }
}

fn plan(container: &ContainerRecord) -> Spec {
    spec(&PodRecord::default(), container, &facts()).unwrap()
}

fn linux(container: &ContainerRecord) -> Linux {
    plan(container).linux.unwrap()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn arguments_and_environment() {
    let process = plan(&ContainerRecord {
        entrypoint: words("/entry -x"),
        command: words("a b"),
        env: words("PATH=/mine FOO=1 FOO=2 HOSTNAME"),
        tty: true,
        working_dir: "/srv".to_owned(),
        ..container()
    })
    .process
    .unwrap();
    assert_eq!(process.args, words("/entry -x a b"));
    assert_eq!(process.env, words("PATH=/mine TERM=xterm FOO=2 HOME=/root"));
    assert_eq!((process.cwd.as_str(), process.terminal), ("/srv", true));
    let plain = plan(&container()).process.unwrap();
    let path = format!("PATH={}", defaults::PATH);
    assert_eq!(plain.env, [&path, "HOSTNAME=box", "HOME=/root"]);
    assert_eq!((plain.cwd.as_str(), plain.oom_score_adj), ("/", Some(0)));
    let init = plan(&ContainerRecord { init: true, ..container() });
    assert_eq!(init.process.unwrap().args, words("/sbin/docker-init -- sh"));
    assert_eq!(init.mounts.last().unwrap().source.as_deref(), Some("/bin/teu"));
    for command in [vec![], vec![String::new()]] {
        let empty = ContainerRecord { command, ..ContainerRecord::default() };
        let error = spec(&PodRecord::default(), &empty, &facts()).unwrap_err();
        assert!(matches!(error, Error::NoCommand));
    }
}

#[test]
fn capabilities_follow_the_options() {
    let with = |add: &str, drop: &str| {
        let security =
            SecurityRecord { cap_add: words(add), cap_drop: words(drop), ..Default::default() };
        capabilities(&ContainerRecord { security, ..container() }).unwrap()
    };
    assert_eq!(with("", "").len(), 14);
    assert!(with("net_admin", "").contains(&"CAP_NET_ADMIN".to_owned()));
    assert!(!with("", "CHOWN").contains(&"CAP_CHOWN".to_owned()));
    assert_eq!(with("CAP_CHOWN", "ALL"), ["CAP_CHOWN"]);
    assert!(!with("ALL", "SYS_ADMIN").contains(&"CAP_SYS_ADMIN".to_owned()));
    let wrong = SecurityRecord { cap_add: words("FLY"), ..Default::default() };
    assert!(capabilities(&ContainerRecord { security: wrong, ..container() }).is_err());
    let nobody = Facts { user: User { uid: 65534, ..User::default() }, ..facts() };
    let sets = spec(&PodRecord::default(), &container(), &nobody).unwrap();
    let sets = sets.process.unwrap().capabilities.unwrap();
    assert!(sets.effective.is_empty() && sets.inheritable.is_empty() && sets.ambient.is_empty());
    assert_eq!(sets.bounding.len(), 14);
}

#[test]
fn privileged_lifts_every_restriction() {
    let security = SecurityRecord { privileged: true, ..Default::default() };
    let privileged = ContainerRecord { security, ..container() };
    let host = Device { kind: "c".to_owned(), path: "/dev/kvm".to_owned(), ..Device::default() };
    let facts = Facts { host_devices: vec![host.clone()], ..facts() };
    let spec = spec(&PodRecord::default(), &privileged, &facts).unwrap();
    let access = |path: &str| {
        let mount = spec.mounts.iter().find(|mount| mount.destination == path).unwrap();
        mount.options.contains(&"ro".to_owned())
    };
    assert!(!access("/sys") && !access("/sys/fs/cgroup"));
    let linux = spec.linux.unwrap();
    assert_eq!(linux.devices, [host]);
    assert!(linux.seccomp.is_none() && linux.masked_paths.is_empty());
    assert!(linux.readonly_paths.is_empty());
    assert!(linux.resources.unwrap().devices.iter().all(|rule| rule.allow));
    assert!(spec.process.unwrap().capabilities.unwrap().effective.len() > 30);
}

#[test]
fn restrictions_of_everybody() {
    let plain = linux(&container());
    assert!(plain.seccomp.is_some());
    assert!(plain.masked_paths.contains(&"/proc/kcore".to_owned()));
    assert!(plain.readonly_paths.contains(&"/proc/sys".to_owned()));
    let first = &plain.resources.unwrap().devices[0];
    assert!(!first.allow && first.kind.as_deref() == Some("a"));
    let security = SecurityRecord { unmask_system_paths: true, ..Default::default() };
    let unmasked = linux(&ContainerRecord { security, ..container() });
    assert!(unmasked.masked_paths.is_empty() && unmasked.seccomp.is_some());
}

/// `kind=path` of each namespace, `-` for a new one.
fn shown(pod: &PodRecord, container: &ContainerRecord) -> String {
    let linux = spec(pod, container, &facts()).unwrap().linux.unwrap();
    let show = |namespace: &Namespace| {
        let kind = serde_json::to_value(namespace.kind).unwrap();
        let path = namespace.path.as_deref().unwrap_or("-");
        format!("{}={}", kind.as_str().unwrap(), path.rsplit('/').next().unwrap())
    };
    linux.namespaces.iter().map(show).collect::<Vec<_>>().join(" ")
}

#[test]
fn namespaces_are_new_joined_or_the_hosts() {
    let pod = PodRecord::default();
    assert_eq!(shown(&pod, &container()), "mount=- network=7 ipc=8 uts=9 pid=- cgroup=-");
    let host = PodRecord {
        network: crate::record::NetworkRecord { choice: NetworkChoice::Host, ..Default::default() },
        ipc: NamespaceMode::Host,
        uts: NamespaceMode::Host,
        ..PodRecord::default()
    };
    let shared = ContainerRecord {
        pid_mode: NamespaceMode::Host,
        cgroupns: NamespaceMode::Host,
        ..container()
    };
    assert_eq!(shown(&host, &shared), "mount=-");
    let mapping = teu_oci::runtime::IdMapping { container_id: 0, host_id: 100_000, size: 65_536 };
    let mapped = PodRecord { uid_mappings: vec![mapping], ..PodRecord::default() };
    assert!(shown(&mapped, &container()).ends_with("cgroup=- user=-"));
}

fn volume(destination: &str) -> MountRecord {
    MountRecord {
        destination: destination.to_owned(),
        kind: MountKind::Volume {
            name: "v".to_owned(),
            anonymous: false,
            nocopy: false,
            subpath: None,
        },
        readonly: false,
        propagation: Propagation::default(),
    }
}

fn bind(source: &str, destination: &str, readonly: bool) -> MountRecord {
    let kind = MountKind::Bind { source: source.to_owned(), recursive: true };
    MountRecord { kind, readonly, ..volume(destination) }
}

fn tmpfs(destination: &str, options: &str) -> MountRecord {
    let kind = MountKind::Tmpfs { size_bytes: 0, mode: None, options: words(options) };
    MountRecord { kind, ..volume(destination) }
}

fn mounted(mounts: Vec<MountRecord>) -> Vec<Mount> {
    let path = VolumeSource::Path { source: "/vol".to_owned(), options: Vec::new() };
    let volumes = [("/a".to_owned(), path)].into();
    let facts = Facts { volumes, ..facts() };
    spec(&PodRecord::default(), &ContainerRecord { mounts, ..container() }, &facts).unwrap().mounts
}

fn find<'a>(mounts: &'a [Mount], destination: &str) -> &'a Mount {
    let mut found = mounts.iter().filter(|mount| mount.destination == destination);
    let only = found.next().unwrap_or_else(|| panic!("no mount at {destination}"));
    assert!(found.next().is_none(), "{destination} is mounted twice");
    only
}

#[test]
fn the_more_specific_path_wins() {
    let mounts = mounted(vec![
        bind("/deep", "/a/b/c", false),
        volume("/a"),
        tmpfs("/a/b", ""),
        bind("/h", "/etc/hosts", true),
    ]);
    let place = |path: &str| mounts.iter().position(|m| m.destination == path).unwrap();
    assert!(place("/a") < place("/a/b") && place("/a/b") < place("/a/b/c"));
    assert!(place("/proc") < place("/a"));
    assert_eq!(find(&mounts, "/etc/hosts").source.as_deref(), Some("/h"));
    assert_eq!(find(&mounts, "/a").options, words("rbind rw rprivate"));
    assert_eq!(find(&mounts, "/etc/resolv.conf").source.as_deref(), Some("/pod/resolv.conf"));
}

#[test]
fn a_persons_mount_replaces_a_default_one() {
    let mounts = mounted(vec![bind("/dev", "/dev", false)]);
    assert_eq!(mounts.iter().filter(|m| m.destination.starts_with("/dev")).count(), 1);
    let mounts = mounted(vec![tmpfs("/dev/shm/", "size=1g")]);
    assert_eq!(mounts.iter().filter(|m| m.destination.starts_with("/dev/shm")).count(), 1);
}

#[test]
fn options_of_mounts() {
    let mounts = mounted(vec![
        bind("/ro", "/ro", true),
        tmpfs("/plain", ""),
        tmpfs("/exec", "exec size=64m mode=700"),
    ]);
    assert_eq!(find(&mounts, "/ro").options, words("rbind rro rprivate"));
    assert_eq!(find(&mounts, "/plain").options, words("noexec nosuid nodev rw"));
    let expected = words("nosuid nodev rw exec size=64m mode=700");
    assert_eq!(find(&mounts, "/exec").options, expected);
    let missing = ContainerRecord { mounts: vec![volume("/elsewhere")], ..container() };
    let error = spec(&PodRecord::default(), &missing, &facts()).unwrap_err();
    assert_eq!(error.to_string(), "volume v for /elsewhere is not there");
}

#[test]
fn propagation_reaches_the_root() {
    let with = |propagation| {
        let mount = MountRecord { propagation, ..bind("/x", "/x", false) };
        linux(&ContainerRecord { mounts: vec![mount], ..container() }).rootfs_propagation
    };
    assert_eq!(with(Propagation::Rshared).as_deref(), Some("rshared"));
    assert_eq!(with(Propagation::Slave).as_deref(), Some("rslave"));
    assert_eq!(with(Propagation::Rprivate), None);
}

#[test]
fn shared_memory() {
    let at = |pod: &PodRecord, shm: Option<&str>| {
        let facts = Facts { shm: shm.map(str::to_owned), ..facts() };
        let mounts = spec(pod, &container(), &facts).unwrap().mounts;
        find(&mounts, "/dev/shm").clone()
    };
    let pod = PodRecord { shm_size_bytes: 1 << 20, ..PodRecord::default() };
    assert!(at(&pod, None).options.contains(&"size=1048576".to_owned()));
    assert_eq!(at(&pod, Some("/proc/self/fd/5")).source.as_deref(), Some("/proc/self/fd/5"));
    let host = PodRecord { ipc: NamespaceMode::Host, ..PodRecord::default() };
    assert_eq!(at(&host, None).source.as_deref(), Some("/dev/shm"));
}

#[test]
fn devices_asked_for() {
    let fuse = Device {
        kind: "c".to_owned(),
        path: "/dev/fuse".to_owned(),
        major: 10,
        minor: 229,
        ..Default::default()
    };
    let one = ContainerRecord { devices: vec![fuse.clone()], ..container() };
    let rule = |container: &ContainerRecord| {
        let rules = resources(container).devices;
        let found = rules.iter().filter(|rule| rule.major == Some(10) && rule.minor == Some(229));
        found.map(|rule| rule.access.clone().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(rule(&one), ["rwm"]);
    assert_eq!(linux(&one).devices, [fuse]);
    let mut narrow = one;
    narrow.resources.devices = vec![DeviceRule {
        allow: true,
        kind: Some("c".to_owned()),
        major: Some(10),
        minor: Some(229),
        access: Some("r".to_owned()),
    }];
    assert_eq!(rule(&narrow), ["r"]);
}

fn profile(text: &str) -> Result<Option<teu_oci::runtime::Seccomp>, Error> {
    let seccomp = SeccompChoice::Profile(text.to_owned());
    let security = SecurityRecord { seccomp, ..Default::default() };
    filter(&ContainerRecord { security, ..container() }, &words("CAP_CHOWN"))
}

/// B2 row 20: a profile that would filter nothing is refused.
#[test]
fn a_profile_that_filters_nothing_is_refused() {
    for text in
        ["", "{}", "[]", r#"{"defaultAction": ""}"#, r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#, "x"]
    {
        assert!(profile(text).is_err(), "{text}");
    }
    let security = SecurityRecord { seccomp: SeccompChoice::Unconfined, ..Default::default() };
    assert!(linux(&ContainerRecord { security, ..container() }).seccomp.is_none());
}
