//! What is compared.

use super::incumbents::{self, Docker, text};
use super::measure::{Contestant, Samples, in_turns};
use super::shell::Shell;
use super::{Row, World};
use anyhow::Result;

mod api;
mod build;
mod engine;
mod memory;
mod registry;
mod store;

/// All cases.
pub const NAMES: [&str; 10] =
    ["start", "network", "memory", "build", "unpack", "many", "store", "api", "registry", "engine"];

/// Runs the cases that were asked for.
pub fn run(world: &World<'_>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for name in NAMES.into_iter().filter(|name| world.options.wants(name)) {
        eprintln!("== {name}");
        rows.extend(match name {
            "start" => start(world)?,
            "network" => network(world)?,
            "memory" => memory::run(world)?,
            "build" => build::run(world)?,
            "registry" => registry::run(world)?,
            "unpack" => unpack(world)?,
            "store" => store::run(world)?,
            "api" => api::run(world)?,
            "engine" => engine::run(world)?,
            _ => many(world)?,
        });
    }
    Ok(rows)
}

/// Rows of a case.
fn rows(case: &str, found: Vec<(String, Samples)>) -> Vec<Row> {
    found.iter().map(|(who, samples)| Row::of_times(case, who, samples)).collect()
}

/// Adds a contestant, or says why not.
fn add(list: &mut Vec<Contestant>, name: &str, made: Result<Contestant>) {
    match made {
        Ok(contestant) => list.push(contestant),
        Err(error) => eprintln!("{name}: left out: {error:#}"),
    }
}

/// A container that ends at once, without a network.
fn start(world: &World<'_>) -> Result<Vec<Row>> {
    const CASE: &str = "run --rm --network=none busybox /bin/true";
    let what = "--rm --network=none busybox:latest /bin/true";
    let run = format!("run {what}");
    let (shell, teu) = incumbents::teu(world, Shell::plain(&world.scratch)?, "busybox.tar")?;
    let mut list = vec![Contestant::new("teu", shell, format!("{teu} {run}"))];
    for (program, filtered) in [("crun", false), ("crun", true), ("runc", false)] {
        if !world.options.has(program) {
            continue;
        }
        let name = match filtered {
            true => format!("{program} run, with the default seccomp profile"),
            false => format!("{program} run"),
        };
        let made = bare(world, program, filtered, &name);
        add(&mut list, &name, made);
    }
    if world.options.has("podman") {
        let made = incumbents::podman(world, "busybox.tar");
        let made = made.map(|(shell, command)| {
            let command = format!("{command} {} {what}", incumbents::podman_run());
            Contestant::new("podman run", shell, command)
        });
        add(&mut list, "podman", made);
    }
    let docker = docker(world, "busybox.tar");
    if let Some(docker) = &docker {
        let made = Shell::plain(&world.scratch)
            .map(|shell| Contestant::new("docker run", shell, format!("{} {run}", docker.command)));
        add(&mut list, "docker", made);
    }
    Ok(rows(CASE, in_turns(world.options.rounds, list)))
}

/// crun or runc on the same files.
fn bare(world: &World<'_>, program: &str, filtered: bool, name: &str) -> Result<Contestant> {
    let id = format!("{program}{}", u8::from(filtered));
    let bundle = incumbents::bundle(world, &id, filtered, &["/bin/true"])?;
    let shell = Shell::apart(&world.scratch, &["-m"])?;
    let state = text(&world.scratch.join(format!("{id}-state")));
    let command =
        format!("{program} --root {state} run --bundle {} teu-bench-{id}-{{n}}", text(&bundle));
    Ok(Contestant::new(name, shell, command))
}

/// A dockerd, or none with a message.
fn docker(world: &World<'_>, archive: &str) -> Option<Docker> {
    if !world.options.has("docker") {
        return None;
    }
    Docker::start(world, archive).inspect_err(|error| eprintln!("docker: left out: {error:#}")).ok()
}

