//! Coming and going: repair, instances side by side, many pods.

use crate::support::{Host, cannot_reach, fetch, ip, outside, run, tcp};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use teu_network::{EndpointRequest, Error, NetworkSpec};

#[test]
fn the_last_one_out_leaves_nothing_and_the_next_one_in_finds_everything() {
    let host = Host::new();
    let _far = outside();
    for _ in 0..3 {
        let web = host.pod("web", |request| request.ports = vec![tcp(8080, 80)]);
        web.serve(80);
        assert!(fetch(ip("127.0.0.1"), 8080).is_ok());
        assert_eq!(run("cat /proc/sys/net/ipv4/conf/uplink/forwarding"), "1\n");
        assert_eq!(run("cat /proc/sys/net/ipv4/ip_forward"), "0\n");
        host.networks.disconnect(&web.connected.endpoint).unwrap();
        host.networks.disconnect(&web.connected.endpoint).unwrap();
        host.assert_clean();
        assert_eq!(run("cat /proc/sys/net/ipv4/conf/uplink/forwarding"), "0\n");
    }
}

#[test]
fn a_damaged_record_stops_no_other_network() {
    let host = Host::new();
    let spec = |name: &str| NetworkSpec { name: name.to_owned(), ..NetworkSpec::default() };
    let hurt = host.networks.create(spec("hurt")).unwrap();
    host.networks.create(spec("good")).unwrap();
    let record = host.dir.path().join("networks").join(format!("{}.json", hurt.id));
    std::fs::write(record, "").unwrap();
    let names: Vec<_> = host.networks.list().unwrap().into_iter().map(|n| n.name).collect();
    assert_eq!(names, ["bridge", "good"]);
    let pod = host.pod("web", |_| {});
    host.networks.disconnect(&pod.connected.endpoint).unwrap();
    host.assert_clean();
}

#[test]
fn addresses_that_were_given_back_are_not_used_at_once() {
    let host = Host::new();
    let first = host.pod("one", |_| {});
    host.networks.disconnect_pod("one-id").unwrap();
    let second = host.pod("two", |_| {});
    assert_ne!(first.ipv4(), second.ipv4());
    assert_ne!(first.ipv6(), second.ipv6());
}

#[test]
fn what_killed_pods_held_is_given_back() {
    let host = Host::new();
    let live = host.pod("live", |request| request.ports = vec![tcp(8081, 80)]);
    live.serve(80);
    let dead = host.pod("dead", |request| request.ports = vec![tcp(8080, 80)]);
    let address = dead.ipv4();
    drop(dead);
    let given_up = host.networks.repair(&|pod| pod == "live-id").unwrap();
    assert_eq!(given_up, ["dead-id"]);
    let rules = run("nft list ruleset");
    assert!(!rules.contains("8080") && rules.contains("8081"), "{rules}");
    assert!(!rules.contains(&address.to_string()), "{rules}");
    assert!(fetch(ip("127.0.0.1"), 8081).is_ok());
    assert_eq!(host.networks.repair(&|_| true).unwrap(), Vec::<String>::new());
    // A pod of the same id comes back without anybody having repaired.
    let link = &live.connected.endpoint.host_interface;
    run(&format!("ip link del {link}"));
    drop(live);
    let again = host.pod("live", |request| request.ports = vec![tcp(8081, 80)]);
    again.serve(80);
    assert!(fetch(ip("127.0.0.1"), 8081).is_ok());
    assert_eq!(host.networks.repair(&|_| false).unwrap(), ["live-id"]);
    host.assert_clean();
}

#[test]
fn what_others_took_away_is_made_anew() {
    let host = Host::with(|config| config.shard_limit = 1);
    let web = host.pod("web", |request| request.ports = vec![tcp(8080, 80)]);
    let other = host.pod("other", |_| {});
    web.serve(80);
    run("nft flush ruleset");
    assert!(cannot_reach(ip("127.0.0.1"), 8080));
    host.networks.repair(&|_| true).unwrap();
    assert!(fetch(ip("127.0.0.1"), 8080).is_ok());
    run("ip link del teu0");
    host.networks.repair(&|_| true).unwrap();
    assert!(fetch(ip("127.0.0.1"), 8080).is_ok());
    assert!(other.fetch(web.ipv4(), 80).is_ok());
    // The next connect does the same for those that are there.
    run("ip link del teu0");
    let third = host.pod("third", |_| {});
    assert!(third.fetch(web.ipv4(), 80).is_ok());
    assert!(fetch(ip("127.0.0.1"), 8080).is_ok());
    drop(third);
    // A reboot: the kernel has forgotten everything, the files have not.
    run("nft flush ruleset; ip link del teu0; ip route flush type unreachable");
    drop((web, other));
    host.networks.repair(&|_| false).unwrap();
    host.assert_clean();
}

