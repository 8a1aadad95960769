//! Limits, devices and the user namespace.

use crate::failure::{Doing, Failure, Result};
use crate::flags::Matches;
use crate::options::{OptionError, lists};
use crate::units;
use std::path::Path;
use teu_containers::options::{devices, limits as ranges};
use teu_containers::record::PodRecord;
use teu_oci::runtime::linux::{BlockIo, Cpu, Memory, Pids, ThrottleDevice, WeightDevice};
use teu_oci::runtime::{Device, IdMapping, Resources};

/// The limits that were typed; `update` uses it too.
pub fn resources(matches: &Matches) -> Result<Resources> {
    let has = |flag: &str| matches.command.all_flags().any(|known| known.long == flag);
    let mut resources = Resources {
        memory: memory(matches, has("memory-swappiness"))?,
        cpu: cpu(matches)?,
        pids: matches.integer("pids-limit").filter(|&limit| limit != 0).map(|limit| Pids { limit }),
        ..Resources::default()
    };
    let weight = matches.integer("blkio-weight").filter(|&weight| weight != 0);
    if let Some(weight) = weight {
        let error = || Failure::new("Range of blkio weight is from 10 to 1000").code(125);
        let weight = Some(ranges::weight(weight).ok_or_else(error)?);
        resources.block_io = Some(BlockIo { weight, ..BlockIo::default() });
    }
    if has("device") {
        throttles(matches, &mut resources)?;
        for text in matches.list("device-cgroup-rule") {
            resources.devices.push(lists::device_rule(text)?);
        }
    }
    Ok(resources)
}

fn size(matches: &Matches, flag: &'static str) -> Result<Option<i64>> {
    match matches.nonempty(flag) {
        None => Ok(None),
        Some("-1") if flag == "memory-swap" => Ok(Some(-1)),
        Some(text) => {
            let bytes = units::bytes(text);
            let bytes = bytes.map_err(|error| OptionError::value(flag, text, error.to_string()))?;
            Ok(Some(i64::try_from(bytes).unwrap_or(i64::MAX)).filter(|&bytes| bytes != 0))
        }
    }
}

fn memory(matches: &Matches, whole: bool) -> Result<Option<Memory>> {
    let mut memory = Memory {
        limit: size(matches, "memory")?,
        reservation: size(matches, "memory-reservation")?,
        swap: size(matches, "memory-swap")?,
        ..Memory::default()
    };
    if whole {
        if let Some(swappiness) = matches.integer("memory-swappiness").filter(|&value| value != -1)
        {
            let error = || {
                Failure::new(format!(
                    "Invalid value: {swappiness}, valid memory swappiness range is 0-100"
                ))
                .code(125)
            };
            memory.swappiness = Some(ranges::swappiness(swappiness).ok_or_else(error)?);
        }
        memory.disable_oom_killer = matches.switch("oom-kill-disable").then_some(true);
    }
    Ok((memory != Memory::default()).then_some(memory))
}

fn cpu(matches: &Matches) -> Result<Option<Cpu>> {
    let positive = |flag: &'static str| match matches.integer(flag) {
        None | Some(0) => Ok(None),
        Some(value) => match u64::try_from(value) {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(OptionError::value(flag, &value.to_string(), "must be positive")),
        },
    };
    let mut cpu = Cpu {
        shares: positive("cpu-shares")?,
        period: positive("cpu-period")?,
        quota: matches.integer("cpu-quota").filter(|&quota| quota != 0),
        realtime_period: positive("cpu-rt-period")?,
        realtime_runtime: matches.integer("cpu-rt-runtime").filter(|&value| value != 0),
        cpus: matches.nonempty("cpuset-cpus").map(str::to_owned),
        mems: matches.nonempty("cpuset-mems").map(str::to_owned),
        ..Cpu::default()
    };
    if let Some(text) = matches.nonempty("cpus") {
        let nano = units::nano_cpus(text);
        let nano = nano.map_err(|error| OptionError::value("cpus", text, error.to_string()))?;
        if nano > 0 {
            if cpu.quota.is_some() || cpu.period.is_some() {
                let message =
                    "Conflicting options: Nano CPUs and CPU Period/Quota cannot both be set.";
                return Err(Failure::new(message).code(125));
            }
            ranges::share(&mut cpu, nano);
        }
    }
    Ok((cpu != Cpu::default()).then_some(cpu))
}

