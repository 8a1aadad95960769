//! What containers use, with Docker's arithmetic.

/// A sample, complete in itself: rates are over the time since the sample before.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats {
    /// Container id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Of one CPU, so up to 100 times their number.
    pub cpu_percent: f64,
    /// Without inactive page cache.
    pub memory_bytes: u64,
    /// Its limit, or the machine's memory.
    pub memory_limit_bytes: u64,
    /// Of the limit.
    pub memory_percent: f64,
    /// Received, over all interfaces but loopback.
    pub network_received_bytes: u64,
    /// Sent.
    pub network_sent_bytes: u64,
    /// Read from block devices.
    pub block_read_bytes: u64,
    /// Written to them.
    pub block_written_bytes: u64,
    /// Processes and threads.
    pub pids: u64,
    /// CPU time since the start.
    pub cpu_total_ns: u64,
}
