//! `GET /containers/{id}/stats`: samples, one a second, or one.

use crate::call::{Answer, Call, Outlet};
use crate::engine::Engine;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;
use teu_containers::Hangup;
use teu_containers::stats::{Sampler, Stats};
use teu_containers::time::{now_ns, rfc3339_nanos};
use teu_docker::stats::{BlockEntry, BlockIo, Cpu, CpuUsage, Interface, Memory, Pids, Sample};

/// Between two samples.
const INTERVAL: Duration = Duration::from_secs(1);
/// Nanoseconds of a tick of /proc/stat; fixed in the kernel's ABI.
const TICK_NS: u64 = 10_000_000;

/// Samples.
pub fn stats(engine: &Engine, id: &str, call: &Call) -> Result<Answer> {
    let found = engine.containers().find(id)?;
    let stream = call.query.flag_or("stream", true);
    let one_shot = call.query.flag("one-shot");
    if stream && one_shot {
        return Err(Error::bad("cannot have stream=true and one-shot=true"));
    }
    let sampler = engine.containers().sampler(std::slice::from_ref(&found.record.id));
    Ok(Answer::stream("application/json", move |out| {
        let mut source = Source { sampler, before: None };
        if stream {
            return source.stream(out);
        }
        let first = source.next();
        let sample = match (first, one_shot) {
            (Some(sample), true) => Some(sample),
            // A rate needs two.
            (Some(_), false) => {
                pause(&out.hangup);
                source.next()
            }
            (None, _) => None,
        };
        out.line(&sample.unwrap_or_default())
    }))
}

/// Until the next sample; false when the client has gone.
fn pause(hangup: &Hangup) -> bool {
    !hangup.happens_within(INTERVAL)
}

struct Source {
    sampler: Sampler,
    before: Option<(String, Cpu)>,
}

impl Source {
    fn stream(&mut self, out: &mut Outlet) -> io::Result<()> {
        loop {
            let Some(sample) = self.next() else { return Ok(()) };
            out.line(&sample)?;
            if !pause(&out.hangup) {
                return Ok(());
            }
        }
    }

    /// `None` when the container has gone.
    fn next(&mut self) -> Option<Sample> {
        let stats = self.sampler.sample().ok()?.pop()?;
        let read = rfc3339_nanos(now_ns());
        let cpu = Cpu {
            cpu_usage: CpuUsage { total_usage: stats.cpu_total_ns, ..CpuUsage::default() },
            system_cpu_usage: Some(machine_cpu_ns()),
            online_cpus: std::thread::available_parallelism()
                .ok()
                .and_then(|count| u32::try_from(count.get()).ok()),
            ..Cpu::default()
        };
        let runs = stats.pids > 0 || stats.memory_bytes > 0;
        let (preread, precpu_stats) = self
            .before
            .replace((read.clone(), cpu.clone()))
            .unwrap_or_else(|| (teu_containers::time::rfc3339(0), Cpu::default()));
        Some(match runs {
            true => sample(stats, read, preread, cpu, precpu_stats),
            // Docker's sample of a container that does not run: nothing but its name.
            false => Sample {
                id: stats.id,
                name: format!("/{}", stats.name),
                read: teu_containers::time::rfc3339(0),
                preread: teu_containers::time::rfc3339(0),
                ..Sample::default()
            },
        })
    }
}

fn sample(stats: Stats, read: String, preread: String, cpu: Cpu, before: Cpu) -> Sample {
    let entry = |op, value| BlockEntry { major: 0, minor: 0, op, value };
    let interface = |one: teu_containers::stats::Interface| {
        let (received, sent) = (one.received, one.sent);
        let counters = Interface {
            rx_bytes: received.bytes,
            rx_packets: received.packets,
            rx_errors: received.errors,
            rx_dropped: received.dropped,
            tx_bytes: sent.bytes,
            tx_packets: sent.packets,
            tx_errors: sent.errors,
            tx_dropped: sent.dropped,
        };
        (one.name, counters)
    };
    let networks: BTreeMap<String, Interface> =
        stats.interfaces.into_iter().map(interface).collect();
    Sample {
        id: stats.id,
        name: format!("/{}", stats.name),
        read,
        preread,
        pids_stats: Pids { current: Some(stats.pids), limit: None },
        blkio_stats: BlockIo {
            io_service_bytes_recursive: Some(vec![
                entry("read", stats.block_read_bytes),
                entry("write", stats.block_written_bytes),
            ]),
            ..BlockIo::default()
        },
        cpu_stats: cpu,
        precpu_stats: before,
        memory_stats: Memory {
            usage: Some(stats.memory_bytes),
            stats: BTreeMap::new(),
            limit: Some(stats.memory_limit_bytes),
        },
        // Docker has none for a container without one.
        networks: (!networks.is_empty()).then_some(networks),
        ..Sample::default()
    }
}

/// CPU time of the whole machine since the boot.
fn machine_cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    // user nice system idle iowait irq softirq steal; guest time is in user time already.
    let ticks: u64 =
        line.split_whitespace().skip(1).take(8).filter_map(|n| n.parse::<u64>().ok()).sum();
    ticks * TICK_NS
}
