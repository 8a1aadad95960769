//! The names people give to images: `[registry/]repository[:tag][@digest]`.
//!
//! A name is parsed once into its full form (`nginx` is `docker.io/library/nginx:latest`) and
//! shown in its familiar one. Distribution's reference grammar, with its limits.

use crate::digest::{Digest, ParseDigestError};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The registry that a bare name belongs to.
pub const DEFAULT_REGISTRY: &str = "docker.io";
/// The tag that a name without tag and digest means.
pub const DEFAULT_TAG: &str = "latest";
const NAME_LIMIT_BYTES: usize = 255;
const TAG_LIMIT_BYTES: usize = 128;

/// A parsed, complete image name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    /// Host and optional port, such as `docker.io` or `localhost:5000`.
    pub registry: String,
    /// Path within the registry, such as `library/nginx`.
    pub repository: String,
    /// The tag; absent only where there is a digest.
    pub tag: Option<String>,
    /// The digest that pins the content.
    pub digest: Option<Digest>,
}

/// Why a text does not name an image.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseReferenceError {
    /// Other characters than the grammar allows.
    #[error("invalid reference format: {0:?}")]
    Form(String),
    /// `docker` refuses capitals with a message of its own.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    Uppercase(String),
    /// The name is longer than 255 bytes.
    #[error("invalid reference format: repository name must not be more than 255 characters")]
    Length,
    /// What stands behind `@` is no digest.
    #[error("invalid reference format: {0}")]
    Digest(#[from] ParseDigestError),
}

impl Reference {
    /// The name without tag and digest: `docker.io/library/nginx`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The name as people type it: `nginx`, `localhost:5000/app`.
    pub fn familiar_name(&self) -> String {
        if self.registry != DEFAULT_REGISTRY {
            return self.name();
        }
        match self.repository.strip_prefix("library/") {
            Some(rest) if !rest.contains('/') => rest.to_owned(),
            // Without its registry it would be another's.
            _ if self.repository.split_once('/').is_some_and(|(first, _)| is_registry(first)) => {
                self.name()
            }
            _ => self.repository.clone(),
        }
    }

    /// The familiar name with tag and digest: `nginx:latest`.
    pub fn familiar(&self) -> String {
        self.with_suffix(self.familiar_name())
    }

    /// The same name with another tag and no digest.
    pub fn with_tag(&self, tag: &str) -> Self {
        Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() }
    }

    /// Says whether the text is a tag by the grammar.
    pub fn is_tag(text: &str) -> bool {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let mut bytes = text.bytes();
        text.len() <= TAG_LIMIT_BYTES
            && bytes.next().is_some_and(word)
            && bytes.all(|b| word(b) || matches!(b, b'.' | b'-'))
    }

    fn with_suffix(&self, mut text: String) -> String {
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(digest.as_str());
        }
        text
    }
}

impl FromStr for Reference {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || ParseReferenceError::Form(text.chars().take(300).collect());
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if tag.is_some_and(|tag| !Self::is_tag(tag)) {
            return Err(form());
        }
        let (registry, path) = match name.split_once('/') {
            Some((host, path)) if is_registry(host) => (host, path),
            _ => (DEFAULT_REGISTRY, name),
        };
        let registry = if registry == "index.docker.io" { DEFAULT_REGISTRY } else { registry };
        let repository = if registry == DEFAULT_REGISTRY && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(ParseReferenceError::Uppercase(path.chars().take(300).collect()));
        }
        if !repository.split('/').all(is_component) || !is_host(registry) {
            return Err(form());
        }
        if registry.len() + 1 + repository.len() > NAME_LIMIT_BYTES {
            return Err(ParseReferenceError::Length);
        }
        let tag = match (tag, &digest) {
            (Some(tag), _) => Some(tag.to_owned()),
            (None, None) => Some(DEFAULT_TAG.to_owned()),
            (None, Some(_)) => None,
        };
        Ok(Self { registry: registry.to_owned(), repository, tag, digest })
    }
}

/// A first component is a host when it has a dot, a port, or is `localhost`, or has a capital.
fn is_registry(host: &str) -> bool {
    host == "localhost" || host.contains(['.', ':']) || host.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let port_fits = port.is_none_or(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    let is_v6 =
        name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).is_some_and(|inner| {
            inner.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') && !inner.is_empty()
        });
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    port_fits && (is_v6 || name.split('.').all(label))
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(component: &str) -> bool {
    let bytes = component.as_bytes();
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else { return false };
    if !alphanumeric(first) || !alphanumeric(last) {
        return false;
    }
    bytes.split(|&b| alphanumeric(b)).all(|separator| {
        matches!(separator, b"" | b"." | b"_" | b"__") || separator.iter().all(|&b| b == b'-')
    })
}

impl TryFrom<String> for Reference {
    type Error = ParseReferenceError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

impl fmt::Display for Reference {
    /// The full form, `docker.io/library/nginx:latest`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_suffix(self.name()))
    }
}

#[cfg(test)]
mod tests;
