//! Networks: names, published ports, joining and leaving, and that nothing stays behind.
//!
//! Packets go to addresses of bridges made here and to loopback, nowhere else.

use super::streams::exec;
use super::world::{World, call, exited, script, until, words};
use std::io::Read as _;
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;
use teu_containers::record::network::EndpointRecord;
use teu_containers::record::{ContainerRecord, NetworkChoice, PodRecord, PortRecord};
use teu_containers::shim::protocol::{Reply, Request};
use teu_network::{Config, Endpoint, NetworkSpec, Networks};

fn networks(world: &World) -> Networks {
    let config = Config::new(&world.home.data, &world.home.run, &world.home.instance());
    Networks::open(config).unwrap()
}

fn on(network: &str) -> impl Fn(&mut PodRecord, &mut ContainerRecord) {
    let endpoint = EndpointRecord {
        network: network.to_owned(),
        aliases: vec!["also".to_owned()],
        ..EndpointRecord::default()
    };
    move |pod, _| {
        pod.network.choice = NetworkChoice::Networks(vec![endpoint.clone()]);
        // Nobody outside is ever asked for a name.
        pod.network.dns = vec!["127.0.0.1".parse().unwrap()];
        pod.network.dns_search = vec![".".to_owned()];
    }
}

fn endpoints(world: &World, record: &ContainerRecord) -> Vec<Endpoint> {
    let path = world.home.pod_run(&record.pod).join("endpoints.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn network(world: &World, name: &str) {
    networks(world)
        .create(NetworkSpec { name: name.to_owned(), ..NetworkSpec::default() })
        .unwrap();
}

#[test]
fn containers_find_each_other_by_name() {
    let mut world = World::new();
    network(&world, "own");
    let server = world.edited(words("nc -ll -p 80 -e echo served"), on("own"));
    let connection = world.start(&server);
    let listens = "until nc 127.0.0.1 80 < /dev/null; do sleep 0.01; done";
    assert!(matches!(
        call(&connection, &exec(&server.id, script(listens)), &[]),
        Reply::Executing { .. }
    ));
    assert_eq!(exited(&connection), 0);
    for name in [server.name.as_str(), "also", &server.id[..12]] {
        let ask = format!("cat /etc/resolv.conf; nc {name} 80 < /dev/null");
        let client = world.edited(script(&ask), |pod, record| {
            on("own")(pod, record);
            if let NetworkChoice::Networks(endpoints) = &mut pod.network.choice {
                endpoints[0].aliases.clear();
            }
        });
        let (code, out, err) = world.run(&client);
        assert_eq!((code, err.as_str()), (0, ""), "{name}");
        assert_eq!(out, "nameserver 127.0.0.11\noptions ndots:0\nserved\n", "{name}");
    }
    let hosts = exec(&server.id, script("cat /etc/hosts > /tmp/x; grep $(hostname) /etc/hosts"));
    assert!(matches!(call(&connection, &hosts, &[]), Reply::Executing { .. }));
    assert_eq!(exited(&connection), 0);
    let names = endpoints(&world, &server);
    let link = format!("/sys/class/net/{}", names[0].host_interface);
    assert!(std::path::Path::new(&link).exists());
    call(&connection, &Request::StopPod { timeout_ms: Some(0) }, &[]);
    world.ended(&server.pod);
    // It goes when everybody has been answered.
    until(&format!("the end of {link}"), || !std::path::Path::new(&link).exists());
    networks(&world).remove("own").unwrap();
}

#[test]
fn a_published_port_answers_on_loopback() {
    let mut world = World::new();
    network(&world, "pub");
    let serve = words("nc -ll -p 8080 -e echo published");
    let record = world.edited(serve, |pod, record| {
        on("pub")(pod, record);
        pod.network.ports = vec![PortRecord {
            host_ip: Some("127.0.0.1".parse().unwrap()),
            host_port: 0,
            host_last: 0,
            container_port: 8080,
            count: 1,
            protocol: "tcp".to_owned(),
        }];
    });
    let connection = world.start(&record);
    let port = endpoints(&world, &record)[0].ports[0].host_port;
    let mut text = String::new();
    until("an answer", || {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.read_to_string(&mut text).is_ok()
    });
    assert_eq!(text, "published\n");
    call(&connection, &Request::StopPod { timeout_ms: Some(0) }, &[]);
    world.ended(&record.pod);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_network_is_joined_and_left_while_it_runs() {
    let mut world = World::new();
    network(&world, "first");
    network(&world, "second");
    let record = world.edited(words("sleep 1000"), on("first"));
    let connection = world.start(&record);
    let endpoint = EndpointRecord { network: "second".to_owned(), ..EndpointRecord::default() };
    let join = Request::Connect { endpoint };
    let reply = call(&connection, &join, &[]);
    assert!(matches!(reply, Reply::Done | Reply::DoneWith { .. }), "{reply:?}");
    assert!(matches!(call(&connection, &join, &[]), Reply::Failed { .. }));
    let interfaces = |expected: &str| {
        let ask = exec(
            &record.id,
            script(&format!("test \"$(ls /sys/class/net | tr '\\n' ' ')\" = '{expected}'")),
        );
        let other = world.shim(&record.pod);
        assert!(matches!(call(&other, &ask, &[]), Reply::Executing { .. }));
        assert_eq!(exited(&other), 0, "{expected}");
    };
    interfaces("eth0 eth1 lo ");
    assert_eq!(endpoints(&world, &record).len(), 2);
    let leave = Request::Disconnect { network: "first".to_owned() };
    assert!(matches!(call(&connection, &leave, &[]), Reply::Done));
    interfaces("eth1 lo ");
    assert!(matches!(call(&connection, &leave, &[]), Reply::Failed { .. }));
}

/// A container that serves names itself may have port 53, and finds others by name all the same.
fn internal(world: &World, name: &str) {
    let spec = NetworkSpec { name: name.to_owned(), internal: true, ..NetworkSpec::default() };
    networks(world).create(spec).unwrap();
}

/// Compose sorts networks by name: a `backend` without a way out often comes before a `frontend`.
#[test]
fn the_way_out_is_by_the_first_network_that_has_one() {
    let mut world = World::new();
    internal(&world, "backend");
    network(&world, "frontend");
    let record = world.edited(script("ip route | grep ^default; sleep 1000"), |pod, record| {
        on("backend")(pod, record);
        let NetworkChoice::Networks(endpoints) = &mut pod.network.choice else { return };
        let endpoint = EndpointRecord { network: "frontend".to_owned(), ..endpoints[0].clone() };
        endpoints.push(endpoint);
        pod.network.ports = vec![PortRecord {
            host_ip: Some("127.0.0.1".parse().unwrap()),
            host_port: 0,
            host_last: 0,
            container_port: 80,
            count: 1,
            protocol: "tcp".to_owned(),
        }];
    });
    let connection = world.start(&record);
    let [inner, outer] = &endpoints(&world, &record)[..] else { panic!("two networks") };
    let gateway = outer.gateway4.unwrap();
    world.said(&record, &format!("default via {gateway} dev eth1 \n"));
    assert_eq!((inner.gateway4, inner.ports.len(), outer.ports.len()), (None, 0, 1));
    call(&connection, &Request::StopPod { timeout_ms: Some(0) }, &[]);
    world.ended(&record.pod);
}

/// CVE-2024-29018: what cannot be reached is not reached by the name server either.
#[test]
fn names_are_no_way_out_of_an_internal_network() {
    let upstream = UdpSocket::bind("127.7.53.53:53").unwrap();
    upstream.set_nonblocking(true).unwrap();
    let mut buffer = [0; 512];
    let mut world = World::new();
    internal(&world, "inner");
    network(&world, "outer");
    let record = world.edited(words("sleep 1000"), |pod, record| {
        on("inner")(pod, record);
        pod.network.dns = vec!["127.7.53.53".parse().unwrap()];
    });
    let connection = world.start(&record);
    let ask = exec(&record.id, script("nslookup secret.example.test 127.0.0.11"));
    assert!(matches!(call(&connection, &ask, &[]), Reply::Executing { .. }));
    assert_ne!(exited(&connection), 0);
    let heard = upstream.recv(&mut buffer);
    assert!(heard.is_err(), "a question got out: {heard:?}");
    let endpoint = EndpointRecord { network: "outer".to_owned(), ..EndpointRecord::default() };
    let reply = call(&connection, &Request::Connect { endpoint }, &[]);
    assert!(matches!(reply, Reply::Done | Reply::DoneWith { .. }), "{reply:?}");
    let other = world.shim(&record.pod);
    assert!(matches!(call(&other, &ask, &[]), Reply::Executing { .. }));
    until("the question", || upstream.recv(&mut buffer).is_ok());
    let route = exec(&record.id, script("ip route | grep -q '^default via .* dev eth1'"));
    assert!(matches!(call(&connection, &route, &[]), Reply::Executing { .. }));
    assert_eq!(exited(&connection), 0);
    call(&connection, &Request::StopPod { timeout_ms: Some(0) }, &[]);
    world.ended(&record.pod);
}

#[test]
fn port_53_is_free_for_those_who_serve_it() {
    let mut world = World::new();
    network(&world, "names");
    let other = world.edited(words("sleep 1000"), on("names"));
    world.start(&other);
    let ask = format!(
        "nc -l -p 53 -e true & sleep 0.1; jobs; \
         nslookup {0} 127.0.0.11 > /tmp/out 2>&1 || cat /tmp/out; grep -c Address /tmp/out; \
         ping -c 1 -w 60 {0} > /dev/null && echo found",
        other.name
    );
    let record = world.edited(script(&ask), |pod, record| {
        on("names")(pod, record);
        record.exposed_ports = vec!["53/udp".to_owned(), "53/tcp".to_owned()];
    });
    let (code, out, err) = world.run(&record);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("Running") && out.ends_with("found\n"), "{out}");
}

/// `kill -9` of a shim: the container's processes are told from others by their cgroup, the state by
/// pid and start time; nothing of ours answers any more.
#[test]
fn a_killed_shim_leaves_what_a_repair_needs() {
    let mut world = World::new();
    let record = world.container(words("sleep 1000"));
    world.start(&record);
    let state = world.state(&record);
    let shim = rustix::process::Pid::from_raw(world.shim_pid(&record.pod)).unwrap();
    rustix::process::kill_process(shim, rustix::process::Signal::KILL).unwrap();
    until("nobody answers", || {
        teu_containers::shim::connect(&world.home, &record.pod).unwrap().is_none()
    });
    assert_eq!(state.boot_id.len(), 36);
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", state.pid)).unwrap();
    let ticks = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap();
    assert_eq!(ticks, state.pid_start_ticks.to_string());
    let pod: PodRecord = serde_json::from_slice(
        &std::fs::read(world.home.pod(&record.pod).join("pod.json")).unwrap(),
    )
    .unwrap();
    let cgroup = teu_runtime::Cgroup::open(&world.home.container_cgroup(&pod, &record.id)).unwrap();
    assert_eq!(cgroup.pids().unwrap(), [state.pid]);
    cgroup.kill_all().unwrap();
    cgroup.delete().unwrap();
    std::fs::remove_dir_all(world.home.pod_run(&record.pod)).unwrap();
}
