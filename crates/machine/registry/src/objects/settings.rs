//! Which storage, and how to get in: a URL, options by the names that the storage's own tools use, and
//! the usual variables of the environment where the options say nothing.

use super::http::Connector;
use crate::upstreams::Outside;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{ObjectStore, RetryConfig};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often, and for how long, a request is made again.
const RETRIES: usize = 5;
const RETRY_TIME: Duration = Duration::from_secs(30);

/// Where content is kept instead of on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StorageConfig {
    /// `s3://BUCKET/PREFIX`, `az://ACCOUNT/CONTAINER/PREFIX`, `gs://BUCKET/PREFIX`.
    pub url: String,
    /// Where the storage is, if not at its maker's.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Authorities to believe instead of the system's (PEM).
    #[serde(default)]
    pub authorities: Option<PathBuf>,
    /// Clients fetch blobs from the storage themselves.
    #[serde(default)]
    pub redirect: bool,
    /// `region`, `access_key_id`, `secret_access_key`, …
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// Why a storage cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The URL.
    #[error(
        "storage {0:?}: expected s3://BUCKET[/PREFIX], az://ACCOUNT/CONTAINER[/PREFIX] or gs://BUCKET[/PREFIX]"
    )]
    Url(String),
    /// A plain endpoint.
    #[error(
        "storage endpoint {0}: only this machine is spoken to in plain; set the option allow_http"
    )]
    Plain(String),
    /// An option, or something in one.
    #[error("storage {url}: {source}")]
    Options {
        /// The storage.
        url: String,
        /// What is wrong.
        source: object_store::Error,
    },
    /// The file of authorities.
    #[error(transparent)]
    Authorities(#[from] teu_pki::Error),
    /// TLS.
    #[error("TLS: {source}")]
    Tls {
        /// The cause.
        source: rustls::Error,
    },
    /// Two settings that do not go together.
    #[error("serve-local is about this machine's storage, and storage is elsewhere: leave one out")]
    Local,
    /// It does not answer, or lets nobody in.
    #[error("the object storage cannot be used")]
    Unusable(#[source] teu_images::Error),
}

pub(super) struct Opened {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) signer: Option<Arc<dyn Signer>>,
    pub(super) prefix: Path,
}

pub(super) fn open(config: &StorageConfig, outside: &Outside) -> Result<Opened, StorageError> {
    let wrong = || StorageError::Url(config.url.clone());
    let (scheme, place) = config.url.split_once("://").ok_or_else(wrong)?;
    let place = place.trim_matches('/');
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    if bucket.is_empty() {
        return Err(wrong());
    }
    let is_plain = plain_is_allowed(config)?;
    let connector = Connector::new(config.authorities.as_deref(), outside)?;
    let failed = |source| StorageError::Options { url: config.url.clone(), source };
    let opened = match scheme {
        "s3" => {
            let set = |builder: AmazonS3Builder, key: AmazonS3ConfigKey, value: &String| {
                builder.with_config(key, value)
            };
            let builder = configured(AmazonS3Builder::new(), (config, outside, "AWS_"), set);
            let builder = builder.map_err(failed)?.with_bucket_name(bucket);
            let builder = builder.with_allow_http(is_plain).with_retry(retries());
            let builder = match &config.endpoint {
                Some(endpoint) => builder.with_endpoint(endpoint),
                None => builder,
            };
            let store = builder.with_http_connector(connector).build().map_err(failed)?;
            both(Arc::new(store), prefix)
        }
        "az" => {
            let (account, rest) = (bucket, prefix);
            let (container, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            if container.is_empty() {
                return Err(wrong());
            }
            let set = |builder: MicrosoftAzureBuilder, key: AzureConfigKey, value: &String| {
                builder.with_config(key, value)
            };
            let builder =
                configured(MicrosoftAzureBuilder::new(), (config, outside, "AZURE_"), set);
            let builder = builder.map_err(failed)?.with_account(account);
            let builder = builder.with_container_name(container).with_allow_http(is_plain);
            let builder = match &config.endpoint {
                Some(endpoint) => builder.with_endpoint(endpoint.clone()),
                None => builder,
            };
            let builder = builder.with_retry(retries()).with_http_connector(connector);
            both(Arc::new(builder.build().map_err(failed)?), prefix)
        }
        "gs" => {
            let set = |builder: GoogleCloudStorageBuilder, key: GoogleConfigKey, value: &String| {
                builder.with_config(key, value)
            };
            let builder = GoogleCloudStorageBuilder::new();
            let builder = configured(builder, (config, outside, "GOOGLE_"), set);
            let builder = builder.map_err(failed)?.with_bucket_name(bucket);
            let builder = match &config.endpoint {
                Some(endpoint) => builder.with_base_url(endpoint),
                None => builder,
            };
            let builder = builder.with_retry(retries()).with_http_connector(connector);
            both(Arc::new(builder.build().map_err(failed)?), prefix)
        }
        _ => return Err(wrong()),
    };
    Ok(opened)
}

fn both<S: ObjectStore + Signer>(store: Arc<S>, prefix: &str) -> Opened {
    Opened { store: store.clone(), signer: Some(store), prefix: Path::from(prefix) }
}

/// Sets what the environment and then what the options say.
fn configured<B, K: std::str::FromStr<Err = object_store::Error>>(
    mut builder: B,
    (config, outside, family): (&StorageConfig, &Outside, &str),
    set: impl Fn(B, K, &String) -> B,
) -> Result<B, object_store::Error> {
    for (name, value) in &outside.variables {
        // Most of a family are not about storage.
        if name.starts_with(family)
            && let Ok(key) = name.to_ascii_lowercase().parse()
        {
            builder = set(builder, key, value);
        }
    }
    for (name, value) in &config.options {
        builder = set(builder, name.parse()?, value);
    }
    Ok(builder)
}

/// Only this machine is spoken to in plain, or who is named.
fn plain_is_allowed(config: &StorageConfig) -> Result<bool, StorageError> {
    let Some(endpoint) = config.endpoint.as_deref().filter(|it| it.starts_with("http://")) else {
        return Ok(false);
    };
    let host = endpoint.trim_start_matches("http://").split('/').next().unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let is_here = name == "localhost"
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    let is_named = ["allow_http", "aws_allow_http", "azure_allow_http", "google_allow_http"]
        .iter()
        .any(|name| config.options.get(*name).is_some_and(|value| value == "true"));
    match is_here || is_named {
        true => Ok(true),
        false => Err(StorageError::Plain(endpoint.to_owned())),
    }
}

fn retries() -> RetryConfig {
    RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_TIME, ..RetryConfig::default() }
}
