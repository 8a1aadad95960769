//! `teu engine` against Debian's dockerd, both through the same client: one container, fifty at
//! once, a list of two hundred, an application of ten services, and what a hundred idle containers
//! cost in memory.
//!
//! Each engine lives in a network namespace of its own without a way out, and keeps everything in a
//! folder of the run. The client itself costs something; a row of its own says how much.

use super::super::measure::{Contestant, Samples, in_turns};
use super::super::shell::Shell;
use super::super::{Row, World};
use super::{add, memory, rows};
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

mod api;
mod host;

use host::Host;

/// Containers that stand while they are listed.
const LISTED: usize = 200;
/// Containers that are started at once.
const AT_ONCE: usize = 50;
/// Idle containers whose cost is measured, each with a published port.
const IDLE: usize = 100;
/// Services of the application.
const SERVICES: usize = 10;
/// A round of those that start many takes dockerd half a minute.
const LONG_ROUNDS_MAX: usize = 5;

pub fn run(world: &World<'_>) -> Result<Vec<Row>> {
    let mut hosts = vec![Host::teu(world)?];
    if world.options.has("docker") {
        match Host::docker(world) {
            Ok(host) => hosts.push(host),
            Err(error) => eprintln!("dockerd: left out: {error:#}"),
        }
    }
    let mut found = one(world, &hosts)?;
    found.extend(compose(world, &hosts)?);
    found.extend(at_once(world, &hosts)?);
    found.extend(list(world, &hosts)?);
    found.extend(idle(&hosts)?);
    Ok(found)
}

/// The client, and nothing else.
fn alone(world: &World<'_>) -> Result<Contestant> {
    let shell = Shell::plain(&world.scratch)?;
    Ok(Contestant::new("the client alone (docker --version)", shell, "docker --version".into()))
}

/// A container that ends at once, with the default network.
fn one(world: &World<'_>, hosts: &[Host]) -> Result<Vec<Row>> {
    let mut list = Vec::new();
    for host in hosts {
        let command = format!("{} run --rm busybox:latest /bin/true", host.docker);
        list.push(Contestant::new(host.name, host.shell(world)?, command));
    }
    add(&mut list, "the client", alone(world));
    let case = "docker run --rm busybox /bin/true, default network, through an engine";
    Ok(rows(case, in_turns(world.options.rounds, list)))
}

/// The same containers, started by requests that come at the same time.
fn at_once(world: &World<'_>, hosts: &[Host]) -> Result<Vec<Row>> {
    let mut samples = vec![Samples::default(); hosts.len()];
    for round in 0..=world.options.rounds.min(LONG_ROUNDS_MAX) {
        for (at, host) in hosts.iter().enumerate() {
            let begun = Instant::now();
            api::start_many(&host.socket, AT_ONCE, &format!("o{round}-"))
                .with_context(|| host.name.to_owned())?;
            let time = begun.elapsed();
            host.sweep();
            // The first round warms up.
            if round > 0 {
                samples[at].add(time);
            }
        }
    }
    let names = hosts.iter().map(|host| host.name.to_owned());
    let case = format!("{AT_ONCE} containers at once, by {AT_ONCE} connections (create, start)");
    Ok(rows(&case, names.zip(samples).collect()))
}

/// `docker ps`, and the request behind it.
fn list(world: &World<'_>, hosts: &[Host]) -> Result<Vec<Row>> {
    let mut list = Vec::new();
    for host in hosts {
        for first in (0..LISTED).step_by(AT_ONCE) {
            api::start_many(&host.socket, AT_ONCE, &format!("l{first}-"))
                .with_context(|| host.name.to_owned())?;
        }
        let command = format!("{} ps", host.docker);
        list.push(Contestant::new(host.name, host.shell(world)?, command));
    }
    add(&mut list, "the client", alone(world));
    let found = in_turns(world.options.rounds, list);
    let mut samples = vec![Samples::default(); hosts.len()];
    for _ in 0..world.options.rounds {
        for (at, host) in hosts.iter().enumerate() {
            let begun = Instant::now();
            api::list(&host.socket, LISTED).with_context(|| host.name.to_owned())?;
            samples[at].add(begun.elapsed());
        }
    }
    hosts.iter().for_each(Host::sweep);
    let mut all = rows(&format!("docker ps, {LISTED} containers"), found);
    let names = hosts.iter().map(|host| host.name.to_owned());
    let case = format!("GET /containers/json, {LISTED} containers");
    all.extend(rows(&case, names.zip(samples).collect()));
    Ok(all)
}

/// All that an engine and its idle containers cost, but for what runs in them.
fn idle(hosts: &[Host]) -> Result<Vec<Row>> {
    let case = format!(
        "memory (PSS) with {IDLE} idle containers of a published port each: engine, shims, proxies"
    );
    let mut rows = Vec::new();
    for host in hosts {
        let before = memory::processes();
        api::start_published(&host.socket, IDLE).with_context(|| host.name.to_owned())?;
        memory::settle();
        let mut new = memory::processes();
        new.retain(|pid| !before.contains(pid));
        new.extend(host.processes());
        let own = |pid: &&u32| host.owns(**pid);
        let kib: u64 = new.iter().filter(own).filter_map(|pid| memory::pss_kib(*pid)).sum();
        host.sweep();
        #[expect(clippy::cast_precision_loss, reason = "some hundred MiB in KiB")]
        rows.push(Row::of_kib(&case, host.name, IDLE, kib as f64));
    }
    Ok(rows)
}

/// Docker's Compose against both, and Teu's own.
fn compose(world: &World<'_>, hosts: &[Host]) -> Result<Vec<Row>> {
    let case = format!("compose up of {SERVICES} services");
    let folder = world.scratch.join("ten");
    std::fs::create_dir_all(&folder)?;
    let mut text = "services:\n".to_owned();
    for number in 0..SERVICES {
        writeln!(text, "  s{number}:\n    image: busybox:latest\n    command: sleep 3600")?;
        // Half of them wait for another.
        if number % 2 == 1 {
            writeln!(text, "    depends_on: [s{}]", number - 1)?;
        }
    }
    let file = folder.join("compose.yaml");
    std::fs::write(&file, text)?;
    let file = file.display();
    let mut list = Vec::new();
    if let Some(plugin) = plugin() {
        for host in hosts {
            let command = format!("{} -f {file}", plugin.display());
            let mut one =
                Contestant::new(host.name, host.shell(world)?, format!("{command} up -d"));
            one.after = Some(format!("{command} down -t 0"));
            list.push(one);
        }
    } else {
        eprintln!("Docker's Compose is not here: scripts/trixie fetches it");
    }
    let own = hosts[0].inside(world)?;
    let command = format!("{} compose -f {file}", world.teu.display());
    let mut own = Contestant::new("teu compose, no engine", own, format!("{command} up -d"));
    own.after = Some(format!("{command} down -t 0"));
    list.push(own);
    Ok(rows(&case, in_turns(world.options.rounds.min(LONG_ROUNDS_MAX), list)))
}

/// Docker's Compose: the machine's, or what `scripts/trixie` unpacked.
fn plugin() -> Option<PathBuf> {
    let clients = std::env::var_os("TEU_TEST_CLIENTS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/clients"),
        PathBuf::from,
    );
    let folders = [clients.join("trixie/usr"), "/usr".into(), "/usr/local".into()];
    let name = "libexec/docker/cli-plugins/docker-compose";
    folders.into_iter().map(|folder| folder.join(name)).find(|path| path.exists())
}
