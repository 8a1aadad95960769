//! The commands, each on a small project.

use super::{Compose, until};
use crate::world::World;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

const TWO: &str = "name: c
services:
  web:
    image: busybox
    init: true
    command: sh -c 'echo ready; exec sleep 1000'
    depends_on: [db]
    labels: {mine: '1'}
    secrets: [inline]
    profiles: []
  db: {image: busybox, init: true, command: sh -c 'echo stored >&2; exec sleep 1000', volumes: [/anon]}
  tool: {image: busybox, command: echo tool, profiles: [tools]}
secrets: {inline: {environment: INLINE}}
";

#[test]
fn what_lives_can_be_seen_stopped_and_started() {
    let world = World::busybox();
    let mut compose = Compose::of(&world, TWO);
    compose.set("INLINE", "hush");
    compose.line("up -d").ok();
    assert_eq!(compose.states(), ["c-db-1=running", "c-web-1=running"]);
    assert_eq!(compose.teu_ok("exec -T web cat /run/secrets/inline"), "hush");
    let label = "{{index .Config.Labels \"com.docker.compose.service\"}} {{index .Config.Labels \"com.docker.compose.depends_on\"}}";
    let labels = world.teu(["inspect", "--format", label, "c-web-1"]).ok();
    assert_eq!(labels, "web db:service_started:false");
    let logs = until(|| {
        let logs = compose.teu_ok("logs --no-color");
        let all = logs.contains("web-1  | ready") && logs.contains("db-1   | stored");
        all.then(|| logs.clone()).ok_or(logs)
    });
    assert_eq!(logs.lines().count(), 2);
    assert_eq!(compose.teu_ok("logs --no-log-prefix web"), "ready");
    assert!(compose.teu_ok("top web").contains("sleep 1000"));
    assert_eq!(compose.teu_ok("ps --services"), "db\nweb");
    let json = compose.teu_ok("ps --format json web");
    let json: serde_json::Value = serde_json::from_str(&json).expect("an object");
    assert_eq!((json["Service"].as_str(), json["Project"].as_str()), (Some("web"), Some("c")));
    compose.line("pause web").ok();
    assert_eq!(compose.teu_ok("ps --format {{.State}} web"), "paused");
    compose.line("unpause").ok();
    compose.line("restart -t 1 web").ok();
    compose.line("stop -t 1").ok();
    assert_eq!(compose.states(), ["c-db-1=exited", "c-web-1=exited"]);
    compose.line("start").ok();
    compose.line("kill web").ok();
    until(|| {
        let states = compose.states();
        states
            .contains(&"c-web-1=exited".to_owned())
            .then_some(())
            .ok_or_else(|| format!("{states:?}"))
    });
    compose.line("rm -f web").ok();
    assert_eq!(compose.states(), ["c-db-1=running"]);
    let again = compose.line("up -d");
    assert!(
        again.err.contains("c-web-1  Created") && !again.err.contains("c-db-1"),
        "{}",
        again.err
    );
    // By its name alone, wherever the file is.
    let elsewhere = world.command(["compose", "-p", "c", "ps", "-q"]).current_dir("/").output();
    assert_eq!(String::from_utf8_lossy(&elsewhere.expect("runs").stdout).lines().count(), 2);
}

#[test]
fn files_are_copied_and_ports_shown() {
    let world = World::busybox();
    let text = "services: {w: {image: busybox, init: true, command: sleep 1000, ports: ['127.0.0.1::80', '127.0.0.1:0:81/udp']}}";
    let compose = Compose::of(&world, text);
    compose.line("up -d").ok();
    compose.write("f.txt", "copied");
    compose.line("cp ./f.txt w:/tmp/f.txt").ok();
    assert_eq!(compose.teu_ok("exec -T w cat /tmp/f.txt"), "copied");
    compose.line("cp w:/tmp/f.txt ./back.txt").ok();
    assert_eq!(std::fs::read_to_string(compose.folder.join("back.txt")).expect("back"), "copied");
    assert!(compose.teu_ok("port w 80").starts_with("127.0.0.1:"));
    assert!(compose.teu_ok("port --protocol udp w 81").starts_with("127.0.0.1:"));
    assert!(compose.line("port w 99").fails(1).contains("no port 99/tcp"));
    assert!(compose.line("exec -T nope true").fails(1).contains("no such service: nope"));
    assert_eq!(compose.shell("w", "exit 9").code, 9);
    assert!(compose.line("exec -T -e X=y w env").ok().contains("X=y"));
}

