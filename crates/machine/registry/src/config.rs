//! A registry's configuration file: TOML, or JSON if its name ends so. What is wrong is told with
//! file, line and field; what is unknown is wrong.

use crate::access::{Mode, Rule};
use crate::objects::StorageConfig;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Bytes of a configuration file.
const FILE_BYTES: u64 = 4 << 20;

/// Everything that can be set.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Addresses to listen on.
    pub listen: Vec<String>,
    /// Where metrics are given out.
    pub metrics: Option<String>,
    /// Also serve the machine's own images.
    pub serve_local: bool,
    /// Certificate and key.
    pub tls: Option<TlsFiles>,
    /// How much of everything.
    pub limits: LimitsConfig,
    /// Who may come.
    pub auth: Option<Auth>,
    /// What they may do; without rules, whoever may come may do everything.
    pub access: Vec<Rule>,
    /// A file that gets a line for each request.
    pub audit: Option<PathBuf>,
    /// Whom to tell of pushes, pulls and deletions.
    pub webhooks: Vec<Webhook>,
    /// Other registries whose content is kept here.
    pub upstreams: Vec<UpstreamConfig>,
    /// An object storage, where content lies instead of on this machine.
    pub storage: Option<StorageConfig>,
}

/// Another registry whose content is kept here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UpstreamConfig {
    /// Its repositories lie beneath this name: `hub`.
    pub name: String,
    /// Whose names it has: `docker.io`.
    pub registry: String,
    /// Where it is, if not where its name says: `host[:port][/path]`.
    #[serde(default)]
    pub location: Option<String>,
    /// It may be spoken to in plain, and need not prove who it is.
    #[serde(default)]
    pub insecure: Option<bool>,
    /// Authorities to believe instead of the system's (PEM).
    #[serde(default)]
    pub authorities: Option<PathBuf>,
    /// Who this registry is there.
    #[serde(default)]
    pub username: Option<String>,
    /// A file with the password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Addresses that are a mirror of this registry and nothing else.
    #[serde(default)]
    pub listen: Vec<String>,
    /// Before a tag is asked for again.
    #[serde(default)]
    pub tag_seconds: Option<u64>,
    /// For which what is not there is not asked for again.
    #[serde(default)]
    pub absent_seconds: Option<u64>,
    /// What nobody has asked for so long goes.
    #[serde(default)]
    pub unused_seconds: Option<u64>,
    /// Bytes of it that are kept.
    #[serde(default)]
    pub quota_bytes: Option<u64>,
}

/// Files for TLS.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TlsFiles {
    /// The certificate, with those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Authorities (PEM): who shows no certificate by one of them does not come in.
    #[serde(default)]
    pub clients: Option<PathBuf>,
}

/// How much of everything; what is left out has a default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Connections at a time.
    pub connections: Option<usize>,
    /// Uploads at a time.
    pub uploads: Option<usize>,
    /// When a half upload is given up.
    pub upload_age_seconds: Option<u64>,
    /// How long blobs without a manifest stay.
    pub unneeded_age_seconds: Option<u64>,
    /// Between sweeps at least.
    pub sweep_pause_seconds: Option<u64>,
    /// Bytes of one blob.
    pub blob_bytes: Option<u64>,
    /// Bytes of one repository.
    pub quota_bytes: Option<u64>,
}

/// Who may come.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Auth {
    /// Users and their passwords (bcrypt), as Apache's htpasswd writes them.
    pub htpasswd: PathBuf,
    /// How they prove who they are.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// Everybody may pull.
    #[serde(default)]
    pub anonymous_read: bool,
}

/// Somebody who is told of events.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Webhook {
    /// Where the envelopes go.
    pub url: String,
    /// More headers of the request.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Which events: `push`, `pull`, `delete`; all, if none is named.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// Authorities to believe, where the URL is `https:` (PEM).
    #[serde(default)]
    pub authorities: Option<PathBuf>,
}

/// What can happen to content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It came.
    Push,
    /// It was taken.
    Pull,
    /// It went.
    Delete,
}

/// What is wrong with a configuration file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is larger than any configuration.
    #[error("{} has more than {FILE_BYTES} bytes, which no configuration has", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A line is wrong.
    #[error("{}:{line}: {reason}, in: {text}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
        /// What stands there.
        text: String,
    },
    /// Settings that do not go together.
    #[error("{0}")]
    Together(&'static str),
}

impl Config {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let io = |source| ConfigError::Io { path: path.to_path_buf(), source };
        if std::fs::metadata(path).map_err(io)?.len() > FILE_BYTES {
            return Err(ConfigError::TooLarge { path: path.to_path_buf() });
        }
        Self::parse(path, &std::fs::read_to_string(path).map_err(io)?)
    }

    /// Reads a text; the path says which language it is in, and is told in errors.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let wrong = |line: usize, reason: String| {
            let line_text = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
            let shown = line_text.trim().chars().take(120).collect();
            ConfigError::Line { path: path.to_path_buf(), line, reason, text: shown }
        };
        if path.extension().is_some_and(|extension| extension == "json") {
            return serde_json::from_str(text).map_err(|e| wrong(e.line(), e.to_string()));
        }
        toml::from_str(text).map_err(|error: toml::de::Error| {
            let at = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            wrong(line, error.message().to_owned())
        })
    }
}

#[cfg(test)]
mod tests;
