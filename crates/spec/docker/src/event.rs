//! A line of `GET /events`.

use serde::Serialize;
use std::collections::BTreeMap;

/// Something happened. Old clients read `status`, `id` and `from`, which only containers and images
/// have.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// The action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Of what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The container's image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// `container`, `image`, …
    #[serde(rename = "Type")]
    pub kind: String,
    /// The action.
    #[serde(rename = "Action")]
    pub action: String,
    /// Of what.
    #[serde(rename = "Actor")]
    pub actor: Actor,
    /// Always `local`.
    pub scope: &'static str,
    /// Seconds since the epoch.
    pub time: i64,
    /// Nanoseconds since the epoch.
    #[serde(rename = "timeNano")]
    pub time_nano: i64,
}

/// What it happened to.
#[derive(Debug, Clone, Serialize)]
pub struct Actor {
    /// Id or name.
    #[serde(rename = "ID")]
    pub id: String,
    /// Labels, name, image.
    #[serde(rename = "Attributes")]
    pub attributes: BTreeMap<String, String>,
}
