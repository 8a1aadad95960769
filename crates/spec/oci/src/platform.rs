//! `os/architecture[/variant]`: which machines an image is for. Image-spec, "Image Index".

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A platform as an index's entry names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// `amd64`, `arm64`, … (Go's GOARCH).
    pub architecture: String,
    /// `linux`, … (Go's GOOS).
    pub os: String,
    /// `v7`, `v8`, … of an architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Version of the operating system (Windows).
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Features of the operating system (Windows).
    #[serde(rename = "os.features", default, skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
}

/// A platform text that is not `os/arch[/variant]`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid platform {0:?}: expected os/architecture[/variant], such as linux/amd64")]
pub struct ParsePlatformError(String);

impl Platform {
    /// The platform this binary was compiled for.
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            other => other,
        };
        Self::linux(architecture)
    }

    /// Linux on the named architecture.
    pub fn linux(architecture: &str) -> Self {
        Self {
            architecture: architecture.to_owned(),
            os: "linux".to_owned(),
            variant: None,
            os_version: None,
            os_features: Vec::new(),
        }
    }

    /// Says whether an image made for `self` is what `wanted` asks for; a missing variant on
    /// either side, and `v8` of arm64, ask for nothing.
    pub fn satisfies(&self, wanted: &Self) -> bool {
        let variant = |p: &Self| match (p.architecture.as_str(), p.variant.as_deref()) {
            ("arm64", Some("v8")) => None,
            (_, variant) => variant.map(str::to_owned),
        };
        let (mine, theirs) = (variant(self), variant(wanted));
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && (mine.is_none() || theirs.is_none() || mine == theirs)
    }
}

impl FromStr for Platform {
    type Err = ParsePlatformError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParsePlatformError(text.chars().take(80).collect());
        let parts: Vec<&str> = text.split('/').collect();
        let plain = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        };
        if !parts.iter().all(plain) {
            return Err(error());
        }
        let (os, architecture, variant) = match parts[..] {
            [architecture] if architecture != "linux" => ("linux", architecture, None),
            [_] => ("linux", "", None),
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant)),
            _ => return Err(error()),
        };
        let (architecture, implied) = match architecture {
            "" => return Ok(Self::host()),
            "x86_64" | "x86-64" => ("amd64", None),
            "aarch64" => ("arm64", None),
            "i386" => ("386", None),
            "armhf" => ("arm", Some("v7")),
            "armel" => ("arm", Some("v6")),
            other => (other, None),
        };
        let mut platform = Self::linux(architecture);
        os.clone_into(&mut platform.os);
        platform.variant = variant.or(implied).map(str::to_owned);
        Ok(platform)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
