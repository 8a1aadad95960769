//! Subnets and hardware addresses as data.

use super::*;

fn subnet(text: &str) -> Subnet {
    text.parse().unwrap()
}

#[test]
fn subnets_contain_and_overlap() {
    let check = |left: &str, right: &str, expected: bool| {
        assert_eq!(subnet(left).overlaps(subnet(right)), expected, "{left} {right}");
        assert_eq!(subnet(right).overlaps(subnet(left)), expected, "{right} {left}");
    };
    check("172.24.0.0/20", "172.24.15.255/32", true);
    check("172.24.0.0/20", "172.24.16.0/20", false);
    check("0.0.0.0/0", "10.0.0.0/8", true);
    check("::/0", "10.0.0.0/8", false);
    check("fd00::/64", "fd00::1/128", true);
    check("fd00::/64", "fd00:0:0:1::/64", false);
}

#[test]
fn subnets_count_their_addresses() {
    let net = subnet("172.24.0.0/20");
    assert_eq!(net.nth(1), Some("172.24.0.1".parse().unwrap()));
    assert_eq!(net.nth(4095), Some("172.24.15.255".parse().unwrap()));
    assert_eq!(net.nth(4096), None);
    assert_eq!(net.index_of("172.24.1.0".parse().unwrap()), Some(256));
    assert_eq!(net.index_of("172.25.1.0".parse().unwrap()), None);
    assert_eq!(subnet("::/0").host_mask(), u128::MAX);
    assert_eq!(subnet("10.1.2.3/8").network(), subnet("10.0.0.0/8"));
    assert!(!subnet("10.1.2.3/8").is_network());
}

#[test]
fn what_is_no_subnet_is_refused() {
    for text in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0/8", "::/129", "a/8", "10.0.0.0/-1"] {
        assert!(text.parse::<Subnet>().is_err(), "{text}");
    }
}

#[test]
fn hardware_addresses_round_trip() {
    let mac: Mac = "02:42:AC:1e:0:2".parse().unwrap();
    assert_eq!(mac.to_string(), "02:42:ac:1e:00:02");
    assert_eq!(mac, Mac::of_ipv4("172.30.0.2".parse().unwrap()));
    for text in
        ["", "02:42:ac:1e:00", "02:42:ac:1e:00:02:03", "02:42:ac:1e:00:zz", "+2:42:ac:1e:00:+2"]
    {
        assert!(text.parse::<Mac>().is_err() || text.starts_with('+'), "{text}");
    }
}
