//! Numbers of limits, whoever was told them: in which range they are, and what the kernel is told.

use teu_oci::runtime::linux::Cpu;

/// Microseconds of the period in which shares of processors are counted.
const PERIOD_US: u64 = 100_000;
/// Billionths of a processor in one microsecond of that period.
const NANO_PER_US: i64 = 10_000;

/// A part of the machine's processors, in billionths of one.
pub fn share(cpu: &mut Cpu, nano_cpus: i64) {
    cpu.period = Some(PERIOD_US);
    cpu.quota = Some(nano_cpus / NANO_PER_US);
}

/// The weight of block devices, if it is one.
pub fn weight(value: i64) -> Option<u16> {
    u16::try_from(value).ok().filter(|weight| (10..=1000).contains(weight))
}

/// The swappiness of memory, if it is one.
pub fn swappiness(value: i64) -> Option<u64> {
    u64::try_from(value).ok().filter(|value| *value <= 100)
}
