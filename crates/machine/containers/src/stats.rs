//! What containers use, with Docker's arithmetic.
//!
//! CPU is what was used since the sample before, of the time since then; memory is without the page
//! cache that is dropped first; network is summed over the pod's interfaces but loopback.

use crate::state::Status;
use crate::{Containers, Error, Found, Result};
use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};
use teu_runtime::cgroup::{self, Cgroup};

/// Between the two samples of [`Containers::stats`].
const INTERVAL: Duration = Duration::from_millis(500);

/// A sample, complete in itself: rates are over the time since the sample before.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats {
    /// Container id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Of one CPU, so up to 100 times their number.
    pub cpu_percent: f64,
    /// Without inactive page cache.
    pub memory_bytes: u64,
    /// Its limit, or the machine's memory.
    pub memory_limit_bytes: u64,
    /// Of the limit.
    pub memory_percent: f64,
    /// Received, over all interfaces but loopback.
    pub network_received_bytes: u64,
    /// Sent.
    pub network_sent_bytes: u64,
    /// Each of those interfaces.
    pub interfaces: Vec<Interface>,
    /// Read from block devices.
    pub block_read_bytes: u64,
    /// Written to them.
    pub block_written_bytes: u64,
    /// Processes and threads.
    pub pids: u64,
    /// CPU time since the start.
    pub cpu_total_ns: u64,
}

/// What went through a network interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interface {
    /// As the container sees it.
    pub name: String,
    /// Came in.
    pub received: Traffic,
    /// Went out.
    pub sent: Traffic,
}

/// One way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Traffic {
    pub bytes: u64,
    pub packets: u64,
    pub errors: u64,
    pub dropped: u64,
}

/// Samples again and again.
#[derive(Debug)]
pub struct Sampler {
    containers: Containers,
    names: Vec<String>,
    before: BTreeMap<String, (Instant, u64)>,
}

impl Containers {
    /// A sample of what running containers use (all when none is named); takes half a second.
    pub fn stats(&self, names: &[String]) -> Result<Vec<Stats>> {
        let mut sampler = self.sampler(names);
        sampler.sample()?;
        std::thread::sleep(INTERVAL);
        sampler.sample()
    }

    /// For `stats` that goes on: call [`Sampler::sample`] every second.
    pub fn sampler(&self, names: &[String]) -> Sampler {
        Sampler { containers: self.clone(), names: names.to_vec(), before: BTreeMap::new() }
    }

    fn watched(&self, names: &[String]) -> Result<Vec<Found>> {
        if !names.is_empty() {
            return names.iter().map(|name| self.find(name)).collect();
        }
        let mut all = self.load_all()?;
        all.retain(|found| matches!(found.state.status, Status::Running | Status::Paused));
        Ok(all)
    }
}

impl Sampler {
    /// What they use now. A container that does not run uses nothing.
    pub fn sample(&mut self) -> Result<Vec<Stats>> {
        let memory = machine_memory_bytes();
        let mut samples = Vec::new();
        for found in self.containers.watched(&self.names)? {
            samples.push(self.one(&found, memory)?);
        }
        Ok(samples)
    }

