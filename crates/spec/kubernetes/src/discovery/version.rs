//! Which of a group's versions comes first.

use std::cmp::Ordering;

/// Stability, then numbers: `v2`, `v1`, `v2beta1`, `v1beta2`, `v1alpha1`; whatever is not of that form
/// last, by name.
pub fn by_priority(one: &str, two: &str) -> Ordering {
    match (parts(one), parts(two)) {
        (Some(one), Some(two)) => two.cmp(&one),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => one.cmp(two),
    }
}

/// Stability (2 is stable), major, minor.
fn parts(name: &str) -> Option<(u8, u64, u64)> {
    let rest = name.strip_prefix('v')?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (major, rest) = rest.split_at(end);
    let major = major.parse().ok()?;
    let (stability, minor) = match rest {
        "" => return Some((2, major, 0)),
        _ => match rest.strip_prefix("beta") {
            Some(minor) => (1, minor),
            None => (0, rest.strip_prefix("alpha")?),
        },
    };
    let digits = !minor.is_empty() && minor.bytes().all(|byte| byte.is_ascii_digit());
    if digits { Some((stability, major, minor.parse().ok()?)) } else { None }
}
