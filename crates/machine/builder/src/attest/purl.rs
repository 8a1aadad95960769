//! Package URLs: names of packages that mean the same everywhere. Pure.

use std::fmt::Write as _;
use teu_oci::{Platform, Reference};

/// `pkg:TYPE/NAMESPACE/NAME@VERSION?key=value`; empty parts are left out.
pub fn purl(
    kind: &str,
    namespace: &str,
    (name, version): (&str, &str),
    qualifiers: &[(&str, &str)],
) -> String {
    let mut text = format!("pkg:{kind}/");
    for part in namespace.split('/').filter(|part| !part.is_empty()) {
        let _ = write!(text, "{}/", encoded(part));
    }
    text.push_str(&encoded(name));
    if !version.is_empty() {
        let _ = write!(text, "@{}", encoded(version));
    }
    let mut separator = '?';
    for (key, value) in qualifiers.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = write!(text, "{separator}{key}={}", encoded(value));
        separator = '&';
    }
    text
}

/// Of an image.
pub fn docker(name: &Reference, platform: &Platform) -> String {
    let familiar = name.familiar_name();
    let (namespace, last) = familiar.rsplit_once('/').unwrap_or(("", &familiar));
    let tag = name.tag.as_deref().unwrap_or_default();
    let digest = name.digest.as_ref().map(ToString::to_string).unwrap_or_default();
    let version = if tag.is_empty() { &digest } else { tag };
    purl("docker", namespace, (last, version), &[("platform", &platform.to_string())])
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            b':' => out.push(':'),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{docker, purl};

    #[test]
    fn names() {
        assert_eq!(
            purl("deb", "debian", ("libstdc++6", "1:12.2+x"), &[("arch", "amd64"), ("distro", "")]),
            "pkg:deb/debian/libstdc%2B%2B6@1:12.2%2Bx?arch=amd64"
        );
        let platform = teu_oci::Platform::linux("amd64");
        for (name, expected) in [
            ("busybox", "pkg:docker/busybox@latest?platform=linux%2Famd64"),
            ("a.b:5000/x/y:1", "pkg:docker/a.b:5000/x/y@1?platform=linux%2Famd64"),
        ] {
            assert_eq!(docker(&name.parse().expect("a name"), &platform), expected);
        }
    }
}
