//! What a registry is told to be.

use crate::config::Config;
use std::time::Duration;

/// How a registry behaves, apart from who may use it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names of the local image store are served as repositories, for reading.
    pub serve_local: bool,
    /// Uploads at a time, half ones included; more are refused until some end.
    pub uploads: usize,
    /// An upload that got no byte for so long is given up.
    pub upload_age: Duration,
    /// A blob that no manifest needs is kept for so long: its manifest may be on its way.
    pub unneeded_age: Duration,
    /// What has just become unneeded waits at least so long for more of its kind.
    pub sweep_pause: Duration,
    /// Bytes of one blob.
    pub blob_bytes: u64,
    /// Bytes of all content of one repository.
    pub quota_bytes: Option<u64>,
}

impl Options {
    /// As a configuration says, and by default where it does not.
    pub fn of(config: &Config) -> Self {
        let (limits, default) = (&config.limits, Self::default());
        let seconds = |value: Option<u64>, default| value.map_or(default, Duration::from_secs);
        Self {
            serve_local: config.serve_local,
            uploads: limits.uploads.unwrap_or(default.uploads),
            upload_age: seconds(limits.upload_age_seconds, default.upload_age),
            unneeded_age: seconds(limits.unneeded_age_seconds, default.unneeded_age),
            sweep_pause: seconds(limits.sweep_pause_seconds, default.sweep_pause),
            blob_bytes: limits.blob_bytes.unwrap_or(default.blob_bytes),
            quota_bytes: limits.quota_bytes,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            serve_local: false,
            uploads: 1000,
            upload_age: Duration::from_secs(24 * 3600),
            unneeded_age: Duration::from_secs(3600),
            sweep_pause: Duration::from_secs(5),
            blob_bytes: 1 << 40,
            quota_bytes: None,
        }
    }
}
