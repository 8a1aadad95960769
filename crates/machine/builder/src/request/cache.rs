//! `--cache-from` and `--cache-to`: where the cache of a build comes from and goes to, in Buildx's
//! syntax.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use teu_oci::media::Compression;
use teu_oci::{Digest, Reference};

/// The name a local cache has where none is given.
const DEFAULT_TAG: &str = "latest";

/// One `--cache-from`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CacheSource {
    /// A cache in a registry, or an image there with a cache inline.
    Registry(Reference),
    /// A directory that `type=local` wrote.
    Local {
        /// An OCI layout.
        directory: PathBuf,
        /// Which of its caches.
        tag: String,
    },
    /// A directory of whoever asked the engine for the build.
    Client {
        /// The client's name for it.
        store: String,
        /// The cache's manifest.
        digest: Digest,
    },
}

/// One `--cache-to`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheTarget {
    /// Where to.
    pub place: CachePlace,
    /// Steps of all stages, not only of those the result is made of.
    pub max: bool,
    /// How layers are packed there.
    pub compression: Packing,
    /// Level of it.
    pub level: Option<u32>,
    /// A cache that cannot be written is a warning.
    pub ignores_errors: bool,
}

/// Where a cache goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CachePlace {
    /// Into the image's configuration.
    Inline,
    /// Into a registry.
    Registry(Reference),
    /// Into a directory, as an OCI layout.
    Local {
        /// Which.
        directory: PathBuf,
        /// Under which name.
        tag: String,
    },
}

/// How layers of a cache are packed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Packing {
    /// As tars.
    None,
    /// RFC 1952.
    #[default]
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl From<Packing> for Compression {
    fn from(packing: Packing) -> Self {
        match packing {
            Packing::None => Self::None,
            Packing::Gzip => Self::Gzip,
            Packing::Zstd => Self::Zstd,
        }
    }
}

/// A cache that cannot be understood, or is not served here.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseCacheError {
    /// GitHub's service.
    #[error(
        "cache type gha is GitHub's own service and not supported: use type=registry,ref=HOST/NAME:cache, or type=local and keep the directory with actions/cache"
    )]
    Gha,
    /// No such kind.
    #[error(
        "cache type {0:?} is not supported: NAME, type=registry,ref=NAME, type=local,src=DIR (dest=DIR to write), or type=inline"
    )]
    Kind(String),
    /// An inline cache is read from its image.
    #[error("an inline cache is read from its image: type=registry,ref=IMAGE")]
    InlineSource,
    /// Something is missing.
    #[error("cache type {kind} needs {key}=")]
    Missing {
        /// Which kind.
        kind: String,
        /// Which attribute.
        key: &'static str,
    },
    /// An attribute that means nothing here.
    #[error("attribute {key}={value} of cache type {kind} is not known")]
    Attribute {
        /// Which kind.
        kind: String,
        /// Which attribute.
        key: String,
        /// Its value.
        value: String,
    },
    /// No name of an image.
    #[error(transparent)]
    Reference(#[from] teu_oci::reference::ParseReferenceError),
}

/// Attributes by name.
pub type Attributes = BTreeMap<String, String>;

/// `type=registry,ref=…` into its kind and the rest; a bare name is a registry's.
fn split(text: &str) -> (String, Attributes) {
    if !text.contains('=') {
        return ("registry".to_owned(), BTreeMap::from([("ref".to_owned(), text.to_owned())]));
    }
    let mut attributes: Attributes = text
        .split(',')
        .map(|field| {
            let (key, value) = field.split_once('=').unwrap_or((field, "true"));
            (key.trim().to_ascii_lowercase(), value.to_owned())
        })
        .collect();
    (attributes.remove("type").unwrap_or_default(), attributes)
}

fn needed(
    kind: &str,
    attributes: &Attributes,
    key: &'static str,
) -> Result<String, ParseCacheError> {
    let value = attributes.get(key).filter(|value| !value.is_empty());
    value.cloned().ok_or_else(|| ParseCacheError::Missing { kind: kind.to_owned(), key })
}

fn unknown_kind(kind: &str) -> ParseCacheError {
    match kind {
        "gha" => ParseCacheError::Gha,
        other => ParseCacheError::Kind(other.to_owned()),
    }
}

fn tag_of(attributes: &Attributes) -> String {
    attributes.get("tag").cloned().unwrap_or_else(|| DEFAULT_TAG.to_owned())
}

impl CacheSource {
    /// Reads it as it is typed.
    pub fn parse(text: &str) -> Result<Self, ParseCacheError> {
        let (kind, attributes) = split(text);
        let source = Self::of(&kind, &attributes)?;
        // Clients send more than is meant; what a person types is.
        let known: &[&str] = match source {
            Self::Registry(_) => &["ref"],
            Self::Local { .. } | Self::Client { .. } => &["src", "tag"],
        };
        match attributes.into_iter().find(|(key, _)| !known.contains(&key.as_str())) {
            Some((key, value)) => Err(ParseCacheError::Attribute { kind, key, value }),
            None => Ok(source),
        }
    }

