//! Making a group's directories, and what a fresh one needs before it can be used.

use super::{Error, files};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// How often making is begun anew when somebody removes an empty parent at the same time.
const ATTEMPTS: usize = 8;

/// `mount` + `path`, the latter absolute.
pub fn below(mount: &Path, path: &str) -> PathBuf {
    mount.join(path.trim_start_matches('/'))
}

/// Makes the directory and missing parents; those made are appended, top first.
pub fn make(mount: &Path, path: &str, made: &mut Vec<PathBuf>) -> Result<(), Error> {
    let leaf = below(mount, path);
    let mut result = Ok(());
    for _ in 0..ATTEMPTS {
        match std::fs::create_dir(&leaf) {
            Ok(()) => {
                made.push(leaf);
                return Ok(());
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => result = Err(error),
            Err(source) => return Err(Error::Create { path: leaf, source }),
        }
        let mut parents: Vec<&Path> =
            leaf.ancestors().skip(1).take_while(|parent| *parent != mount).collect();
        parents.reverse();
        for parent in parents {
            match std::fs::create_dir(parent) {
                Ok(()) => made.push(parent.to_owned()),
                Err(error)
                    if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound) => {}
                Err(source) => return Err(Error::Create { path: parent.into(), source }),
            }
        }
    }
    result.map_err(|source| Error::Create { path: leaf, source })
}

/// A v1 cpuset begins empty, and nothing may enter it before it has CPUs and memory nodes.
pub fn fill_cpuset(directory: &Path) -> Result<(), Error> {
    for name in ["cpuset.cpus", "cpuset.mems"] {
        let path = directory.join(name);
        if !files::read(&path)?.trim().is_empty() {
            continue;
        }
        let Some(parent) = directory.parent() else { continue };
        let value = files::read(&parent.join(name))?;
        files::write(&path, value.trim()).map_err(|source| Error::Write { path, source })?;
    }
    Ok(())
}

/// Which controllers are given to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delegation {
    /// Those that it does not say it has.
    Missing,
    /// All, which waits for whoever is about to.
    Anew,
}

/// Enables v2 controllers in every group above `path`.
pub fn delegate(
    mount: &Path,
    path: &str,
    wanted: &BTreeSet<&str>,
    how: Delegation,
) -> Result<(), Error> {
    if wanted.is_empty() {
        return Ok(());
    }
    // Where the group itself already has them, everything above has too: one read for the rule.
    let leaf = below(mount, path);
    if how == Delegation::Missing {
        let available = files::read(&leaf.join("cgroup.controllers"))?;
        if wanted.iter().all(|name| available.split_whitespace().any(|have| have == *name)) {
            return Ok(());
        }
    }
    let value = wanted.iter().map(|name| format!("+{name}")).collect::<Vec<_>>().join(" ");
    let mut above: Vec<&Path> = leaf.ancestors().skip(1).collect();
    above.retain(|parent| parent.starts_with(mount));
    for parent in above.into_iter().rev() {
        files::write(&parent.join("cgroup.subtree_control"), &value).map_err(|source| {
            Error::Delegate { path: parent.into(), controllers: value.clone(), source }
        })?;
    }
    Ok(())
}
