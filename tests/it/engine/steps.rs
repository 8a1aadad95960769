//! The real `docker` client, step by step, against `teu engine` and against Debian's dockerd.
//!
//! `steps.txt` has the steps, `differences.txt` those whose outcome may differ, each with the reason.
//! dockerd runs in a network namespace of its own: it makes a bridge and rules, and reaches nobody.

use super::Engine;
use crate::world::World;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const STEPS: &str = include_str!("steps.txt");
const DIFFERENCES: &str = include_str!("differences.txt");
/// A step that takes longer has failed.
const STEP_LIMIT_S: &str = "180";

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// The fields of each line that says something.
pub fn fields(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.splitn(3, " | ").collect())
}

/// Runs all steps with one client and one server.
fn run(host: &str, client: &Path, folder: &Path) -> BTreeMap<&'static str, Outcome> {
    run_each(STEPS, folder, |command| {
        command.env("DOCKER_HOST", host).env("DOCKER_CONFIG", client).env("DOCKER_BUILDKIT", "0");
    })
}

/// Runs steps in a folder, each with what `set` gives it.
pub fn run_each(
    steps: &'static str,
    folder: &Path,
    set: impl Fn(&mut Command),
) -> BTreeMap<&'static str, Outcome> {
    let images = std::env::var_os("TEU_TEST_IMAGES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/images"), Into::into);
    let mut all = BTreeMap::new();
    for line in steps.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, script) = line.split_once(" | ").expect("a name, a bar, a script");
        let mut command = Command::new("timeout");
        command.args(["-k", "5", STEP_LIMIT_S, "sh", "-c", script]);
        command.current_dir(folder).env("I", &images).stdin(Stdio::null());
        set(&mut command);
        let output = command.output().expect("a shell starts");
        let text = |bytes: &[u8]| normal(&String::from_utf8_lossy(bytes), folder);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        all.insert(name, Outcome { code: output.status.code(), out, err });
    }
    all
}

/// What differs and is not known to.
pub fn disagreements(
    ours: &BTreeMap<&str, Outcome>,
    theirs: &BTreeMap<&str, Outcome>,
    differences: &'static str,
) -> Vec<String> {
    let known: BTreeMap<&str, &str> =
        fields(differences).map(|fields| (fields[0], fields[1])).collect();
    let mut wrong = Vec::new();
    for (name, ours) in ours {
        let theirs = &theirs[name];
        let same = match known.get(name) {
            Some(&"anything") => true,
            Some(&"code") => ours.out == theirs.out,
            Some(_) => ours.code == theirs.code,
            None => ours == theirs,
        };
        if !same {
            wrong.push(format!("{name}\n  teu:   {ours:?}\n  other: {theirs:?}"));
        }
    }
    wrong
}

/// Without what differs between any two runs: ids, sizes, times, spaces.
fn normal(text: &str, folder: &Path) -> String {
    let text = text.replace(&folder.display().to_string(), "FOLDER");
    let mut lines = Vec::new();
    for line in text.lines() {
        let words: Vec<String> = line.split_whitespace().map(word).collect();
        lines.push(without_times(&words));
    }
    lines.join("\n")
}

fn word(word: &str) -> String {
    let hex = |text: &str| {
        matches!(text.len(), 12 | 64)
            && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let mut out = String::new();
    let mut run = String::new();
    // A mark at the end, so that the last run is seen too.
    for character in word.chars().chain(['\0']) {
        if character.is_ascii_alphanumeric() || character == '.' {
            run.push(character);
            continue;
        }
        out.push_str(match run.as_str() {
            text if hex(text) => "ID",
            text if is_size(text) => "SIZE",
            text => text,
        });
        run.clear();
        if character != '\0' {
            out.push(character);
        }
    }
    out
}

fn is_size(text: &str) -> bool {
    let unit = ["KiB", "MiB", "GiB", "kB", "MB", "GB", "B"];
    let number = unit.iter().find_map(|unit| text.strip_suffix(unit));
    number.is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    })
}

/// `3 seconds ago`, `Less than a second`: a time, whatever it is.
fn without_times(words: &[String]) -> String {
    const UNITS: [&str; 6] = ["second", "minute", "hour", "day", "week", "month"];
    let is_unit = |word: &str| UNITS.contains(&word.trim_end_matches('s'));
    let mut out: Vec<&str> = Vec::new();
    for word in words {
        if !is_unit(word) {
            out.push(word);
            continue;
        }
        while let Some(last) = out.last() {
            let number = last.bytes().all(|byte| byte.is_ascii_digit());
            if !number && !["a", "an", "than", "Less", "About"].contains(last) {
                break;
            }
            out.pop();
        }
        out.push("TIME");
    }
    out.join(" ")
}

/// Debian's dockerd in a network namespace of its own, ended with the test.
struct Dockerd {
    child: Child,
    socket: String,
}

impl Dockerd {
    fn start(root: &Path) -> Self {
        let dir = |name: &str| root.join(name).display().to_string();
        let socket = format!("unix://{}", dir("docker.sock"));
        let log = std::fs::File::create(dir("dockerd.log")).expect("creates");
        let script = "ip link set lo up && exec dockerd \"$@\"";
        let child = Command::new("unshare")
            .args(["--net", "sh", "-c", script, "dockerd", "-H", &socket])
            .args(["--data-root", &dir("docker"), "--exec-root", &dir("docker-exec")])
            .args(["--pidfile", &dir("docker.pid")])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("unshare is installed");
        let daemon = Self { child, socket };
        let begun = Instant::now();
        let answers = || {
            let version = Command::new("docker").args(["-H", &daemon.socket, "version"]).output();
            version.is_ok_and(|output| output.status.success())
        };
        while !answers() {
            let log = std::fs::read_to_string(dir("dockerd.log")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(120), "dockerd does not answer:\n{log}");
            std::thread::sleep(Duration::from_millis(100));
        }
        daemon
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

#[test]
fn docker_gets_from_it_what_it_gets_from_dockerd() {
    let world = World::empty();
    let engine = Engine::start(&world);
    let peer = tempfile::Builder::new().prefix("teu-dockerd-").tempdir().expect("a folder");
    let folders: Vec<_> = (0..2).map(|_| tempfile::tempdir().expect("a folder")).collect();
    let client = tempfile::tempdir().expect("a folder");
    let host = format!("unix://{}", engine.socket.display());
    let (ours, theirs) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| {
            let dockerd = Dockerd::start(peer.path());
            run(&dockerd.socket, client.path(), folders[1].path())
        });
        let ours = run(&host, client.path(), folders[0].path());
        (ours, theirs.join().expect("no panic"))
    });
    assert!(ours.len() >= 150, "only {} steps", ours.len());
    let wrong = disagreements(&ours, &theirs, DIFFERENCES);
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn differences_are_about_steps_and_have_reasons() {
    let steps: Vec<&str> = fields(STEPS).map(|fields| fields[0]).collect();
    for difference in fields(DIFFERENCES) {
        let [name, what, why] = difference[..] else { panic!("three fields: {difference:?}") };
        assert!(steps.contains(&name), "{name} is no step");
        assert!(["text", "code", "anything"].contains(&what), "{name}: {what}");
        assert!(why.len() > 20, "{name}: why?");
    }
}
