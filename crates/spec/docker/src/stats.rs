//! A line of `GET /containers/{id}/stats`. Clients compute percentages from two CPU readings, of
//! which the earlier stands beside the later.

use serde::Serialize;
use std::collections::BTreeMap;

/// One sample.
#[derive(Debug, Clone, Default, Serialize)]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct Sample {
    pub id: String,
    pub name: String,
    pub read: String,
    pub preread: String,
    pub pids_stats: Pids,
    pub blkio_stats: BlockIo,
    pub num_procs: u32,
    pub storage_stats: BTreeMap<String, u64>,
    pub cpu_stats: Cpu,
    pub precpu_stats: Cpu,
    pub memory_stats: Memory,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networks: Option<BTreeMap<String, Interface>>,
}

/// Processes and threads.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct Pids {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// Bytes to and from block devices; the others are not counted, which Docker says with `null`.
#[derive(Debug, Clone, Default, Serialize)]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct BlockIo {
    pub io_service_bytes_recursive: Option<Vec<BlockEntry>>,
    pub io_serviced_recursive: Option<Vec<BlockEntry>>,
    pub io_queue_recursive: Option<Vec<BlockEntry>>,
    pub io_service_time_recursive: Option<Vec<BlockEntry>>,
    pub io_wait_time_recursive: Option<Vec<BlockEntry>>,
    pub io_merged_recursive: Option<Vec<BlockEntry>>,
    pub io_time_recursive: Option<Vec<BlockEntry>>,
    pub sectors_recursive: Option<Vec<BlockEntry>>,
}

/// One device and direction.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct BlockEntry {
    pub major: u64,
    pub minor: u64,
    pub op: &'static str,
    pub value: u64,
}

/// CPU time.
#[derive(Debug, Clone, Default, Serialize)]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct Cpu {
    pub cpu_usage: CpuUsage,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_cpu_usage: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online_cpus: Option<u32>,
    pub throttling_data: Throttling,
}

/// Nanoseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct CpuUsage {
    pub total_usage: u64,
    pub usage_in_kernelmode: u64,
    pub usage_in_usermode: u64,
}

/// How often a quota held it back.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct Throttling {
    pub periods: u64,
    pub throttled_periods: u64,
    pub throttled_time: u64,
}

/// Memory.
#[derive(Debug, Clone, Default, Serialize)]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct Memory {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub stats: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// One interface of the pod.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct Interface {
    pub rx_bytes: u64,
    pub rx_packets: u64,
    pub rx_errors: u64,
    pub rx_dropped: u64,
    pub tx_bytes: u64,
    pub tx_packets: u64,
    pub tx_errors: u64,
    pub tx_dropped: u64,
}
