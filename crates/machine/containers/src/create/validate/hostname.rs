//! Host names: RFC 1123, at most 63 characters, as the CLI of Docker checks them.

use super::Invalid;

/// Linux has room for 64 bytes.
const NAME_LIMIT_BYTES: usize = 64;

pub(super) fn check(name: &str) -> Result<(), Invalid> {
    let word = |b: u8| b.is_ascii_alphanumeric();
    let label = |label: &str| {
        let bytes = label.as_bytes();
        matches!((bytes.first(), bytes.last()), (Some(a), Some(b)) if word(*a) && word(*b))
            && bytes.len() <= 63
            && bytes.iter().all(|b| word(*b) || matches!(b, b'-' | b'_'))
    };
    let fits = name.len() <= NAME_LIMIT_BYTES && name.split('.').all(label);
    match name.is_empty() || fits {
        true => Ok(()),
        false => Err(Invalid::Hostname(name.chars().take(80).collect())),
    }
}
