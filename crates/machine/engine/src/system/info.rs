//! `GET /info`

use crate::call::Answer;
use crate::engine::Engine;
use crate::error::Result;
use serde_json::{Value, json};
use teu_containers::list::ListOptions;
use teu_containers::state::Status;

fn memory_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn system() -> (String, String) {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.map(|value| value.trim_matches('"').to_owned()).unwrap_or_default()
    };
    (field("PRETTY_NAME"), field("VERSION_ID"))
}

/// Answers.
pub fn info(engine: &Engine) -> Result<Answer> {
    let all = ListOptions { all: true, ..ListOptions::default() };
    let containers = engine.containers().list(&all)?;
    let count = |status: Status| containers.iter().filter(|c| c.state.status == status).count();
    let (running, paused) = (count(Status::Running), count(Status::Paused));
    let uname = rustix::system::uname();
    let (system, system_version) = system();
    let unified = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let home = engine.home();
    let id = home.instance();
    let mut document = json!({
        "ID": if id.is_empty() { "system" } else { &id },
        "Containers": containers.len(),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": containers.len() - running - paused,
        "Images": engine.containers().images().list()?.len(),
        "Driver": "overlay2",
        "DriverStatus": [["Backing Filesystem", "extfs"], ["Supports d_type", "true"]],
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "null"],
            "Authorization": Value::Null,
            "Log": ["json-file"],
        },
        "SystemTime": teu_containers::time::rfc3339_nanos(teu_containers::time::now_ns()),
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": if unified { "2" } else { "1" },
        "KernelVersion": uname.release().to_string_lossy(),
        "OperatingSystem": system,
        "OSVersion": system_version,
        "OSType": "linux",
        "Architecture": uname.machine().to_string_lossy(),
        "IndexServerAddress": "https://index.docker.io/v1/",
        "NCPU": std::thread::available_parallelism().map_or(1, usize::from),
        "MemTotal": memory_bytes(),
        "DockerRootDir": home.data,
        "Name": uname.nodename().to_string_lossy(),
        "ServerVersion": engine.config.version,
        "NEventsListener": 0,
        "NFd": 0,
        "NGoroutines": 0,
    });
    if let (Some(fields), Value::Object(more)) = (document.as_object_mut(), fixed()) {
        fields.extend(more);
    }
    Answer::ok(&document)
}

/// What is the same on every machine.
fn fixed() -> Value {
    json!({
        "MemoryLimit": true,
        "SwapLimit": true,
        "CpuCfsPeriod": true,
        "CpuCfsQuota": true,
        "CPUShares": true,
        "CPUSet": true,
        "PidsLimit": true,
        "IPv4Forwarding": true,
        "Debug": false,
        "OomKillDisable": true,
        "RegistryConfig": {
            "IndexConfigs": {},
            "InsecureRegistryCIDRs": ["127.0.0.0/8", "::1/128"],
            "Mirrors": Value::Null,
        },
        "GenericResources": Value::Null,
        "HttpProxy": "",
        "HttpsProxy": "",
        "NoProxy": "",
        "Labels": [],
        "ExperimentalBuild": false,
        "Runtimes": { "teu": { "path": "teu" } },
        "DefaultRuntime": "teu",
        "Swarm": {
            "NodeID": "",
            "NodeAddr": "",
            "LocalNodeState": "inactive",
            "ControlAvailable": false,
            "Error": "",
            "RemoteManagers": Value::Null,
        },
        "LiveRestoreEnabled": true,
        "Isolation": "",
        "InitBinary": "teu",
        "ContainerdCommit": { "ID": "" },
        "RuncCommit": { "ID": "" },
        "InitCommit": { "ID": "" },
        "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
        "CDISpecDirs": [],
        "Warnings": Value::Null,
    })
}
