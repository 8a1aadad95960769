//! What a group uses, from the files of either version, in one shape.

use super::{Cgroup, Error, files};
use std::collections::BTreeMap;
use std::path::Path;

/// Usage of a group and those below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// CPU time.
    pub cpu: Cpu,
    /// Memory.
    pub memory: Memory,
    /// Processes and threads.
    pub pids: Pids,
    /// Block devices.
    pub block_io: BlockIo,
    /// Processes killed for lack of memory.
    pub oom_kills: u64,
}

/// CPU time since the group was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it, with their unit")]
pub struct Cpu {
    pub usage_ns: u64,
    pub user_ns: u64,
    pub system_ns: u64,
    /// By CPU, where the kernel counts so (v1).
    pub per_cpu_ns: Vec<u64>,
    pub periods: u64,
    pub throttled_periods: u64,
    pub throttled_ns: u64,
}

/// Memory now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it, with their unit")]
pub struct Memory {
    /// All that is charged, page cache included.
    pub usage_bytes: u64,
    /// Highest usage so far.
    pub max_usage_bytes: u64,
    /// None for no limit.
    pub limit_bytes: Option<u64>,
    /// Memory and swap together on v1, swap alone on v2.
    pub swap_usage_bytes: u64,
    pub fail_count: u64,
    pub anonymous_bytes: u64,
    pub file_bytes: u64,
    pub inactive_file_bytes: u64,
    /// Every line of `memory.stat`, under the kernel's names.
    pub detail: BTreeMap<String, u64>,
}

impl Memory {
    /// What `docker stats` shows: without the page cache that is dropped first.
    #[must_use]
    pub fn shown_bytes(&self) -> u64 {
        if self.inactive_file_bytes < self.usage_bytes {
            self.usage_bytes - self.inactive_file_bytes
        } else {
            self.usage_bytes
        }
    }
}

/// Processes and threads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pids {
    /// Now.
    pub current: u64,
    /// None for no limit.
    pub limit: Option<u64>,
}

/// Block devices, summed and each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it, with their unit")]
pub struct BlockIo {
    pub read_bytes: u64,
    pub write_bytes: u64,
    pub read_operations: u64,
    pub write_operations: u64,
    pub devices: Vec<BlockIoDevice>,
}

/// One block device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it, with their unit")]
pub struct BlockIoDevice {
    pub major: u32,
    pub minor: u32,
    pub read_bytes: u64,
    pub write_bytes: u64,
    pub read_operations: u64,
    pub write_operations: u64,
}

pub fn read(group: &Cgroup) -> Result<Stats, Error> {
    let unified = group.unified();
    let mut stats = Stats::default();
    match (group.v1("memory"), unified.as_deref()) {
        (Some(directory), _) => stats.memory = memory_v1(&directory)?,
        (None, Some(directory)) => stats.memory = memory_v2(directory)?,
        (None, None) => {}
    }
    stats.oom_kills = group.oom_kills().unwrap_or_default();
    match (group.v1("cpuacct"), unified.as_deref()) {
        (Some(directory), _) => cpu_v1(&directory, group.v1("cpu").as_deref(), &mut stats.cpu)?,
        (None, Some(directory)) => stats.cpu = cpu_v2(&text(&directory.join("cpu.stat"))?),
        (None, None) => {}
    }
    let pids = group.v1("pids").or_else(|| unified.clone());
    if let Some(directory) = pids {
        stats.pids.current = number(&directory.join("pids.current"))?;
        stats.pids.limit = files::number(&directory.join("pids.max"))?;
    }
    match (group.v1("blkio"), unified.as_deref()) {
        (Some(directory), _) => stats.block_io = block_io_v1(&directory)?,
        (None, Some(directory)) => stats.block_io = block_io_v2(&text(&directory.join("io.stat"))?),
        (None, None) => {}
    }
    Ok(stats)
}

fn text(path: &Path) -> Result<String, Error> {
    Ok(files::read_if_exists(path)?.unwrap_or_default())
}

fn number(path: &Path) -> Result<u64, Error> {
    Ok(files::number(path)?.unwrap_or_default())
}

fn detail(text: &str) -> BTreeMap<String, u64> {
    let line = |line: &str| {
        let (key, value) = line.split_once(' ')?;
        Some((key.to_owned(), value.trim().parse().ok()?))
    };
    text.lines().filter_map(line).collect()
}

fn memory_v1(directory: &Path) -> Result<Memory, Error> {
    let detail = detail(&text(&directory.join("memory.stat"))?);
    let get = |key: &str| detail.get(key).copied().unwrap_or_default();
    Ok(Memory {
        usage_bytes: number(&directory.join("memory.usage_in_bytes"))?,
        max_usage_bytes: number(&directory.join("memory.max_usage_in_bytes"))?,
        limit_bytes: files::number(&directory.join("memory.limit_in_bytes"))?,
        swap_usage_bytes: number(&directory.join("memory.memsw.usage_in_bytes"))?,
        fail_count: number(&directory.join("memory.failcnt"))?,
        anonymous_bytes: get("total_rss"),
        file_bytes: get("total_cache"),
        inactive_file_bytes: get("total_inactive_file"),
        detail,
    })
}

