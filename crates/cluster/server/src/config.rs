//! What a server is told: where its data is, which store, where to listen.
//!
//! A file (TOML) says everything; flags say the usual, and win.

use crate::audit::LogConfig;
use crate::auth::oidc::config::Simple;
use crate::history::Bounds;
use serde::Deserialize;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use teu_store::etcd::Endpoint;

/// Bytes of a configuration file.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// The port of etcd's clients.
const ETCD_PORT: u16 = 2379;

/// Seconds that events are kept, unless somebody says otherwise.
pub const EVENT_SECONDS: u64 = 3600;

/// Between two compactions of the store, unless somebody says otherwise.
const COMPACTION: Duration = Duration::from_secs(300);

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Its file cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is no such configuration.
    #[error("the configuration {} is not understood: {source}", path.display())]
    Parse {
        /// Which.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// No time is meant by this.
    #[error("{option} is {text:?}, which it cannot be: say {example}")]
    Span {
        /// Of which option.
        option: &'static str,
        /// What was said.
        text: String,
        /// What could be.
        example: &'static str,
    },
    /// No store is meant by this.
    #[error(
        "no store is called {text:?}: use `embedded`, or `etcd://HOST[:PORT],…` (`etcds://…` with TLS)"
    )]
    Store {
        /// What was said.
        text: String,
    },
}

/// Where objects are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StoreConfig {
    /// In the data folder.
    #[default]
    Embedded,
    /// In a cluster of etcd.
    Etcd {
        /// Its members.
        endpoints: Vec<Endpoint>,
        /// Whether TLS is spoken.
        is_tls: bool,
    },
}

/// Files of TLS towards etcd (PEM).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EtcdTls {
    /// The authorities of its members.
    pub ca: Option<PathBuf>,
    /// Our certificate.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
}

/// A server's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where what lasts is.
    pub data: PathBuf,
    /// Where what lasts until the next boot is.
    pub run: PathBuf,
    /// See there.
    pub store: StoreConfig,
    /// TLS towards etcd.
    pub etcd: EtcdTls,
    /// Where to listen.
    pub bind: String,
    /// Further names and addresses that the server's certificate is for.
    pub names: Vec<String>,
    /// By which address others reach it, if not by the one it listens on.
    pub advertise: Option<IpAddr>,
    /// Seconds that events are kept after they were last written.
    pub event_seconds: u64,
    /// Whether webhooks, aggregated APIs and issuers may be on this machine's own addresses.
    pub allows_loopback: bool,
    /// How much of what objects were is kept.
    pub history: Bounds,
    /// Watches and long lists can go on from where they were for this long, or twice as long at most.
    pub compaction: Duration,
    /// Which resources are encrypted at rest, and how (an `EncryptionConfiguration`).
    pub encryption: Option<PathBuf>,
    /// Whose tokens are believed (an `AuthenticationConfiguration`).
    pub authentication: Option<PathBuf>,
    /// The same for one issuer, in short.
    pub oidc: Option<Simple>,
    /// What is written down of requests.
    pub audit: Option<Audit>,
    /// The file of the secret by which servers on one etcd share their keys.
    pub join_secret: Option<PathBuf>,
    /// How long certificates are good that the server makes for itself and the admin.
    pub validity: Duration,
}

/// The audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// What is written (an `audit.k8s.io/v1` `Policy`).
    pub policy: PathBuf,
    /// Where.
    pub log: LogConfig,
}

/// `[audit]` of a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct AuditFile {
    policy: PathBuf,
    log: Option<PathBuf>,
    max_bytes: Option<u64>,
    max_files: Option<usize>,
}

/// A year.
const VALIDITY: Duration = Duration::from_secs(365 * 86_400);

/// What a file may say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    data_dir: Option<PathBuf>,
    store: Option<String>,
    bind: Option<String>,
    #[serde(default)]
    tls_san: Vec<String>,
    advertise_address: Option<IpAddr>,
    event_ttl_seconds: Option<u64>,
    #[serde(default)]
    allow_loopback: bool,
    history_span: Option<String>,
    compaction_interval: Option<String>,
    history_mib: Option<u64>,
    etcd: Option<EtcdTls>,
    encryption_config: Option<PathBuf>,
    authentication_config: Option<PathBuf>,
    oidc: Option<Simple>,
    audit: Option<AuditFile>,
    join_secret: Option<PathBuf>,
}

impl Config {
    /// The usual, in these folders.
    pub fn new(data: PathBuf, run: PathBuf) -> Self {
        Self {
            data,
            run,
            store: StoreConfig::Embedded,
            etcd: EtcdTls::default(),
            bind: "0.0.0.0:6443".to_owned(),
            names: Vec::new(),
            advertise: None,
            event_seconds: EVENT_SECONDS,
            allows_loopback: false,
            history: Bounds::default(),
            compaction: COMPACTION,
            encryption: None,
            authentication: None,
            oidc: None,
            audit: None,
            join_secret: None,
            validity: VALIDITY,
        }
    }