/// The same with the default network, everybody in a network namespace without a way out.
fn network(world: &World<'_>) -> Result<Vec<Row>> {
    const CASE: &str = "run --rm busybox /bin/true, default network";
    let what = "--rm busybox:latest /bin/true";
    let run = format!("run {what}");
    let alone = || incumbents::teu(world, Shell::alone(&world.scratch)?, "busybox.tar");
    let (shell, teu) = alone()?;
    let mut list = vec![Contestant::new("teu", shell, format!("{teu} {run}"))];
    if world.options.has("podman") {
        let made = incumbents::podman(world, "busybox.tar").map(|(shell, command)| {
            let command = format!("{command} {} {what}", incumbents::podman_run());
            Contestant::new("podman run", shell, command)
        });
        add(&mut list, "podman", made);
    }
    let docker = docker(world, "busybox.tar");
    if let Some(docker) = &docker {
        let made = Shell::plain(&world.scratch)
            .map(|shell| Contestant::new("docker run", shell, format!("{} {run}", docker.command)));
        add(&mut list, "docker", made);
    }
    let mut found = in_turns(world.options.rounds, list);
    // The others' bridges stand as long as they do; Teu's for two seconds after the last container.
    let (shell, teu) = alone()?;
    let mut first = Contestant::new("teu, with its bridge to make", shell, format!("{teu} {run}"));
    first.before = Some(format!("{teu} system prune -f"));
    found.extend(in_turns(world.options.rounds, vec![first]));
    Ok(rows(CASE, found))
}

/// A Debian image from its archive to a container that could start. Every round has folders of its
/// own and nothing is deleted before the end: an ext4 without a journal looks at each inode that was
/// deleted in the last minute before it makes one, which made a round seven times as slow as the one
/// before.
fn unpack(world: &World<'_>) -> Result<Vec<Row>> {
    const CASE: &str = "load and unpack debian (120 MB)";
    const ROUNDS_MAX: usize = 6;
    let archive = text(&world.images.join("debian.tar"));
    let home = text(&world.scratch.join("unpack"));
    let teu = text(&world.teu);
    let plain = || Shell::plain(&world.scratch);
    let mut list = vec![
        Contestant::new(
            "teu load, create",
            plain()?,
            format!(
                "export TEU_ROOT={home}-{{n}}; {teu} load -i {archive} && {teu} create --network=none debian:latest true"
            ),
        ),
        Contestant::new(
            "tar x of its layer (the disk)",
            plain()?,
            format!(
                "mkdir {home}-tar-{{n}} && tar -xOf {archive} --wildcards '*layer.tar' | tar -x -C {home}-tar-{{n}}"
            ),
        ),
    ];
    if world.options.has("podman") {
        let made = Shell::apart(&world.scratch, &["-m", "-n"]).map(|shell| {
            let folder = format!("{home}-podman-{{n}}");
            let podman =
                format!("podman --root {folder}/root --runroot {folder}/run --tmpdir {folder}/tmp");
            Contestant::new("podman load", shell, format!("{podman} load -i {archive}"))
        });
        add(&mut list, "podman", made);
    }
    if world.options.has("docker") {
        let made = Shell::alone(&world.scratch).map(|shell| {
            let verb = format!("load -i {archive}");
            incumbents::docker_afresh("docker load", shell, &format!("{home}-docker-{{n}}"), &verb)
        });
        add(&mut list, "docker", made);
    }
    Ok(rows(CASE, in_turns(world.options.rounds.min(ROUNDS_MAX), list)))
}

/// Containers that stay, one after another: the last has to be as fast as the first.
fn many(world: &World<'_>) -> Result<Vec<Row>> {
    const WINDOW: usize = 20;
    const REMOVED_AT_ONCE: usize = 50;
    let count = world.options.count;
    let window = WINDOW.min(count / 2);
    let (mut shell, teu) = incumbents::teu(world, Shell::plain(&world.scratch)?, "busybox.tar")?;
    let mut samples = Samples::default();
    let mut failure = None;
    for number in 0..count {
        let run = format!("{teu} run -d --name m{number} --network=none busybox:latest sleep 3600");
        match shell.run(&run) {
            Ok(time) => samples.add(time),
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    let all: Vec<String> = (0..samples.count()).map(|number| format!("m{number}")).collect();
    for some in all.chunks(REMOVED_AT_ONCE) {
        let _ = shell.run(&format!("{teu} rm -f {}", some.join(" ")));
    }
    if let Some(error) = failure {
        return Err(error.context(format!("container {} of {count}", samples.count() + 1)));
    }
    let case = format!("run -d, {count} containers that stay");
    Ok(vec![
        Row::of_times(&case, &format!("teu, the first {window}"), &samples.part(0..window)),
        Row::of_times(
            &case,
            &format!("teu, the last {window}"),
            &samples.part(count - window..count),
        ),
    ])
}
