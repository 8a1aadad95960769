//! Who may not talk to whom.

use crate::support::{Host, Pod, cannot_reach, fetch, ip, outside, run, serve, tcp};
use std::collections::BTreeMap;
use std::os::fd::AsFd;
use teu_network::NetworkSpec;
use teu_sys::netlink::within;

fn network(host: &Host, name: &str, change: impl FnOnce(&mut NetworkSpec)) {
    let mut spec = NetworkSpec { name: name.to_owned(), ..NetworkSpec::default() };
    change(&mut spec);
    host.networks.create(spec).unwrap();
}

fn pod(host: &Host, name: &str, network: &str) -> Pod {
    let pod = host.pod(name, |request| request.network = network.to_owned());
    pod.serve(80);
    pod
}

fn option(spec: &mut NetworkSpec, key: &str, value: &str) {
    spec.options = BTreeMap::from([(key.to_owned(), value.to_owned())]);
}

#[test]
fn networks_are_apart_unless_they_are_opened() {
    let host = Host::new();
    for name in ["a", "b"] {
        network(&host, name, |_| {});
    }
    for name in ["c", "d"] {
        network(&host, name, |spec| option(spec, "isolate", "false"));
    }
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| pod(&host, &format!("p{name}"), name));
    for (address_a, address_b) in [(a.ipv4(), b.ipv4()), (a.ipv6(), b.ipv6())] {
        assert!(b.cannot_reach(address_a, 80));
        assert!(a.cannot_reach(address_b, 80));
    }
    assert!(c.fetch(d.ipv4(), 80).is_ok());
    assert!(d.fetch(c.ipv6(), 80).is_ok());
    assert!(c.cannot_reach(a.ipv4(), 80));
    // A published port is public: other networks reach it too.
    let public = host.pod("public", |request| {
        request.network = "a".to_owned();
        request.ports = vec![tcp(8080, 80)];
    });
    public.serve(80);
    assert!(b.fetch(public.connected.endpoint.gateway4.unwrap(), 8080).is_ok());
    host.networks.repair(&|_| false).unwrap();
    host.assert_clean();
}

#[test]
fn nobody_outside_reaches_what_is_not_published() {
    let host = Host::new();
    let far = outside();
    let web = host.pod("web", |request| request.ports = vec![tcp(8080, 80)]);
    web.serve(80);
    web.serve(81);
    within(far.as_fd(), || {
        // A neighbour that routes our subnets through us (CVE-2025-54388 and its like).
        run(&format!("ip route add {} via 203.0.113.1", web.ipv4()));
        run(&format!("ip route add {} via 2001:db8::1", web.ipv6()));
        for port in [80, 81] {
            assert!(cannot_reach(web.ipv4(), port));
            assert!(cannot_reach(web.ipv6(), port));
        }
        assert!(fetch(ip("203.0.113.1"), 8080).is_ok());
        Ok(())
    })
    .unwrap();
}

#[test]
fn the_hosts_loopback_is_not_the_pods() {
    let host = Host::new();
    let here = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
    serve(here.as_fd(), "host", 9999);
    let pod = host.pod("one", |_| {});
    let gateway = pod.connected.endpoint.gateway4.unwrap();
    assert!(pod.fetch(gateway, 9999).is_ok(), "the host itself is a neighbour");
    // CVE-2020-8558: 127.0.0.1 by way of the bridge.
    pod.within(|| {
        run("echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet");
        run(&format!("ip addr flush dev lo; ip route add 127.0.0.1 via {gateway}"));
    });
    assert!(pod.cannot_reach(ip("127.0.0.1"), 9999));
}

#[test]
fn an_internal_network_has_no_way_out() {
    let host = Host::new();
    let far = outside();
    serve(far.as_fd(), "far", 80);
    within(far.as_fd(), || {
        run("ip route add default via 203.0.113.1");
        Ok(())
    })
    .unwrap();
    network(&host, "in", |spec| spec.internal = true);
    let [a, b] = ["a", "b"].map(|name| pod(&host, name, "in"));
    let out = host.pod("out", |_| {});
    assert_eq!(out.fetch(ip("203.0.113.2"), 80).unwrap(), "far 203.0.113.1", "masqueraded");
    assert_eq!(out.fetch(ip("2001:db8::2"), 80).unwrap(), "far 2001:db8::1", "masqueraded");
    assert!(a.fetch(b.ipv4(), 80).is_ok());
    assert_eq!(a.connected.endpoint.gateway4, None);
    assert!(a.cannot_reach(ip("203.0.113.2"), 80));
    // Even one that makes itself a route.
    let gateway = a.connected.endpoint.host_addresses[0];
    a.within(|| run(&format!("ip route add default via {gateway}")));
    assert!(a.cannot_reach(ip("203.0.113.2"), 80));
    assert!(out.cannot_reach(a.ipv4(), 80));
}

#[test]
fn without_icc_neighbours_are_strangers() {
    for limit in [990, 1] {
        std::thread::spawn(move || {
            let host = Host::with(|config| config.shard_limit = limit);
            network(&host, "quiet", |spec| option(spec, "icc", "false"));
            let [a, b, c] = ["a", "b", "c"].map(|name| pod(&host, name, "quiet"));
            for (from, to) in [(&a, &b), (&b, &a), (&b, &c), (&c, &a)] {
                assert!(from.cannot_reach(to.ipv4(), 80), "limit {limit}");
                assert!(from.cannot_reach(to.ipv6(), 80), "limit {limit}");
            }
            let here = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
            serve(here.as_fd(), "host", 9999);
            for pod in [&a, &b, &c] {
                let gateway = pod.connected.endpoint.gateway4.unwrap();
                assert!(pod.fetch(gateway, 9999).is_ok(), "limit {limit}");
                assert!(fetch(pod.ipv4(), 80).is_ok(), "limit {limit}");
            }
        })
        .join()
        .unwrap();
    }
}

#[test]
fn links_that_teu_made_forward_stay_apart() {
    let host = Host::new();
    let far = outside();
    // Another network card, with a machine behind it.
    let behind = crate::support::new_netns();
    let (pid, fd) = (std::process::id(), std::os::fd::AsRawFd::as_raw_fd(&behind));
    run("ip link add card type veth peer name behind; ip addr add 198.51.100.1/24 dev card");
    run(&format!("ip link set behind netns /proc/{pid}/fd/{fd}; ip link set card up"));
    within(behind.as_fd(), || {
        run("ip link set behind up; ip addr add 198.51.100.2/24 dev behind");
        run("ip route add default via 198.51.100.1");
        Ok(())
    })
    .unwrap();
    serve(behind.as_fd(), "behind", 80);
    within(far.as_fd(), || {
        run("ip route add 198.51.100.0/24 via 203.0.113.1");
        Ok(())
    })
    .unwrap();
    let behind = ip("198.51.100.2");
    let is_apart = || within(far.as_fd(), || Ok(cannot_reach(behind, 80))).unwrap();
    assert!(is_apart());
    let pod = host.pod("one", |_| {});
    assert_eq!(run("cat /proc/sys/net/ipv4/ip_forward"), "0\n");
    assert!(is_apart(), "the host was no router before");
    // The host's own wish to be one is heard by the next connect.
    run("echo 1 > /proc/sys/net/ipv4/ip_forward");
    let two = host.pod("two", |_| {});
    assert!(within(far.as_fd(), || fetch(behind, 80)).is_ok());
    run("echo 0 > /proc/sys/net/ipv4/ip_forward");
    drop((pod, two));
}