    /// Reads it as clients send it.
    pub fn of(kind: &str, attributes: &Attributes) -> Result<Self, ParseCacheError> {
        match kind {
            "registry" => Ok(Self::Registry(needed(kind, attributes, "ref")?.parse()?)),
            "local" => {
                let directory = needed(kind, attributes, "src")?.into();
                Ok(Self::Local { directory, tag: tag_of(attributes) })
            }
            "inline" => Err(ParseCacheError::InlineSource),
            other => Err(unknown_kind(other)),
        }
    }

    /// As messages show it.
    pub fn shown(&self) -> String {
        match self {
            Self::Registry(name) => name.familiar(),
            Self::Local { directory, tag } => format!("{}:{tag}", directory.display()),
            Self::Client { store, .. } => store.clone(),
        }
    }
}

impl CacheTarget {
    /// Reads it as it is typed.
    pub fn parse(text: &str) -> Result<Self, ParseCacheError> {
        let (kind, attributes) = split(text);
        Self::of(&kind, &attributes)
    }

    /// Reads it as clients send it.
    pub fn of(kind: &str, attributes: &Attributes) -> Result<Self, ParseCacheError> {
        let place = match kind {
            "inline" => CachePlace::Inline,
            "registry" => CachePlace::Registry(needed(kind, attributes, "ref")?.parse()?),
            "local" => {
                let directory = needed(kind, attributes, "dest")?.into();
                CachePlace::Local { directory, tag: tag_of(attributes) }
            }
            other => return Err(unknown_kind(other)),
        };
        let mut target = Self {
            place,
            max: false,
            compression: Packing::default(),
            level: None,
            ignores_errors: false,
        };
        for (key, value) in attributes {
            target.set(kind, key, value)?;
        }
        Ok(target)
    }

    fn set(&mut self, kind: &str, key: &str, value: &str) -> Result<(), ParseCacheError> {
        let is_true = matches!(value, "true" | "1");
        match (key, value) {
            ("ref" | "dest" | "tag", _) => {}
            ("mode", "min") => self.max = false,
            ("mode", "max") => self.max = true,
            ("compression", "uncompressed") => self.compression = Packing::None,
            ("compression", "gzip") => self.compression = Packing::Gzip,
            ("compression", "zstd") => self.compression = Packing::Zstd,
            ("compression-level", text) if text.parse::<u32>().is_ok() => {
                self.level = text.parse().ok();
            }
            ("ignore-error", _) => self.ignores_errors = is_true,
            // How it is written anyway.
            ("image-manifest" | "oci-mediatypes", "true" | "1") => {}
            ("force-compression", _) => {}
            _ => {
                let (kind, key, value) = (kind.to_owned(), key.to_owned(), value.to_owned());
                return Err(ParseCacheError::Attribute { kind, key, value });
            }
        }
        Ok(())
    }

    /// As messages show it.
    pub fn shown(&self) -> String {
        match &self.place {
            CachePlace::Inline => "the image".to_owned(),
            CachePlace::Registry(name) => name.familiar(),
            CachePlace::Local { directory, tag } => format!("{}:{tag}", directory.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CachePlace, CacheSource, CacheTarget, Packing, ParseCacheError};

    #[test]
    fn sources() {
        let name = || "host:5000/app:cache".parse().unwrap();
        for (text, expected) in [
            ("host:5000/app:cache", Ok(CacheSource::Registry(name()))),
            ("type=registry,ref=host:5000/app:cache", Ok(CacheSource::Registry(name()))),
            (
                "type=local,src=/c",
                Ok(CacheSource::Local { directory: "/c".into(), tag: "latest".to_owned() }),
            ),
            ("type=gha", Err(ParseCacheError::Gha)),
            ("type=s3,bucket=x", Err(ParseCacheError::Kind("s3".to_owned()))),
            ("type=inline", Err(ParseCacheError::InlineSource)),
            ("type=local", Err(ParseCacheError::Missing { kind: "local".to_owned(), key: "src" })),
            (
                "type=local,src=/c,colour=red",
                Err(ParseCacheError::Attribute {
                    kind: "local".to_owned(),
                    key: "colour".to_owned(),
                    value: "red".to_owned(),
                }),
            ),
        ] {
            assert_eq!(CacheSource::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn targets() {
        let target = CacheTarget::parse(
            "type=registry,ref=host/app,mode=max,compression=zstd,compression-level=9,\
             ignore-error=true,image-manifest=true,oci-mediatypes=true",
        )
        .unwrap();
        assert!(target.max && target.ignores_errors);
        assert_eq!((target.compression, target.level), (Packing::Zstd, Some(9)));
        let plain = CacheTarget::parse("type=local,dest=out").unwrap();
        assert!(!plain.max && plain.compression == Packing::Gzip);
        assert_eq!(plain.shown(), "out:latest");
        assert_eq!(CacheTarget::parse("type=inline").unwrap().place, CachePlace::Inline);
        assert_eq!(CacheTarget::parse("type=gha,mode=max"), Err(ParseCacheError::Gha));
        for text in ["type=local,dest=x,mode=huge", "type=inline,colour=red", "type=registry"] {
            assert!(CacheTarget::parse(text).is_err(), "{text}");
        }
    }
}
