//! Services as requests.

use super::*;
use crate::load::tests::{read_as, wishes};
use teu_containers::record::{MountKind, NetworkChoice};

#[derive(Debug)]
struct Nobody;

impl Names for Nobody {
    fn of(&self, service: &str) -> Vec<String> {
        vec![format!("p-{service}-1")]
    }
}

fn made(body: &str, rest: &str) -> Result<CreateRequest, String> {
    let text = format!("services:\n  s: {{image: x, {body}}}\n  o: {{image: y}}\n{rest}\n");
    let project = read_as(&wishes(), &[("compose.yaml", &text)])?;
    let making = Making {
        service: "s".to_owned(),
        number: 2,
        name: "p-s-2".to_owned(),
        replaces: None,
        renew_volumes: false,
        namespaces: Vec::new(),
    };
    let namespaces = BTreeMap::from([("o".to_owned(), "id-of-o".to_owned())]);
    let around = Around { project: &project, namespaces: &namespaces, containers: &Nobody };
    request(&making, &project.model.services["s"], around).map_err(|error| error.to_string())
}

fn pod(request: &CreateRequest) -> &PodRecord {
    match &request.pod {
        PodChoice::Own(pod) => pod,
        other => panic!("{other:?}"),
    }
}

#[test]
fn process_and_policies() {
    let request = made(
        "command: a b, entrypoint: [e], environment: {A: 1, B: }, user: u, working_dir: /w, tty: true, restart: 'on-failure:3', stop_grace_period: 1500ms, stop_signal: SIGINT, init: true, read_only: true, logging: {driver: none}",
        "",
    )
    .expect("a request");
    let container = &request.container;
    assert_eq!(container.command, ["a", "b"]);
    assert_eq!(request.entrypoint, Some(vec!["e".to_owned()]));
    assert_eq!(container.env, ["A=1", "B"]);
    assert_eq!(container.restart, RestartPolicy::OnFailure { max_retries: 3 });
    assert_eq!(container.stop_timeout_s, Some(2));
    assert!(!container.log.keep && container.init && container.readonly_rootfs && container.tty);
    assert_eq!(container.labels[labels::NUMBER], "2");
    assert_eq!(container.labels[labels::ONEOFF], "False");
    assert_eq!(container.labels[labels::PROJECT], "p");
    assert_eq!(container.labels[labels::HASH].len(), 64);
    let any = made("deploy: {restart_policy: {condition: any}}", "").expect("a request");
    assert_eq!(any.container.restart, RestartPolicy::UnlessStopped);
}

#[test]
fn networks_names_and_ports() {
    let request = made(
        "hostname: h, networks: {n: {aliases: [al], ipv4_address: 10.1.2.3}, m: {priority: 5}}, ports: ['127.0.0.1:8080:80/udp', '81'], dns: 1.1.1.1, extra_hosts: ['x:1.2.3.4'], links: ['o:db']",
        "networks: {n: , m: {name: em}}",
    )
    .expect("a request");
    let pod = pod(&request);
    let NetworkChoice::Networks(endpoints) = &pod.network.choice else { panic!("networks") };
    assert_eq!((endpoints[0].network.as_str(), endpoints[1].network.as_str()), ("em", "p_n"));
    assert_eq!(endpoints[1].aliases, ["s", "al"]);
    assert_eq!(endpoints[1].ipv4, Some("10.1.2.3".parse().expect("an address")));
    assert_eq!(pod.network.ports[0].host_port, 8080);
    assert_eq!(pod.network.ports[1].host_port, 0);
    assert_eq!(request.container.exposed_ports, ["80/udp", "81/tcp"]);
    assert_eq!(pod.network.extra_hosts, ["x:1.2.3.4"]);
    assert_eq!(pod.network.links, ["p-o-1:db"]);
    let range = made("ports: ['8000-8010:80']", "").expect("a request");
    let port = &self::pod(&range).network.ports[0];
    assert_eq!((port.host_port, port.host_last, port.container_port), (8000, 8010, 80));
    let shared = made("network_mode: 'service:o', pid: 'service:o'", "").expect("a request");
    assert_eq!(self::pod(&shared).network.choice, NetworkChoice::Container("id-of-o".to_owned()));
    assert_eq!(shared.container.pid_mode, NamespaceMode::Container("id-of-o".to_owned()));
}

