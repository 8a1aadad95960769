//! Names: what a client says, and which repository that is.

use super::*;

fn upstreams(settings: &[(&str, &str)]) -> Result<Upstreams, UpstreamError> {
    let config = Config {
        upstreams: settings
            .iter()
            .filter_map(|(name, registry)| parse_flag(&format!("{name}={registry}")))
            .collect(),
        ..Config::default()
    };
    Upstreams::of(&config, &Outside::default())
}

#[test]
fn clients_name_a_repository_in_three_ways() {
    let all = upstreams(&[("hub", "docker.io"), ("far/quay", "quay.io")]).expect("they are good");
    let name = |text: &str| Name::parse(text).expect("a name");
    let check = |asked: &str, ns: Option<&str>, mirror: Option<usize>, expected: &str| {
        let mirror = mirror.map(|at| &*all.all()[at]);
        let found = all.resolve(&name(asked), ns, mirror).expect("short enough");
        assert_eq!(found.as_str(), expected, "{asked} {ns:?}");
    };
    check("hub/library/busybox", None, None, "hub/library/busybox");
    check("hub/busybox", None, None, "hub/library/busybox");
    check("library/busybox", Some("docker.io"), None, "hub/library/busybox");
    check("busybox", Some("docker.io"), None, "hub/library/busybox");
    check("a/b", Some("quay.io"), None, "far/quay/a/b");
    check("a", Some("quay.io"), None, "far/quay/a");
    check("a/b", Some("elsewhere.example"), None, "a/b");
    check("library/busybox", None, Some(0), "hub/library/busybox");
    check("a/b", Some("quay.io"), Some(0), "far/quay/a/b");
    check("hubs/x", None, None, "hubs/x");
    check("team/app", None, None, "team/app");
    let owner = all.owner(&name("far/quay/a/b")).expect("it is quay's");
    assert_eq!((owner.upstream.registry(), &*owner.there), ("quay.io", "a/b"));
    for own in ["team/app", "hubs/x", "far/other", "far", "hub", "far/quay"] {
        assert!(all.owner(&name(own)).is_none(), "{own}");
    }
    let long = name(&"a".repeat(200));
    assert_eq!(all.resolve(&long, Some("quay.io"), None), None);
}

#[test]
fn wrong_settings_are_told() {
    let check = |settings: &[(&str, &str)], expected: &str| {
        let error = upstreams(settings).expect_err("wrong").to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(&[("Hub", "docker.io")], "its name must be");
    check(&[("hub", "docker.io"), ("hub", "quay.io")], "two upstreams");
    check(&[("hub", "docker.io"), ("hub/more", "quay.io")], "two upstreams");
    check(&[("hub", "docker.io/library")], "no registry");
    check(&[("hub", "")], "no registry");
    assert!(parse_flag("hub").is_none());
}