#[test]
fn run_is_beside_the_service() {
    let world = World::busybox();
    let mut compose = Compose::of(&world, TWO);
    compose.set("INLINE", "hush");
    let said = compose.line("run --rm -T -e X=1 web env");
    assert!(said.out.contains("X=1"), "{}", said.err);
    assert_eq!(compose.states(), ["c-db-1=running"], "what it needs runs, and it is gone");
    assert_eq!(compose.line("run --rm -T --no-deps tool").ok(), "tool");
    assert_eq!(compose.line("run --rm -T --entrypoint false web").code, 1);
    let id = compose.line("run -d --name one web sleep 1000").ok();
    assert_eq!(id.len(), 64);
    let oneoff = world
        .teu([
            "inspect",
            "--format",
            "{{index .Config.Labels \"com.docker.compose.oneoff\"}}",
            "one",
        ])
        .ok();
    assert_eq!(oneoff, "True");
    compose.line("up -d").ok();
    compose.line("down -v -t 1").ok();
    compose.is_gone();
}

#[test]
fn attached_up_shows_output_and_gives_codes() {
    let world = World::busybox();
    let text = "services:
  a: {image: busybox, volumes: ['v:/v'], command: sh -c 'echo from-a;
      until test -e /v/said; do sleep 0.05; done; exit 3'}
  b: {image: busybox, volumes: ['v:/v'], init: true, command: sh -c 'echo from-b;
      touch /v/said; exec sleep 1000'}
volumes: {v: {}}
";
    let compose = Compose::of(&world, text);
    let said = compose.line("up --abort-on-container-exit -t 1");
    assert_eq!(said.code, 3, "{}", said.err);
    for line in ["a-1  | from-a", "b-1  | from-b", "a-1 exited with code 3"] {
        assert!(said.out.contains(line), "{line}: {}", said.out);
    }
    assert_eq!(compose.line("up --exit-code-from a -t 1 --no-log-prefix").code, 3);
    assert_eq!(compose.states(), ["p-a-1=exited", "p-b-1=exited"]);
    // It ends when everything has ended.
    assert_eq!(compose.line("up a").code, 0);
    let waited = compose.line("wait a");
    assert_eq!((waited.code, waited.out.contains("status code 3")), (3, true));
}

#[test]
fn an_interrupt_stops_what_was_started() {
    let world = World::busybox();
    let text = "services: {b: {image: busybox, init: true, command: sh -c 'echo from-b; exec sleep 1000'}}";
    let compose = Compose::of(&world, text);
    let child = compose.spawned("up -t 1");
    until(|| {
        let states = compose.states();
        states
            .contains(&"p-b-1=running".to_owned())
            .then_some(())
            .ok_or_else(|| format!("{states:?}"))
    });
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status();
    assert!(sent.expect("kill runs").success());
    let ended = child.wait_with_output().expect("ends");
    assert_eq!(ended.status.code(), Some(130));
    assert_eq!(compose.states(), ["p-b-1=exited"]);
}

#[test]
fn orphans_profiles_and_anonymous_volumes() {
    let world = World::busybox();
    let mut compose = Compose::of(&world, TWO);
    compose.set("INLINE", "hush");
    compose.line("--profile tools up -d").ok();
    compose.line("exec -T db touch /anon/kept").ok();
    let orphaned =
        TWO.replace("  tool: {image", "  other: {image").replace("echo stored", "echo Stored");
    compose.write("compose.yaml", &orphaned);
    let said = compose.line("up -d");
    assert!(said.err.contains("Found orphan containers ([c-tool-1])"), "{}", said.err);
    // The changed service keeps what its anonymous volume holds.
    compose.line("exec -T db test -f /anon/kept").ok();
    compose.line("up -d --remove-orphans --force-recreate -V db").ok();
    assert_eq!(compose.line("exec -T db test -f /anon/kept").code, 1);
    assert_eq!(compose.states(), ["c-db-1=running", "c-web-1=running"]);
    let said = compose.line("up -d wbe").fails(1);
    assert!(said.contains("no such service: wbe") && said.contains("did you mean web?"), "{said}");
}

#[test]
fn watch_brings_changes_into_containers() {
    let world = World::busybox();
    let text = "services:
  w:
    image: watched
    build: {context: ., dockerfile_inline: \"FROM busybox\\nCOPY built /built\\n\"}
    init: true
    command: sleep 1000
    develop:
      watch:
        - {path: ./src, action: sync, target: /app, ignore: ['*.log']}
        - {path: ./built, action: rebuild}
";
    let compose = Compose::of(&world, text);
    std::fs::create_dir_all(compose.folder.join("src/sub")).expect("made");
    compose.write("built", "one");
    let (mut child, enabled, rest) = watching(compose.command("watch --quiet"));
    let result = std::panic::catch_unwind(|| {
        assert!(enabled);
        compose.write("src/sub/a.txt", "first");
        compose.write("src/x.log", "ignored");
        let reads = |path: &str, expected: &str| {
            until(|| {
                let said = compose.shell("w", &format!("cat {path}"));
                (said.out == expected).then_some(()).ok_or_else(|| format!("{said:?}"))
            });
        };
        reads("/app/sub/a.txt", "first");
        std::fs::create_dir_all(compose.folder.join("src/new/deep")).expect("made");
        compose.write("src/new/deep/b.txt", "second");
        reads("/app/new/deep/b.txt", "second");
        std::fs::remove_file(compose.folder.join("src/sub/a.txt")).expect("removed");
        reads("/app/sub/a.txt", "");
        assert_eq!(compose.shell("w", "test -e /app/x.log").code, 1);
        compose.write("built", "two");
        reads("/built", "two");
    });
    let _ = child.kill();
    child.wait().expect("ends");
    rest.join().expect("its output is read to the end");
    result.expect("all of it");
}

/// Starts what says that it watches. Whether it did, and who reads the rest of what it says.
fn watching(mut command: Command) -> (Child, bool, std::thread::JoinHandle<usize>) {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("starts");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut lines = lines.map_while(Result::ok);
    let enabled = lines.any(|line| line == "Watch enabled");
    (child, enabled, std::thread::spawn(move || lines.count()))
}

#[test]
fn up_watches_beside_the_output() {
    let world = World::busybox();
    let text = "services:
  w:
    image: busybox
    init: true
    command: sleep 1000
    develop: {watch: [{path: ./src, action: sync+restart, target: /app}]}
";
    let compose = Compose::of(&world, text);
    std::fs::create_dir_all(compose.folder.join("src")).expect("made");
    let both = compose.line("up -d --watch").fails(1);
    assert!(both.contains("--watch cannot be combined"), "{both}");
    let (mut child, enabled, rest) = watching(compose.command("up --watch"));
    let result = std::panic::catch_unwind(|| {
        assert!(enabled);
        compose.write("src/a.txt", "first");
        until(|| {
            let said = compose.shell("w", "cat /app/a.txt");
            (said.out == "first").then_some(()).ok_or_else(|| format!("{said:?}"))
        });
    });
    let pid = child.id().to_string();
    let interrupted = Command::new("kill").args(["-INT", &pid]).status();
    assert!(interrupted.expect("kill").success());
    assert_eq!(child.wait().expect("ends").code(), Some(130));
    rest.join().expect("its output is read to the end");
    result.expect("all of it");
    assert_eq!(compose.states(), ["p-w-1=exited"]);
}

#[test]
fn a_reader_that_goes_ends_the_logs_whoever_is_silent() {
    let world = World::busybox();
    let text = "services:
  silent: {image: busybox, init: true, command: sleep 1000}
  talks: {image: busybox, init: true, command: [sh, -c, 'while echo line; do sleep 0.1; done']}
";
    let compose = Compose::of(&world, text);
    compose.line("up -d").ok();
    let mut command = compose.command("logs -f");
    let mut child = command.stdout(Stdio::piped()).spawn().expect("starts");
    let mut line = [0; 4];
    let mut stdout = child.stdout.take().expect("piped");
    std::io::Read::read_exact(&mut stdout, &mut line).expect("it says something");
    drop(stdout);
    until(|| match child.try_wait() {
        Ok(Some(_)) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    compose.line("down -t 0").ok();
}
