//! Several containers of one pod, and containers that join others.

use super::streams::exec;
use super::world::{World, call, exited, id, script, until, words};
use teu_containers::record::{ContainerRecord, NamespaceMode, NetworkChoice, PodRecord};
use teu_containers::shim::protocol::{Reply, Request};

fn pod(world: &mut World, edit: impl FnOnce(&mut PodRecord)) -> PodRecord {
    let id = id();
    let mut pod = PodRecord { name: Some(format!("p{}", &id[56..])), id, ..PodRecord::default() };
    pod.network.choice = NetworkChoice::None;
    edit(&mut pod);
    world.write_pod(&pod);
    pod
}

fn member(world: &World, pod: &PodRecord, command: Vec<String>) -> ContainerRecord {
    let id = id();
    let record = ContainerRecord {
        name: format!("m{}", &id[56..]),
        id,
        pod: pod.id.clone(),
        command,
        env: vec!["PATH=/bin".to_owned()],
        ..ContainerRecord::default()
    };
    world.write(&record);
    record
}

#[test]
fn containers_of_a_pod_share_network_memory_and_name() {
    let mut world = World::new();
    let pod = pod(&mut world, |pod| pod.hostname = "shared".to_owned());
    let server = member(
        &world,
        &pod,
        script("echo hi > /dev/shm/note; nc -l -p 8080 -e echo from-the-server"),
    );
    world.start(&server);
    let listens = "until nc 127.0.0.1 8080 < /dev/null 2> /dev/null; do sleep 0.01; done";
    let client = script(&format!("hostname; {listens}; cat /dev/shm/note"));
    let client = member(&world, &pod, client);
    let (code, out, err) = world.run(&client);
    assert_eq!((code, out.as_str()), (0, "shared\nfrom-the-server\nhi\n"), "{err}");
    world.ended(&pod.id);
}

#[test]
fn a_pod_may_share_its_processes() {
    let mut world = World::new();
    let pod = pod(&mut world, |pod| pod.share_pid = true);
    let first = member(&world, &pod, words("sleep 4321"));
    let connection = world.start(&first);
    let second = member(
        &world,
        &pod,
        script("ps | grep -q '[s]leep 4321' && echo seen; sleep 0.05 & exit 0"),
    );
    let (code, out, _) = world.run(&second);
    assert_eq!((code, out.as_str()), (0, "seen\n"));
    let stop = Request::StopPod { timeout_ms: Some(0) };
    assert!(matches!(call(&connection, &stop, &[]), Reply::Done));
    world.ended(&pod.id);
}

#[test]
fn a_container_joins_anothers_namespaces() {
    let mut world = World::new();
    let host = world.container(words("sleep 1000"));
    world.start(&host);
    let guest = world.edited(
        script("ps | grep -c '[s]leep 1000'; readlink /proc/self/ns/net"),
        |pod, record| {
            pod.network.choice = NetworkChoice::Container(host.id.clone());
            pod.ipc = NamespaceMode::Container(host.id.clone());
            record.pid_mode = NamespaceMode::Container(host.id.clone());
        },
    );
    let (code, out, err) = world.run(&guest);
    assert_eq!(code, 0, "{err}");
    let link = format!("/proc/{}/ns/net", world.state(&host).pid);
    let network = std::fs::read_link(link).unwrap();
    assert_eq!(out, format!("1\n{}\n", network.display()));
    let lonely = world.edited(words("true"), |pod, _| {
        pod.network.choice = NetworkChoice::Container(id());
    });
    let (code, _, message) = world.run(&lonely);
    assert_eq!(code, 125);
    assert!(message.contains("not running"), "{message}");
}

#[test]
fn kernel_parameters_belong_to_the_pod() {
    let mut world = World::new();
    let show = script("cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax");
    let record = world.edited(show, |pod, _| {
        pod.sysctls.insert("net.ipv4.ip_unprivileged_port_start".to_owned(), "77".to_owned());
        pod.sysctls.insert("kernel.msgmax".to_owned(), "5555".to_owned());
    });
    assert_eq!(world.run(&record).1, "77\n5555\n");
    let evil = world.edited(words("true"), |pod, _| {
        pod.sysctls.insert("kernel.core_pattern".to_owned(), "|/evil".to_owned());
    });
    let (code, _, message) = world.run(&evil);
    assert_eq!(code, 125);
    assert!(message.contains("kernel.core_pattern"), "{message}");
}

#[test]
fn namespaces_die_with_the_pod() {
    let mut world = World::new();
    let record = world.container(words("sleep 1000"));
    let connection = world.start(&record);
    let reply = call(&connection, &exec(&record.id, script("echo 1 > /dev/shm/x")), &[]);
    assert!(matches!(reply, Reply::Executing { .. }));
    assert_eq!(exited(&connection), 0);
    let pid = world.shim_pid(&record.pod);
    let kill = Request::Signal { id: record.id.clone(), signal: 9 };
    assert!(matches!(call(&connection, &kill, &[]), Reply::Done));
    world.ended(&record.pod);
    drop(connection);
    let namespace = format!("/proc/{pid}/ns/net");
    until("the end of the shim", || std::fs::read_link(&namespace).is_err());
    assert_eq!(world.state(&record).exit_code, 137);
}
