//! Versions of the API: which are spoken, and how one is asked for (`/v1.44/…`).

use std::fmt;

/// A version; 1 is its major part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u16);

/// The oldest that is spoken.
pub const OLDEST: Version = Version(24);
/// The newest that is spoken: docker 28's.
pub const NEWEST: Version = Version(50);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

impl Version {
    /// Splits `/v1.44/containers/json` into the version and the rest. Without one, it is the newest.
    pub fn split(path: &str) -> (Result<Self, String>, &str) {
        let Some(tail) = path.strip_prefix("/v") else { return (Ok(NEWEST), path) };
        let (text, rest) = match tail.find('/') {
            Some(at) => (&tail[..at], &tail[at..]),
            None => return (Ok(NEWEST), path),
        };
        let number = |text: &str| -> Option<u16> {
            let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| text.parse().ok())?
        };
        let Some((major, minor)) = text.split_once('.') else { return (Ok(NEWEST), path) };
        match (number(major), number(minor)) {
            (Some(1), Some(minor)) => (Self(minor).check(text), rest),
            (Some(major), Some(_)) if major > 1 => (Err(too_new(text)), rest),
            (Some(_), Some(_)) => (Err(too_old(text)), rest),
            _ => (Ok(NEWEST), path),
        }
    }

    fn check(self, text: &str) -> Result<Self, String> {
        match self {
            version if version < OLDEST => Err(too_old(text)),
            version if version > NEWEST => Err(too_new(text)),
            version => Ok(version),
        }
    }
}

fn too_old(text: &str) -> String {
    format!(
        "client version {text} is too old. Minimum supported API version is {OLDEST}, please upgrade your client to a newer version"
    )
}

fn too_new(text: &str) -> String {
    format!("client version {text} is too new. Maximum supported API version is {NEWEST}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        for (path, version, rest) in [
            ("/v1.44/info", Some(44), "/info"),
            ("/info", Some(50), "/info"),
            ("/v1.24/volumes/v1.2", Some(24), "/volumes/v1.2"),
            ("/volumes", Some(50), "/volumes"),
            ("/v1.23/info", None, "/info"),
            ("/v1.51/info", None, "/info"),
            ("/v2.0/info", None, "/info"),
            ("/v1.x/info", Some(50), "/v1.x/info"),
        ] {
            let (found, tail) = Version::split(path);
            assert_eq!(found.ok().map(|version| version.0), version, "{path}");
            assert_eq!(tail, rest, "{path}");
        }
    }
}
