//! `--format`, `inspect` and the columns of lists, as scripts written for Docker use them.

use crate::world::World;
use serde_json::Value;

/// The heads of a list in an empty home.
#[track_caller]
fn heads(world: &World, line: &str, expected: &str) {
    let out = world.line(line).ok();
    let words: Vec<&str> = out.lines().next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(words.join(" "), expected, "{line}");
}

#[test]
fn columns_are_dockers() {
    let world = World::empty();
    heads(&world, "ps", "CONTAINER ID IMAGE COMMAND CREATED STATUS PORTS NAMES");
    heads(&world, "ps -s", "CONTAINER ID IMAGE COMMAND CREATED STATUS PORTS NAMES SIZE");
    heads(&world, "images", "REPOSITORY TAG IMAGE ID CREATED SIZE");
    heads(&world, "images --digests", "REPOSITORY TAG DIGEST IMAGE ID CREATED SIZE");
    heads(&world, "volume ls", "DRIVER VOLUME NAME");
    heads(&world, "network ls", "NETWORK ID NAME DRIVER SCOPE");
    heads(
        &world,
        "stats --no-stream",
        "CONTAINER ID NAME CPU % MEM USAGE / LIMIT MEM % NET I/O BLOCK I/O PIDS",
    );
    heads(&world, "system df", "TYPE TOTAL ACTIVE SIZE RECLAIMABLE");
    assert_eq!(
        world.teu(["ps", "--format", r#"table {{.ID}}\t{{.Names}}\t{{.Label "x"}}"#]).ok(),
        "CONTAINER ID   NAMES     x"
    );
}

#[test]
fn lists_as_json() {
    let world = World::busybox();
    world.line("create --name one --network none --label a=b -v /data busybox sleep 7").ok();
    let line = world.line("ps -a --format json").ok();
    let row: Value = serde_json::from_str(&line).expect("one object a line");
    for (key, value) in [
        ("Names", "one"),
        ("Image", "busybox"),
        ("Command", "\"sleep 7\""),
        ("State", "created"),
        ("Labels", "a=b"),
        ("LocalVolumes", "1"),
    ] {
        assert_eq!(row[key], value, "{line}");
    }
    let image: Value =
        serde_json::from_str(&world.line("images --format json").ok()).expect("json");
    assert_eq!((&image["Repository"], &image["Tag"]), (&"busybox".into(), &"latest".into()));
    for line in ["volume ls --format json", "network ls --format json", "system df --format json"] {
        let text = world.line(line).ok();
        for row in text.lines() {
            serde_json::from_str::<Value>(row).expect(line);
        }
    }
    world.line("rm -v one").ok();
}

#[test]
fn inspect_answers_the_usual_questions() {
    let world = World::busybox();
    let create = "create --name one --network none --label com.x/y=z -e A=1 -m 64m --cpus 0.5 \
        --restart on-failure:3 -u 1000:1000 -w /tmp --entrypoint sleep busybox 7";
    world.line(create).ok();
    for (template, expected) in [
        ("{{.Name}}", "/one"),
        ("{{.State.Status}} {{.State.Running}}", "created false"),
        ("{{.Config.Image}}", "busybox"),
        ("{{json .Config.Cmd}} {{json .Config.Entrypoint}}", r#"["7"] ["sleep"]"#),
        ("{{index .Config.Labels \"com.x/y\"}}", "z"),
        ("{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}", "67108864 500000000"),
        (
            "{{.HostConfig.RestartPolicy.Name}}:{{.HostConfig.RestartPolicy.MaximumRetryCount}}",
            "on-failure:3",
        ),
        ("{{.Config.User}} {{.Config.WorkingDir}}", "1000:1000 /tmp"),
        ("{{range .Config.Env}}{{if eq . \"A=1\"}}found{{end}}{{end}}", "found"),
        ("{{if .State.Health}}has{{else}}none{{end}}", "none"),
        ("{{.HostConfig.NetworkMode}}", "none"),
        ("{{len .Mounts}}", "0"),
    ] {
        assert_eq!(world.teu(["inspect", "-f", template, "one"]).ok(), expected, "{template}");
    }
    let all: Value = serde_json::from_str(&world.line("inspect one busybox").ok()).expect("json");
    assert_eq!(all.as_array().map(Vec::len), Some(2));
    assert_eq!(all[1]["RepoTags"][0], "busybox:latest");
    let said = world.line("inspect one nonsense");
    assert_eq!((said.code, said.err.trim()), (1, "teu: No such object: nonsense"));
    assert!(said.out.contains("\"Id\""));
    let err = world.line("inspect --type volume one").fails(1);
    assert_eq!(err.trim(), "teu: No such volume: one");
    let err = world.teu(["inspect", "-f", "{{.Nope}}", "one"]).fails(1);
    assert!(
        err.contains("template parsing error: template: :1:3: map has no entry for key \"Nope\""),
        "{err}"
    );
    let err = world.teu(["inspect", "-f", "{{.Name", "one"]).fails(1);
    assert!(err.contains("unclosed action"), "{err}");
    world.line("rm one").ok();
}

/// Names and labels cannot drive the terminal of whoever lists them (B2 row 14).
#[test]
fn control_bytes_do_not_reach_tables() {
    let world = World::busybox();
    let evil = "evil=\u{1b}[2J\u{1b}]0;owned\u{7}\rx";
    world
        .teu([
            "create",
            "--name",
            "one",
            "--network",
            "none",
            "--label",
            evil,
            "busybox",
            "sh",
            "-c",
            "\u{1b}[31m",
        ])
        .ok();
    for args in [
        &["ps", "-a", "--no-trunc"][..],
        &["ps", "-a", "--format", r"table {{.Names}}\t{{.Command}}"],
        &["system", "df", "-v"],
    ] {
        let out = world.teu(args).ok();
        assert!(out.chars().all(|c| c == '\n' || !c.is_control()), "{args:?}: {out:?}");
    }
    // JSON says what is there, escaped.
    assert!(world.line("ps -a --format json").ok().contains("\\u001b[2J"));
    world.line("rm one").ok();
}

/// Docker's templates see every field of a document's type, those too that its JSON leaves out.
#[test]
fn templates_know_what_documents_leave_out() {
    let world = World::busybox();
    world.line("create --name plain --network none busybox true").ok();
    let health = "{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}";
    for (kind, name, template, expected) in [
        ("container", "plain", health, "none"),
        ("container", "plain", "[{{.Config.StopSignal}}]", "[]"),
        ("container", "plain", "{{len .Config.ExposedPorts}} {{len .HostConfig.Tmpfs}}", "0 0"),
        (
            "image",
            "busybox",
            "{{.Config.User}}|{{.Config.WorkingDir}}|{{.Config.Volumes}}",
            "||map[]",
        ),
        ("image", "busybox", "{{range $port, $_ := .Config.ExposedPorts}}{{$port}}{{end}}.", "."),
        ("image", "busybox", "{{.Config.Entrypoint}}{{.Config.Cmd}}", "[][sh]"),
    ] {
        let said = world.teu(["inspect", "--type", kind, "-f", template, name]).ok();
        assert_eq!(said, expected, "{template}");
    }
    // The documents themselves are as they were, and a slip is still one.
    let document = world.line("inspect plain").ok();
    assert!(!document.contains("\"Health\""), "{document}");
    world.teu(["inspect", "-f", "{{.Config.Usr}}", "plain"]).fails(1);
}
