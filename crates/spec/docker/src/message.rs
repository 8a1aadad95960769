//! Lines of progress that pull, push, load, import and build answer with.

use serde::Serialize;
use serde_json::Value;

/// One line.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Message {
    /// Output of a build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// What happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// How far it is.
    #[serde(rename = "progressDetail", skip_serializing_if = "Option::is_none")]
    pub progress_detail: Option<Progress>,
    /// A bar, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// To what: a layer, an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// It failed.
    #[serde(rename = "errorDetail", skip_serializing_if = "Option::is_none")]
    pub error_detail: Option<Failure>,
    /// Likewise, for old clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// For programs: `{"ID": "sha256:…"}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aux: Option<Value>,
}

/// How far it is; both absent when nothing is known.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Progress {
    /// Bytes done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<u64>,
    /// Bytes in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// Why it failed.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// Exit code of a build's step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// For a person.
    pub message: String,
}

impl Message {
    /// A line of a build.
    pub fn stream(text: impl Into<String>) -> Self {
        Self { stream: Some(text.into()), ..Self::default() }
    }

    /// A line of status.
    pub fn status(text: impl Into<String>) -> Self {
        Self { status: Some(text.into()), ..Self::default() }
    }

    /// The end of what failed.
    pub fn failed(message: impl Into<String>, code: Option<i32>) -> Self {
        let message = message.into();
        Self {
            error: Some(message.clone()),
            error_detail: Some(Failure { code, message }),
            ..Self::default()
        }
    }

    /// A value for programs.
    pub fn aux(value: Value) -> Self {
        Self { aux: Some(value), ..Self::default() }
    }

    /// As it goes over the wire.
    pub fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.extend_from_slice(b"\r\n");
        line
    }
}