    /// Takes over what a file says.
    pub fn read(&mut self, path: &Path) -> Result<(), ConfigError> {
        use std::io::Read as _;
        let failed = |source| ConfigError::Read { path: path.to_path_buf(), source };
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(failed)?;
        let file: File = toml::from_str(&text).map_err(|source| ConfigError::Parse {
            path: path.to_path_buf(),
            source: Box::new(source),
        })?;
        if let Some(data) = file.data_dir {
            self.data = data;
        }
        if let Some(store) = file.store {
            self.store = StoreConfig::parse(&store)?;
        }
        self.bind = file.bind.unwrap_or_else(|| std::mem::take(&mut self.bind));
        self.names.extend(file.tls_san);
        self.advertise = file.advertise_address.or(self.advertise);
        self.event_seconds = file.event_ttl_seconds.unwrap_or(self.event_seconds);
        self.allows_loopback |= file.allow_loopback;
        if let Some(text) = file.history_span {
            let (option, example) = ("history-span", "72h, 30m or 0");
            self.history.span = span(&text).ok_or(ConfigError::Span { option, text, example })?;
        }
        if let Some(text) = file.compaction_interval {
            let (option, example) = ("compaction-interval", "5m, or at least 1s");
            let interval = span(&text).filter(|it| !it.is_zero());
            self.compaction = interval.ok_or(ConfigError::Span { option, text, example })?;
        }
        if let Some(mib) = file.history_mib {
            self.history.max_bytes = mib.saturating_mul(1 << 20);
        }
        self.etcd = file.etcd.unwrap_or_default();
        self.encryption = file.encryption_config;
        self.authentication = file.authentication_config;
        self.oidc = file.oidc;
        self.join_secret = file.join_secret;
        self.audit = file.audit.map(|audit| {
            let path = audit.log.unwrap_or_else(|| self.data.join("audit.log"));
            let mut log = LogConfig::new(path);
            log.max_bytes = audit.max_bytes.unwrap_or(log.max_bytes);
            log.max_files = audit.max_files.unwrap_or(log.max_files);
            Audit { policy: audit.policy, log }
        });
        Ok(())
    }

    /// Where the admin's kubeconfig is.
    pub fn kubeconfig(&self) -> PathBuf {
        self.run.join("admin.kubeconfig")
    }

    /// Where the embedded store is.
    pub fn store_folder(&self) -> PathBuf {
        self.data.join("store")
    }
}

/// `72h`, `30m`, `10s`, `7d`, or `0`.
fn span(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let unit = text.chars().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let number: u32 = text.strip_suffix(unit)?.parse().ok()?;
    Some(Duration::from_secs(u64::from(number) * seconds))
}

impl StoreConfig {
    /// `embedded`, or `etcd://a,b:2379,c` (`etcds://` with TLS).
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let unknown = || ConfigError::Store { text: text.to_owned() };
        if text == "embedded" {
            return Ok(Self::Embedded);
        }
        let (is_tls, list) = match (text.strip_prefix("etcd://"), text.strip_prefix("etcds://")) {
            (Some(list), _) => (false, list),
            (_, Some(list)) => (true, list),
            _ => return Err(unknown()),
        };
        let mut endpoints = Vec::new();
        for member in list.trim_end_matches('/').split(',') {
            let (host, port) = match member.rsplit_once(':') {
                Some((host, port)) if !port.ends_with(']') => {
                    (host, port.parse().map_err(|_| unknown())?)
                }
                _ => (member, ETCD_PORT),
            };
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            if host.is_empty() {
                return Err(unknown());
            }
            endpoints.push(Endpoint { host, port });
        }
        Ok(Self::Etcd { endpoints, is_tls })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let check = |text: &str, wanted: Option<u64>| {
            assert_eq!(span(text), wanted.map(Duration::from_secs), "{text}");
        };
        check("72h", Some(72 * 3600));
        check("7d", Some(7 * 86_400));
        check("0", Some(0));
        for bad in ["", "h", "5", "-5h", "1.5h", "5é"] {
            check(bad, None);
        }
    }

    #[test]
    fn stores_are_named() {
        let etcd = |hosts: &[(&str, u16)], is_tls| StoreConfig::Etcd {
            endpoints: hosts
                .iter()
                .map(|(host, port)| Endpoint { host: (*host).to_owned(), port: *port })
                .collect(),
            is_tls,
        };
        let check = |text: &str, wanted: Option<StoreConfig>| {
            assert_eq!(StoreConfig::parse(text).ok(), wanted, "{text}");
        };
        check("embedded", Some(StoreConfig::Embedded));
        check("etcd://a,b:1", Some(etcd(&[("a", 2379), ("b", 1)], false)));
        check("etcds://[::1]:2", Some(etcd(&[("::1", 2)], true)));
        check("etcd://", None);
        check("redis://a", None);
    }
}