    fn one(&mut self, found: &Found, machine_bytes: u64) -> Result<Stats> {
        let id = found.record.id.clone();
        let name = found.record.name.clone();
        let path = self.containers.home.container_cgroup(&found.pod, &id);
        let counted = Cgroup::open(&path).and_then(|group| match group.is_nowhere() {
            true => Ok(summed(&crate::top::fellows(found.state.pid))),
            false => group.stats(),
        });
        let used = match counted {
            Ok(used) => used,
            Err(cgroup::Error::Absent { .. }) => return Ok(Stats { id, name, ..Stats::default() }),
            // It ended between two reads.
            Err(_) if !self.still_runs(found)? => {
                return Ok(Stats { id, name, ..Stats::default() });
            }
            Err(error) => return Err(Error::Cgroup(error)),
        };
        let now = Instant::now();
        let before = self.before.insert(id.clone(), (now, used.cpu.usage_ns));
        let interfaces = interfaces(found.state.pid);
        let sum = |way: fn(&Interface) -> Traffic| {
            interfaces.iter().fold(0_u64, |sum, one| sum.saturating_add(way(one).bytes))
        };
        let limit = used.memory.limit_bytes.filter(|limit| *limit < machine_bytes);
        let memory_limit_bytes = limit.unwrap_or(machine_bytes);
        let memory_bytes = used.memory.shown_bytes();
        Ok(Stats {
            id,
            name,
            cpu_percent: before.map_or(0.0, |(at, usage_ns)| {
                percent(used.cpu.usage_ns.saturating_sub(usage_ns), nanoseconds(now - at))
            }),
            memory_bytes,
            memory_limit_bytes,
            memory_percent: percent(memory_bytes, memory_limit_bytes),
            network_received_bytes: sum(|one| one.received),
            network_sent_bytes: sum(|one| one.sent),
            interfaces,
            block_read_bytes: used.block_io.read_bytes,
            block_written_bytes: used.block_io.write_bytes,
            pids: used.pids.current,
            cpu_total_ns: used.cpu.usage_ns,
        })
    }

    fn still_runs(&self, found: &Found) -> Result<bool> {
        let state = self.containers.true_state(&found.pod.id, &found.record.id)?;
        Ok(state.is_some_and(|state| state.needs_shim()))
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "a percentage needs no more than 52 bits")]
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 }
}

fn machine_memory_bytes() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// Interfaces of a process's network namespace, but for loopback.
fn interfaces(pid: i32) -> Vec<Interface> {
    match fs::read_to_string(format!("/proc/{pid}/net/dev")) {
        Ok(text) if pid > 0 => text.lines().filter_map(interface).collect(),
        _ => Vec::new(),
    }
}

/// A line of `/proc/net/dev`: eight numbers for each way, of which we show four.
fn interface(line: &str) -> Option<Interface> {
    let (name, counters) = line.split_once(':')?;
    let name = name.trim();
    let all: Vec<u64> =
        counters.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
    let way = |first: usize| {
        let at = |place: usize| all.get(first + place).copied().unwrap_or(0);
        Traffic { bytes: at(0), packets: at(1), errors: at(2), dropped: at(3) }
    };
    (name != "lo").then(|| Interface { name: name.to_owned(), received: way(0), sent: way(8) })
}

/// What processes use, added up from `/proc`, where no control group counts it: without what has
/// ended, and memory that is shared counts once for each.
fn summed(pids: &[i32]) -> cgroup::Stats {
    const TICKS_A_SECOND: u64 = 100;
    let mut used = cgroup::Stats::default();
    for pid in pids {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Behind the name, which may hold anything: state is field 3, so utime is the 12th from there.
        let fields: Vec<u64> = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest.split_whitespace().map(|f| f.parse().unwrap_or(0)).collect())
            .unwrap_or_default();
        let ticks: u64 = fields.iter().skip(11).take(2).sum();
        used.cpu.usage_ns += ticks * (1_000_000_000 / TICKS_A_SECOND);
        let pages = fields.get(21).copied().unwrap_or_default();
        used.memory.usage_bytes += pages * rustix::param::page_size() as u64;
    }
    used.pids.current = pids.len() as u64;
    used
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_read_without_loopback() {
        let text = "Inter-|   Receive  |  Transmit
 face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed
    lo: 100 1 0 0 0 0 0 0 100 1 0 0 0 0 0 0
  eth0: 10 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0
  eth1: 5 1 0 3 0 0 0 0 7 1 0 0 0 0 0 0\n";
        let all: Vec<Interface> = text.lines().filter_map(interface).collect();
        let way = |bytes, dropped| Traffic { bytes, packets: 1, errors: 0, dropped };
        let expected = [("eth0", way(10, 0), way(20, 0)), ("eth1", way(5, 3), way(7, 0))]
            .map(|(name, received, sent)| Interface { name: name.to_owned(), received, sent });
        assert_eq!(all, expected);
        assert!((percent(1, 4) - 25.0).abs() < f64::EPSILON);
        assert!(percent(1, 0).abs() < f64::EPSILON);
    }
}
