//! A client that is interrupted or killed takes its build along, whichever way it came to the engine:
//! no step goes on, nothing is left on disk or mounted, and the next build is as good as ever.

use super::{Bench, running, until_begun, until_gone};
use crate::pods::eventually;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// How a client reaches the builder.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// `docker buildx build`.
    Buildx,
    /// Docker 20.10 with `DOCKER_BUILDKIT=1`.
    Session,
    /// `POST /build` alone.
    Classic,
}

/// Every mark is another process's.
static MARKS: AtomicUsize = AtomicUsize::new(100_000);

impl Way {
    /// The client itself: under `timeout`, that would get the signal instead.
    fn start(self, bench: &Bench) -> Child {
        let old_docker = Bench::old_docker().unwrap_or_else(|| Path::new(""));
        let (program, kit) = match self {
            Self::Buildx => (bench.plugin().to_owned(), None),
            Self::Session => (old_docker.to_owned(), Some("1")),
            Self::Classic => (old_docker.to_owned(), Some("0")),
        };
        let template = bench.client(Path::new(""));
        let mut command = Command::new(program);
        command.envs(template.get_envs().filter_map(|(key, value)| Some((key, value?))));
        command.current_dir(bench.path("")).arg("build");
        if let Some(kit) = kit {
            command.env("DOCKER_BUILDKIT", kit);
        }
        match self {
            Self::Classic => command.stdout(Stdio::piped()).stderr(Stdio::null()),
            _ => command.args(["--progress", "plain"]).stdout(Stdio::null()).stderr(Stdio::piped()),
        };
        command.arg("app").stdin(Stdio::null()).spawn().expect("the client starts")
    }
}

/// What is in the folders of unfinished things.
fn unfinished(bench: &Bench) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["build/tmp", "build/outbox", "images/tmp", "tmp"] {
        let entries = std::fs::read_dir(bench.world.root().join(folder));
        found.extend(entries.into_iter().flatten().flatten().map(|entry| entry.path()));
    }
    found
}

fn mounts(bench: &Bench) -> usize {
    let root = bench.world.root().display().to_string();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("reads");
    mounts.lines().filter(|line| line.contains(&root)).count()
}

fn stops(bench: &Bench, way: Way, signal: &str) {
    let number = MARKS.fetch_add(1, Ordering::SeqCst);
    let mark = format!("sleep {}{number}", std::process::id());
    // One in the background as well, which ends with the step and not with its shell.
    let text = format!("FROM busybox\nRUN echo begun; {mark} & {mark}\n");
    bench.world.file("app/Dockerfile", &text);
    let mut client = way.start(bench);
    let out: Box<dyn std::io::Read> = match (client.stdout.take(), client.stderr.take()) {
        (Some(out), _) => Box::new(out),
        (_, Some(err)) => Box::new(err),
        _ => panic!("neither was piped"),
    };
    let mut lines = BufReader::new(out);
    until_begun(&mut lines);
    eventually("both of the step run", || running(&mark) == 2);
    let pid = client.id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().expect("runs").success());
    let mut rest = String::new();
    lines.read_to_string(&mut rest).expect("reads");
    assert!(!client.wait().expect("ends").success(), "{way:?} {signal}: {rest}");
    until_gone(&mark);
    assert_eq!(mounts(bench), 0, "{way:?} {signal}");
    assert_eq!(bench.world.line("ps -aq").ok(), "");
    // What was cut short is not taken for done.
    let text = format!("FROM busybox\nRUN echo {number} > /done\n");
    bench.world.file("app/Dockerfile", &text);
    bench.build("-t done app");
    assert_eq!(bench.world.line("run --rm --network none done cat /done").ok(), number.to_string());
    // A build that was given up clears up behind its client's back; the next one sweeps what is left
    // where the machine was too slow for that.
    eventually("nothing is left", || unfinished(bench).is_empty());
}

#[test]
fn buildx() {
    let Some(bench) = Bench::start() else { return };
    stops(&bench, Way::Buildx, "-INT");
    stops(&bench, Way::Buildx, "-KILL");
}

#[test]
fn old_docker_in_both_ways() {
    let (Some(bench), Some(_)) = (Bench::start(), Bench::old_docker()) else { return };
    for way in [Way::Session, Way::Classic] {
        stops(&bench, way, "-INT");
        stops(&bench, way, "-KILL");
    }
}
