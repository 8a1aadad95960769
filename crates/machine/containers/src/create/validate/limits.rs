//! Limits of resources.

use super::{Invalid, Machine};
use teu_oci::runtime::Resources;

const MEMORY_MINIMUM_BYTES: i64 = 6 << 20;

/// Checks limits against each other and the machine.
pub fn check(resources: &Resources, machine: Machine) -> Result<(), Invalid> {
    memory(resources)?;
    cpu(resources, machine)?;
    if let Some(pids) = &resources.pids
        && pids.limit < -1
    {
        return Err(Invalid::Pids(pids.limit));
    }
    if let Some(io) = &resources.block_io {
        let weights = io.weight.iter().copied().filter(|weight| *weight != 0);
        let of_devices = io.weight_device.iter().filter_map(|device| device.weight);
        if weights.chain(of_devices).any(|weight| !(10..=1000).contains(&weight)) {
            return Err(Invalid::BlkioWeight);
        }
    }
    Ok(())
}

fn memory(resources: &Resources) -> Result<(), Invalid> {
    let Some(memory) = &resources.memory else { return Ok(()) };
    let set = |value: Option<i64>| value.filter(|bytes| *bytes != 0);
    let (limit, swap) = (set(memory.limit), set(memory.swap));
    let reservation = set(memory.reservation);
    if limit.is_some_and(|bytes| bytes > 0 && bytes < MEMORY_MINIMUM_BYTES) {
        return Err(Invalid::MemoryMinimum);
    }
    match (limit, swap) {
        (None, Some(swap)) if swap > 0 => return Err(Invalid::SwapWithoutMemory),
        (Some(limit), Some(swap)) if swap > 0 && swap < limit => {
            return Err(Invalid::SwapBelowMemory);
        }
        _ => {}
    }
    if let Some(reservation) = reservation {
        if reservation > 0 && reservation < MEMORY_MINIMUM_BYTES {
            return Err(Invalid::ReservationMinimum);
        }
        if limit.is_some_and(|limit| limit > 0 && limit < reservation) {
            return Err(Invalid::ReservationOverLimit);
        }
    }
    match memory.swappiness {
        Some(value) if value > 100 => Err(Invalid::Swappiness(value)),
        _ => Ok(()),
    }
}

fn cpu(resources: &Resources, machine: Machine) -> Result<(), Invalid> {
    let Some(cpu) = &resources.cpu else { return Ok(()) };
    let period = cpu.period.filter(|period| *period != 0);
    if period.is_some_and(|period| !(1000..=1_000_000).contains(&period)) {
        return Err(Invalid::CpuPeriod);
    }
    if let Some(quota) = cpu.quota.filter(|quota| *quota > 0) {
        if quota < 1000 {
            return Err(Invalid::CpuQuota);
        }
        let period = i64::try_from(period.unwrap_or(100_000)).unwrap_or(i64::MAX);
        if quota > period.saturating_mul(i64::from(machine.cpus)) {
            return Err(Invalid::Cpus(machine.cpus));
        }
    }
    if let Some(cpus) = cpu.cpus.as_deref().filter(|cpus| !cpus.is_empty()) {
        let highest = highest(cpus).ok_or_else(|| Invalid::Cpuset(cpus.to_owned()))?;
        if highest >= machine.cpus {
            let last = machine.cpus.saturating_sub(1);
            return Err(Invalid::CpusetAbsent { wanted: cpus.to_owned(), last });
        }
    }
    match cpu.mems.as_deref().filter(|mems| !mems.is_empty()) {
        Some(mems) if highest(mems).is_none() => Err(Invalid::Mems(mems.to_owned())),
        _ => Ok(()),
    }
}

/// The highest number of a list such as `0-3,7`.
fn highest(list: &str) -> Option<u32> {
    let mut highest = None;
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        if first > last || last > 65_535 {
            return None;
        }
        highest = highest.max(Some(last));
    }
    highest
}
