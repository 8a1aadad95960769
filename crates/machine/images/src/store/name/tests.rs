//! Near misses and prefixes, without a store.

use super::*;

fn near(wanted: &str, known: &[&str]) -> Option<String> {
    let known: Vec<Reference> = known.iter().map(|name| name.parse().unwrap()).collect();
    nearest(&wanted.parse().unwrap(), known.iter())
}

#[test]
fn the_nearest_name_is_suggested_if_it_is_near() {
    assert_eq!(near("ngnix", &["redis", "nginx"]).as_deref(), Some("nginx:latest"));
    assert_eq!(near("debian", &["busybox", "debian:12"]).as_deref(), Some("debian:12"));
    assert_eq!(near("python:3", &["busybox"]), None);
    assert_eq!(near("x", &[]), None);
    assert_eq!(distance("kitten", "sitting"), 3);
    assert_eq!(distance("", "abc"), 3);
}

#[test]
fn an_id_is_hex_of_some_length() {
    assert_eq!(id_prefix("abc123"), Some("abc123"));
    assert_eq!(id_prefix("sha256:ab"), Some("ab"));
    for text in ["", "sha256:", "xyz", "ABC", "../ab", &"a".repeat(65)] {
        assert_eq!(id_prefix(text), None, "{text}");
    }
}
