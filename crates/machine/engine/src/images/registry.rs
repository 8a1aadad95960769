//! Registries, as the client who asks may use them: with the credentials that came with the request,
//! and never with those of whoever started the engine.

use super::create::refused;
use super::repository;
use crate::call::{Answer, Call};
use crate::engine::Engine;
use crate::error::{Error, Result};
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt;
use std::io::Read as _;
use teu_images::remote::{Client, Credentials, Purpose, Repository};
use teu_oci::Digest;
use teu_oci::image::{Descriptor, ImageConfig};

/// Of an image's configuration.
const CONFIG_BYTES_MAX: u64 = 4 << 20;

/// Makes clients with the settings of this machine.
pub trait Registries: fmt::Debug + Send + Sync {
    /// One that shows these credentials.
    fn client(&self, credentials: Credentials) -> Result<Client, String>;
}

/// What clients put into headers, and send to `/auth`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Auth {
    username: String,
    password: String,
    auth: String,
    serveraddress: String,
    identitytoken: String,
    registrytoken: String,
}

/// Either alphabet is sent, with padding and without.
fn decode(text: &str) -> Option<Vec<u8>> {
    let lenient =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text = text.trim();
    [&base64::alphabet::URL_SAFE, &base64::alphabet::STANDARD]
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, lenient).decode(text).ok())
}

impl Auth {
    fn credentials(self) -> Credentials {
        if !self.registrytoken.is_empty() {
            return Credentials::Registry(self.registrytoken);
        }
        if !self.identitytoken.is_empty() {
            return Credentials::Identity(self.identitytoken);
        }
        let pair = decode(&self.auth).and_then(|bytes| String::from_utf8(bytes).ok());
        match pair.as_deref().and_then(|pair| pair.split_once(':')) {
            Some((user, password)) if self.username.is_empty() => Credentials::of(user, password),
            _ => Credentials::of(&self.username, &self.password),
        }
    }
}

impl Engine {
    /// A client for this request.
    pub(crate) fn registry(&self, call: &Call) -> Result<Client> {
        let credentials = match call.registry_auth.as_deref() {
            None | Some("") => Credentials::Anonymous,
            Some(header) => {
                let invalid =
                    || Error::bad("invalid X-Registry-Auth header: expected base64 of JSON");
                let bytes = decode(header).ok_or_else(invalid)?;
                let auth: Auth = teu_docker::parse(&bytes).map_err(|_| invalid())?;
                auth.credentials()
            }
        };
        self.config.registries.client(credentials).map_err(|text| Error::status_of(500, text))
    }
}

/// `POST /auth`: the registry is asked whether it takes them.
pub fn auth(engine: &Engine, call: &Call) -> Result<Answer> {
    let auth: Auth = call.body()?;
    let server = match auth.serveraddress.as_str() {
        "" | "https://index.docker.io/v1/" => "docker.io".to_owned(),
        text => {
            let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
            bare.split('/').next().unwrap_or_default().to_owned()
        }
    };
    let credentials = auth.credentials();
    let failed = |text: String| Error::status_of(500, text);
    let client = engine.config.registries.client(credentials.clone()).map_err(failed)?;
    client.login(&server, credentials).map_err(|error| Error::status_of(401, error.to_string()))?;
    Answer::ok(&json!({ "Status": "Login Succeeded", "IdentityToken": "" }))
}

/// `GET /images/search`
pub fn search(engine: &Engine, call: &Call) -> Result<Answer> {
    let term = call.query.text("term");
    let limit: usize = call.query.number("limit")?.unwrap_or(25);
    if !(1..=100).contains(&limit) {
        return Err(Error::bad(format!("Limit {limit} is outside the range of [1, 100]")));
    }
    let name = repository(term, "")?.ok_or_else(|| Error::bad("no term is given"))?;
    let client = engine.registry(call)?;
    let found = client
        .repository(&name, Purpose::Read)
        .and_then(|registry| registry.search(term, limit))
        .map_err(|error| refused(&name, &error))?;
    let Some(bytes) = found else {
        return Err(Error::unsupported(format!("the registry {} cannot search", name.registry)));
    };
    let document: Value = serde_json::from_slice(&bytes)
        .map_err(|_| Error::status_of(500, "the registry's answer is not understood"))?;
    Answer::ok(document.get("results").unwrap_or(&json!([])))
}

/// `GET /distribution/{name}/json`
pub fn distribution(engine: &Engine, name: &str, call: &Call) -> Result<Answer> {
    let name = repository(name, "")?.ok_or_else(|| Error::bad("invalid reference format"))?;
    let client = engine.registry(call)?;
    let failed = |error| refused(&name, &error);
    let registry = client.repository(&name, Purpose::Read).map_err(failed)?;
    let document = registry.manifest(&registry.target()).map_err(failed)?;
    let parsed: Value = serde_json::from_slice(&document.bytes).unwrap_or_default();
    let platforms: Vec<Value> = match parsed.get("manifests").and_then(Value::as_array) {
        Some(list) => list.iter().filter_map(|entry| entry.get("platform").cloned()).collect(),
        None => platform(&registry, &parsed).into_iter().collect(),
    };
    Answer::ok(&json!({
        "Descriptor": {
            "mediaType": document.descriptor.media_type,
            "digest": document.descriptor.digest,
            "size": document.descriptor.size,
        },
        "Platforms": platforms,
    }))
}

/// What an image of one platform is made for, as its configuration says; nothing where that is none.
fn platform(registry: &Repository, manifest: &Value) -> Option<Value> {
    let descriptor: Descriptor = serde_json::from_value(manifest.get("config")?.clone()).ok()?;
    if descriptor.size > CONFIG_BYTES_MAX {
        return None;
    }
    let mut bytes = Vec::new();
    registry.blob(&descriptor, 0).ok()?.read_to_end(&mut bytes).ok()?;
    if Digest::sha256(&bytes) != descriptor.digest {
        return None;
    }
    let config: ImageConfig = serde_json::from_slice(&bytes).ok()?;
    if config.architecture.is_empty() || config.os.is_empty() {
        return None;
    }
    let mut platform = json!({ "architecture": config.architecture, "os": config.os });
    if let Some(variant) = config.variant {
        platform["variant"] = variant.into();
    }
    Some(platform)
}
