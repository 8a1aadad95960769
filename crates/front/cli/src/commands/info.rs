//! `teu info`: the instance and the machine below it.

use super::inspect::pretty;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Command, Flag, Matches};
use crate::output::parse;
use crate::template::Mode;
use crate::units::binary_size;
use serde_json::{Value, json};
use teu_containers::list::ListOptions;
use teu_containers::state::Status;

/// The command.
pub const INFO: Command = Command {
    usage: "[OPTIONS]",
    flags: &[&[Flag::text("format", "string", "'json' or a Go TEMPLATE").short('f')]],
    examples: &[("teu info --format '{{.Driver}} {{.CgroupVersion}}'", "for scripts")],
    ..Command::new("info", "Display system-wide information", run)
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let value = document(ctx)?;
    match matches.nonempty("format") {
        Some("json") => ctx.line(&value.to_string())?,
        Some("pretty") => ctx.print(&pretty(&value)?)?,
        Some(format) => {
            let text = parse(format)?.render(&value, None, Mode::Data);
            let text =
                text.map_err(|error| Failure::new(format!("template parsing error: {error}")))?;
            ctx.line(&text)?;
        }
        None => ctx.print(&summary(&value))?,
    }
    Ok(0)
}

fn document(ctx: &Context) -> Result<Value> {
    let options = ListOptions { all: true, ..ListOptions::default() };
    let containers = ctx.containers()?.list(&options)?;
    let count = |status: Status| containers.iter().filter(|c| c.state.status == status).count();
    let uname = rustix::system::uname();
    let words = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = words.lines().find_map(|line| {
        line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    });
    let system = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = system
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map(|name| name.trim_matches('"').to_owned());
    let unified = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let running = count(Status::Running);
    let paused = count(Status::Paused);
    Ok(json!({
        "ID": ctx.home().instance(),
        "Containers": containers.len(),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": containers.len() - running - paused,
        "Images": ctx.images()?.list()?.len(),
        "Driver": "overlay2",
        "DockerRootDir": ctx.home().data,
        "RunDir": ctx.home().run,
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": if unified { "2" } else { "1" },
        "KernelVersion": uname.release().to_string_lossy(),
        "OperatingSystem": system.unwrap_or_else(|| "unknown".to_owned()),
        "OSType": "linux",
        "Architecture": uname.machine().to_string_lossy(),
        "NCPU": std::thread::available_parallelism().map_or(1, usize::from),
        "MemTotal": memory.unwrap_or(0) * 1024,
        "Name": uname.nodename().to_string_lossy(),
        "ServerVersion": env!("CARGO_PKG_VERSION"),
        "DefaultRuntime": "teu",
        "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
        "Daemon": false,
    }))
}

fn summary(value: &Value) -> String {
    let text = |key: &str| match &value[key] {
        Value::String(text) => crate::text::plain(text).into_owned(),
        other => other.to_string(),
    };
    let memory = value["MemTotal"].as_u64().unwrap_or(0);
    let rows = [
        ("Containers", text("Containers")),
        (" Running", text("ContainersRunning")),
        (" Paused", text("ContainersPaused")),
        (" Stopped", text("ContainersStopped")),
        ("Images", text("Images")),
        ("Server", "none: there is no daemon".to_owned()),
        ("Version", text("ServerVersion")),
        ("Storage Driver", text("Driver")),
        ("Logging Driver", text("LoggingDriver")),
        ("Cgroup Version", text("CgroupVersion")),
        ("Kernel Version", text("KernelVersion")),
        ("Operating System", text("OperatingSystem")),
        ("Architecture", text("Architecture")),
        ("CPUs", text("NCPU")),
        ("Total Memory", binary_size(memory)),
        ("Name", text("Name")),
        ("Root Dir", text("DockerRootDir")),
        ("Run Dir", text("RunDir")),
    ];
    rows.iter().map(|(key, value)| format!("{key}: {value}\n")).collect()
}
