//! Published ports, from everywhere.

use crate::support::{
    BRIEFLY, Host, PATIENCE, Pod, answer_to, ask_udp, cannot_reach, fetch, ip, outside, run, tcp,
};
use std::os::fd::AsFd;
use teu_network::{Error, HostPort, PortRequest, Protocol};
use teu_sys::netlink::within;

fn web(host: &Host) -> Pod {
    let pod = host.pod("web", |request| request.ports = vec![tcp(8080, 80)]);
    pod.serve(80);
    pod
}

#[test]
fn the_host_reaches_a_published_port_by_all_its_addresses() {
    let host = Host::new();
    let _far = outside();
    let web = web(&host);
    let endpoint = &web.connected.endpoint;
    let gateway4 = endpoint.gateway4.unwrap();
    let gateway6 = endpoint.gateway6.unwrap();
    let check = |address: &str, client: &str| {
        let answer = fetch(ip(address), 8080);
        assert_eq!(answer.unwrap_or_else(|error| error.to_string()), format!("web {client}"));
    };
    check("127.0.0.1", &gateway4.to_string());
    check("127.8.9.10", &gateway4.to_string());
    check("203.0.113.1", "203.0.113.1");
    check(&gateway4.to_string(), &gateway4.to_string());
    check("2001:db8::1", "2001:db8::1");
    check(&gateway6.to_string(), &gateway6.to_string());
    // Over IPv6, loopback is an address of the bridge that nobody else has: the last.
    let subnet = endpoint.ipv6.unwrap().network();
    check("::1", &subnet.nth(subnet.host_mask()).unwrap().to_string());
    let answers = subnet.nth(subnet.host_mask()).unwrap();
    let here = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
    crate::support::serve(here.as_fd(), "host", 9999);
    assert!(web.fetch(gateway6, 9999).is_ok());
    assert!(web.cannot_reach(answers, 9999), "only replies come in there");
    host.networks.disconnect(endpoint).unwrap();
    host.assert_clean();
}

/// Where frames on bridges pass the IP rules and where they do not.
#[test]
fn loopback_of_ipv6_reaches_pods_on_any_bridge() {
    for switch in ["0", "1"] {
        std::thread::spawn(move || {
            let host = Host::with(|config| config.shard_limit = 1);
            let path = "/proc/sys/net/bridge/bridge-nf-call-ip6tables";
            run(&format!("[ ! -e {path} ] || echo {switch} > {path}"));
            let _first = host.pod("first", |_| {});
            let web = web(&host);
            for address in ["::1", "127.0.0.1"] {
                let answer = fetch(ip(address), 8080);
                assert!(answer.is_ok(), "{switch} {address}: {answer:?}");
            }
            host.networks.disconnect_pod("first-id").unwrap();
            host.networks.disconnect(&web.connected.endpoint).unwrap();
            host.assert_clean();
        })
        .join()
        .unwrap();
    }
}

#[test]
fn others_are_seen_with_their_own_address() {
    let host = Host::new();
    let far = outside();
    let _web = web(&host);
    let ask = |address: &str| within(far.as_fd(), || fetch(ip(address), 8080)).unwrap();
    assert_eq!(ask("203.0.113.1"), "web 203.0.113.2");
    assert_eq!(ask("2001:db8::1"), "web 2001:db8::2");
}

#[test]
fn pods_reach_published_ports_even_their_own() {
    for switch in ["0", "1"] {
        std::thread::spawn(move || {
            let host = Host::new();
            let _far = outside();
            for family in ["ip", "ip6"] {
                let path = format!("/proc/sys/net/bridge/bridge-nf-call-{family}tables");
                run(&format!("[ ! -e {path} ] || echo {switch} > {path}"));
            }
            let web = web(&host);
            let other = host.pod("other", |_| {});
            let gateway4 = web.connected.endpoint.gateway4.unwrap();
            let gateway6 = web.connected.endpoint.gateway6.unwrap();
            for pod in [&other, &web] {
                let name = &pod.connected.endpoint.name;
                for address in [ip("203.0.113.1"), gateway4, ip("2001:db8::1"), gateway6] {
                    let answer = pod.fetch(address, 8080);
                    assert!(
                        answer.as_ref().is_ok_and(|text| text.starts_with("web ")),
                        "bridge-nf-call {switch}, {name} to {address}: {answer:?}"
                    );
                }
            }
        })
        .join()
        .unwrap();
    }
}

