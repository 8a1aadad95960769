//! Memory: v1 counts swap together with memory, as the bundle does; v2 counts it apart.

use super::{Error, Phase, Place, Planner, max_or};
use teu_oci::runtime::linux::Memory;

const LIMIT: &str = "memory.limit";
const SWAP: &str = "memory.swap";

impl Planner<'_> {
    pub(super) fn memory(&mut self, memory: &Memory) -> Result<(), Error> {
        let limit = memory.limit.filter(|limit| *limit != 0);
        let mut swap = memory.swap.filter(|swap| *swap != 0);
        // "No limit" for memory would be refused while a limit of both remains.
        if limit == Some(-1) && swap.is_none() && self.phase != Phase::Create {
            swap = Some(-1);
        }
        check(limit, swap)?;
        if limit.is_some() || swap.is_some() {
            match self.require("memory", LIMIT)? {
                Place::V1(_) => self.limits_v1(limit, swap),
                Place::Unified => self.limits_v2(limit, swap)?,
            }
        }
        if let Some(soft) = memory.reservation.filter(|soft| *soft != 0) {
            let place = self.require("memory", "memory.reservation")?;
            let (file, value) = match place {
                Place::V1(_) => ("memory.soft_limit_in_bytes", soft.to_string()),
                Place::Unified => ("memory.low", max_or(soft)),
            };
            self.push(place, "memory", "memory.reservation", &[file], value);
        }
        self.rarely_used(memory)
    }

    /// v1 refuses a limit of memory above that of both, at every moment: the order matters.
    fn limits_v1(&mut self, limit: Option<i64>, swap: Option<i64>) {
        let Some(place) = self.place("memory") else { return };
        let raising = match (self.phase, swap) {
            (Phase::Create, _) | (_, None) => false,
            (_, Some(swap)) if swap < 0 => true,
            (Phase::Update { memory_limit_bytes }, Some(swap)) => {
                memory_limit_bytes.is_some_and(|now| u64::try_from(swap).is_ok_and(|s| now < s))
            }
        };
        let limit = limit.map(|limit| (LIMIT, "memory.limit_in_bytes", limit));
        let swap = swap.map(|swap| (SWAP, "memory.memsw.limit_in_bytes", swap));
        let order = if raising { [swap, limit] } else { [limit, swap] };
        for (field, file, value) in order.into_iter().flatten() {
            self.push(place, "memory", field, &[file], value.to_string());
            if field == SWAP {
                self.last_is_optional();
            }
        }
    }

    fn limits_v2(&mut self, limit: Option<i64>, swap: Option<i64>) -> Result<(), Error> {
        // The swap limit goes first: lowering memory pushes pages into whatever swap allows.
        if let Some(both) = swap {
            let value = match (both, limit) {
                (-1, _) => "max".to_owned(),
                (_, None | Some(-1)) => {
                    let reason = "a limit of swap needs a limit of memory beside it".to_owned();
                    return Err(Error::Invalid { field: SWAP, reason });
                }
                (both, Some(limit)) => (both - limit).to_string(),
            };
            self.push(Place::Unified, "memory", SWAP, &["memory.swap.max"], value);
            self.last_is_optional();
        }
        if let Some(limit) = limit {
            self.push(Place::Unified, "memory", LIMIT, &["memory.max"], max_or(limit));
        }
        Ok(())
    }

    /// Kernels without swap accounting: the field's tools warn and limit memory alone.
    fn last_is_optional(&mut self) {
        if let Some(setting) = self.plan.settings.last_mut() {
            setting.optional = true;
        }
    }

    fn rarely_used(&mut self, memory: &Memory) -> Result<(), Error> {
        if memory.kernel.is_some_and(|limit| limit > 0) {
            self.warn("memory.kernel is ignored: kernels no longer limit kernel memory apart");
        }
        if let Some(limit) = memory.kernel_tcp.filter(|limit| *limit != 0) {
            match self.require("memory", "memory.kernelTCP")? {
                Place::Unified => {
                    self.warn("memory.kernelTCP is ignored: cgroup v2 counts it in memory.limit");
                }
                place @ Place::V1(_) => {
                    let files = &["memory.kmem.tcp.limit_in_bytes"];
                    self.push(place, "memory", "memory.kernelTCP", files, limit.to_string());
                }
            }
        }
        if let Some(swappiness) = memory.swappiness {
            if swappiness > 100 {
                let reason = format!("{swappiness} is not between 0 and 100");
                return Err(Error::Invalid { field: "memory.swappiness", reason });
            }
            match self.require("memory", "memory.swappiness")? {
                Place::Unified => self.warn("memory.swappiness is ignored: cgroup v2 has none"),
                place @ Place::V1(_) => {
                    let files = &["memory.swappiness"];
                    let value = swappiness.to_string();
                    self.push(place, "memory", "memory.swappiness", files, value);
                }
            }
        }
        if let Some(disable) = memory.disable_oom_killer {
            match self.require("memory", "memory.disableOOMKiller")? {
                Place::Unified if disable => {
                    self.warn("memory.disableOOMKiller is ignored: cgroup v2 has no such switch");
                }
                place @ Place::V1(_) if disable || self.phase != Phase::Create => {
                    let files = &["memory.oom_control"];
                    let value = u8::from(disable).to_string();
                    self.push(place, "memory", "memory.disableOOMKiller", files, value);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn check(limit: Option<i64>, swap: Option<i64>) -> Result<(), Error> {
    for (field, value) in [(LIMIT, limit), (SWAP, swap)] {
        if let Some(value) = value.filter(|value| *value < -1) {
            let reason = format!("{value} is neither a size nor -1 for no limit");
            return Err(Error::Invalid { field, reason });
        }
    }
    match (limit, swap) {
        (Some(limit), Some(swap)) if limit > 0 && swap > 0 && swap < limit => {
            let reason = format!("memory and swap together ({swap}) are below memory ({limit})");
            Err(Error::Invalid { field: SWAP, reason })
        }
        _ => Ok(()),
    }
}
