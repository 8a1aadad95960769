//! CPU time and CPU sets. v2 has one file for quota and period, and weights of another scale.

use super::{Error, Phase, Place, Planner, max_or};
use teu_oci::runtime::linux::Cpu;

/// What the kernel takes when no period was given, in microseconds.
const DEFAULT_PERIOD_US: u64 = 100_000;

impl Planner<'_> {
    pub(super) fn cpu(&mut self, cpu: &Cpu) -> Result<(), Error> {
        self.weight(cpu)?;
        self.bandwidth(cpu)?;
        self.realtime(cpu)?;
        for (field, value, files) in
            [("cpu.cpus", &cpu.cpus, &["cpuset.cpus"]), ("cpu.mems", &cpu.mems, &["cpuset.mems"])]
        {
            if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
                if !value.bytes().all(|b| b.is_ascii_digit() || b == b'-' || b == b',') {
                    let reason = format!("{value:?} is not a list such as 0-3,7");
                    return Err(Error::Invalid { field, reason });
                }
                self.set("cpuset", field, (files, files), value.clone())?;
            }
        }
        Ok(())
    }

    fn weight(&mut self, cpu: &Cpu) -> Result<(), Error> {
        // A group that is idle keeps no weight of its own: the kernel refuses shares then.
        if let Some(idle) = cpu.idle
            && (idle != 0 || self.phase != Phase::Create)
        {
            self.set("cpu", "cpu.idle", (&["cpu.idle"], &["cpu.idle"]), idle.to_string())?;
        }
        if let Some(shares) = cpu.shares.filter(|shares| *shares != 0) {
            if cpu.idle == Some(1) {
                self.warn("cpu.shares is ignored: an idle group has the smallest weight");
                return Ok(());
            }
            let place = self.require("cpu", "cpu.shares")?;
            let shares = shares.clamp(2, 262_144);
            let (file, value) = match place {
                Place::V1(_) => ("cpu.shares", shares),
                Place::Unified => ("cpu.weight", weight_of_shares(shares)),
            };
            self.push(place, "cpu", "cpu.shares", &[file], value.to_string());
        }
        Ok(())
    }

    fn bandwidth(&mut self, cpu: &Cpu) -> Result<(), Error> {
        let period = cpu.period.filter(|period| *period != 0);
        let quota = cpu.quota.filter(|quota| *quota != 0);
        if let Some(value) = quota.filter(|quota| *quota < -1) {
            let reason = format!("{value} is neither microseconds nor -1 for no limit");
            return Err(Error::Invalid { field: "cpu.quota", reason });
        }
        if period.is_some() || quota.is_some() {
            let field = if quota.is_some() { "cpu.quota" } else { "cpu.period" };
            match self.require("cpu", field)? {
                place @ Place::V1(_) => {
                    if let Some(period) = period {
                        let files = &["cpu.cfs_period_us"];
                        self.push(place, "cpu", "cpu.period", files, period.to_string());
                    }
                    if let Some(quota) = quota {
                        let files = &["cpu.cfs_quota_us"];
                        self.push(place, "cpu", "cpu.quota", files, quota.to_string());
                    }
                }
                place @ Place::Unified => {
                    let quota = max_or(quota.unwrap_or(-1));
                    let value = format!("{quota} {}", period.unwrap_or(DEFAULT_PERIOD_US));
                    self.push(place, "cpu", field, &["cpu.max"], value);
                }
            }
        }
        if let Some(burst) = cpu.burst
            && (burst != 0 || self.phase != Phase::Create)
        {
            let files = (&["cpu.cfs_burst_us"][..], &["cpu.max.burst"][..]);
            self.set("cpu", "cpu.burst", files, burst.to_string())?;
        }
        Ok(())
    }

    fn realtime(&mut self, cpu: &Cpu) -> Result<(), Error> {
        let period = cpu.realtime_period.filter(|value| *value != 0).map(|v| v.to_string());
        let runtime = cpu.realtime_runtime.filter(|value| *value != 0).map(|v| v.to_string());
        for (field, file, value) in [
            ("cpu.realtimePeriod", &["cpu.rt_period_us"], period),
            ("cpu.realtimeRuntime", &["cpu.rt_runtime_us"], runtime),
        ] {
            let Some(value) = value else { continue };
            match self.require("cpu", field)? {
                place @ Place::V1(_) => self.push(place, "cpu", field, file, value),
                Place::Unified => {
                    let file = file[0].to_owned();
                    return Err(Error::NoFile { controller: "cpu", field, file });
                }
            }
        }
        Ok(())
    }
}

/// Shares (2 to 262144, usually 1024) as a v2 weight (1 to 10000, usually 100), such that the
/// smallest, the usual and the largest value meet: a quadratic in the logarithm, as Kubernetes,
/// crun and runc now do, for the old straight line made 39 of the usual 1024.
#[must_use]
pub fn weight_of_shares(shares: u64) -> u64 {
    match shares {
        0 => 0,
        1..=2 => 1,
        262_144.. => 10_000,
        shares => {
            #[expect(clippy::cast_precision_loss, reason = "shares are below 2^18 here")]
            let log = (shares as f64).log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 1 and 10000"
            )]
            let weight = 10_f64.powf(exponent).ceil() as u64;
            weight
        }
    }
}
