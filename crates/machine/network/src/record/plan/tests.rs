//! Requests that are refused, and what is chosen for the others.

use super::*;

fn spec(subnets: &[(&str, Option<&str>, Option<&str>)]) -> NetworkSpec {
    let subnets = subnets
        .iter()
        .map(|(subnet, gateway, range)| SubnetSpec {
            subnet: subnet.parse().unwrap(),
            gateway: gateway.map(|text| text.parse().unwrap()),
            range: range.map(|text| text.parse().unwrap()),
        })
        .collect();
    NetworkSpec { name: "web".to_owned(), subnets, ..NetworkSpec::default() }
}

fn make(spec: NetworkSpec) -> Result<Network> {
    let taken = [Taken { subnet: "172.24.0.0/20".parse().unwrap(), by: "eth0".to_owned() }];
    network(spec, &[], &taken, "0".repeat(64), 0)
}

#[test]
fn what_is_missing_is_chosen() {
    let network = make(spec(&[])).unwrap();
    assert_eq!(network.ipv4().unwrap().subnet.to_string(), "172.24.16.0/20");
    assert!(network.ipv6().unwrap().subnet.to_string().starts_with("fd"));
    let network = make(NetworkSpec { ipv6: Some(false), ..spec(&[]) }).unwrap();
    assert!(network.ipv6().is_none());
    let network = make(NetworkSpec { ipv4: Some(false), ..spec(&[]) }).unwrap();
    assert!(network.ipv4().is_none());
    let network = make(spec(&[("fd01::/64", None, None), ("10.9.0.0/24", None, None)])).unwrap();
    assert_eq!(network.subnets[0].gateway.to_string(), "10.9.0.1");
    assert_eq!(network.subnets[1].gateway.to_string(), "fd01::1");
}

#[test]
fn bad_subnets_are_refused() {
    let check = |subnets: &[(&str, Option<&str>, Option<&str>)], message: &str| {
        let error = make(spec(subnets)).unwrap_err().to_string();
        assert!(error.contains(message), "{subnets:?}: {error}");
    };
    check(&[("10.9.0.1/24", None, None)], "host bits");
    check(&[("10.9.0.0/31", None, None)], "no room");
    check(&[("0.0.0.0/0", None, None)], "no room");
    check(&[("127.0.0.0/8", None, None)], "cannot be given");
    check(&[("10.9.0.0/24", Some("10.9.1.1"), None)], "gateway");
    check(&[("10.9.0.0/24", Some("10.9.0.255"), None)], "gateway");
    check(&[("10.9.0.0/24", None, Some("10.9.1.0/25"))], "ip-range");
    check(&[("10.9.0.0/24", None, Some("10.0.0.0/8"))], "ip-range");
    check(&[("10.9.0.0/24", None, None), ("10.8.0.0/24", None, None)], "one subnet of each");
    check(&[("172.24.0.0/16", None, None)], "overlaps with eth0");
}

#[test]
fn options_are_checked() {
    let with = |key: &str, value: &str| {
        let options = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        make(NetworkSpec { options, ..spec(&[]) })
    };
    assert_eq!(with("mtu", "1400").unwrap().mtu, 1400);
    assert_eq!(with("com.docker.network.driver.mtu", "9000").unwrap().mtu, 9000);
    assert!(!with("com.docker.network.bridge.enable_icc", "false").unwrap().icc);
    assert!(with("com.example.anything", "x").is_ok());
    let bad = [
        ("mtu", "12"),
        ("mtu", "x"),
        ("mtu", "1000"),
        ("icc", "2"),
        ("bridge", "a/b"),
        ("bridge", "sixteen-letters-"),
        ("bridge", ".."),
        ("nonsense", "1"),
    ];
    for (key, value) in bad {
        assert!(matches!(with(key, value), Err(Error::Option { .. })), "{key}={value}");
    }
}

#[test]
fn names_are_checked() {
    for name in ["", "-a", ".a", "a/b", "a b", "host", "none", "bridge", "default", "é"] {
        assert!(check_name(name).is_err(), "{name}");
    }
    for name in ["a", "web-1", "Web_2.x"] {
        assert!(check_name(name).is_ok(), "{name}");
    }
}
