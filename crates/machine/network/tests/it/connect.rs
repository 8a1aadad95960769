//! Addresses, routes, names.

use crate::support::{Host, Pod, ip, run};
use std::net::IpAddr;
use teu_dns::Zone;
use teu_network::{Error, NetworkSpec, SubnetSpec};

#[test]
fn two_pods_reach_each_other_over_both_families() {
    let host = Host::new();
    let one = host.pod("one", |_| {});
    let two = host.pod("two", |_| {});
    two.serve(80);
    assert_eq!(one.fetch(two.ipv4(), 80).unwrap(), format!("two {}", one.ipv4()));
    assert_eq!(one.fetch(two.ipv6(), 80).unwrap(), format!("two {}", one.ipv6()));
    let endpoint = &two.connected.endpoint;
    let IpAddr::V4(v4) = two.ipv4() else { panic!() };
    assert_eq!(endpoint.mac, teu_network::Mac::of_ipv4(v4));
    let seen =
        two.within(|| run("cat /sys/class/net/eth0/mtu; ip -br addr; ip route; ip -6 route"));
    assert!(seen.contains(&format!("default via {}", endpoint.gateway4.unwrap())), "{seen}");
    assert!(seen.contains(&format!("default via {}", endpoint.gateway6.unwrap())), "{seen}");
    assert!(two.within(|| run("ip link show eth0")).contains(&endpoint.mac.to_string()));
    host.networks.disconnect(&one.connected.endpoint).unwrap();
    host.networks.disconnect_pod("two-id").unwrap();
    host.assert_clean();
}

#[test]
fn what_is_sent_to_nobody_goes_nowhere() {
    let host = Host::new();
    let network = host.networks.inspect("bridge").unwrap();
    let pod = host.pod("one", |_| {});
    run(&format!("ip link set {} down", "teu0"));
    let subnet = network.ipv4().unwrap().subnet;
    let stray = subnet.nth(99).unwrap();
    let answer = run(&format!("ip route get {stray} 2>&1 || true"));
    assert!(answer.contains("No route to host"), "{answer}");
    host.networks.disconnect(&pod.connected.endpoint).unwrap();
    host.assert_clean();
}

fn user_network(host: &Host) {
    let subnets = [("10.77.0.0/24", Some("10.77.0.128/25")), ("fd77::/64", None)];
    let subnets = subnets
        .iter()
        .map(|(subnet, range)| SubnetSpec {
            subnet: subnet.parse().unwrap(),
            gateway: None,
            range: range.map(|text| text.parse().unwrap()),
        })
        .collect();
    let name = "web".to_owned();
    host.networks.create(NetworkSpec { name, subnets, ..NetworkSpec::default() }).unwrap();
}

#[test]
fn fixed_addresses_are_checked() {
    let host = Host::new();
    user_network(&host);
    let fixed = |name: &str, address: &str| {
        host.try_pod(name, |request| {
            request.network = "web".to_owned();
            request.ipv4 = address.parse().ok();
            request.ipv6 = address.parse().ok();
            request.mac = "02:00:00:00:00:07".parse().ok();
        })
    };
    let pod = fixed("a", "10.77.0.5").unwrap();
    assert_eq!(pod.ipv4(), ip("10.77.0.5"));
    assert_eq!(pod.connected.endpoint.mac.to_string(), "02:00:00:00:00:07");
    let message = |outcome: teu_network::Result<_>| match outcome {
        Err(error) => Error::to_string(&error),
        Ok(_) => panic!("it was given"),
    };
    assert!(message(fixed("b", "10.77.0.5").map(|_| ())).contains("already in use"));
    assert!(message(fixed("b", "10.78.0.5").map(|_| ())).contains("does not belong"));
    assert!(message(fixed("b", "10.77.0.1").map(|_| ())).contains("keeps it"));
    assert!(message(fixed("b", "10.77.0.255").map(|_| ())).contains("keeps it"));
    assert!(message(fixed("b", "fd77::1").map(|_| ())).contains("keeps it"));
    let in_range = fixed("c", "10.77.0.129").unwrap();
    let next = host.pod("d", |request| request.network = "web".to_owned());
    assert_eq!(next.ipv4(), ip("10.77.0.130"));
    assert!(message(fixed("e", "10.77.0.130").map(|_| ())).contains("already in use"));
    for pod in [pod, in_range, next] {
        host.networks.disconnect(&pod.connected.endpoint).unwrap();
    }
    host.assert_clean();
}