fn memory_v2(directory: &Path) -> Result<Memory, Error> {
    let detail = detail(&text(&directory.join("memory.stat"))?);
    let get = |key: &str| detail.get(key).copied().unwrap_or_default();
    let events = text(&directory.join("memory.events"))?;
    Ok(Memory {
        usage_bytes: number(&directory.join("memory.current"))?,
        max_usage_bytes: number(&directory.join("memory.peak"))?,
        limit_bytes: files::number(&directory.join("memory.max"))?,
        swap_usage_bytes: number(&directory.join("memory.swap.current"))?,
        fail_count: files::keyed(&events, "max").unwrap_or_default(),
        anonymous_bytes: get("anon"),
        file_bytes: get("file"),
        inactive_file_bytes: get("inactive_file"),
        detail,
    })
}

fn cpu_v1(cpuacct: &Path, cpu: Option<&Path>, out: &mut Cpu) -> Result<(), Error> {
    /// Unit of `cpuacct.stat`: USER_HZ is 100 everywhere.
    const TICK_NS: u64 = 10_000_000;
    out.usage_ns = number(&cpuacct.join("cpuacct.usage"))?;
    let per_cpu = text(&cpuacct.join("cpuacct.usage_percpu"))?;
    out.per_cpu_ns = per_cpu.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    let user = files::number(&cpuacct.join("cpuacct.usage_user"))?;
    let system = files::number(&cpuacct.join("cpuacct.usage_sys"))?;
    if let (Some(user), Some(system)) = (user, system) {
        (out.user_ns, out.system_ns) = (user, system);
    } else {
        let stat = text(&cpuacct.join("cpuacct.stat"))?;
        out.user_ns = files::keyed(&stat, "user").unwrap_or_default() * TICK_NS;
        out.system_ns = files::keyed(&stat, "system").unwrap_or_default() * TICK_NS;
    }
    if let Some(cpu) = cpu {
        let stat = text(&cpu.join("cpu.stat"))?;
        out.periods = files::keyed(&stat, "nr_periods").unwrap_or_default();
        out.throttled_periods = files::keyed(&stat, "nr_throttled").unwrap_or_default();
        out.throttled_ns = files::keyed(&stat, "throttled_time").unwrap_or_default();
    }
    Ok(())
}

pub(super) fn cpu_v2(stat: &str) -> Cpu {
    let get = |key| files::keyed(stat, key).unwrap_or_default();
    Cpu {
        usage_ns: get("usage_usec") * 1000,
        user_ns: get("user_usec") * 1000,
        system_ns: get("system_usec") * 1000,
        per_cpu_ns: Vec::new(),
        periods: get("nr_periods"),
        throttled_periods: get("nr_throttled"),
        throttled_ns: get("throttled_usec") * 1000,
    }
}

fn block_io_v1(directory: &Path) -> Result<BlockIo, Error> {
    // BFQ counts only what it schedules, throttling counts everything.
    let first = |names: [&str; 2]| {
        let read = |name: &str| text(&directory.join(name)).ok().filter(|t| t.lines().count() > 1);
        names.iter().find_map(|name| read(name)).unwrap_or_default()
    };
    let bytes = first([
        "blkio.throttle.io_service_bytes_recursive",
        "blkio.bfq.io_service_bytes_recursive",
    ]);
    let operations =
        first(["blkio.throttle.io_serviced_recursive", "blkio.bfq.io_serviced_recursive"]);
    Ok(block_io_v1_text(&bytes, &operations))
}

/// Lines `8:0 Read 4096`.
pub(super) fn block_io_v1_text(bytes: &str, operations: &str) -> BlockIo {
    let mut devices: BTreeMap<(u32, u32), BlockIoDevice> = BTreeMap::new();
    for (text, counts_bytes) in [(bytes, true), (operations, false)] {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some(name), Some(what), Some(value)) = (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let (Some(key), Ok(value)) = (device(name), value.parse::<u64>()) else { continue };
            let entry = devices.entry(key).or_default();
            match (what, counts_bytes) {
                ("Read", true) => entry.read_bytes = value,
                ("Write", true) => entry.write_bytes = value,
                ("Read", false) => entry.read_operations = value,
                ("Write", false) => entry.write_operations = value,
                _ => {}
            }
        }
    }
    sum(devices)
}

/// Lines `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0`.
pub(super) fn block_io_v2(text: &str) -> BlockIo {
    let mut devices: BTreeMap<(u32, u32), BlockIoDevice> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some(key) = words.next().and_then(device) else { continue };
        let entry = devices.entry(key).or_default();
        for (name, value) in words.filter_map(|word| word.split_once('=')) {
            let Ok(value) = value.parse() else { continue };
            match name {
                "rbytes" => entry.read_bytes = value,
                "wbytes" => entry.write_bytes = value,
                "rios" => entry.read_operations = value,
                "wios" => entry.write_operations = value,
                _ => {}
            }
        }
    }
    sum(devices)
}

fn device(name: &str) -> Option<(u32, u32)> {
    let (major, minor) = name.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn sum(devices: BTreeMap<(u32, u32), BlockIoDevice>) -> BlockIo {
    let mut total = BlockIo::default();
    for ((major, minor), device) in devices {
        total.read_bytes += device.read_bytes;
        total.write_bytes += device.write_bytes;
        total.read_operations += device.read_operations;
        total.write_operations += device.write_operations;
        total.devices.push(BlockIoDevice { major, minor, ..device });
    }
    total
}
