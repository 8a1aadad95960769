//! Paths of an archive, made harmless before anything looks at them.

use crate::error::{EntryFault, Error, Result};
use crate::limits::Limits;

const COMPONENT_BYTES: usize = 255;

/// The path without leading slashes, empty and `.` components; empty is the root. `..` is refused
/// wherever it stands: no image needs it, and every attack does.
pub(crate) fn normal(raw: &[u8], limits: &Limits) -> Result<Vec<u8>> {
    let refuse = |reason| Err(Error::entry(raw, reason));
    if raw.is_empty() || raw.contains(&0) {
        return refuse(EntryFault::Name);
    }
    if raw.len() > limits.path_bytes {
        return refuse(EntryFault::PathLength);
    }
    let mut path = Vec::with_capacity(raw.len());
    let mut depth = 0;
    for component in raw.split(|&b| b == b'/') {
        match component {
            b"" | b"." => continue,
            b".." => return refuse(EntryFault::Traversal),
            _ if component.len() > COMPONENT_BYTES => return refuse(EntryFault::ComponentLength),
            _ => {}
        }
        depth += 1;
        if depth > limits.path_depth {
            return refuse(EntryFault::Depth);
        }
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(component);
    }
    Ok(path)
}

/// Last component and the path before it; `None` of the root.
pub(super) fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.is_empty() {
        return None;
    }
    match path.iter().rposition(|&b| b == b'/') {
        Some(at) => Some((&path[at + 1..], &path[..at])),
        None => Some((path, b"")),
    }
}
