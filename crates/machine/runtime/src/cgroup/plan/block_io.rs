//! Block I/O: weights (of BFQ or of the cost model) and ceilings by device.

use super::{Error, Place, Planner, Setting};
use std::collections::BTreeMap;
use teu_oci::runtime::linux::{BlockIo, ThrottleDevice};

const WEIGHT: &str = "blockIO.weight";
const WEIGHT_DEVICE: &str = "blockIO.weightDevice";

impl Planner<'_> {
    pub(super) fn block_io(&mut self, io: &BlockIo) -> Result<(), Error> {
        self.weights(io)?;
        let throttles: [(&'static str, &'static [&'static str], &str, &[ThrottleDevice]); 4] = [
            (
                "blockIO.throttleReadBpsDevice",
                &["blkio.throttle.read_bps_device"],
                "rbps",
                &io.throttle_read_bps_device,
            ),
            (
                "blockIO.throttleWriteBpsDevice",
                &["blkio.throttle.write_bps_device"],
                "wbps",
                &io.throttle_write_bps_device,
            ),
            (
                "blockIO.throttleReadIOPSDevice",
                &["blkio.throttle.read_iops_device"],
                "riops",
                &io.throttle_read_iops_device,
            ),
            (
                "blockIO.throttleWriteIOPSDevice",
                &["blkio.throttle.write_iops_device"],
                "wiops",
                &io.throttle_write_iops_device,
            ),
        ];
        let mut v2: BTreeMap<(i64, i64), (&'static str, String)> = BTreeMap::new();
        for (field, files, key, devices) in throttles {
            for device in devices {
                let name = format!("{}:{}", device.major, device.minor);
                match self.require("blkio", field)? {
                    place @ Place::V1(_) => {
                        let value = format!("{name} {}", device.rate);
                        self.push(place, "blkio", field, files, value);
                    }
                    Place::Unified => {
                        let entry = v2.entry((device.major, device.minor));
                        let (_, line) = entry.or_insert_with(|| (field, name));
                        // Zero means "no ceiling" in a bundle, and a ceiling of zero in v2.
                        let rate = match device.rate {
                            0 => "max".to_owned(),
                            rate => rate.to_string(),
                        };
                        line.push_str(&format!(" {key}={rate}"));
                    }
                }
            }
        }
        for (field, line) in v2.into_values() {
            self.push(Place::Unified, "io", field, &["io.max"], line);
        }
        Ok(())
    }

    fn weights(&mut self, io: &BlockIo) -> Result<(), Error> {
        if io.leaf_weight.is_some_and(|weight| weight != 0)
            || io.weight_device.iter().any(|device| device.leaf_weight.is_some_and(|w| w != 0))
        {
            self.warn("blockIO.leafWeight is ignored: it went with the CFQ scheduler");
        }
        if let Some(weight) = io.weight.filter(|weight| *weight != 0) {
            check(WEIGHT, weight)?;
            match self.require("blkio", WEIGHT)? {
                place @ Place::V1(_) => {
                    let files = &["blkio.bfq.weight", "blkio.weight"];
                    self.push(place, "blkio", WEIGHT, files, weight.to_string());
                }
                place @ Place::Unified => self.v2_weight(place, WEIGHT, "", weight),
            }
            self.weight_may_lack();
        }
        for device in &io.weight_device {
            let Some(weight) = device.weight.filter(|weight| *weight != 0) else { continue };
            check(WEIGHT_DEVICE, weight)?;
            let name = format!("{}:{} ", device.major, device.minor);
            match self.require("blkio", WEIGHT_DEVICE)? {
                place @ Place::V1(_) => {
                    let files = &["blkio.bfq.weight_device", "blkio.weight_device"];
                    self.push(place, "blkio", WEIGHT_DEVICE, files, format!("{name}{weight}"));
                }
                place @ Place::Unified => self.v2_weight(place, WEIGHT_DEVICE, &name, weight),
            }
            self.weight_may_lack();
        }
        Ok(())
    }

    /// BFQ takes the bundle's scale, the cost model's goes to 10000.
    fn v2_weight(&mut self, place: Place, field: &'static str, device: &str, weight: u16) {
        let scaled = 1 + (u32::from(weight) - 10) * 9999 / 990;
        let candidates = vec![
            ("io.bfq.weight".into(), format!("{device}{weight}")),
            ("io.weight".into(), format!("{device}{scaled}")),
        ];
        let setting = Setting { place, controller: "io", field, candidates, optional: false };
        self.plan.settings.push(setting);
    }

    /// Weights exist only while a scheduler that knows them is loaded; the field's tools warn.
    fn weight_may_lack(&mut self) {
        if let Some(setting) = self.plan.settings.last_mut() {
            setting.optional = true;
        }
    }
}

fn check(field: &'static str, weight: u16) -> Result<(), Error> {
    if (10..=1000).contains(&weight) {
        return Ok(());
    }
    Err(Error::Invalid { field, reason: format!("{weight} is not between 10 and 1000") })
}
