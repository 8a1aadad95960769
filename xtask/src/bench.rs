//! Comparisons with the incumbents: the same work, on the same machine, in the same run, in turns.
//!
//! Every contestant's command is run by a shell of its own that waits for it, so that starting the
//! command costs all of them the same. Rounds are interleaved: whatever disturbs the machine
//! disturbs all. Incumbents get folders, sockets and network namespaces that go with the run:
//! nothing of the host's is touched, and no packet can leave.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

mod cases;
mod incumbents;
mod measure;
mod shell;
mod table;
#[cfg(test)]
mod tests;

use table::Row;

const HELP: &str = "\
usage: cargo xtask bench [OPTION…] [CASE…]

cases: start network memory build unpack many store api registry engine   (default: all)
options:
  --teu FILE      the binary (default: a release build, made first)
  --images DIR    what scripts/images made (default: $TEU_TEST_IMAGES or .cache/images)
  --rounds N      rounds of the timed cases (default: 30)
  --count N       containers of `many` (default: 500)
  --without NAME  leave an incumbent out (crun, runc, podman, docker, buildah, etcd,
                  docker-registry)
  --write         put the table between the marks of SPECIFICATION.md";

/// Group of every container of the incumbents, below every hierarchy.
const CGROUP: &str = "teu-bench";

/// Marks in SPECIFICATION.md between which the table stands.
const MARKS: [&str; 2] = ["<!-- bench: begin -->", "<!-- bench: end -->"];

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    teu: Option<PathBuf>,
    images: Option<PathBuf>,
    rounds: usize,
    count: usize,
    without: Vec<String>,
    write: bool,
    cases: Vec<String>,
}

/// What every case needs.
struct World<'a> {
    /// The binary.
    teu: PathBuf,
    /// Archives and root file systems.
    images: PathBuf,
    /// A folder that goes with the run.
    scratch: PathBuf,
    options: &'a Options,
}

/// Runs the named cases, or all, and prints the table.
pub fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let options = parse(arguments)?;
    let teu = match &options.teu {
        Some(path) => path.clone(),
        None => build(root)?,
    };
    let images =
        options.images.clone().or_else(|| std::env::var_os("TEU_TEST_IMAGES").map(Into::into));
    let images = images.unwrap_or_else(|| root.join(".cache/images"));
    if !images.join("busybox.tar").exists() {
        bail!(
            "{} has no busybox.tar: run scripts/images, or name its folder by --images",
            images.display()
        );
    }
    let scratch = PathBuf::from(format!("/var/tmp/teu-bench-{}", std::process::id()));
    std::fs::create_dir_all(&scratch)?;
    let context = World { teu, images, scratch: scratch.clone(), options: &options };
    let result = cases::run(&context);
    shell::remove_tree(&scratch);
    remove_groups();
    let rows = result?;
    let text = table::markdown(&rows, &machine());
    println!("{text}");
    if options.write {
        write(&root.join("SPECIFICATION.md"), &text)?;
    }
    Ok(())
}

fn parse(arguments: &[&str]) -> Result<Options> {
    let mut options = Options {
        teu: None,
        images: None,
        rounds: 30,
        count: 500,
        without: Vec::new(),
        write: false,
        cases: Vec::new(),
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().copied().context(format!("{argument} needs a value"));
        match *argument {
            "--teu" => options.teu = Some(value()?.into()),
            "--images" => options.images = Some(value()?.into()),
            "--rounds" => options.rounds = value()?.parse()?,
            "--count" => options.count = value()?.parse()?,
            "--without" => options.without.push(value()?.to_owned()),
            "--write" => options.write = true,
            name if cases::NAMES.contains(&name) => options.cases.push(name.to_owned()),
            _ => bail!("{HELP}"),
        }
    }
    if options.rounds == 0 || options.count < 2 {
        bail!("--rounds is at least 1, --count at least 2");
    }
    Ok(options)
}

impl Options {
    fn wants(&self, case: &str) -> bool {
        self.cases.is_empty() || self.cases.iter().any(|name| name == case)
    }

    /// Whether an incumbent takes part: asked for, and on this machine.
    fn has(&self, incumbent: &str) -> bool {
        let program = if incumbent == "docker" { "dockerd" } else { incumbent };
        let there = ["/usr/bin", "/usr/sbin", "/usr/local/bin"]
            .iter()
            .any(|folder| Path::new(folder).join(program).exists());
        let wanted = !self.without.iter().any(|name| name == incumbent);
        if wanted && !there {
            eprintln!("{incumbent} is not installed: left out");
        }
        wanted && there
    }
}

/// A release build of `teu`; its path as cargo says it.
fn build(root: &Path) -> Result<PathBuf> {
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.args([
        "build",
        "--release",
        "--package",
        "teu",
        "--message-format=json-render-diagnostics",
    ]);
    let output = cargo.current_dir(root).stderr(std::process::Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let path = text.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message["executable"].as_str()?))
    });
    path.filter(|_| output.status.success()).context("building teu failed")
}

/// Groups that the incumbents leave empty.
fn remove_groups() {
    for hierarchy in folders(Path::new("/sys/fs/cgroup")) {
        remove_group(&hierarchy.join(CGROUP));
    }
}

fn remove_group(path: &Path) {
    for below in folders(path) {
        remove_group(&below);
    }
    let _ = std::fs::remove_dir(path);
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()).collect()
}

/// The machine in one line.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("Linux {}, {cpus} × {}", kernel.trim(), model.map_or("?", |(_, name)| name))
}

fn write(path: &Path, table: &str) -> Result<()> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let replaced = replace(&text, table).context("SPECIFICATION.md has no marks for the table")?;
    std::fs::write(path, replaced)?;
    Ok(())
}

/// The text with what is between the marks replaced.
fn replace(text: &str, table: &str) -> Option<String> {
    let start = text.find(MARKS[0])? + MARKS[0].len();
    let end = start + text[start..].find(MARKS[1])?;
    Some(format!("{}\n{table}\n{}", &text[..start], &text[end..]))
}
