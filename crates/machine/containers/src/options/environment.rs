//! `-e`, `--env-file`, `--label`, `--label-file`, `--add-host`: lists of names and values.

use super::OptionError;
use std::collections::BTreeMap;

/// Longest line of a file, in bytes: as Docker's scanner.
const LINE_LIMIT_BYTES: usize = 64 << 10;

/// One `-e NAME[=value]`; a bare name takes its value from `lookup`, or has none.
pub fn variable(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<String, OptionError> {
    if text.is_empty() || text.starts_with('=') {
        return Err(OptionError::value(
            "env",
            text,
            "invalid environment variable: ".to_owned() + text,
        ));
    }
    Ok(match (text.contains('='), lookup(text)) {
        (false, Some(value)) => format!("{text}={value}"),
        _ => text.to_owned(),
    })
}

/// The lines of a file for `--env-file` or `--label-file`. Comments and empty lines do not count; a
/// bare name takes its value from `lookup` (for labels: has none) and is left out when it has none.
pub fn file(
    path: &str,
    content: &[u8],
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<String>, OptionError> {
    let wrong = |reason: String| OptionError::File { path: path.to_owned(), reason };
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let mut out = Vec::new();
    for (index, line) in content.split(|&byte| byte == b'\n').enumerate() {
        if line.len() > LINE_LIMIT_BYTES {
            return Err(wrong(format!("line {}: token too long", index + 1)));
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Ok(line) = std::str::from_utf8(line) else {
            return Err(wrong(format!("invalid utf8 bytes at line {}", index + 1)));
        };
        if line.contains('\0') {
            return Err(wrong(format!("a zero byte at line {}", index + 1)));
        }
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (line.trim_end(), lookup(line.trim_end())),
        };
        if name.is_empty() {
            return Err(wrong(format!("no variable name on line '{line}'")));
        }
        if name.contains(char::is_whitespace) {
            return Err(wrong(format!("variable '{name}' contains whitespaces")));
        }
        if let Some(value) = value {
            out.push(format!("{name}={value}"));
        }
    }
    Ok(out)
}

/// `key[=value]` pairs; later ones win.
pub fn labels<'a>(
    texts: impl IntoIterator<Item = &'a str>,
) -> Result<BTreeMap<String, String>, OptionError> {
    let mut out = BTreeMap::new();
    for text in texts {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        if key.is_empty() {
            return Err(OptionError::value(
                "label",
                text,
                format!("invalid label format: {text:?}"),
            ));
        }
        out.insert(key.to_owned(), value.to_owned());
    }
    Ok(out)
}

/// One `--add-host NAME:ADDRESS` (or `NAME=ADDRESS`), as `name:address`.
pub fn host(text: &str) -> Result<String, OptionError> {
    let wrong = |reason: String| OptionError::value("add-host", text, reason);
    let split = text.split_once('=').or_else(|| text.split_once(':'));
    let Some((name, address)) = split.filter(|(name, _)| !name.is_empty()) else {
        return Err(wrong(format!("bad format for add-host: {text:?}")));
    };
    let address = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
    let known = address == "host-gateway" || address.parse::<std::net::IpAddr>().is_ok();
    if !known {
        return Err(wrong(format!("invalid IP address in add-host: {address:?}")));
    }
    if name.contains(char::is_whitespace) || name.contains('\0') {
        return Err(wrong(format!("bad format for add-host: {text:?}")));
    }
    Ok(format!("{name}:{address}"))
}
