//! From the `cgroupsPath` of a bundle to the path of a cgroup below every hierarchy's mount.
//!
//! Two forms exist: a path, and systemd's `slice:prefix:name`, which is mapped to the place systemd
//! would have made (`/a.slice/a-b.slice/prefix-name.scope`). `..` is refused: a bundle must not name
//! a cgroup outside the mount, nor hide where it is.

use super::Error;

/// Longest path accepted, in bytes.
const MAX_BYTES: usize = 3072;

/// The path below the mount: absolute, without `.`, `..` and doubled slashes.
pub fn normalise(cgroups_path: &str) -> Result<String, Error> {
    let invalid = |reason| Error::InvalidPath { path: cgroups_path.to_owned(), reason };
    if cgroups_path.len() > MAX_BYTES {
        return Err(invalid("it is longer than 3072 bytes"));
    }
    if cgroups_path.bytes().any(|b| b == 0 || b == b'\n') {
        return Err(invalid("it contains a NUL or a newline"));
    }
    let text = match cgroups_path.split(':').collect::<Vec<_>>()[..] {
        [slice, prefix, name] if !cgroups_path.contains('/') => {
            scope_path(slice, prefix, name).ok_or_else(|| invalid("the slice is malformed"))?
        }
        _ => cgroups_path.to_owned(),
    };
    let mut path = String::with_capacity(text.len() + 1);
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(invalid("`..` is not allowed")),
            part => {
                path.push('/');
                path.push_str(part);
            }
        }
    }
    if path.is_empty() { Err(invalid("it names the root of the hierarchy")) } else { Ok(path) }
}

/// systemd's place for a unit; a name that ends in `.slice` is a slice itself.
fn scope_path(slice: &str, prefix: &str, name: &str) -> Option<String> {
    let slice = if slice.is_empty() { "system.slice" } else { slice };
    let mut path = slice_path(slice)?;
    path.push('/');
    if name.ends_with(".slice") {
        path.push_str(name);
    } else if prefix.is_empty() {
        path.push_str(&format!("{name}.scope"));
    } else {
        path.push_str(&format!("{prefix}-{name}.scope"));
    }
    Some(path)
}

/// `a-b.slice` lies in `a.slice`; `-.slice` is the root.
fn slice_path(slice: &str) -> Option<String> {
    let stem = slice.strip_suffix(".slice")?;
    if stem == "-" {
        return Some(String::new());
    }
    let mut path = String::new();
    let mut unit = String::new();
    for part in stem.split('-') {
        if part.is_empty() {
            return None;
        }
        if !unit.is_empty() {
            unit.push('-');
        }
        unit.push_str(part);
        path.push_str(&format!("/{unit}.slice"));
    }
    Some(path)
}
