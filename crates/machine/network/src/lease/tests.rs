//! Who gets which address, and when again.

use super::*;

fn pool(subnet: &str, range: Option<&str>) -> Pool {
    let subnet: Subnet = subnet.parse().unwrap();
    let range = range.map(|text| text.parse().unwrap());
    Pool { subnet, gateway: subnet.nth(1).unwrap(), range, chosen: false }
}

fn open(dir: &Path, subnet: &str, range: Option<&str>) -> Leases {
    let six = pool("fd00:1::/64", None);
    Leases::open(&dir.join("leases"), Some(&pool(subnet, range)), Some(&six)).unwrap()
}

fn take(leases: &mut Leases) -> String {
    leases.take(true, None).unwrap().unwrap().to_string()
}

#[test]
fn addresses_go_round_and_freed_ones_come_last() {
    let dir = tempfile::tempdir().unwrap();
    let mut leases = open(dir.path(), "10.0.0.0/29", None);
    assert_eq!(take(&mut leases), "10.0.0.2");
    assert_eq!(take(&mut leases), "10.0.0.3");
    leases.give_back("10.0.0.2".parse().unwrap()).unwrap();
    drop(leases);
    let mut leases = open(dir.path(), "10.0.0.0/29", None);
    for expected in ["10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.2"] {
        assert_eq!(take(&mut leases), expected);
    }
    assert!(matches!(leases.take(true, None), Err(Error::AddressesExhausted { .. })));
}

#[test]
fn both_families_end_alike_while_they_can() {
    let dir = tempfile::tempdir().unwrap();
    let mut leases = open(dir.path(), "10.0.0.0/24", None);
    let four = leases.take(true, None).unwrap();
    assert_eq!(leases.take(false, four).unwrap().unwrap().to_string(), "fd00:1::2");
    assert!(leases.take_this("fd00:1::3".parse().unwrap()).unwrap());
    let four = leases.take(true, None).unwrap();
    assert_eq!(four.unwrap().to_string(), "10.0.0.3");
    assert_eq!(leases.take(false, four).unwrap().unwrap().to_string(), "fd00:1::4");
}

#[test]
fn a_fixed_address_is_taken_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut leases = open(dir.path(), "10.0.0.0/24", Some("10.0.0.64/26"));
    assert_eq!(take(&mut leases), "10.0.0.65");
    let fixed = "10.0.0.66".parse().unwrap();
    assert!(leases.take_this(fixed).unwrap());
    assert!(!leases.take_this(fixed).unwrap());
    assert_eq!(take(&mut leases), "10.0.0.67");
    leases.give_back(fixed).unwrap();
    assert!(leases.take_this(fixed).unwrap());
}

#[test]
fn a_damaged_file_starts_anew() {
    let dir = tempfile::tempdir().unwrap();
    let mut leases = open(dir.path(), "10.0.0.0/24", None);
    take(&mut leases);
    leases.count_on(3, 1).unwrap();
    assert_eq!(leases.count(), 1);
    std::fs::write(dir.path().join("leases"), b"rubbish").unwrap();
    let mut leases = open(dir.path(), "10.0.0.0/24", None);
    assert_eq!((leases.count(), take(&mut leases).as_str()), (0, "10.0.0.2"));
}

#[test]
fn wide_networks_are_cut_to_what_the_file_holds() {
    let window = Window::of(&pool("10.0.0.0/8", None));
    assert_eq!(window.slot("10.0.255.255".parse().unwrap()), Some(65535));
    assert_eq!(window.slot("10.1.0.0".parse().unwrap()), None);
    assert!(window.is_reserved("10.255.255.255".parse().unwrap()));
    assert!(window.is_reserved("10.0.0.1".parse().unwrap()));
    assert!(!window.is_reserved("10.0.0.255".parse().unwrap()));
}
