//! The settings of a registry client, from where people keep them.
//!
//! `registries.conf` (`TEU_REGISTRIES_CONF`, `/etc/teu`, `/etc/containers`), logins
//! (`REGISTRY_AUTH_FILE`, `DOCKER_CONFIG`, `~/.docker/config.json`), certificates
//! (`/etc/docker/certs.d`, `/etc/containers/certs.d`, `TEU_CERTS_DIR`), the policy (`TEU_POLICY`,
//! `/etc/teu/policy.json`, `/etc/containers/policy.json`), and the proxies of the environment.

use crate::failure::{Failure, Result};
use crate::flags::{Flag, Matches};
use std::path::{Path, PathBuf};
use teu_images::remote::{
    Client, CredentialSource, Credentials, DockerConfig, Fixed, Policy, Proxies, Registries,
    RemoteConfig, Trust,
};
use teu_registry::upstreams::Outside;

/// Where systems keep the authorities they believe.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What a command line may say about one registry.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    /// `--creds USER[:PASSWORD]`
    pub credentials: Option<String>,
    /// `--tls-verify`
    pub verify: Option<bool>,
    /// `--cert-dir`
    pub certificates: Option<PathBuf>,
}

/// The flags behind [`Choices`].
pub const REGISTRY_FLAGS: &[Flag] = &[
    Flag::text("creds", "USER[:PASSWORD]", "Credentials for the registry"),
    Flag::text("cert-dir", "PATH", "Certificates in the layout of /etc/docker/certs.d"),
    Flag::text("tls-verify", "bool", "Require HTTPS and a certificate (default true)"),
];

impl Choices {
    /// Reads [`REGISTRY_FLAGS`], each with a prefix such as `src-`.
    pub fn of(matches: &Matches, prefix: &str) -> Result<Self> {
        let text = |name: &str| matches.nonempty(&format!("{prefix}{name}")).map(str::to_owned);
        let verify = match text("tls-verify") {
            None => None,
            Some(text) => Some(crate::options::boolean(&text).ok_or_else(|| {
                Failure::new(format!("invalid argument {text:?} for \"--{prefix}tls-verify\" flag"))
                    .hint("true or false")
            })?),
        };
        let certificates = text("cert-dir").map(PathBuf::from);
        Ok(Self { credentials: text("creds"), verify, certificates })
    }
}

/// A client with the settings of this machine and person.
pub fn client(choices: &Choices) -> Result<Client> {
    let credentials: Box<dyn CredentialSource> = match &choices.credentials {
        Some(text) => {
            let (username, password) = text.split_once(':').unwrap_or((text, ""));
            Box::new(Fixed(Credentials::of(username, password)))
        }
        None => Box::new(logins()),
    };
    client_with(credentials, choices)
}

/// The same with logins from elsewhere.
pub fn client_with(credentials: Box<dyn CredentialSource>, choices: &Choices) -> Result<Client> {
    let mut registries = registries()?;
    registries.verify = choices.verify;
    let mut trust = trust();
    trust.directories.splice(0..0, choices.certificates.clone());
    Ok(Client::new(RemoteConfig {
        registries,
        credentials,
        trust,
        policy: policy()?,
        proxies: proxies(),
        ..RemoteConfig::default()
    }))
}

/// Whom this machine believes.
fn trust() -> Trust {
    let mut directories: Vec<PathBuf> = Vec::new();
    directories.extend(variable("TEU_CERTS_DIR").map(PathBuf::from));
    directories.extend(["/etc/docker/certs.d", "/etc/containers/certs.d"].map(PathBuf::from));
    let bundle = variable("SSL_CERT_FILE").map(PathBuf::from);
    let bundle = bundle.or_else(|| BUNDLES.iter().map(PathBuf::from).find(|path| path.is_file()));
    Trust { bundle, directories }
}

/// The proxies of the environment.
fn proxies() -> Proxies {
    let either = |upper: &str, lower: &str| variable(upper).or_else(|| variable(lower));
    Proxies {
        http: variable("http_proxy"),
        https: either("HTTPS_PROXY", "https_proxy"),
        no_proxy: either("NO_PROXY", "no_proxy").unwrap_or_default(),
    }
}

/// What a registry of ours needs to reach others. Not `registries.conf`: that may name this very
/// registry as the mirror.
pub fn outside() -> Outside {
    let families = ["AWS_", "AZURE_", "GOOGLE_"];
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        families.iter().any(|family| name.starts_with(family)).then_some((name, value))
    });
    let variables = variables.collect();
    Outside { trust: trust(), proxies: proxies(), logins: Some(logins()), variables }
}

/// The file of logins.
pub fn logins() -> DockerConfig {
    let path = variable("REGISTRY_AUTH_FILE").map(PathBuf::from).or_else(|| {
        let dir = variable("DOCKER_CONFIG").map(PathBuf::from);
        let dir = dir.or_else(|| Some(Path::new(&variable("HOME")?).join(".docker")));
        dir.map(|dir| dir.join("config.json"))
    });
    DockerConfig::new(path.unwrap_or_else(|| PathBuf::from("/root/.docker/config.json")))
}

fn registries() -> Result<Registries> {
    if let Some(path) = variable("TEU_REGISTRIES_CONF") {
        let path = PathBuf::from(path);
        if !path.is_file() {
            let message = format!("TEU_REGISTRIES_CONF names {}, which is no file", path.display());
            return Err(Failure::new(message));
        }
        return Ok(Registries::read(&[&path])?);
    }
    let places = ["/etc/teu/registries.conf", "/etc/containers/registries.conf"].map(Path::new);
    Ok(Registries::read(&places)?)
}

fn policy() -> Result<Option<Policy>> {
    let mut places =
        vec![PathBuf::from("/etc/teu/policy.json"), PathBuf::from("/etc/containers/policy.json")];
    if let Some(path) = variable("TEU_POLICY").map(PathBuf::from) {
        if !path.is_file() {
            let message = format!("TEU_POLICY names {}, which is no file", path.display());
            return Err(Failure::new(message));
        }
        places.insert(0, path);
    }
    Ok(Policy::read(&places)?)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The engine's clients: this machine's settings, and whatever credentials a request brings.
#[derive(Debug)]
pub struct ForEngine;

impl teu_engine::Registries for ForEngine {
    fn client(&self, credentials: Credentials) -> std::result::Result<Client, String> {
        client_with(Box::new(Fixed(credentials)), &Choices::default())
            .map_err(|failure| failure.message)
    }
}
