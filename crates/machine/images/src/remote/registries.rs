//! Which servers a name leads to: mirrors, rewriting, blocking, and who may be spoken to in plain.
//!
//! The format is that of `registries.conf` version 2 of containers, so that one file serves all
//! tools. What is read of it: `[[registry]]` with `prefix`, `location`, `insecure`, `blocked`,
//! `mirror-by-digest-only` and `[[registry.mirror]]` with `location`, `insecure`,
//! `pull-from-mirror`. Two additions: the prefix `*` fits what no other prefix fits, and
//! `lazy = true` asks for lazy pulls.
//! This machine itself (`localhost`, 127.0.0.0/8) may be spoken to in plain, unless `insecure` is false.
//! `unqualified-search-registries` is not used: a bare name is Docker's (`docker.io/library/NAME`).

use super::error::{RemoteError, Result};
use super::http::is_loopback;
use serde::Deserialize;
use std::fs;
use std::path::Path;
use teu_oci::Reference;
use teu_oci::reference::DEFAULT_REGISTRY;

/// Bytes of a settings file.
const FILE_LIMIT_BYTES: u64 = 1 << 20;
/// The server behind `docker.io`.
const DOCKER_HUB: &str = "registry-1.docker.io";

/// The settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Registries {
    #[serde(default, rename = "registry")]
    entries: Vec<Entry>,
    /// Whether servers must prove who they are, whatever the entries say.
    #[serde(skip)]
    pub verify: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Entry {
    prefix: Option<String>,
    location: Option<String>,
    insecure: Option<bool>,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    lazy: bool,
    #[serde(default)]
    mirror_by_digest_only: bool,
    #[serde(default, rename = "mirror")]
    mirrors: Vec<Mirror>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mirror {
    location: String,
    insecure: Option<bool>,
    pull_from_mirror: Option<String>,
}

/// A server that has a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Host and port.
    pub host: String,
    /// What credentials are looked up by: `docker.io` for Docker's own.
    pub registry: String,
    /// The repository's name there.
    pub repository: String,
    /// It may be spoken to in plain, and need not prove who it is.
    pub insecure: bool,
}

/// What is going to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Mirrors may help.
    Read,
    /// Only the registry itself will do.
    Write,
}

impl Registries {
    /// Reads the first of these files that exists.
    pub fn read(paths: &[&Path]) -> Result<Self> {
        let Some(path) = paths.iter().find(|path| path.is_file()) else {
            return Ok(Self::default());
        };
        let wrong = |reason: String| RemoteError::Settings { path: path.to_path_buf(), reason };
        let size = fs::metadata(path).map_err(|e| wrong(e.to_string()))?.len();
        if size > FILE_LIMIT_BYTES {
            return Err(wrong(format!("more than {FILE_LIMIT_BYTES} bytes")));
        }
        let text = fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
        Self::parse(&text).map_err(wrong)
    }

    /// Parses the text of a file.
    pub fn parse(text: &str) -> Result<Self, String> {
        let read: Self = toml::from_str(text).map_err(|e| e.to_string().trim().to_owned())?;
        for entry in &read.entries {
            if entry.prefix.is_none() && entry.location.is_none() {
                return Err("a [[registry]] has neither prefix nor location".to_owned());
            }
        }
        Ok(read)
    }

    /// One registry that is spoken to where `location` says (its own name, where it says nothing),
    /// and nothing else: no mirrors, and everything beside it is blocked.
    pub fn only(registry: &str, location: Option<&str>, insecure: Option<bool>) -> Self {
        let own = Entry {
            prefix: Some(registry.to_owned()),
            location: location.map(str::to_owned),
            insecure,
            ..Entry::default()
        };
        let rest = Entry { prefix: Some("*".to_owned()), blocked: true, ..Entry::default() };
        Self { entries: vec![own, rest], verify: None }
    }

    /// The servers to ask, in order.
    pub fn endpoints(&self, name: &Reference, purpose: Purpose) -> Result<Vec<Endpoint>> {
        let full = name.name();
        let entry = self.entry(&full);
        if let Some(entry) = entry
            && entry.blocked
        {
            return Err(RemoteError::Blocked(name.registry.clone()));
        }
        let mut found = Vec::new();
        if let (Some(entry), Purpose::Read) = (entry, purpose) {
            for mirror in &entry.mirrors {
                let wants_digest = entry.mirror_by_digest_only
                    || mirror.pull_from_mirror.as_deref() == Some("digest-only");
                let wants_tag = mirror.pull_from_mirror.as_deref() == Some("tag-only");
                let fits = if name.digest.is_some() { !wants_tag } else { !wants_digest };
                if fits {
                    let place = rewritten(&full, entry, &mirror.location);
                    found.push(self.endpoint(&place, mirror.insecure));
                }
            }
        }
        let place = match entry.and_then(|entry| Some((entry, entry.location.as_deref()?))) {
            Some((entry, location)) => rewritten(&full, entry, location),
            None => full.clone(),
        };
        found.push(self.endpoint(&place, entry.and_then(|entry| entry.insecure)));
        Ok(found)
    }

