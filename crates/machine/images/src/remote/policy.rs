//! Which images may be used: the part of containers' `policy.json` that needs no GPG.
//!
//! `insecureAcceptAnything`, `reject` and `sigstoreSigned` with `keyPath`, `keyPaths` or `keyData` are
//! known, with the identities `matchExact`, `matchRepoDigestOrExact`, `matchRepository`,
//! `exactReference` and `exactRepository`. What is not known refuses the image, in words: a policy
//! that is half understood protects nobody. A pure decision; signatures are fetched elsewhere.

use super::error::{RemoteError, Result};
use super::signature::PublicKey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use teu_oci::Reference;

/// Bytes of the file, and of a key.
const FILE_LIMIT_BYTES: u64 = 1 << 20;

/// The policy.
#[derive(Debug, Clone, Deserialize)]
pub struct Policy {
    default: Vec<Requirement>,
    #[serde(default)]
    transports: BTreeMap<String, BTreeMap<String, Vec<Requirement>>>,
}

/// One thing that must hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Requirement {
    #[serde(rename = "type")]
    kind: String,
    key_path: Option<PathBuf>,
    #[serde(default)]
    key_paths: Vec<PathBuf>,
    key_data: Option<String>,
    signed_identity: Option<Identity>,
}

/// Whose name a statement must bear.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    #[serde(rename = "type")]
    kind: String,
    docker_reference: Option<String>,
    docker_repository: Option<String>,
}

/// A signature that an image must have.
#[derive(Debug, Clone)]
pub struct Needed {
    /// Any of these keys will do.
    pub keys: Vec<PublicKey>,
    identity: Option<Identity>,
}

impl Policy {
    /// Reads the first of these files that exists; none: everything is accepted.
    pub fn read(paths: &[PathBuf]) -> Result<Option<Self>> {
        let Some(path) = paths.iter().find(|path| path.is_file()) else { return Ok(None) };
        let bytes = read(path)?;
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|e| RemoteError::Settings { path: path.clone(), reason: e.to_string() })
    }

    /// The signatures that an image of a registry must have; an error where it is refused.
    pub fn needed(&self, name: &Reference) -> Result<Vec<Needed>> {
        let refused = |reason: String| RemoteError::Policy { name: name.to_string(), reason };
        let requirements = self.requirements(name);
        if requirements.is_empty() {
            return Err(refused("the policy has no requirement for it".to_owned()));
        }
        let mut needed = Vec::new();
        for requirement in requirements {
            match requirement.kind.as_str() {
                "insecureAcceptAnything" => {}
                "reject" => return Err(refused("the policy rejects it".to_owned())),
                "sigstoreSigned" => needed.push(requirement.needed(name)?),
                other => {
                    let reason = format!("requirements of type {other:?} cannot be checked here");
                    return Err(refused(reason));
                }
            }
        }
        Ok(needed)
    }

    /// Those of the longest scope that fits.
    fn requirements(&self, name: &Reference) -> &[Requirement] {
        let scopes = self.transports.get("docker");
        let scoped = |scope: &str| scopes?.get(scope).map(Vec::as_slice);
        let (full, repository) = (name.to_string(), name.name());
        // The name itself, its repository, each path above it, its host.
        let paths = repository.match_indices('/').map(|(end, _)| &repository[..end]);
        let mut above: Vec<&str> = paths.collect();
        above.reverse();
        let own = [full.as_str(), repository.as_str()].into_iter().chain(above);
        // Then the domains above the host, then everything.
        let dots = name.registry.match_indices('.').map(|(at, _)| &name.registry[at..]);
        let domains = dots.map(|domain| format!("*{domain}"));
        own.map(str::to_owned)
            .chain(domains)
            .chain([String::new()])
            .find_map(|scope| scoped(&scope))
            .unwrap_or(&self.default)
    }
}