fn throttles(matches: &Matches, resources: &mut Resources) -> Result<()> {
    let numbers = |path: &str| -> Result<(i64, i64)> {
        devices::numbers(path).doing(|| format!("cannot use device {path}"))
    };
    let rates = |flag: &'static str, bytes: bool| -> Result<Vec<ThrottleDevice>> {
        let mut rates = Vec::new();
        for text in matches.list(flag) {
            let (path, rate) = lists::device_rate(flag, text, bytes)?;
            let (major, minor) = numbers(&path)?;
            rates.push(ThrottleDevice { major, minor, rate });
        }
        Ok(rates)
    };
    let mut weights = Vec::new();
    for text in matches.list("blkio-weight-device") {
        let (path, weight) = lists::device_rate("blkio-weight-device", text, false)?;
        let (major, minor) = numbers(&path)?;
        let weight = i64::try_from(weight).ok().and_then(ranges::weight);
        let weight = Some(weight.ok_or_else(|| {
            OptionError::value("blkio-weight-device", text, "the weight is from 10 to 1000")
        })?);
        weights.push(WeightDevice { major, minor, weight, leaf_weight: None });
    }
    let block = BlockIo {
        weight_device: weights,
        throttle_read_bps_device: rates("device-read-bps", true)?,
        throttle_write_bps_device: rates("device-write-bps", true)?,
        throttle_read_iops_device: rates("device-read-iops", false)?,
        throttle_write_iops_device: rates("device-write-iops", false)?,
        ..BlockIo::default()
    };
    if block != BlockIo::default() {
        let weight = resources.block_io.as_ref().and_then(|block| block.weight);
        resources.block_io = Some(BlockIo { weight, ..block });
    }
    Ok(())
}

/// `--device`: nodes like the host's, and the right to use them. A directory stands for the nodes
/// in it.
pub(super) fn devices(matches: &Matches, resources: &mut Resources) -> Result<Vec<Device>> {
    let mut given = Vec::new();
    for text in matches.list("device") {
        let (source, target, access) = lists::device(text)?;
        let found = devices::grant(Path::new(&source), &target, &access, resources);
        given.extend(found.doing(|| {
            format!("error gathering device information while adding device {source:?}")
        })?);
    }
    Ok(given)
}

/// `--userns`, `--uidmap`, `--gidmap`.
pub(super) fn user_namespace(matches: &Matches, pod: &mut PodRecord) -> Result<()> {
    let mapping = |flag: &'static str, text: &str| -> Result<IdMapping> {
        let wrong = || OptionError::value(flag, text, "expected CONTAINER:HOST:SIZE");
        let numbers: Option<Vec<u32>> = text.split(':').map(|part| part.parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[container_id, host_id, size]) if size > 0 => {
                Ok(IdMapping { container_id, host_id, size })
            }
            _ => Err(wrong().into()),
        }
    };
    for text in matches.list("uidmap") {
        pod.uid_mappings.push(mapping("uidmap", text)?);
    }
    for text in matches.list("gidmap") {
        pod.gid_mappings.push(mapping("gidmap", text)?);
    }
    if pod.gid_mappings.is_empty() {
        pod.gid_mappings.clone_from(&pod.uid_mappings);
    }
    match matches.nonempty("userns") {
        None | Some("host" | "private") => Ok(()),
        Some("auto") if pod.uid_mappings.is_empty() => {
            pod.uid_mappings = vec![IdMapping { container_id: 0, host_id: 1 << 20, size: 65536 }];
            pod.gid_mappings.clone_from(&pod.uid_mappings);
            Ok(())
        }
        Some("auto") => Ok(()),
        Some(_) => Err(Failure::new("--userns: invalid USER mode")
            .hint("host, auto, or --uidmap CONTAINER:HOST:SIZE")
            .code(125)),
    }
}
