//! A container's life on the command line: outputs as people and scripts see them. Ids, times and
//! ports are replaced before the comparison.

use crate::world::World;

/// Hex ids, times and ages become words.
fn filtered(text: &str) -> String {
    let mut out = Vec::new();
    for line in text.lines() {
        let mut words: Vec<String> = Vec::new();
        for word in line.split_whitespace() {
            let hex = word.len() >= 12 && word.bytes().all(|b| b.is_ascii_hexdigit());
            words.push(if hex { "ID".to_owned() } else { word.to_owned() });
        }
        out.push(without_ages(&words));
    }
    out.join("\n")
}

/// Ages become a word, however busy the machine is.
fn without_ages(words: &[String]) -> String {
    let mut out: Vec<&str> = Vec::new();
    for word in words {
        let unit = ["second", "seconds", "minute", "minutes"].contains(&word.as_str());
        if unit {
            // "7 seconds", "About a minute", "Less than a second".
            let is_part = |word: &&str| {
                ["Less", "than", "About", "a"].contains(word) || word.parse::<u64>().is_ok()
            };
            while out.last().is_some_and(is_part) {
                out.pop();
            }
            out.push("AGE");
        } else {
            out.push(word);
        }
    }
    out.join(" ")
}

#[test]
fn from_create_to_rm() {
    let world = World::busybox();
    let id = world
        .line("create --name web --network none -e A=1 --label tier=front busybox sleep 1000")
        .ok();
    assert_eq!(id.len(), 64, "{id}");
    assert_eq!(
        filtered(&world.line("ps -a").ok()),
        "CONTAINER ID IMAGE COMMAND CREATED STATUS PORTS NAMES\n\
         ID busybox \"sleep 1000\" AGE ago Created web"
    );
    assert_eq!(world.line("start web").ok(), "web");
    assert_eq!(
        filtered(&world.line("ps").ok()),
        "CONTAINER ID IMAGE COMMAND CREATED STATUS PORTS NAMES\n\
         ID busybox \"sleep 1000\" AGE ago Up AGE web"
    );
    assert_eq!(world.line("ps -q --no-trunc").ok(), id);
    assert_eq!(
        world.teu(["ps", "--format", "{{.Names}}: {{.State}} {{.Label \"tier\"}}"]).ok(),
        "web: running front"
    );
    assert_eq!(world.line("pause web").ok(), "web");
    assert!(world.line("ps").ok().contains("(Paused)"));
    assert!(world.line("exec web true").fails(1).contains("paused"));
    assert_eq!(world.line("unpause web").ok(), "web");
    assert_eq!(world.teu(["exec", "web", "sh", "-c", "echo $A"]).ok(), "1");
    assert_eq!(world.line("rename web site").ok(), "");
    let err = world.line("rm site").fails(1);
    assert!(err.contains("cannot remove container \"/site\": container is running"), "{err}");
    assert_eq!(world.line("stop -t 0 site").ok(), "site");
    assert_eq!(
        filtered(&world.line("ps -a").ok()).lines().last(),
        Some("ID busybox \"sleep 1000\" AGE ago Exited (137) AGE ago site")
    );
    assert_eq!(world.line("wait site").ok(), "137");
    let events = world.line(&format!("events --since 1h --until 0s --filter container={id}")).ok();
    for action in ["create", "start", "pause", "unpause", "rename", "die", "stop"] {
        assert!(events.contains(&format!(" container {action} ")), "{action}: {events}");
    }
    assert_eq!(world.line("rm site").ok(), "site");
    assert_eq!(world.line("rm site").fails(1).trim(), "teu: No such container: site");
    assert_eq!(world.line("rm -f site").code, 0);
    assert_eq!(world.line("ps -aq").ok(), "");
}

#[test]
fn exit_codes() {
    let world = World::busybox();
    for (line, code) in [
        ("run --rm --network none busybox true", 0),
        ("run --rm --network none busybox false", 1),
        ("run --rm --network none busybox nonsense", 127),
        ("run --rm --network none busybox /etc", 126),
        ("run --rm --network none --workdir relative busybox true", 125),
        ("run --rm nonsense true", 125),
    ] {
        let said = world.line(line);
        assert_eq!(said.code, code, "{line}: {}", said.err);
    }
    let killed =
        ["run", "--rm", "--network", "none", "--init", "busybox", "sh", "-c", "kill -TERM $$"];
    assert_eq!(world.teu(killed).code, 143);
    let code = ["run", "--rm", "--network", "none", "busybox", "sh", "-c", "exit 42"];
    assert_eq!(world.teu(code).code, 42);
    world.line("run -d --name web --network none busybox sleep 1000").ok();
    for (line, code) in [
        ("exec web true", 0),
        ("exec web false", 1),
        ("exec web nonsense", 127),
        ("exec web /etc", 126),
        ("exec nobody true", 1),
        ("start -a nobody", 1),
    ] {
        let said = world.line(line);
        assert_eq!(said.code, code, "{line}: {}", said.err);
    }
    world.line("rm -f web").ok();
    assert_eq!(world.line("ps -aq").ok(), "");
}

/// A failure leaves nothing: no container, no id file, no volume.
#[test]
fn failures_leave_nothing() {
    let world = World::busybox();
    let cid = world.root().join("cid");
    let cid = cid.to_str().expect("a plain path");
    world
        .teu(["run", "--rm", "--network", "none", "--cidfile", cid, "nonsense", "true"])
        .fails(125);
    assert!(!world.root().join("cid").exists());
    world
        .teu([
            "run",
            "-d",
            "--name",
            "one",
            "--network",
            "none",
            "--cidfile",
            cid,
            "busybox",
            "true",
        ])
        .ok();
    let id = std::fs::read_to_string(cid).expect("the id is written");
    assert_eq!(world.line("inspect -f {{.Id}} one").ok(), id);
    let err = world
        .teu(["run", "--rm", "--network", "none", "--cidfile", cid, "busybox", "true"])
        .fails(125);
    assert!(err.contains("container ID file found"), "{err}");
    let err = world.line("run --name one --network none busybox true").fails(125);
    assert!(err.contains("Conflict. The container name \"/one\" is already in use"), "{err}");
    world.line("run --rm --network none -v /data busybox nonsense").fails(127);
    assert_eq!(world.line("volume ls -q").ok(), "");
    assert_eq!(world.line("ps -aq").ok(), world.line("ps -q -l").ok());
    world.line("rm one").ok();
}

/// Many at once: each is tried, failures are told, the code says so.
#[test]
fn several_operands() {
    let world = World::busybox();
    for name in ["aa", "bb"] {
        world.teu(["create", "--name", name, "--network", "none", "busybox", "true"]).ok();
    }
    let said = world.line("rm aa nobody bb");
    assert_eq!((said.code, said.out.as_str()), (1, "aa\nbb\n"));
    assert_eq!(said.err, "teu: No such container: nobody\n");
}