impl Requirement {
    fn needed(&self, name: &Reference) -> Result<Needed> {
        let refused = |reason: String| RemoteError::Policy { name: name.to_string(), reason };
        let mut pems = Vec::new();
        for path in self.key_path.iter().chain(&self.key_paths) {
            pems.push((path.display().to_string(), read(path)?));
        }
        if let Some(data) = &self.key_data {
            let bytes = STANDARD.decode(data.trim());
            let bytes = bytes.map_err(|_| refused("its keyData is not base64".to_owned()))?;
            pems.push(("keyData".to_owned(), bytes));
        }
        if pems.is_empty() {
            let reason = "sigstoreSigned is known with keyPath, keyPaths and keyData only";
            return Err(refused(reason.to_owned()));
        }
        let keys = pems.into_iter().map(|(place, pem)| {
            PublicKey::from_pem(&pem).map_err(|fault| refused(format!("{place}: {fault}")))
        });
        Ok(Needed { keys: keys.collect::<Result<_>>()?, identity: self.signed_identity.clone() })
    }
}

impl Needed {
    /// Says whether a statement's name is good for the image that is asked for.
    pub fn accepts(&self, stated: &str, wanted: &Reference) -> bool {
        let Ok(stated) = stated.parse::<Reference>() else { return false };
        // A name without a tag was parsed into one with `latest`.
        let same_repository = stated.name() == wanted.name();
        let exact = same_repository && stated.tag == wanted.tag && stated.digest == wanted.digest;
        let kind = self.identity.as_ref().map_or("matchRepoDigestOrExact", |i| i.kind.as_str());
        let given = |text: &Option<String>| text.as_ref().and_then(|t| t.parse::<Reference>().ok());
        match (kind, &self.identity) {
            ("matchRepository", _) => same_repository,
            ("matchExact", _) => exact,
            ("matchRepoDigestOrExact", _) => exact || (same_repository && wanted.digest.is_some()),
            ("exactReference", Some(identity)) => {
                given(&identity.docker_reference).is_some_and(|given| given == stated)
            }
            ("exactRepository", Some(identity)) => given(&identity.docker_repository)
                .is_some_and(|given| given.name() == stated.name()),
            _ => false,
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let wrong = |reason: String| RemoteError::Settings { path: path.to_path_buf(), reason };
    let size = fs::metadata(path).map_err(|e| wrong(e.to_string()))?.len();
    if size > FILE_LIMIT_BYTES {
        return Err(wrong(format!("more than {FILE_LIMIT_BYTES} bytes")));
    }
    fs::read(path).map_err(|e| wrong(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::Policy;

    #[test]
    fn scopes() {
        let policy: Policy = serde_json::from_str(
            r#"{"default":[{"type":"reject"}],"transports":{"docker":{
                "a.b/x":[{"type":"insecureAcceptAnything"}],
                "a.b/x/secret":[{"type":"reject"}],
                "a.b/x/secret:ok":[{"type":"insecureAcceptAnything"}],
                "*.c.d":[{"type":"insecureAcceptAnything"}],
                "gpg":[{"type":"signedBy","keyType":"GPGKeys"}],
                "a.b:5000":[]}}}"#,
        )
        .expect("it parses");
        for (name, expected) in [
            ("a.b/x", ""),
            ("a.b/x/y:1", ""),
            ("a.b/x/secret", "rejects it"),
            ("a.b/x/secret:ok", ""),
            ("a.b/xy", "rejects it"),
            ("z.c.d/q", ""),
            ("busybox", "rejects it"),
            ("a.b:5000/x", "has no requirement"),
        ] {
            let found = policy.needed(&name.parse().expect("a name"));
            let text = found.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(
                text.contains(expected) && text.is_empty() == expected.is_empty(),
                "{name}: {text}"
            );
        }
    }

    #[test]
    fn what_is_not_known_refuses() {
        let text = r#"{"default":[{"type":"signedBy","keyType":"GPGKeys","keyPath":"/x"}]}"#;
        let policy: Policy = serde_json::from_str(text).expect("it parses");
        let error = policy.needed(&"x".parse().expect("a name")).expect_err("it is refused");
        assert!(error.to_string().contains("\"signedBy\" cannot be checked here"), "{error}");
    }
}