#[test]
fn names_have_ipv6_where_it_was_asked_for() {
    let host = Host::new();
    let asked = |name: &str, ipv4, ipv6| {
        let spec = NetworkSpec { name: name.to_owned(), ipv4, ipv6, ..NetworkSpec::default() };
        host.networks.create(spec).unwrap();
        host.pod(name, |request| request.network = name.to_owned())
    };
    let found = |pod: &Pod| {
        let endpoint = std::slice::from_ref(&pod.connected.endpoint);
        host.networks.names(endpoint).addresses(&pod.connected.endpoint.name)
    };
    let both = asked("both", None, Some(true));
    assert_eq!(found(&both), Some(vec![both.ipv4(), both.ipv6()]));
    let six = asked("six", Some(false), None);
    assert_eq!(found(&six), Some(vec![six.ipv6()]));
    let plain = asked("plain", None, None);
    assert_eq!(found(&plain), Some(vec![plain.ipv4()]));
    assert!(six.connected.endpoint.ipv4.is_none() && plain.connected.endpoint.ipv6.is_some());
}

#[test]
fn names_are_found_and_forgotten() {
    let host = Host::new();
    user_network(&host);
    let join = |name: &str, alias: &str| {
        host.pod(name, |request| {
            request.network = "web".to_owned();
            request.aliases = vec![alias.to_owned()];
        })
    };
    let (one, two) = (join("One", "app"), join("two", "app"));
    let names = host.networks.names(std::slice::from_ref(&one.connected.endpoint));
    assert_eq!(names.addresses("one"), Some(vec![one.ipv4(), one.ipv6()]));
    assert_eq!(names.addresses("two.web"), Some(vec![two.ipv4(), two.ipv6()]));
    assert_eq!(names.addresses("app").unwrap().len(), 4);
    assert_eq!(names.addresses("three"), None);
    assert_eq!(names.addresses("../names/one"), None);
    assert_eq!(names.name_of(two.ipv4()).unwrap(), "two.web");
    let endpoint = host.networks.rename(&two.connected.endpoint, &["2".to_owned()]).unwrap();
    assert_eq!((names.addresses("two"), endpoint.name.as_str()), (None, "2"));
    assert_eq!(names.addresses("2").unwrap().len(), 2);
    host.networks.disconnect(&two.connected.endpoint).unwrap();
    assert_eq!(names.addresses("2"), None);
    assert_eq!(names.name_of(two.ipv4()), None);
    assert_eq!(names.addresses("app").unwrap().len(), 2);
    host.networks.disconnect(&one.connected.endpoint).unwrap();
    host.assert_clean();
}

#[test]
fn several_networks_and_one_default_route() {
    let host = Host::new();
    user_network(&host);
    let pod = host.pod("one", |_| {});
    let second = teu_network::EndpointRequest {
        network: "web".to_owned(),
        pod: "one-id".to_owned(),
        name: "one".to_owned(),
        interface: "eth1".to_owned(),
        secondary: true,
        ..Default::default()
    };
    let netns = std::os::fd::AsFd::as_fd(&pod.netns);
    let connected = host.networks.connect(&second, netns).unwrap();
    assert_eq!(connected.endpoint.gateway4, None);
    assert_eq!(pod.within(|| run("ip route show default | wc -l")), "1\n");
    assert!(pod.within(|| run("ip -br addr")).contains("eth1"));
    assert_eq!(host.networks.endpoints_of("one-id").unwrap().len(), 2);
    assert!(matches!(host.networks.connect(&second, netns), Err(Error::AlreadyConnected { .. })));
    host.networks.disconnect_pod("one-id").unwrap();
    host.assert_clean();
}

#[test]
fn a_pod_listens_to_no_router() {
    let host = Host::new();
    let pod = host.pod("one", |_| {});
    assert_eq!(pod.within(|| run("cat /proc/sys/net/ipv6/conf/eth0/accept_ra")), "0\n");
    assert_eq!(run("cat /proc/sys/net/ipv6/conf/teu0/accept_ra"), "0\n");
    host.networks.disconnect_pod("one-id").unwrap();
}

#[test]
fn a_host_without_ipv6_has_networks_all_the_same() {
    let host = Host::new();
    run("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6");
    let one = host.pod("one", |request| request.ports = vec![crate::support::tcp(8080, 80)]);
    let two = host.pod("two", |_| {});
    assert!(one.connected.endpoint.ipv6.is_none());
    assert_eq!(one.connected.warnings.len(), 1);
    one.serve(80);
    assert!(two.fetch(one.ipv4(), 80).unwrap().starts_with("one"));
    host.networks.disconnect_pod("one-id").unwrap();
    host.networks.disconnect_pod("two-id").unwrap();
    host.assert_clean();
}
