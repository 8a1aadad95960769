//! Pods of several containers.

use super::world::{World, until};
use teu_containers::create::{CreateRequest, PodChoice};
use teu_containers::lifecycle::Stop;
use teu_containers::record::{NetworkChoice, PodRecord};

fn pod(world: &World, name: &str) {
    let mut pod = PodRecord { name: Some(name.to_owned()), ..PodRecord::default() };
    pod.network.choice = NetworkChoice::None;
    world.containers.create_pod(pod).unwrap();
}

fn member(world: &World, pod: &str, name: &str, script: &str) {
    let request = CreateRequest {
        name: Some(name.to_owned()),
        pod: PodChoice::Existing(pod.to_owned()),
        ..world.request(script)
    };
    world.containers.create(request).unwrap();
}

#[test]
fn containers_of_a_pod_talk_over_localhost() {
    let world = World::new();
    pod(&world, "team");
    member(&world, "team", "server", "echo hello | nc -l -p 7000 127.0.0.1; sleep 100");
    member(
        &world,
        "team",
        "client",
        "until nc 127.0.0.1 7000 </dev/null; do sleep 0.05; done; hostname",
    );
    let started = world.containers.start_pod("team").unwrap();
    assert_eq!(started.len(), 2);
    let pods = world.containers.list_pods(&[]).unwrap();
    assert_eq!((pods.len(), pods[0].name.as_str()), (1, "team"));
    world.containers.wait("client", Default::default()).unwrap();
    let options = teu_containers::logs::LogOptions { stdout: true, ..Default::default() };
    let lines: Vec<u8> = world
        .containers
        .logs("client", &options)
        .unwrap()
        .flat_map(|line| line.unwrap().bytes)
        .collect();
    let lines = String::from_utf8(lines).unwrap();
    assert!(lines.starts_with("hello\n"), "{lines}");
    assert_eq!(world.containers.list_pods(&[]).unwrap()[0].status, "Degraded");
    let error = world.containers.remove_pod("team", false).unwrap_err().to_string();
    assert!(error.contains("has running containers"), "{error}");
    world.containers.stop_pod("team", Stop { signal: None, timeout_s: Some(1) }).unwrap();
    assert_eq!(world.containers.list_pods(&[]).unwrap()[0].status, "Exited");
    world.containers.remove_pod("team", false).unwrap();
    world.assert_clean();
}

#[test]
fn a_member_can_go_alone() {
    let world = World::new();
    pod(&world, "team");
    member(&world, "team", "one", "sleep 100");
    member(&world, "team", "two", "sleep 100");
    world.containers.start_pod("team").unwrap();
    world.remove("one");
    until("one member", || world.containers.find_pod("team").unwrap().1.len() == 1);
    assert_eq!(world.containers.list_pods(&[]).unwrap()[0].status, "Running");
    let shown = world.containers.inspect_pod("team").unwrap();
    assert_eq!(shown["NumContainers"], 1);
    world.containers.remove_pod("team", true).unwrap();
    world.assert_clean();
}

#[test]
fn names_of_pods_and_containers_are_one_space() {
    let world = World::new();
    pod(&world, "team");
    let request = CreateRequest { name: Some("team".into()), ..world.request("true") };
    assert!(world.containers.create(request).is_err());
    let mut second = PodRecord { name: Some("team".into()), ..PodRecord::default() };
    second.network.choice = NetworkChoice::None;
    assert!(world.containers.create_pod(second).is_err());
    assert_eq!(world.entries("pods").len(), 1);
    world.containers.remove_pod("team", false).unwrap();
    world.assert_clean();
}
