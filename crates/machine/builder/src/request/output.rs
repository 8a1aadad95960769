//! Where the result goes: `--output type=…,dest=…`, in Buildx's syntax.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One `--output`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// The store, under the build's tags (and this name as well).
    Image {
        /// `name=`
        name: Option<String>,
    },
    /// An OCI layout: a tar, or a directory with `tar=false`.
    Oci {
        /// `dest=`
        destination: Destination,
        /// In one file.
        tar: bool,
    },
    /// What `docker load` reads.
    Docker {
        /// `dest=`
        destination: Destination,
    },
    /// The file system as a tar.
    Tar {
        /// `dest=`
        destination: Destination,
    },
    /// The file system as a directory.
    Local {
        /// `dest=`
        directory: PathBuf,
    },
    /// Nowhere: the cache is filled (`type=cacheonly`).
    CacheOnly,
}

/// Where bytes go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Destination {
    /// A file (or directory), replaced.
    Path(PathBuf),
    /// Standard output: `-`, asked for by name.
    Stdout,
}

/// An `--output` that cannot be understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseOutputError {
    /// No such exporter.
    #[error("unknown output type {0:?}: expected image, oci, docker, tar, local or cacheonly")]
    Kind(String),
    /// `dest=` is missing.
    #[error("output type {0} needs dest=PATH")]
    Destination(String),
    /// No such attribute.
    #[error("unknown attribute {key:?} of output type {kind}")]
    Attribute {
        /// The output's type.
        kind: String,
        /// What was given.
        key: String,
    },
    /// A registry is needed.
    #[error("an output cannot push: use teu build --push, which pushes the tags")]
    Push,
}

impl std::str::FromStr for Output {
    type Err = ParseOutputError;

    /// `type=local,dest=out`, or a bare path (`out` for a directory, `-` for a tar on stdout).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "-" {
            return Ok(Self::Tar { destination: Destination::Stdout });
        }
        if !text.contains('=') {
            return Ok(Self::Local { directory: PathBuf::from(text) });
        }
        let (mut kind, mut dest, mut name, mut tar) = (String::new(), None, None, true);
        let mut unknown = None;
        for field in text.split(',') {
            let (key, value) = field.split_once('=').unwrap_or((field, "true"));
            match key.trim().to_ascii_lowercase().as_str() {
                "type" => value.clone_into(&mut kind),
                "dest" | "output" => dest = Some(value.to_owned()),
                "name" => name = Some(value.to_owned()),
                "tar" => tar = value != "false" && value != "0",
                "push" if value == "false" => {}
                "push" => return Err(ParseOutputError::Push),
                "oci-mediatypes" | "compression" | "rewrite-timestamp" | "unpack" | "store" => {}
                other => unknown = Some(other.to_owned()),
            }
        }
        if let Some(key) = unknown {
            return Err(ParseOutputError::Attribute { kind, key });
        }
        let file = |dest: Option<String>| match dest.as_deref() {
            None => Err(ParseOutputError::Destination(kind.clone())),
            Some("-") => Ok(Destination::Stdout),
            Some(path) => Ok(Destination::Path(PathBuf::from(path))),
        };
        match kind.as_str() {
            "image" => Ok(Self::Image { name }),
            "oci" => Ok(Self::Oci { destination: file(dest)?, tar }),
            "docker" if dest.is_none() => Ok(Self::Image { name }),
            "docker" => Ok(Self::Docker { destination: file(dest)? }),
            "tar" => Ok(Self::Tar { destination: file(dest)? }),
            "local" => match file(dest)? {
                Destination::Path(directory) => Ok(Self::Local { directory }),
                Destination::Stdout => Err(ParseOutputError::Destination(kind)),
            },
            "cacheonly" => Ok(Self::CacheOnly),
            "registry" => Err(ParseOutputError::Push),
            other => Err(ParseOutputError::Kind(other.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests;
