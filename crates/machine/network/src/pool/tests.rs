//! Which subnet is chosen.

use super::*;

fn taken(texts: &[&str]) -> Vec<Taken> {
    let one = |text: &&str| Taken { subnet: text.parse().unwrap(), by: String::new() };
    texts.iter().map(one).collect()
}

#[test]
fn the_first_free_subnet_is_chosen() {
    let check = |used: &[&str], expected: &str| {
        let pool = choose_ipv4(&taken(used)).unwrap();
        assert_eq!(pool.subnet.to_string(), expected, "{used:?}");
        assert!(pool.chosen && pool.subnet.index_of(pool.gateway) == Some(1));
    };
    check(&[], "172.24.0.0/20");
    check(&["172.24.3.0/24"], "172.24.16.0/20");
    check(&["172.16.0.0/12"], "10.128.0.0/20");
    check(&["172.16.0.0/12", "10.128.0.0/16"], "10.129.0.0/20");
    check(&["fd00::/8"], "172.24.0.0/20");
}

#[test]
fn a_full_pool_is_an_error() {
    assert!(matches!(choose_ipv4(&taken(&["0.0.0.0/0"])), Err(Error::PoolsExhausted)));
    assert!(matches!(choose_ipv6(&taken(&["::/0"]), || [7; 7]), Err(Error::PoolsExhausted)));
}

#[test]
fn a_random_subnet_avoids_what_is_taken() {
    let mut next = 0;
    let pool = choose_ipv6(&taken(&["fd00::/64", "fd01:101:101:101::/64"]), || {
        next += 1;
        [next - 1; 7]
    });
    assert_eq!(pool.unwrap().subnet.to_string(), "fd02:202:202:202::/64");
}
