//! Docker's rules of merging, as data.

use super::*;

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn entrypoint_and_command() {
    let some = |text: &str| (text != "-").then(|| words(text));
    // image entrypoint, image cmd, --entrypoint, command → entrypoint, command
    for (entrypoint, cmd, typed, command, expected) in [
        ("-", "sh", "-", "", Some(("", "sh"))),
        ("-", "sh", "-", "ls -l", Some(("", "ls -l"))),
        ("/entry", "a b", "-", "", Some(("/entry", "a b"))),
        ("/entry", "a b", "-", "c", Some(("/entry", "c"))),
        ("/entry", "a b", "/other", "", Some(("/other", ""))),
        ("/entry", "a b", "/other", "c", Some(("/other", "c"))),
        ("/entry", "a b", "", "c", Some(("", "c"))),
        ("/entry", "a b", "", "", None),
        ("-", "-", "-", "", None),
        ("-", "-", "-", "x", Some(("", "x"))),
    ] {
        let image = Config { entrypoint: some(entrypoint), cmd: some(cmd), ..Config::default() };
        let mut record = ContainerRecord { command: words(command), ..Default::default() };
        let typed = Typed {
            entrypoint: match typed {
                "-" => None,
                "" => Some(vec![String::new()]),
                word => Some(words(word)),
            },
        };
        let got =
            merge(&mut record, typed, &image).ok().map(|_| (record.entrypoint, record.command));
        let expected = expected.map(|(entrypoint, command)| (words(entrypoint), words(command)));
        assert_eq!(got, expected, "{entrypoint} {cmd} {command}");
    }
}

#[test]
fn environment() {
    for (asked, image, expected) in [
        ("", "A=1 B=2", "A=1 B=2"),
        ("A=9", "A=1 B=2", "A=9 B=2"),
        ("A", "A=1 B=2", "B=2"),
        ("A=1 A=2", "", "A=2"),
        ("A=", "A=1", "A="),
    ] {
        assert_eq!(merge_env(&words(asked), &words(image)).unwrap(), words(expected), "{asked}");
    }
    assert!(merge_env(&words("=x"), &[]).is_err());
    assert!(merge_env(&[], &words("=x")).is_err());
}

#[test]
fn the_rest_of_the_image() {
    let image = Config {
        user: "app".into(),
        working_dir: "srv/../data".into(),
        cmd: Some(words("run")),
        labels: BTreeMap::from([("a".into(), "1".into()), ("b".into(), "2".into())]),
        stop_signal: Some("SIGINT".into()),
        exposed_ports: [("80/tcp".to_owned(), Default::default())].into(),
        volumes: [
            ("/data/".to_owned(), Default::default()),
            ("/cache".to_owned(), Default::default()),
        ]
        .into(),
        ..Config::default()
    };
    let mut record = ContainerRecord {
        labels: BTreeMap::from([("a".into(), "mine".into())]),
        mounts: vec![crate::create::anonymous_volume("/cache", "x".into())],
        ..Default::default()
    };
    let volumes = merge(&mut record, Typed::default(), &image).unwrap();
    assert_eq!(volumes, ["/data"]);
    assert_eq!(record.user, "app");
    assert_eq!(record.working_dir, "/data");
    assert_eq!(record.labels["a"], "mine");
    assert_eq!(record.labels["b"], "2");
    assert_eq!(record.stop_signal, "SIGINT");
    assert_eq!(record.exposed_ports, ["80/tcp"]);
}

#[test]
fn an_image_cannot_name_a_path_outside_its_root() {
    let hostile = |volume: &str| {
        let image = Config {
            cmd: Some(words("x")),
            volumes: [(volume.to_owned(), Default::default())].into(),
            ..Config::default()
        };
        merge(&mut ContainerRecord::default(), Typed::default(), &image)
    };
    assert_eq!(hostile("/../../etc").unwrap(), ["/etc"]);
    assert!(hostile("relative").is_err());
    assert!(hostile("/").is_err());
    assert!(hostile("/a/..").is_err());
    assert!(hostile("/a\0b").is_err());
}

#[test]
fn health() {
    let check = |test: &str, interval| Healthcheck {
        test: words(test),
        interval,
        ..Healthcheck::default()
    };
    let image = check("CMD probe", 5);
    assert_eq!(merge_healthcheck(None, Some(&image)), Some(image.clone()));
    assert_eq!(merge_healthcheck(Some(check("NONE", 0)), Some(&image)), None);
    assert_eq!(merge_healthcheck(Some(check("", 9)), Some(&image)), Some(check("CMD probe", 9)));
    assert_eq!(merge_healthcheck(Some(check("", 9)), None), None);
    assert_eq!(merge_healthcheck(None, Some(&check("NONE", 0))), None);
}
