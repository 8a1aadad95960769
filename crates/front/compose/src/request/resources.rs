//! Limits and devices. `deploy.resources.limits` wins over the older fields.

use super::{RequestError, Whose};
use crate::model::{DeviceRate, Service, Ulimit};
use std::path::Path;
use teu_containers::options::{devices, limits as ranges, lists};
use teu_containers::record::ContainerRecord;
use teu_oci::runtime::Rlimit;
use teu_oci::runtime::linux::{BlockIo, Cpu, Memory, Pids, ThrottleDevice, WeightDevice};

pub(super) fn resources(
    service: &Service,
    whose: Whose<'_>,
    container: &mut ContainerRecord,
) -> Result<(), RequestError> {
    let (limits, reservations) =
        (&service.deploy.resources.limits, &service.deploy.resources.reservations);
    let bytes = |text: Option<&String>| text.and_then(|text| text.parse::<i64>().ok());
    let nonzero = |value: Option<i64>| value.filter(|&value| value != 0);
    let memory = Memory {
        limit: nonzero(bytes(limits.memory.as_ref().or(service.mem_limit.as_ref()))),
        reservation: nonzero(bytes(
            reservations.memory.as_ref().or(service.mem_reservation.as_ref()),
        )),
        swap: nonzero(bytes(service.memswap_limit.as_ref())),
        swappiness: service.mem_swappiness.as_deref().and_then(|text| text.parse().ok()),
        disable_oom_killer: service.oom_kill_disable.filter(|&off| off),
        ..Memory::default()
    };
    container.resources.memory = (memory != Memory::default()).then_some(memory);
    let cpu = cpu(service, limits.cpus)?;
    container.resources.cpu = (cpu != Cpu::default()).then_some(cpu);
    let pids = nonzero(limits.pids.or(service.pids_limit));
    container.resources.pids = pids.map(|limit| Pids { limit });
    for (name, limit) in &service.ulimits {
        container.rlimits.push(rlimit(name, limit, whose)?);
    }
    container.oom_score_adj = service.oom_score_adj.and_then(|n| i32::try_from(n).ok());
    for rule in &service.device_cgroup_rules {
        let rule = lists::device_rule(rule).map_err(whose.option("device_cgroup_rules"))?;
        container.resources.devices.push(rule);
    }
    block(service, whose, container)?;
    for device in &service.devices {
        let found = devices::grant(
            Path::new(&device.source),
            &device.target,
            &device.permissions,
            &mut container.resources,
        );
        container.devices.extend(found.map_err(|error| {
            whose.value("devices", format!("cannot use device {:?}: {error}", device.source))
        })?);
    }
    Ok(())
}

fn cpu(service: &Service, limit: Option<f64>) -> Result<Cpu, RequestError> {
    let positive = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
    let mut cpu = Cpu {
        shares: positive(service.cpu_shares).filter(|&shares| shares > 0),
        period: positive(service.cpu_period).filter(|&period| period > 0),
        quota: service.cpu_quota.filter(|&quota| quota != 0),
        realtime_period: positive(service.cpu_rt_period).filter(|&period| period > 0),
        realtime_runtime: service.cpu_rt_runtime.filter(|&runtime| runtime != 0),
        cpus: service.cpuset.clone(),
        ..Cpu::default()
    };
    if let Some(cpus) = limit.or(service.cpus).filter(|&cpus| cpus > 0.0) {
        #[expect(clippy::cast_possible_truncation, reason = "processors are few")]
        let nano = (cpus.min(1e6) * 1e9).round() as i64;
        ranges::share(&mut cpu, nano);
    }
    Ok(cpu)
}

/// A limit of setrlimit(2); -1 is none.
pub(crate) fn rlimit(name: &str, limit: &Ulimit, whose: Whose<'_>) -> Result<Rlimit, RequestError> {
    let soft = limit.soft.or(limit.single).unwrap_or(0);
    let hard = limit.hard.or(limit.single).unwrap_or(soft);
    lists::ulimit(&format!("{name}={soft}:{hard}")).map_err(whose.option("ulimits"))
}

fn block(
    service: &Service,
    whose: Whose<'_>,
    container: &mut ContainerRecord,
) -> Result<(), RequestError> {
    let Some(block) = &service.blkio_config else { return Ok(()) };
    let numbers = |path: &str| {
        devices::numbers(path).map_err(|error| {
            whose.value("blkio_config", format!("cannot use device {path}: {error}"))
        })
    };
    let rates = |all: &[DeviceRate]| -> Result<Vec<ThrottleDevice>, RequestError> {
        let rate = |rate: &DeviceRate| {
            let (major, minor) = numbers(&rate.path)?;
            Ok(ThrottleDevice { major, minor, rate: rate.rate.parse().unwrap_or(0) })
        };
        all.iter().map(rate).collect()
    };
    let mut weight_device = Vec::new();
    for device in &block.weight_device {
        let (major, minor) = numbers(&device.path)?;
        let weight = Some(device.weight);
        weight_device.push(WeightDevice { major, minor, weight, leaf_weight: None });
    }
    container.resources.block_io = Some(BlockIo {
        weight: block.weight.filter(|&weight| weight != 0),
        weight_device,
        throttle_read_bps_device: rates(&block.device_read_bps)?,
        throttle_write_bps_device: rates(&block.device_write_bps)?,
        throttle_read_iops_device: rates(&block.device_read_iops)?,
        throttle_write_iops_device: rates(&block.device_write_iops)?,
        ..BlockIo::default()
    });
    Ok(())
}
