//! `events`: what a container uses, once or again and again, and when it runs out of memory.

use super::arguments::Arguments;
use super::store::{Container, Status};
use super::{Doing, Failed, Globals, Outcome, log};
use crate::cgroup::{BlockIoDevice, Stats};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd as _;
use rustix::process::PidfdFlags;
use serde_json::{Value, json};

/// `events`
pub fn events(globals: &Globals, words: &[String]) -> Outcome {
    let arguments = Arguments::parse(words, &["interval"], &["stats"])?;
    let container = globals.store.load(arguments.only_id()?)?;
    let seconds = seconds(arguments.value("interval").unwrap_or("5s"))?;
    if container.status() == Status::Stopped {
        return Err(Failed::new(format!("container with id {} is not running", container.id)));
    }
    let cgroup = container.cgroup().ok_or_else(|| Failed::new("the container has no cgroup"))?;
    if arguments.has("stats") {
        print(&container, &cgroup.stats()?)?;
        return Ok(0);
    }
    let watch = cgroup.oom_watch()?;
    let pid = container.pid().ok_or_else(|| Failed::new("container not running"))?;
    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    let timeout = Timespec { tv_sec: seconds, tv_nsec: 0 };
    loop {
        let mut waited = [
            PollFd::new(&pidfd, PollFlags::IN),
            PollFd::from_borrowed_fd(watch.as_fd(), PollFlags::IN | PollFlags::PRI),
        ];
        let ready = poll(&mut waited, Some(&timeout)).doing("waiting for events")?;
        let (ended, oom) = (!waited[0].revents().is_empty(), !waited[1].revents().is_empty());
        if oom && watch.drain()? > 0 {
            log::print(&json!({ "type": "oom", "id": container.id }).to_string());
        }
        if ended {
            return Ok(0);
        }
        if ready == 0 {
            print(&container, &cgroup.stats()?)?;
        }
    }
}

/// `5s`, `500ms` (rounded up), `1m`, `5`
fn seconds(text: &str) -> Outcome<i64> {
    let invalid = || Failed::new(format!("invalid interval {text:?}"));
    let number = |text: &str| text.parse::<i64>().map_err(|_| invalid());
    let seconds = if let Some(text) = text.strip_suffix("ms") {
        (number(text)? + 999) / 1000
    } else if let Some(text) = text.strip_suffix('s') {
        number(text)?
    } else if let Some(text) = text.strip_suffix('m') {
        number(text)? * 60
    } else {
        number(text)?
    };
    if seconds > 0 {
        Ok(seconds)
    } else {
        Err(Failed::new("duration interval must be greater than 0"))
    }
}

fn print(container: &Container, stats: &Stats) -> Outcome<()> {
    let event = json!({ "type": "stats", "id": container.id, "data": shape(stats) });
    log::print(&serde_json::to_string(&event).doing("events")?);
    Ok(())
}

/// In the shape of runc's document.
fn shape(stats: &Stats) -> Value {
    let memory = |usage: u64, limit: Option<u64>| {
        json!({
            "usage": usage,
            "max": stats.memory.max_usage_bytes,
            "limit": limit.unwrap_or(u64::MAX),
            "failcnt": stats.memory.fail_count,
        })
    };
    json!({
        "cpu": {
            "usage": {
                "total": stats.cpu.usage_ns,
                "percpu": stats.cpu.per_cpu_ns,
                "kernel": stats.cpu.system_ns,
                "user": stats.cpu.user_ns,
            },
            "throttling": {
                "periods": stats.cpu.periods,
                "throttledPeriods": stats.cpu.throttled_periods,
                "throttledTime": stats.cpu.throttled_ns,
            },
        },
        "memory": {
            "cache": stats.memory.file_bytes,
            "usage": memory(stats.memory.usage_bytes, stats.memory.limit_bytes),
            "swap": memory(stats.memory.swap_usage_bytes, None),
            "raw": stats.memory.detail,
        },
        "pids": { "current": stats.pids.current, "limit": stats.pids.limit },
        "blkio": {
            "ioServiceBytesRecursive": entries(stats, |d| [d.read_bytes, d.write_bytes]),
            "ioServicedRecursive": entries(stats, |d| [d.read_operations, d.write_operations]),
        },
        "hugetlb": {},
        "intel_rdt": {},
    })
}

fn entries(stats: &Stats, values: impl Fn(&BlockIoDevice) -> [u64; 2]) -> Vec<Value> {
    let entry = |device: &BlockIoDevice, operation: &str, value: u64| json!({ "major": device.major, "minor": device.minor, "op": operation, "value": value });
    let both = |device: &BlockIoDevice| {
        let [read, write] = values(device);
        [entry(device, "Read", read), entry(device, "Write", write)]
    };
    stats.block_io.devices.iter().flat_map(both).collect()
}
