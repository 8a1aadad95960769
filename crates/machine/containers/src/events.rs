//! The journal of what happened, for `events`: bounded files of JSON lines.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Something happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// `container`, `pod`, `volume`, `image`, `network`.
    pub kind: String,
    /// `create`, `start`, `die`, …
    pub action: String,
    /// Id of what it happened to.
    pub id: String,
    /// Name, image, exit code, signal, labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// Nanoseconds since the epoch.
    pub time_ns: i64,
}

/// Which events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventOptions {
    /// Nanoseconds since the epoch; without it, only what happens from now on.
    pub since_ns: Option<i64>,
    /// Ends then; without it, goes on for ever.
    pub until_ns: Option<i64>,
    /// Docker's: `container`, `event`, `image`, `label`, `type`, `volume`, `network`, `pod`.
    pub filters: Vec<(String, String)>,
}
