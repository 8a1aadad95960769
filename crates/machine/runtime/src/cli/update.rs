//! `update`: new limits for a running container.

use super::arguments::Arguments;
use super::{Doing, Failed, Globals, Outcome};
use std::io::Read as _;
use teu_oci::runtime::Resources;
use teu_oci::runtime::linux::{Cpu, Memory, Pids};

const VALUES: [&str; 18] = [
    "resources|r",
    "blkio-weight",
    "cpu-period",
    "cpu-quota",
    "cpu-burst",
    "cpu-share",
    "cpu-rt-period",
    "cpu-rt-runtime",
    "cpuset-cpus",
    "cpuset-mems",
    "cpu-idle",
    "kernel-memory",
    "kernel-memory-tcp",
    "memory",
    "memory-reservation",
    "memory-swap",
    "pids-limit",
    "l3-cache-schema",
];

/// Longest document that is read, in bytes.
const DOCUMENT_LIMIT_BYTES: u64 = 1 << 20;

/// `update`
pub fn update(globals: &Globals, words: &[String]) -> Outcome {
    let arguments = Arguments::parse(words, &VALUES, &[])?;
    let container = globals.store.load(arguments.only_id()?)?;
    let cgroup = container.cgroup().ok_or_else(|| Failed::new("the container has no cgroup"))?;
    let resources = match arguments.value("resources") {
        Some(path) => read(path)?,
        None => from_flags(&arguments)?,
    };
    for warning in cgroup.apply(&resources)? {
        globals.log.warning(&warning.0);
    }
    Ok(0)
}

fn read(path: &str) -> Outcome<Resources> {
    let mut bytes = Vec::new();
    if path == "-" {
        let input = std::io::stdin().lock();
        input.take(DOCUMENT_LIMIT_BYTES).read_to_end(&mut bytes).doing("standard input")?;
    } else {
        let file = std::fs::File::open(path).doing(path)?;
        file.take(DOCUMENT_LIMIT_BYTES).read_to_end(&mut bytes).doing(path)?;
    }
    serde_json::from_slice(&bytes).doing(path)
}

fn from_flags(arguments: &Arguments) -> Outcome<Resources> {
    let cpu = Cpu {
        shares: arguments.number("cpu-share")?,
        quota: arguments.number("cpu-quota")?,
        burst: arguments.number("cpu-burst")?,
        period: arguments.number("cpu-period")?,
        realtime_runtime: arguments.number("cpu-rt-runtime")?,
        realtime_period: arguments.number("cpu-rt-period")?,
        cpus: arguments.value("cpuset-cpus").map(str::to_owned),
        mems: arguments.value("cpuset-mems").map(str::to_owned),
        idle: arguments.number("cpu-idle")?,
    };
    let memory = Memory {
        limit: bytes(arguments, "memory")?,
        reservation: bytes(arguments, "memory-reservation")?,
        swap: bytes(arguments, "memory-swap")?,
        ..Memory::default()
    };
    let mut resources = Resources {
        cpu: (cpu != Cpu::default()).then_some(cpu),
        memory: (memory != Memory::default()).then_some(memory),
        pids: arguments.number("pids-limit")?.map(|limit| Pids { limit }),
        ..Resources::default()
    };
    if let Some(weight) = arguments.number("blkio-weight")? {
        resources.block_io.get_or_insert_default().weight = Some(weight);
    }
    Ok(resources)
}

/// `512m`, `1g`, `-1`, bytes.
fn bytes(arguments: &Arguments, name: &str) -> Outcome<Option<i64>> {
    let Some(text) = arguments.value(name) else { return Ok(None) };
    let lower = text.to_ascii_lowercase();
    let lower = lower.strip_suffix('b').unwrap_or(&lower);
    let (number, shift) = match lower.char_indices().last() {
        Some((at, 'k')) => (&lower[..at], 10),
        Some((at, 'm')) => (&lower[..at], 20),
        Some((at, 'g')) => (&lower[..at], 30),
        Some((at, 't')) => (&lower[..at], 40),
        _ => (lower, 0),
    };
    number
        .parse::<i64>()
        .ok()
        .and_then(|number| number.checked_mul(1 << shift))
        .map(Some)
        .ok_or_else(|| Failed::new(format!("invalid value for {name}: {text:?}")))
}
