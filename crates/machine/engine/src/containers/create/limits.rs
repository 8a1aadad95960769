//! Limits, devices, restart policies: also of `update`.

use crate::error::{Error, Result};
use std::path::Path;
use teu_containers::options::{devices, limits as ranges, lists};
use teu_containers::record::RestartPolicy;
use teu_docker::create::{Limits, RateDevice, RestartPolicy as Asked};
use teu_oci::runtime::linux::{BlockIo, Cpu, Memory, Pids, ThrottleDevice, WeightDevice};
use teu_oci::runtime::{Device, Resources, Rlimit};

/// `--restart`
pub fn restart(asked: &Asked) -> Result<RestartPolicy> {
    let count = asked.maximum_retry_count;
    if count < 0 {
        return Err(Error::bad("invalid restart policy: maximum retry count cannot be negative"));
    }
    let text = match count {
        0 => asked.name.clone(),
        count => format!("{}:{count}", asked.name),
    };
    lists::restart(&text).map_err(|error| match error {
        teu_containers::options::OptionError::Value { reason, .. } => Error::bad(reason),
        other => other.into(),
    })
}

fn positive(value: i64, name: &str) -> Result<Option<u64>> {
    match value {
        0 => Ok(None),
        value => u64::try_from(value)
            .map(Some)
            .map_err(|_| Error::bad(format!("{name} must be positive"))),
    }
}

fn nonzero(value: i64) -> Option<i64> {
    Some(value).filter(|value| *value != 0)
}

fn filled(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// Everything but devices.
pub fn resources(limits: &Limits) -> Result<Resources> {
    let memory = Memory {
        limit: nonzero(limits.memory),
        reservation: nonzero(limits.memory_reservation),
        swap: nonzero(limits.memory_swap),
        swappiness: match limits.memory_swappiness {
            None | Some(-1) => None,
            Some(value) => Some(ranges::swappiness(value).ok_or_else(|| {
                Error::bad(format!(
                    "Invalid value: {value}, valid memory swappiness range is 0-100"
                ))
            })?),
        },
        disable_oom_killer: limits.oom_kill_disable.filter(|disable| *disable),
        ..Memory::default()
    };
    let cpu = cpu(limits)?;
    let pids = limits.pids_limit.and_then(nonzero).map(|limit| Pids { limit });
    let block_io = block_io(limits)?;
    let mut resources = Resources {
        memory: Some(memory).filter(|memory| *memory != Memory::default()),
        cpu: Some(cpu).filter(|cpu| *cpu != Cpu::default()),
        block_io: Some(block_io).filter(|block_io| *block_io != BlockIo::default()),
        pids,
        ..Resources::default()
    };
    for rule in &limits.device_cgroup_rules {
        resources.devices.push(lists::device_rule(rule)?);
    }
    Ok(resources)
}

fn cpu(limits: &Limits) -> Result<Cpu> {
    let mut cpu = Cpu {
        shares: positive(limits.cpu_shares, "CpuShares")?,
        period: positive(limits.cpu_period, "CpuPeriod")?,
        quota: nonzero(limits.cpu_quota),
        realtime_period: positive(limits.cpu_realtime_period, "CpuRealtimePeriod")?,
        realtime_runtime: nonzero(limits.cpu_realtime_runtime),
        cpus: filled(&limits.cpuset_cpus),
        mems: filled(&limits.cpuset_mems),
        ..Cpu::default()
    };
    if limits.nano_cpus != 0 {
        if cpu.quota.is_some() || cpu.period.is_some() {
            return Err(Error::bad(
                "Conflicting options: Nano CPUs and CPU Period/Quota cannot both be set.",
            ));
        }
        ranges::share(&mut cpu, limits.nano_cpus);
    }
    Ok(cpu)
}

fn numbers(path: &str) -> Result<(i64, i64)> {
    devices::numbers(path).map_err(|error| Error::bad(format!("cannot use device {path}: {error}")))
}

fn block_io(limits: &Limits) -> Result<BlockIo> {
    let wrong = || Error::bad("Range of blkio weight is from 10 to 1000");
    let weight = match limits.blkio_weight {
        0 => None,
        weight => Some(ranges::weight(weight).ok_or_else(wrong)?),
    };
    let mut weights = Vec::new();
    for device in &limits.blkio_weight_device {
        let (major, minor) = numbers(&device.path)?;
        let weight = Some(ranges::weight(device.weight.into()).ok_or_else(wrong)?);
        weights.push(WeightDevice { major, minor, weight, leaf_weight: None });
    }
    let rates = |list: &[RateDevice]| -> Result<Vec<ThrottleDevice>> {
        let rate = |device: &RateDevice| {
            let (major, minor) = numbers(&device.path)?;
            Ok(ThrottleDevice { major, minor, rate: device.rate })
        };
        list.iter().map(rate).collect()
    };
    Ok(BlockIo {
        weight,
        weight_device: weights,
        throttle_read_bps_device: rates(&limits.blkio_device_read_bps)?,
        throttle_write_bps_device: rates(&limits.blkio_device_write_bps)?,
        throttle_read_iops_device: rates(&limits.blkio_device_read_iops)?,
        throttle_write_iops_device: rates(&limits.blkio_device_write_iops)?,
        ..BlockIo::default()
    })
}

/// `--ulimit`
pub fn ulimits(limits: &Limits) -> Result<Vec<Rlimit>> {
    let number = |value: i64| match value {
        -1 => "unlimited".to_owned(),
        value => value.to_string(),
    };
    let mut all: Vec<Rlimit> = Vec::new();
    for asked in &limits.ulimits {
        let limit = lists::ulimit(&format!(
            "{}={}:{}",
            asked.name,
            number(asked.soft),
            number(asked.hard)
        ))?;
        all.retain(|other| other.kind != limit.kind);
        all.push(limit);
    }
    Ok(all)
}

/// `--device`: nodes like the host's, and the right to use them. A directory stands for the nodes
/// in it.
pub fn devices(limits: &Limits, resources: &mut Resources) -> Result<Vec<Device>> {
    let mut given = Vec::new();
    for asked in &limits.devices {
        let target = match asked.path_in_container.as_str() {
            "" => &asked.path_on_host,
            target => target,
        };
        let access = match asked.cgroup_permissions.as_str() {
            "" => "rwm",
            access => access,
        };
        let source = &asked.path_on_host;
        let text = format!("{source}:{target}:{access}");
        let (source, target, access) = lists::device(&text)?;
        let found = devices::grant(Path::new(&source), &target, &access, resources);
        given.extend(found.map_err(|error| {
            Error::status_of(
                500,
                format!(
                    "error gathering device information while adding custom device {source:?}: {error}"
                ),
            )
        })?);
    }
    Ok(given)
}