#[test]
fn two_instances_live_side_by_side() {
    let host = Host::new();
    let _far = outside();
    let beside = Host::beside(|config| config.instance = "deadbeef".to_owned());
    let one = host.pod("one", |request| request.ports = vec![tcp(8080, 80)]);
    let two = beside.pod("two", |request| request.ports = vec![tcp(8081, 80)]);
    one.serve(80);
    two.serve(80);
    assert!(fetch(ip("127.0.0.1"), 8080).unwrap().starts_with("one"));
    assert!(fetch(ip("127.0.0.1"), 8081).unwrap().starts_with("two"));
    assert!(one.cannot_reach(two.ipv4(), 80), "instances are apart");
    assert!(one.fetch(ip("203.0.113.1"), 8081).is_ok(), "published is published");
    let taken = beside.try_pod("late", |request| request.ports = vec![tcp(8080, 80)]);
    assert!(matches!(taken.map(|_| ()), Err(Error::PortTaken { .. })));
    host.networks.disconnect_pod("one-id").unwrap();
    assert!(fetch(ip("127.0.0.1"), 8081).is_ok());
    assert_eq!(run("cat /proc/sys/net/ipv4/conf/uplink/forwarding"), "1\n");
    beside.networks.disconnect_pod("two-id").unwrap();
    assert_eq!(run("cat /proc/sys/net/ipv4/conf/uplink/forwarding"), "0\n");
    host.assert_clean();
}

#[test]
fn networks_are_made_listed_and_removed() {
    let host = Host::new();
    let spec = |name: &str| NetworkSpec { name: name.to_owned(), ..NetworkSpec::default() };
    let web = host.networks.create(spec("web")).unwrap();
    assert!(matches!(host.networks.create(spec("web")), Err(Error::NameTaken { .. })));
    assert!(matches!(host.networks.create(spec("host")), Err(Error::Predefined { .. })));
    let names: Vec<_> = host.networks.list().unwrap().into_iter().map(|net| net.name).collect();
    assert_eq!(names, ["bridge", "web"]);
    assert_eq!(host.networks.inspect(&web.id[..6]).unwrap(), web);
    assert!(matches!(host.networks.remove("bridge"), Err(Error::Predefined { .. })));
    let pod = host.pod("one", |request| request.network = "web".to_owned());
    let message = host.networks.remove("web").unwrap_err().to_string();
    assert!(message.contains("has active endpoints (one)"), "{message}");
    assert!(host.networks.prune(&|_| false).unwrap().networks.is_empty());
    host.networks.disconnect(&pod.connected.endpoint).unwrap();
    assert!(host.networks.prune(&|net| net.name == "web").unwrap().networks.is_empty());
    assert_eq!(host.networks.prune(&|_| false).unwrap().networks, ["web"]);
    assert!(matches!(host.networks.inspect("web"), Err(Error::NotFound { .. })));
    assert!(!host.dir.path().join("run/networks").join(&web.id).exists());
    host.assert_clean();
}

#[test]
fn a_chosen_subnet_makes_way_while_nothing_is_connected() {
    let host = Host::new();
    let before = host.networks.inspect("bridge").unwrap();
    let subnet = before.ipv4().unwrap().subnet;
    run("ip link add vpn type veth peer name vpn2; ip link set vpn2 up; ip link set vpn up");
    run(&format!("ip route add {subnet} dev vpn"));
    let pod = host.pod("one", |_| {});
    assert!(!subnet.contains(pod.ipv4()));
    assert_ne!(host.networks.inspect("bridge").unwrap(), before);
}

#[test]
fn networks_are_spread_over_several_bridges() {
    let host = Host::with(|config| config.shard_limit = 2);
    let pods: Vec<_> = (0..7).map(|number| host.pod(&format!("p{number}"), |_| {})).collect();
    assert_eq!(run("ip -o link show type bridge | wc -l"), "4\n");
    pods.iter().for_each(|pod| pod.serve(80));
    for (from, to) in [(0, 6), (6, 0), (2, 5), (4, 3)] {
        assert!(pods[from].fetch(pods[to].ipv4(), 80).is_ok(), "{from} to {to}");
        assert!(pods[from].fetch(pods[to].ipv6(), 80).is_ok(), "{from} to {to}");
    }
    // Room on an earlier bridge is used again.
    host.networks.disconnect_pod("p0-id").unwrap();
    let _late = host.pod("late", |_| {});
    assert_eq!(run("ip -o link show type bridge | wc -l"), "4\n");
    host.networks.repair(&|_| false).unwrap();
    host.assert_clean();
}

#[test]
fn processes_connect_at_the_same_time() {
    let host = Host::new();
    let netns = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
    let connect = |number: usize| {
        let networks = host.networks.clone();
        let home = netns.try_clone().unwrap();
        std::thread::spawn(move || {
            let pod = crate::support::new_netns();
            let request = EndpointRequest {
                network: "bridge".to_owned(),
                pod: format!("pod{number}"),
                name: format!("pod{number}"),
                ports: vec![tcp(0, 80)],
                ..EndpointRequest::default()
            };
            teu_sys::netlink::within(home.as_fd(), || {
                for _ in 0..5 {
                    let connected = networks.connect(&request, pod.as_fd()).unwrap();
                    networks.disconnect(&connected.endpoint).unwrap();
                }
                Ok(())
            })
            .unwrap();
        })
    };
    let threads: Vec<_> = (0..4).map(connect).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    host.assert_clean();
}