    /// The entry with the longest prefix that fits.
    /// Whether images are to be used before all of them has come.
    pub fn is_lazy(&self, name: &Reference) -> bool {
        self.entry(&name.name()).is_some_and(|entry| entry.lazy)
    }

    fn entry(&self, full: &str) -> Option<&Entry> {
        let fitting = self.entries.iter().filter(|entry| fits(entry.key(), full));
        fitting.max_by_key(|entry| entry.key().trim_start_matches('*').len())
    }

    fn endpoint(&self, place: &str, insecure: Option<bool>) -> Endpoint {
        let (registry, repository) = place.split_once('/').unwrap_or((place, ""));
        let host = if registry == DEFAULT_REGISTRY { DOCKER_HUB } else { registry };
        Endpoint {
            host: host.to_owned(),
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            insecure: match self.verify {
                Some(verify) => !verify,
                None => insecure.unwrap_or_else(|| is_loopback(host)),
            },
        }
    }
}

impl Entry {
    fn key(&self) -> &str {
        self.prefix.as_deref().or(self.location.as_deref()).unwrap_or_default()
    }
}

/// Says whether a name lies beneath a prefix: a host, a path of a host, or `*.domain`.
fn fits(prefix: &str, full: &str) -> bool {
    if prefix == "*" {
        return true;
    }
    if let Some(domain) = prefix.strip_prefix("*.") {
        let host = full.split('/').next().unwrap_or_default();
        return host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    }
    full.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':']))
}

/// The name with the entry's prefix exchanged for a location.
fn rewritten(full: &str, entry: &Entry, location: &str) -> String {
    let rest = match entry.key() {
        key if key.starts_with('*') => full.split_once('/').map_or("", |(_, rest)| rest),
        key => full.strip_prefix(key).unwrap_or_default().trim_start_matches('/'),
    };
    format!("{}/{rest}", location.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::{Purpose, Registries};

    const CONF: &str = r#"
        unqualified-search-registries = ["docker.io"]
        [[registry]]
        prefix = "docker.io"
        [[registry.mirror]]
        location = "127.0.0.1:5001/hub"
        [[registry]]
        prefix = "docker.io/secret"
        blocked = true
        [[registry]]
        prefix = "old.example.com/team"
        location = "new.example.com:5000/t"
        insecure = true
        [[registry]]
        prefix = "*.corp.example"
        location = "127.0.0.1:5002"
    "#;

    #[test]
    fn endpoints() {
        let conf = Registries::parse(CONF).expect("it parses");
        let shown = |name: &str, purpose| -> Vec<String> {
            match conf.endpoints(&name.parse().expect("a name"), purpose) {
                Err(error) => vec![error.to_string()],
                Ok(found) => found
                    .iter()
                    .map(|e| format!("{}|{}|{}|{}", e.host, e.registry, e.repository, e.insecure))
                    .collect(),
            }
        };
        for (name, purpose, expected) in [
            (
                "busybox",
                Purpose::Read,
                vec![
                    "127.0.0.1:5001|127.0.0.1:5001|hub/library/busybox|true",
                    "registry-1.docker.io|docker.io|library/busybox|false",
                ],
            ),
            (
                "busybox",
                Purpose::Write,
                vec!["registry-1.docker.io|docker.io|library/busybox|false"],
            ),
            (
                "secret/x",
                Purpose::Read,
                vec!["registry docker.io is blocked by the registries configuration"],
            ),
            (
                "old.example.com/team/app:1",
                Purpose::Read,
                vec!["new.example.com:5000|new.example.com:5000|t/app|true"],
            ),
            (
                "old.example.com/teams/app",
                Purpose::Read,
                vec!["old.example.com|old.example.com|teams/app|false"],
            ),
            ("a.corp.example/x/y", Purpose::Read, vec!["127.0.0.1:5002|127.0.0.1:5002|x/y|true"]),
            ("localhost:5000/x", Purpose::Read, vec!["localhost:5000|localhost:5000|x|true"]),
        ] {
            assert_eq!(shown(name, purpose), expected, "{name}");
        }
    }

    #[test]
    fn only_one_registry() {
        let conf = Registries::only("docker.io", Some("127.0.0.1:5001/x"), Some(false));
        let endpoints = |name: &str| conf.endpoints(&name.parse().expect("a name"), Purpose::Read);
        let found = endpoints("busybox").expect("it is the one");
        assert_eq!((found.len(), &*found[0].host), (1, "127.0.0.1:5001"));
        assert_eq!((&*found[0].repository, found[0].insecure), ("x/library/busybox", false));
        assert!(endpoints("quay.io/a/b").is_err());
    }

    #[test]
    fn a_star_blocks_the_rest() {
        let text =
            "[[registry]]\nprefix='*'\nblocked=true\n[[registry]]\nprefix='localhost:5000'\n";
        let conf = Registries::parse(text).expect("it parses");
        let endpoints = |name: &str| conf.endpoints(&name.parse().expect("a name"), Purpose::Read);
        assert!(endpoints("busybox").is_err());
        assert!(endpoints("localhost:5000/busybox").is_ok());
        assert!(Registries::parse("[[registry]]\nblocked=true").is_err());
        assert!(Registries::parse("nonsense").is_err());
    }
}
