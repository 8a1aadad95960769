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
    let mut rows = Vec::new();
    let mut add = |who: &str, cost: Result<f64>| match cost {
        Ok(kib) => rows.push(Row::of_kib(case, who, COUNT, kib)),
        Err(error) => eprintln!("{who}: left out: {error:#}"),
    };
    let (shell, teu) = incumbents::teu(world, Shell::plain(&world.scratch)?, "busybox.tar")?;
    add("teu", cost(shell, &teu));
    if world.options.has("podman") {
        let made = incumbents::podman(world, "busybox.tar");
        add("podman", made.and_then(|(shell, command)| cost(shell, &command)));
    }
    if let Some(docker) = docker(world, "busybox.tar") {
        let shell = Shell::plain(&world.scratch)?;
        add("docker (without the daemon)", cost(shell, &docker.command));
    }
    Ok(rows)
}

/// KiB per container.
fn cost(mut shell: Shell, command: &str) -> Result<f64> {
    let before = processes();
    for number in 0..COUNT {
        let run = format!(
            "{command} run -d --name i{number} --network=none busybox:latest {INSIDE} 3600"
        );
        shell.run(&run)?;
    }
    std::thread::sleep(std::time::Duration::from_millis(500));
    let new = processes();
    let new = new.difference(&before).filter(|pid| name(**pid).is_some_and(|name| name != INSIDE));
    let kib: u64 = new.filter_map(|pid| pss_kib(*pid)).sum();
    for number in 0..COUNT {
        shell.run(&format!("{command} rm -f i{number}"))?;
    }
    #[expect(clippy::cast_precision_loss, reason = "some MiB in KiB")]
    let mean = kib as f64 / COUNT as f64;
    Ok(mean)
}

fn processes() -> BTreeSet<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return BTreeSet::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn name(pid: u32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(text.trim().to_owned())
}

/// Proportional set size: pages that several processes share are divided among them.
fn pss_kib(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_whitespace().next()?.parse().ok()
}
