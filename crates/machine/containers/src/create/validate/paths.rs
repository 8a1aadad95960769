//! Paths within a container, and ports.

use super::Invalid;

const PATH_LIMIT_BYTES: usize = 4095;

/// An absolute path without `.`, `..`, doubled or trailing slashes. What a person typed for the
/// inside of a container never leaves its root, whatever it says.
pub fn destination(path: &str) -> Result<String, Invalid> {
    if !path.starts_with('/') {
        return Err(Invalid::DestinationRelative(path.chars().take(200).collect()));
    }
    if path.len() > PATH_LIMIT_BYTES || path.contains('\0') {
        return Err(Invalid::DestinationForm(path.chars().take(200).collect()));
    }
    Ok(normalise(path))
}

/// Go's `filepath.Clean` of an absolute path.
pub fn normalise(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// `80`, `80/tcp`, `53/UDP` or a range `8000-8010` become `80/tcp` and so on.
pub fn port(text: &str) -> Result<String, Invalid> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port != 0);
    let fits = match ports.split_once('-') {
        Some((first, last)) => {
            matches!((number(first), number(last)), (Some(a), Some(b)) if a <= b)
        }
        None => number(ports).is_some(),
    };
    if !fits || !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(Invalid::Port(text.chars().take(40).collect()));
    }
    Ok(format!("{ports}/{protocol}"))
}