#[test]
fn mounts_secrets_and_configs() {
    let request = made(
        "volumes: ['v:/v', './b:/b:ro', /anon, {type: tmpfs, target: /t, tmpfs: {size: 1m}}, {type: bind, source: /no, target: /no, bind: {create_host_path: false}}], secrets: [f, e], configs: [{source: c, target: /etc/c}], tmpfs: /run, volumes_from: ['o:ro']",
        "volumes: {v: }\nsecrets: {f: {file: ./f.txt}, e: {environment: E}}\nconfigs: {c: {content: hi}}",
    )
    .expect("a request");
    let mounts = &request.container.mounts;
    let kinds: Vec<String> = mounts.iter().map(|mount| mount.destination.clone()).collect();
    assert_eq!(kinds, ["/v", "/b", "/anon", "/t", "/no", "/run", "/run/secrets/f"]);
    assert!(matches!(&mounts[0].kind, MountKind::Volume { name, .. } if name == "p_v"));
    assert!(matches!(&mounts[1].kind, MountKind::Bind { source, .. } if source == "/p/b"));
    assert!(mounts[1].readonly);
    assert!(matches!(&mounts[2].kind, MountKind::Volume { anonymous: true, .. }));
    assert!(matches!(&mounts[3].kind, MountKind::Tmpfs { size_bytes: 1_048_576, .. }));
    assert_eq!(request.create_sources, [std::path::PathBuf::from("/p/b")]);
    assert_eq!(request.volumes_from, ["p-o-1:ro"]);
}

#[test]
fn contents_are_files() {
    let text = "services: {s: {image: x, secrets: [{source: e, target: t, mode: 0400, uid: 5}], configs: [c]}}\nsecrets: {e: {environment: E}}\nconfigs: {c: {content: hi}}";
    let mut wishes = wishes();
    let missing = read_as(&wishes, &[("compose.yaml", text)]).expect("reads");
    let error = content_files(&missing.model.services["s"], &missing).expect_err("not set");
    assert_eq!(error.to_string(), "environment variable \"E\" required by secret \"e\" is not set");
    wishes.variables.insert("E".to_owned(), "value".to_owned());
    let project = read_as(&wishes, &[("compose.yaml", text)]).expect("reads");
    let files = content_files(&project.model.services["s"], &project).expect("files");
    assert_eq!((files[0].path.as_str(), files[0].mode, files[0].uid), ("/run/secrets/t", 0o400, 5));
    assert_eq!((files[1].path.as_str(), files[1].content.as_slice()), ("/c", b"hi".as_slice()));
    assert!(!format!("{files:?}").contains("value"), "secrets are not shown");
}

#[test]
fn limits_and_rights() {
    let request = made(
        "pids_limit: 100, deploy: {resources: {limits: {memory: 32m, cpus: '1.5'}}}, ulimits: {nofile: {soft: 10, hard: 20}}, cap_add: [net_admin], cap_drop: [ALL], security_opt: ['no-new-privileges:true'], shm_size: 1m, sysctls: {a: 1}",
        "",
    )
    .expect("a request");
    let container = &request.container;
    assert_eq!(container.resources.memory.as_ref().and_then(|m| m.limit), Some(32 << 20));
    assert_eq!(container.resources.cpu.as_ref().and_then(|cpu| cpu.quota), Some(150_000));
    assert_eq!(container.rlimits[0].hard, 20);
    assert_eq!(container.security.cap_add, ["CAP_NET_ADMIN"]);
    assert!(container.security.no_new_privileges);
    assert_eq!(pod(&request).shm_size_bytes, 1 << 20);
}

#[test]
fn what_is_not_done_is_refused_by_name() {
    for (body, reason) in [
        ("gpus: all", "gpus is not supported"),
        ("runtime: kata", "runtime is not supported"),
        ("volumes: [{type: image, source: i, target: /t}]", "volumes.type is not supported"),
        ("security_opt: ['apparmor=p']", "AppArmor"),
        ("security_opt: ['what=p']", "invalid option"),
        ("restart: sometimes", "unknown policy"),
        ("stop_signal: NONE", "invalid signal"),
        ("dns: x", "x is no address"),
        ("logging: {driver: syslog}", "logging"),
    ] {
        let said = made(body, "").expect_err(body);
        assert!(said.contains("service \"s\"") && said.contains(reason), "{body}: {said}");
    }
}
