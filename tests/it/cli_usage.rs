//! The command line by itself: what is understood, what is refused, with which words and codes.
//! Where Docker's client is installed, it is asked which flags there are.

use crate::world::World;
use std::process::Command;

#[track_caller]
fn refused(line: &str, code: i32, expected: &str) {
    let world = World::empty();
    let said = world.line(line);
    assert_eq!(said.code, code, "{line}: {}", said.err);
    assert_eq!(said.err.trim_end(), expected.trim_end(), "{line}");
    assert_eq!(said.out, "", "{line}");
}

#[test]
fn usage_errors() {
    refused(
        "run --memori 1g busybox",
        125,
        "teu: unknown flag: --memori\nhint: did you mean --memory?\n\n\
         Usage:  teu run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nRun 'teu run --help' for more information",
    );
    refused(
        "run",
        1,
        "teu: 'teu run' requires at least 1 argument\n\n\
         Usage:  teu run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nRun 'teu run --help' for more information",
    );
    refused(
        "rnu busybox",
        1,
        "teu: unknown command: teu rnu\nhint: did you mean teu run?\n\nRun 'teu --help' for more information",
    );
    refused(
        "ps -n many",
        125,
        "teu: invalid argument \"many\" for \"-n, --last\" flag: strconv.ParseInt: parsing \"many\": invalid syntax\n\n\
         Usage:  teu ps [OPTIONS]\n\nRun 'teu ps --help' for more information",
    );
}

/// Bad values of `run`: 125, one line that names the flag, nothing left behind.
#[test]
fn values_that_run_refuses() {
    let world = World::busybox();
    for (flags, expected) in [
        ("-p 80:x", "invalid containerPort: x"),
        ("-p 99999:80", "invalid hostPort: 99999"),
        ("-v a:b:c:d", "invalid volume specification: 'a:b:c:d'"),
        ("-v /x:y", "mount path must be absolute"),
        ("--mount type=bind,target=/x", "field Source must not be empty"),
        ("-m 12q", "invalid size: \"12q\""),
        ("--cpus lots", "failed to parse \"lots\" as a rational number"),
        ("--ulimit nofile", "invalid ulimit argument: nofile"),
        ("--restart sometimes", "unknown policy 'sometimes'"),
        ("--rm --restart always", "conflicting options: cannot specify both --restart and --rm"),
        ("-d -a stdout", "conflicting options: cannot specify both --attach and --detach"),
        ("--stop-signal SIGNONSENSE", "invalid signal: SIGNONSENSE"),
        ("--security-opt frob=1", "invalid --security-opt: \"frob=1\""),
        ("--log-driver syslog", "no log driver of that name"),
        ("--log-opt frob=1", "unknown log opt 'frob'"),
        ("--env-file /nonexistent", "open /nonexistent: No such file or directory"),
        ("--network container:", "container name is missing"),
        ("--network none --network host", "conflicting options"),
        ("--ip 1.2.3", "invalid IP address: 1.2.3"),
        ("--dns nowhere", "nowhere is not an ip address"),
        ("--device /dev/nonsense", "error gathering device information"),
        ("--oom-score-adj 5000", "must be between -1000 and 1000"),
        ("--health-interval 1", "time: invalid duration \"1\""),
        ("--no-healthcheck --health-cmd x", "--no-healthcheck conflicts with --health-* options"),
        ("--gpus all", "--gpus is not supported"),
        ("--storage-opt size=1g", "--storage-opt is not supported"),
        ("--runtime nonsense", "unknown or invalid runtime name: nonsense"),
        ("--name -x", "Invalid container name (-x)"),
        ("--detach-keys ctrl-", "invalid detach keys (ctrl-)"),
        ("--pull always", "registry docker.io is blocked"),
        ("--pull sometimes", "invalid pull option: 'sometimes'"),
        ("--platform plan9/mips", "plan9"),
    ] {
        let said = world.line(&format!("run --network none {flags} busybox true"));
        let said = match flags.contains("--network") || flags.contains("--ip") {
            true => world.line(&format!("run {flags} busybox true")),
            false => said,
        };
        assert_eq!(said.code, 125, "{flags}: {}", said.err);
        assert!(
            said.err.starts_with("teu: ") && said.err.contains(expected),
            "{flags}: {}",
            said.err
        );
    }
    assert_eq!(world.line("ps -aq").ok(), "");
}