const CRASHING: &str = "TEU_TEST_CRASHING";

/// Connects and disconnects until it is killed; the child of the test below.
#[test]
#[ignore = "run by another test"]
fn connects_until_it_is_killed() {
    let Ok(dir) = std::env::var(CRASHING) else { return };
    let dir = std::path::PathBuf::from(dir);
    let config = teu_network::Config::new(&dir, dir.join("run"), "");
    let networks = teu_network::Networks::open(config).unwrap();
    for number in 0.. {
        let netns = crate::support::new_netns();
        let request = EndpointRequest {
            network: "bridge".to_owned(),
            pod: format!("pod{}", number % 3),
            name: "crashing".to_owned(),
            aliases: vec!["alias".to_owned()],
            ports: vec![tcp(8080, 80)],
            ..EndpointRequest::default()
        };
        // What an earlier life left may be in the way: that is for the next command to repair.
        let Ok(connected) = networks.connect(&request, netns.as_fd()) else { continue };
        if number % 2 == 0 {
            networks.disconnect(&connected.endpoint).unwrap();
        } else if let Some(departure) = networks.leave(&request.pod).unwrap() {
            departure.finish().unwrap();
        }
    }
}

#[test]
fn a_command_may_be_killed_at_any_instant() {
    let host = Host::new();
    let program = std::env::current_exe().unwrap();
    for round in 0..40u64 {
        let mut child = std::process::Command::new(&program)
            .args(["--exact", "life::connects_until_it_is_killed", "--ignored"])
            .env(CRASHING, host.dir.path())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(8_000 + round * 37 % 29 * 1_100));
        child.kill().unwrap();
        child.wait().unwrap();
        if round % 2 == 0 {
            host.networks.repair(&|_| false).unwrap();
            host.assert_clean();
        }
        let pod = host.pod("after", |request| request.ports = vec![tcp(8080, 80)]);
        pod.serve(80);
        let answer = fetch(ip("127.0.0.1"), 8080);
        assert!(answer.is_ok(), "round {round}: {answer:?}");
        host.networks.repair(&|_| false).unwrap();
        host.assert_clean();
    }
    let network = host.networks.inspect("bridge").unwrap();
    let names = host.dir.path().join("run/networks").join(&network.id);
    for left in ["endpoints", "names", "reverse", "leaving"] {
        let left = names.join(left);
        assert_eq!(std::fs::read_dir(&left).unwrap().count(), 0, "{}", left.display());
    }
}

/// Time that this thread has been on a processor: what others do does not count.
fn busy() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// More than a bridge takes, and the last as quickly as the first. Prints what a connect takes.
#[test]
fn more_pods_than_a_bridge_takes() {
    const PODS: usize = 1100;
    let host = Host::new();
    let mut times = Vec::new();
    let mut pods = Vec::new();
    for number in 0..PODS {
        let netns = crate::support::new_netns();
        let request = EndpointRequest {
            network: "bridge".to_owned(),
            pod: format!("pod{number}"),
            name: format!("pod{number}"),
            ports: vec![tcp(10_000 + number as u16, 80)],
            ..EndpointRequest::default()
        };
        let (start, start_busy) = (Instant::now(), busy());
        let connected = host.networks.connect(&request, netns.as_fd()).unwrap();
        times.push((start.elapsed(), busy() - start_busy));
        pods.push((netns, connected));
    }
    println!("first {:?}", times[0]);
    for range in [1..100, 450..550, 900..980, 1000..1100] {
        let mut part = times[range.clone()].to_vec();
        part.sort();
        let wall = part[part.len() / 2].0;
        part.sort_by_key(|(_, busy)| *busy);
        println!("{range:?}: median {wall:?}, busy {:?}", part[part.len() / 2].1);
    }
    let first = &pods[0];
    crate::support::serve(first.0.as_fd(), "first", 80);
    let last = pods.last().unwrap();
    let answer = teu_sys::netlink::within(last.0.as_fd(), || {
        fetch(first.1.endpoint.ipv4.unwrap().address, 80)
    });
    assert!(answer.unwrap().starts_with("first"));
    const TOLD: usize = 50;
    let (start, start_busy) = (Instant::now(), busy());
    for (_, connected) in &pods[..TOLD] {
        host.networks.disconnect(&connected.endpoint).unwrap();
    }
    let each = |whole: Duration| whole / TOLD as u32;
    println!("disconnect: {:?}, busy {:?}", each(start.elapsed()), each(busy() - start_busy));
    // The others die all at once: their links go with their namespaces, which the kernel takes apart
    // together, and what they held is given back by a repair.
    drop(pods);
    let start = Instant::now();
    assert_eq!(host.networks.repair(&|_| false).unwrap().len(), PODS - TOLD);
    println!("repair: {:?}", start.elapsed());
    host.assert_clean();
}
