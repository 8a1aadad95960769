//! Lines as people type them; the tables as they must be.

use super::parse::{Parsed, UsageError, parse};
use super::*;
use crate::commands::{ALL, GROUPS, ROOT};

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn matches(line: &str) -> Matches {
    match parse(&ROOT, &words(line)) {
        Ok(Parsed::Run(matches)) => matches,
        other => panic!("{line}: {other:?}"),
    }
}

#[track_caller]
fn fails(line: &str, expected: &str) {
    match parse(&ROOT, &words(line)) {
        Err(failed) => assert_eq!(failed.error.to_string(), expected, "{line}"),
        Ok(parsed) => panic!("{line}: {parsed:?}"),
    }
}

#[test]
fn flags_as_pflag_reads_them() {
    let run = matches(
        "run -itd -eA=1 -e B=2 -p8080:80 -p=81:81 --rm=false --name=x -m 64m img -e C --rm",
    );
    assert!(run.switch("interactive") && run.switch("tty") && run.switch("detach"));
    assert_eq!(run.list("env"), ["A=1", "B=2"]);
    assert_eq!(run.list("publish"), ["8080:80", "81:81"]);
    assert!(!run.switch("rm") && run.given("rm"));
    assert_eq!((run.text("name"), run.text("memory")), (Some("x"), Some("64m")));
    assert_eq!(run.operands, ["img", "-e", "C", "--rm"]);
}

#[test]
fn flags_anywhere_unless_the_rest_is_the_containers() {
    assert_eq!(matches("rm a -f b").operands, ["a", "b"]);
    assert_eq!(matches("rm a -- -f").operands, ["a", "-f"]);
    assert_eq!(matches("exec -it c ls -la").operands, ["c", "ls", "-la"]);
    assert_eq!(matches("container run img -x").operands, ["img", "-x"]);
    assert_eq!(matches("kill -s 9 c").text("signal"), Some("9"));
    assert_eq!(matches("logs --tail=5 c -f").text("tail"), Some("5"));
}

#[test]
fn refuses_in_dockers_words() {
    for (line, expected) in [
        ("run --foo x", "unknown flag: --foo"),
        ("run -n x", "unknown shorthand flag: 'n' in -n"),
        ("run -zt x", "unknown shorthand flag: 'z' in -zt"),
        ("run --name", "flag needs an argument: --name"),
        ("run -e", "flag needs an argument: 'e' in -e"),
        (
            "run --rm=maybe x",
            "invalid argument \"maybe\" for \"--rm\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax",
        ),
        (
            "ps -n x",
            "invalid argument \"x\" for \"-n, --last\" flag: strconv.ParseInt: parsing \"x\": invalid syntax",
        ),
        ("run", "'teu run' requires at least 1 argument"),
        ("exec c", "'teu exec' requires at least 2 arguments"),
        ("ps x", "'teu ps' accepts no arguments"),
        ("rename a", "'teu rename' requires 2 arguments"),
        ("port", "'teu port' requires at least 1 and at most 2 arguments"),
        ("foo", "unknown command: teu foo"),
        ("volume foo", "unknown command: teu volume foo"),
        ("run --=x y", "bad flag syntax: --=x"),
        ("run ---x y", "bad flag syntax: ---x"),
    ] {
        fails(line, expected);
    }
}

#[test]
fn suggests() {
    for (line, near) in [("rnu x", "run"), ("imags", "images"), ("contaner ls", "container")] {
        match parse(&ROOT, &words(line)).map_err(|failed| failed.error) {
            Err(UsageError::UnknownCommand { near: found, .. }) => {
                assert_eq!(found.as_deref(), Some(near), "{line}");
            }
            other => panic!("{line}: {other:?}"),
        }
    }
    match parse(&ROOT, &words("run --memori 1g x")).map_err(|failed| failed.error) {
        Err(UsageError::UnknownFlag { near, .. }) => assert_eq!(near.as_deref(), Some("memory")),
        other => panic!("{other:?}"),
    }
    assert_eq!(suggest::nearest("xyzzy", ["run", "ps"]), None);
}

/// What every command must keep to, so that nobody forgets.
#[test]
fn the_tables_are_sound() {
    fn check(command: &'static Command, path: &str) {
        let path = format!("{path} {}", command.name);
        let flags: Vec<&Flag> = command.all_flags().chain(parse::GLOBAL).collect();
        for (index, flag) in flags.iter().enumerate() {
            let twins = flags[..index].iter().filter(|other| {
                other.long == flag.long || (flag.short.is_some() && other.short == flag.short)
            });
            assert_eq!(twins.count(), 0, "{path}: --{} or its letter is there twice", flag.long);
            assert!(flag.hidden || !flag.help.is_empty(), "{path}: --{} has no help", flag.long);
            assert!(!flag.help.ends_with('.'), "{path}: --{} ends in a full stop", flag.long);
        }
        assert!(!command.about.is_empty(), "{path} has no sentence");
        let page = help::page(command, path.trim_start(), 80);
        for line in page.lines() {
            assert!(line.chars().count() <= 80, "{path}: {line:?} is wider than a terminal");
        }
        assert!(page.lines().count() > 2);
        // What `runtime` has is runc's, and what begins with marks is for programs.
        let is_for_people = matches!(command.action, Action::Run(_))
            && !path.starts_with(" teu runtime ")
            && !["__complete", "build-worker"].contains(&command.name);
        assert!(!is_for_people || !command.examples.is_empty(), "{path} has no example");
        if let Action::Group(commands) = command.action {
            for command in commands {
                check(command, &path);
            }
        }
    }
    check(&ROOT, "");
    let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    for name in &grouped {
        assert!(ALL.iter().any(|command| command.name == *name), "{name} is in no table");
    }
    for command in ALL {
        let unavailable = ["__complete", "build-worker", "lazy"];
        assert!(
            grouped.contains(&command.name) || unavailable.contains(&command.name),
            "{} is missing from the overview",
            command.name
        );
    }
}

/// Every flag of Docker 28's `run` is understood (or refused by name, later).
#[test]
fn knows_dockers_flags_of_run() {
    const DOCKER: &str = "add-host annotation attach blkio-weight blkio-weight-device cap-add \
        cap-drop cgroup-parent cgroupns cidfile cpu-period cpu-quota cpu-rt-period cpu-rt-runtime \
        cpu-shares cpus cpuset-cpus cpuset-mems detach detach-keys device device-cgroup-rule \
        device-read-bps device-read-iops device-write-bps device-write-iops disable-content-trust \
        dns dns-option dns-search domainname entrypoint env env-file expose gpus group-add \
        health-cmd health-interval health-retries health-start-interval health-start-period \
        health-timeout hostname init interactive ip ip6 ipc isolation kernel-memory label label-file \
        link link-local-ip log-driver log-opt mac-address memory memory-reservation memory-swap \
        memory-swappiness mount name network network-alias no-healthcheck oom-kill-disable \
        oom-score-adj pid pids-limit platform privileged publish publish-all pull quiet read-only \
        restart rm runtime security-opt shm-size sig-proxy stop-signal stop-timeout storage-opt \
        sysctl tmpfs tty ulimit user userns uts volume volume-driver volumes-from workdir";
    let run = &crate::commands::run::RUN;
    for name in DOCKER.split_whitespace() {
        assert!(run.all_flags().any(|flag| flag.long == name), "--{name}");
    }
}
