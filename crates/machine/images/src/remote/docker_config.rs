//! `config.json`: Docker's file of logins, also that of containers (`auth.json`).
//!
//! Read: `auths` (per registry or repository), `credHelpers`, `credsStore`. Written by login and
//! logout: whole, beside and over, mode 0600, with everything left in it that is not ours.

use super::credentials::{CredentialSource, Credentials};
use super::error::{RemoteError, Result};
use super::helper;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Bytes of the file.
const FILE_LIMIT_BYTES: u64 = 4 << 20;
/// What Docker's own registry is called in the file.
const DOCKER_KEY: &str = "https://index.docker.io/v1/";

/// The file, read when it is asked.
#[derive(Debug, Clone)]
pub struct DockerConfig {
    path: PathBuf,
}

impl DockerConfig {
    /// Nothing is read yet; the file need not exist.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    fn read(&self) -> Result<Value> {
        let wrong = |reason: String| RemoteError::Settings { path: self.path.clone(), reason };
        let bytes = match fs::metadata(&self.path) {
            Ok(found) if found.len() > FILE_LIMIT_BYTES => {
                return Err(wrong(format!("more than {FILE_LIMIT_BYTES} bytes")));
            }
            Ok(_) => fs::read(&self.path).map_err(|e| wrong(e.to_string()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(json!({})),
            Err(error) => return Err(wrong(error.to_string())),
        };
        if bytes.trim_ascii().is_empty() {
            return Ok(json!({}));
        }
        let value: Value = serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string()))?;
        if value.is_object() { Ok(value) } else { Err(wrong("it is no JSON object".to_owned())) }
    }

    /// Keeps a login, in the helper if there is one. Says whether it lies in the file in plain.
    pub fn login(&self, registry: &str, credentials: &Credentials) -> Result<bool> {
        let key = key_of(registry);
        let mut config = self.read()?;
        let (username, secret) = match credentials {
            Credentials::Password { username, password } => (username.as_str(), password.as_str()),
            Credentials::Identity(token) => ("<token>", token.as_str()),
            _ => return Ok(false),
        };
        if let Some(name) = helper_of(&config, key) {
            helper::store(name, key, username, secret)?;
            // An empty entry tells others that there is one.
            self.change(&mut config, |auths| {
                auths.insert(key.to_owned(), json!({}));
            })?;
            return Ok(false);
        }
        let entry = match credentials {
            Credentials::Identity(token) => json!({ "identitytoken": token }),
            _ => json!({ "auth": STANDARD.encode(format!("{username}:{secret}")) }),
        };
        self.change(&mut config, |auths| {
            auths.insert(key.to_owned(), entry);
        })?;
        Ok(true)
    }

    /// Forgets a login; says whether there was one.
    pub fn logout(&self, registry: &str) -> Result<bool> {
        let key = key_of(registry);
        let mut config = self.read()?;
        let mut was_there = false;
        if let Some(name) = helper_of(&config, key) {
            was_there = helper::get(name, key)? != Credentials::Anonymous;
            helper::erase(name, key)?;
        }
        let keys = spellings(registry);
        self.change(&mut config, |auths| {
            for key in &keys {
                was_there |= auths.shift_remove(key).is_some();
            }
        })?;
        Ok(was_there)
    }

    fn change(
        &self,
        config: &mut Value,
        change: impl FnOnce(&mut Map<String, Value>),
    ) -> Result<()> {
        let wrong = |reason: String| RemoteError::Settings { path: self.path.clone(), reason };
        let Some(object) = config.as_object_mut() else { return Ok(()) };
        let auths = object.entry("auths").or_insert_with(|| json!({}));
        let Some(auths) = auths.as_object_mut() else {
            return Err(wrong("auths is no JSON object".to_owned()));
        };
        let before = auths.clone();
        change(auths);
        if *auths == before {
            return Ok(());
        }
        let text = serde_json::to_string_pretty(config).map_err(|e| wrong(e.to_string()))?;
        write_private(&self.path, text.as_bytes()).map_err(|e| wrong(e.to_string()))
    }
}

impl CredentialSource for DockerConfig {
    fn find(&self, registry: &str, repository: &str) -> Result<Credentials> {
        let config = self.read()?;
        let key = key_of(registry);
        if let Some(name) = helper_of(&config, key) {
            let found = helper::get(name, key)?;
            if found != Credentials::Anonymous {
                return Ok(found);
            }
        }
        let Some(auths) = config.get("auths").and_then(Value::as_object) else {
            return Ok(Credentials::Anonymous);
        };
        // A path of the registry before the registry itself.
        let mut path = format!("{registry}/{repository}");
        while path.len() > registry.len() {
            if let Some(entry) = auths.get(&path) {
                return Ok(credentials(entry));
            }
            path.truncate(path.rfind('/').unwrap_or(0));
        }
        let entry = spellings(registry).into_iter().find_map(|key| auths.get(&key));
        Ok(entry.map(credentials).unwrap_or_default())
    }
}