#[test]
fn an_image_that_is_not_there() {
    let world = World::busybox();
    let err = world.line("run --rm --pull never busybix true").fails(125);
    assert!(err.starts_with("teu: Unable to find image 'busybix:latest' locally\nhint: "), "{err}");
    assert!(err.contains("did you mean busybox") && err.contains("teu pull busybix"), "{err}");
    let err = world.line("run --rm busybix true").fails(125);
    assert!(err.starts_with("Unable to find image 'busybix:latest' locally\n"), "{err}");
    assert!(err.contains("did you mean busybox") && err.contains("docker.io is blocked"), "{err}");
    let err = world.line("pull debian").fails(1);
    assert!(err.contains("registry docker.io is blocked"), "{err}");
    let err = world.line("run UPPER true").fails(125);
    assert!(err.contains("must be lowercase"), "{err}");
}

#[test]
fn help_for_people() {
    let world = World::empty();
    let overview = world.line("--help").ok();
    for words in ["Common Commands:", "Management Commands:", "Global options:", "  run  "] {
        assert!(overview.contains(words), "{overview}");
    }
    let run = world.line("run --help").ok();
    assert!(run.starts_with("Usage:  teu run [OPTIONS] IMAGE [COMMAND] [ARG...]\n"), "{run}");
    assert!(run.contains("Examples:\n") && run.contains("  -p, --publish list  "), "{run}");
    assert!(run.lines().all(|line| line.chars().count() <= 80), "{run}");
    assert_eq!(world.line("run --rm --help").ok(), run);
    assert!(world.line("container").ok().contains("Commands:\n"));
    assert!(world.line("version").ok().starts_with("Teu\n"));
    assert!(world.line("--version").ok().starts_with("Teu version "));
}

#[test]
fn completion_knows_flags_and_names() {
    let world = World::busybox();
    world.line("create --name first --network none busybox true").ok();
    let offered = |words: &[&str]| -> Vec<String> {
        let args = ["__complete", "--"].into_iter().chain(words.iter().copied());
        let lines = world.teu(args).ok();
        lines.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(offered(&["rena"]), ["rename"]);
    assert_eq!(offered(&["rm", "fi"]), ["first"]);
    assert_eq!(offered(&["run", "--publish-"]), ["--publish-all"]);
    assert_eq!(offered(&["run", "--restart", "un"]), ["unless-stopped"]);
    assert_eq!(offered(&["rmi", ""]), ["busybox:latest"]);
    for shell in ["bash", "zsh", "fish"] {
        assert!(world.teu(["completion", shell]).ok().contains("__complete"), "{shell}");
    }
}

/// Every flag that Docker's client lists for a command is known here, if only to be refused.
#[test]
fn dockers_flags_are_known() {
    if Command::new("docker").arg("--version").output().is_err() {
        eprintln!("not checked: there is no docker client on this machine");
        return;
    }
    let world = World::empty();
    // About daemons, swarms, Windows and other machines.
    let not_ours = [
        "config",
        "context",
        "host",
        "log-level",
        "tls",
        "tlscacert",
        "tlscert",
        "tlskey",
        "tlsverify",
        "help",
        "version",
        "cpu-count",
        "cpu-percent",
        "io-maxbandwidth",
        "io-maxiops",
        "kernel-memory",
        "tree",
        "checkpoint",
        "checkpoint-dir",
        "config-from",
        "config-only",
        "cluster",
        "use-api-socket",
        "debug",
    ];
    let commands = "run create exec ps images rm rmi logs stop start kill restart attach cp stats wait \
        rename update diff commit port inspect events export import history tag save load \
        top pause unpause info version|volume create|volume ls|volume rm|volume prune|volume inspect|\
        network create|network ls|network connect|network disconnect|network rm|network prune|\
        network inspect|image ls|image prune|image inspect|container ls|container prune|\
        container inspect|system df|system prune|system events|system info|builder prune";
    let (single, grouped) = commands.split_once('|').expect("both kinds");
    for command in single.split_whitespace().chain(grouped.split('|').map(str::trim)) {
        let words: Vec<&str> = command.split(' ').collect();
        let help = Command::new("docker").args(&words).arg("--help").output().expect("docker runs");
        let help = String::from_utf8_lossy(&help.stdout).into_owned();
        let flags = help.lines().filter_map(|line| {
            let line = line.trim_start();
            let line = line
                .strip_prefix('-')
                .filter(|l| !l.starts_with('-'))
                .map_or(line, |l| l.split_once(", ").map_or(line, |(_, long)| long));
            line.strip_prefix("--")?.split([' ', '\n']).next()
        });
        // Volumes of a swarm have settings of their own.
        let swarm = command == "volume create";
        let known = |flag: &&str| !swarm || ["driver", "label", "name", "opt"].contains(flag);
        for flag in flags.filter(|flag| !not_ours.contains(flag)).filter(known) {
            let typed = format!("--{flag}=x");
            let said = world.teu(words.iter().copied().chain([typed.as_str(), "--help"]));
            assert!(!said.err.contains("unknown flag"), "docker {command} --{flag}: {}", said.err);
        }
    }
}
