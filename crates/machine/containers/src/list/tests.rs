//! Filters of `ps`.

use super::*;
use crate::record::ContainerRecord;

fn found() -> Found {
    Found {
        record: ContainerRecord {
            id: "abc123".into(),
            name: "web".into(),
            labels: [("tier".to_owned(), "front".to_owned())].into(),
            ..Default::default()
        },
        pod: PodRecord::default(),
        state: ContainerState { status: Status::Exited, exit_code: 3, ..Default::default() },
    }
}

#[test]
fn filters_of_ps() {
    for (filters, expected) in [
        ("", true),
        ("id=abc", true),
        ("id=b", false),
        ("name=we", true),
        ("name=^web$", true),
        ("name=^/web$", true),
        ("name=^eb", false),
        ("name=eb$", true),
        ("status=exited", true),
        ("status=running", false),
        ("status=running status=exited", true),
        ("exited=3", true),
        ("exited=0", false),
        ("health=none", true),
        ("label=tier", true),
        ("label=tier=back", false),
        ("network=bridge", true),
        ("network=other", false),
        ("volume=data", false),
    ] {
        let filters: Vec<(String, String)> = filters
            .split_whitespace()
            .filter_map(|word| word.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(fits(&found(), Filters(&filters)), expected, "{filters:?}");
    }
    let wrong = [("status".to_owned(), "sleeping".to_owned())];
    assert!(check_values(Filters(&wrong)).is_err());
}

#[test]
fn ports_of_filters() {
    let port = PortBinding {
        container_port: 80,
        protocol: "tcp".into(),
        host: Some(("0.0.0.0".parse().unwrap(), 8080)),
    };
    for (value, expected) in
        [("80", true), ("80/tcp", true), ("80/udp", false), ("79-81", true), ("x", false)]
    {
        assert_eq!(port_fits(&port, value, true), expected, "{value}");
    }
    assert!(!port_fits(&PortBinding { host: None, ..port }, "80", true));
}
