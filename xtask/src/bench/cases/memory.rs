//! What an idle container costs beside its own process: the memory of everything that came with it.

use super::super::incumbents;
use super::super::shell::Shell;
use super::super::{Row, World};
use super::docker;
use anyhow::Result;
use std::collections::BTreeSet;

/// Containers that are started; the cost is the mean.
const COUNT: usize = 10;

/// The containers' own process.
const INSIDE: &str = "sleep";

pub fn run(world: &World<'_>) -> Result<Vec<Row>> {
    let case = "memory (PSS) per idle container, its own process not counted";
    let scratch = &*world.scratch.to_string_lossy();
    let mut rows = Vec::new();
    let mut add = |who: &str, cost: Result<f64>| match cost {
        Ok(kib) => rows.push(Row::of_kib(case, who, COUNT, kib)),
        Err(error) => eprintln!("{who}: left out: {error:#}"),
    };
    let (shell, teu) = incumbents::teu(world, Shell::plain(&world.scratch)?, "busybox.tar")?;
    add("teu", cost(shell, &teu, "run", scratch));
    if world.options.has("podman") {
        let made = incumbents::podman(world, "busybox.tar");
        let run = incumbents::podman_run();
        add("podman", made.and_then(|(shell, command)| cost(shell, &command, &run, scratch)));
    }
    if let Some(docker) = docker(world, "busybox.tar") {
        let shell = Shell::plain(&world.scratch)?;
        add("docker (without the daemon)", cost(shell, &docker.command, "run", scratch));
    }
    Ok(rows)
}

/// KiB per container.
fn cost(mut shell: Shell, command: &str, verb: &str, scratch: &str) -> Result<f64> {
    let before = processes();
    for number in 0..COUNT {
        let run = format!(
            "{command} {verb} -d --name i{number} --network=none busybox:latest {INSIDE} 3600"
        );
        shell.run(&run)?;
    }
    settle();
    let new = processes();
    let new = new.difference(&before).filter(|pid| belongs(**pid, scratch));
    let kib: u64 = new.filter_map(|pid| pss_kib(*pid)).sum();
    for number in 0..COUNT {
        shell.run(&format!("{command} kill i{number} && {command} rm -f i{number}"))?;
    }
    #[expect(clippy::cast_precision_loss, reason = "some MiB in KiB")]
    let mean = kib as f64 / COUNT as f64;
    Ok(mean)
}

/// What has just started has settled by then.
pub fn settle() {
    std::thread::sleep(std::time::Duration::from_millis(500));
}

/// All there are.
pub fn processes() -> BTreeSet<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return BTreeSet::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Whether a process came with our containers and is not what runs in them: our folder is named in
/// its arguments or its environment.
fn belongs(pid: u32, scratch: &str) -> bool {
    let inside = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    inside.trim() != INSIDE && names(pid, scratch)
}

/// Whether a process has this text in its arguments or its environment.
pub fn names(pid: u32, text: &str) -> bool {
    let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    ["cmdline", "environ"].iter().any(|file| String::from_utf8_lossy(&read(file)).contains(text))
}

/// Who started it.
pub fn parent(pid: u32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// Proportional set size: pages that several processes share are divided among them.
pub fn pss_kib(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_whitespace().next()?.parse().ok()
}