#[test]
fn datagrams_ranges_and_single_addresses() {
    let host = Host::new();
    let _far = outside();
    let at = |host_ip: &str, host_port, container_port, count, protocol| PortRequest {
        host_ip: host_ip.parse().ok(),
        host_port,
        container_port,
        count,
        protocol,
    };
    let pod = host.pod("one", |request| {
        request.ports = vec![
            at("", HostPort::From(5353), 53, 1, Protocol::Udp),
            at("", HostPort::From(9000), 80, 3, Protocol::Tcp),
            at("127.0.0.1", HostPort::From(7000), 80, 1, Protocol::Tcp),
            at("2001:db8::1", HostPort::From(7001), 80, 1, Protocol::Tcp),
            at("", HostPort::Free, 80, 1, Protocol::Tcp),
            at("", HostPort::Within(9001, 9010), 81, 1, Protocol::Tcp),
        ];
    });
    pod.serve_udp(53);
    (80..=82).for_each(|port| pod.serve(port));
    for address in ["127.0.0.1", "::1", "203.0.113.1", "2001:db8::1"] {
        let answer = ask_udp(ip(address), 5353);
        assert!(answer.is_ok_and(|text| text.starts_with("one")), "udp {address}");
        for port in 9000..=9003 {
            assert!(fetch(ip(address), port).is_ok(), "{address} {port}");
        }
    }
    assert!(fetch(ip("127.0.0.1"), 7000).is_ok());
    assert!(cannot_reach(ip("203.0.113.1"), 7000));
    assert!(fetch(ip("2001:db8::1"), 7001).is_ok());
    assert!(cannot_reach(ip("::1"), 7001));
    let ports = &pod.connected.endpoint.ports;
    let free = ports.iter().find(|port| port.container_port == 80 && port.host_port > 10_000);
    assert!(fetch(ip("127.0.0.1"), free.unwrap().host_port).is_ok());
    assert!(ports.iter().any(|port| port.host_port == 9003 && port.container_port == 81));
    host.networks.disconnect_pod("one-id").unwrap();
    host.assert_clean();
}

#[test]
fn a_taken_port_is_refused_and_its_holder_named() {
    let host = Host::new();
    let _web = web(&host);
    let refused = |port| {
        let outcome = host.try_pod("late", |request| request.ports = vec![tcp(port, 80)]);
        outcome.map(|_| ()).unwrap_err().to_string()
    };
    let message = refused(8080);
    assert!(message.contains("port is already allocated by container web"), "{message}");
    let _server = std::net::TcpListener::bind("127.0.0.1:8081").unwrap();
    let message = refused(8081);
    assert!(message.contains("by another process of this host"), "{message}");
    // What was half done is undone.
    let network = host.networks.inspect("bridge").unwrap();
    assert_eq!(host.networks.endpoints(&network).unwrap().len(), 1);
    // And the other way round: a process of the host cannot take a published port unnoticed.
    assert!(std::net::TcpListener::bind("0.0.0.0:8080").is_err());
    assert!(std::net::TcpListener::bind("[::1]:8080").is_err());
    let elsewhere = host.try_pod("elsewhere", |request| {
        request.ports = vec![PortRequest { host_ip: Some(ip("198.51.100.7")), ..tcp(8090, 80) }];
    });
    assert!(elsewhere.map(|_| ()).unwrap_err().to_string().contains("no such address"));
}

#[test]
fn a_refused_first_pod_leaves_nothing() {
    let host = Host::new();
    let _server = std::net::TcpListener::bind("0.0.0.0:8080").unwrap();
    let outcome = host.try_pod("web", |request| request.ports = vec![tcp(8080, 80)]);
    assert!(matches!(outcome.map(|_| ()), Err(Error::PortTaken { .. })));
    host.assert_clean();
}

#[test]
fn a_datagram_flow_follows_the_port_to_its_new_pod() {
    let host = Host::new();
    let far = outside();
    let udp = PortRequest { protocol: Protocol::Udp, ..tcp(5353, 53) };
    let ask = |limit| {
        within(far.as_fd(), || {
            let socket = std::net::UdpSocket::bind("0.0.0.0:4000")?;
            socket.connect("203.0.113.1:5353")?;
            answer_to(&socket, limit)
        })
    };
    let keep = host.pod("keep", |_| {});
    assert!(ask(BRIEFLY).is_err());
    let one = host.pod("one", |request| request.ports = vec![udp.clone()]);
    one.serve_udp(53);
    assert_eq!(ask(PATIENCE).unwrap(), "one 203.0.113.2");
    host.networks.disconnect(&one.connected.endpoint).unwrap();
    drop(one.connected.holds);
    let two = host.pod("two", |request| request.ports = vec![udp.clone()]);
    two.serve_udp(53);
    assert_eq!(ask(PATIENCE).unwrap(), "two 203.0.113.2");
    drop(keep);
}

#[test]
fn the_hosts_firewall_has_the_last_word() {
    let host = Host::new();
    let far = outside();
    let web = web(&host);
    run(
        "nft 'add table inet f; add chain inet f forward { type filter hook forward priority 0; policy drop; }'",
    );
    assert!(within(far.as_fd(), || Ok(cannot_reach(ip("203.0.113.1"), 8080))).unwrap());
    run("nft add rule inet f forward ct status dnat accept");
    run("nft add rule inet f forward ct state established,related accept");
    assert!(within(far.as_fd(), || fetch(ip("203.0.113.1"), 8080)).is_ok());
    run("nft delete table inet f");
    host.networks.disconnect(&web.connected.endpoint).unwrap();
    host.assert_clean();
}