fn key_of(registry: &str) -> &str {
    if registry == "docker.io" { DOCKER_KEY } else { registry }
}

/// The ways files spell a registry.
fn spellings(registry: &str) -> Vec<String> {
    let hosts: &[&str] = match registry {
        "docker.io" => &["index.docker.io", "docker.io", "registry-1.docker.io"],
        _ => &[registry],
    };
    let mut keys = Vec::new();
    for host in hosts {
        for scheme in ["", "https://", "http://"] {
            for path in ["", "/", "/v1/", "/v2/", "/v1", "/v2"] {
                keys.push(format!("{scheme}{host}{path}"));
            }
        }
    }
    keys
}

fn helper_of<'a>(config: &'a Value, key: &str) -> Option<&'a str> {
    let own = config.get("credHelpers").and_then(|helpers| helpers.get(key));
    let own = own.or_else(|| config.get("credsStore"));
    own.and_then(Value::as_str).filter(|name| !name.is_empty())
}

fn credentials(entry: &Value) -> Credentials {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
    if let Some(token) = text("identitytoken") {
        return Credentials::Identity(token.to_owned());
    }
    if let Some(token) = text("registrytoken") {
        return Credentials::Registry(token.to_owned());
    }
    if let Some(auth) = text("auth") {
        let decoded = STANDARD.decode(auth.trim()).ok().and_then(|b| String::from_utf8(b).ok());
        return match decoded.as_deref().and_then(|text| text.split_once(':')) {
            Some((username, password)) => {
                Credentials::of(username, password.trim_end_matches('\0'))
            }
            None => Credentials::Anonymous,
        };
    }
    match (text("username"), text("password")) {
        (Some(username), Some(password)) => Credentials::of(username, password),
        _ => Credentials::Anonymous,
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    // Whoever links the file elsewhere wants it there.
    let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let beside = place.with_extension(format!("json.{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&beside, &place)
}

#[cfg(test)]
mod tests {
    use super::{CredentialSource, Credentials, DockerConfig};

    fn config(text: &str) -> (tempfile::TempDir, DockerConfig) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("config.json");
        std::fs::write(&path, text).expect("writes");
        (dir, DockerConfig::new(path))
    }

    #[test]
    fn entries_are_found() {
        let (_dir, config) = config(
            r#"{"auths":{
                "https://index.docker.io/v1/":{"auth":"YTpi"},
                "localhost:5000":{"auth":"YzpkOmU="},
                "localhost:5000/team":{"username":"t","password":"p"},
                "http://x:1/v2/":{"identitytoken":"id"},
                "broken":{"auth":"%%%"}}}"#,
        );
        for (registry, repository, expected) in [
            ("docker.io", "library/x", Credentials::of("a", "b")),
            ("localhost:5000", "x", Credentials::of("c", "d:e")),
            ("localhost:5000", "team/app", Credentials::of("t", "p")),
            ("localhost:5000", "teams/app", Credentials::of("c", "d:e")),
            ("x:1", "y", Credentials::Identity("id".to_owned())),
            ("broken", "y", Credentials::Anonymous),
            ("elsewhere", "y", Credentials::Anonymous),
        ] {
            assert_eq!(
                config.find(registry, repository).expect("it is read"),
                expected,
                "{registry}"
            );
        }
    }

    #[test]
    fn login_and_logout_keep_the_rest() {
        let (dir, config) = config(r#"{"HttpHeaders":{"X":"y"},"auths":{"a":{"auth":"YTpi"}}}"#);
        assert!(config.login("localhost:1", &Credentials::of("u", "p")).expect("it is written"));
        assert_eq!(config.find("localhost:1", "x").expect("read"), Credentials::of("u", "p"));
        assert!(config.logout("localhost:1").expect("it is written"));
        assert!(!config.logout("localhost:1").expect("nothing to write"));
        let text = std::fs::read_to_string(dir.path().join("config.json")).expect("reads");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(
            value,
            serde_json::json!({"HttpHeaders":{"X":"y"},"auths":{"a":{"auth":"YTpi"}}})
        );
    }
}
