//! Where `COPY` takes files from: a context, a stage or an image, each beneath one descriptor.
//!
//! [`select`](Tree::select) finds what a source names, [`scan`] walks it and knows every file's
//! digest (from the [`stat`] cache where the kernel says it has not changed), so that a step's key
//! covers content and metadata: kind, mode, owner, link target, attributes; not times.

use crate::beneath;
use crate::error::Cause;
use crate::glob::{DoubleStar, Glob, has_wildcards};
use crate::ignore::{Ignore, Verdict};
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, OFlags};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

pub mod scan;
pub mod stat;

pub use scan::{Entry, Kind, Selected};

/// Files of one tree that may be selected or walked.
pub const ENTRY_LIMIT: usize = 4_000_000;
/// Directories within directories.
pub const DEPTH_LIMIT: usize = 1024;

/// A tree of files.
#[derive(Debug)]
pub struct Tree {
    /// Its root.
    pub root: OwnedFd,
    /// What people call it: `build context`, `stage build`.
    pub name: String,
    /// What is not part of it.
    pub ignore: Option<Arc<Ignore>>,
    /// Whose files it has.
    pub owner: Owner,
    /// Digests of unchanged files.
    pub cache: Option<Arc<stat::StatCache>>,
}

/// Whose files a copy makes when nobody says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Root's: a context's files belong to whoever builds.
    Root,
    /// As they are.
    Kept,
}

impl Tree {
    /// Finds what a source names: itself, or all that its pattern matches (perhaps nothing).
    /// Paths are relative to the root; `..` stops there.
    pub fn select(&self, source: &str, double: DoubleStar) -> Result<Vec<PathBuf>, Cause> {
        let source = clamp(source);
        if !has_wildcards(&source.to_string_lossy()) {
            return Ok(vec![source]);
        }
        let mut found = vec![PathBuf::new()];
        let parts: Vec<&std::ffi::OsStr> = source.components().map(Component::as_os_str).collect();
        for (index, part) in parts.iter().enumerate() {
            let text = part.to_string_lossy();
            let last = index + 1 == parts.len();
            if double == DoubleStar::Recursive && text.contains("**") {
                let rest: PathBuf = parts[index..].iter().collect();
                return self.select_deep(found, &rest.to_string_lossy());
            }
            if has_wildcards(&text) {
                found = self.expand(&found, &text, last)?;
            } else {
                found.iter_mut().for_each(|path| path.push(part));
                found.retain(|path| beneath::open(&self.root, path, OFlags::PATH).is_ok());
            }
        }
        found.retain(|path| !self.is_ignored(path));
        Ok(found)
    }

    /// Entries of directories whose names match.
    fn expand(
        &self,
        parents: &[PathBuf],
        pattern: &str,
        last: bool,
    ) -> Result<Vec<PathBuf>, Cause> {
        let glob = self.glob(pattern, DoubleStar::Plain)?;
        let mut found = Vec::new();
        for parent in parents {
            let Ok(directory) =
                beneath::open(&self.root, parent, OFlags::RDONLY | OFlags::DIRECTORY)
            else {
                continue;
            };
            for (name, _) in self.list(&directory, parent)? {
                let path = parent.join(&name);
                if glob.matches(&name.to_string_lossy()) && (!last || !self.is_ignored(&path)) {
                    found.push(path);
                }
                if found.len() > ENTRY_LIMIT {
                    return Err(Cause::Limit { what: "files", limit: ENTRY_LIMIT as u64 });
                }
            }
        }
        Ok(found)
    }

    /// All below `parents` whose path matches a pattern with `**`.
    fn select_deep(&self, parents: Vec<PathBuf>, pattern: &str) -> Result<Vec<PathBuf>, Cause> {
        let glob = self.glob(pattern, DoubleStar::Recursive)?;
        let mut found = Vec::new();
        for parent in parents {
            let mut pending = vec![PathBuf::new()];
            while let Some(relative) = pending.pop() {
                let path = parent.join(&relative);
                let directory = beneath::open(
                    &self.root,
                    &path,
                    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW,
                )
                .map_err(|errno| self.fault("read", &path, errno))?;
                for (name, kind) in self.list(&directory, &path)? {
                    let relative = relative.join(&name);
                    if glob.matches(&relative.to_string_lossy()) {
                        found.push(parent.join(&relative));
                    } else if kind == FileType::Directory {
                        pending.push(relative);
                    }
                }
                if found.len() + pending.len() > ENTRY_LIMIT {
                    return Err(Cause::Limit { what: "files", limit: ENTRY_LIMIT as u64 });
                }
            }
        }
        found.retain(|path| !self.is_ignored(path));
        found.sort();
        Ok(found)
    }

    fn glob(&self, pattern: &str, double: DoubleStar) -> Result<Glob, Cause> {
        Glob::new(pattern, double).map_err(|_| Cause::NotFound {
            path: pattern.to_owned(),
            place: self.name.clone(),
            ignored: false,
            near: None,
        })
    }

    /// Says whether a path is excluded and nothing in it could be taken back.
    pub fn is_ignored(&self, path: &Path) -> bool {
        let Some(ignore) = &self.ignore else { return false };
        let text = path.to_string_lossy();
        ignore.excludes(&text) && !ignore.may_contain_exceptions(&text)
    }

    /// The verdict on a path, for a walk that starts there.
    fn verdict(&self, path: &Path) -> Option<Verdict> {
        let ignore = self.ignore.as_ref()?;
        let text = path.to_string_lossy();
        let mut verdict = ignore.root();
        if !text.is_empty() {
            for (at, _) in text.match_indices('/').chain(std::iter::once((text.len(), ""))) {
                verdict = ignore.decide(&text[..at], &verdict);
            }
        }
        Some(verdict)
    }

    /// Names and kinds in a directory, sorted.
    fn list(&self, directory: &OwnedFd, path: &Path) -> Result<Vec<(OsString, FileType)>, Cause> {
        let fail = |errno| self.fault("read", path, errno);
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(directory).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push((OsString::from_vec(name.to_vec()), entry.file_type()));
            }
        }
        names.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(names)
    }

    fn fault(&self, verb: &'static str, path: &Path, errno: rustix::io::Errno) -> Cause {
        Cause::Source {
            verb,
            path: path.to_string_lossy().into_owned(),
            place: self.name.clone(),
            source: errno.into(),
        }
    }

    /// A source that is not there, with what could have been meant.
    pub fn not_found(&self, path: &Path) -> Cause {
        let ignored = self.ignore.as_ref().is_some_and(|ignore| {
            ignore.excludes(&path.to_string_lossy())
                && beneath::open(&self.root, path, OFlags::PATH).is_ok()
        });
        let parent = path.parent().unwrap_or_else(|| Path::new(""));
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let near = beneath::open(&self.root, parent, OFlags::RDONLY | OFlags::DIRECTORY)
            .ok()
            .and_then(|directory| self.list(&directory, parent).ok())
            .and_then(|names| {
                let names: Vec<String> =
                    names.iter().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
                crate::dockerfile::problem::suggest(&name, names.iter().map(String::as_str))
            });
        let path = path.to_string_lossy().into_owned();
        Cause::NotFound { path, place: self.name.clone(), ignored, near }
    }
}

/// A source's path relative to the root, `..` stopping there.
pub fn clamp(source: &str) -> PathBuf {
    let clean = crate::glob::clean(&format!("/{source}"));
    PathBuf::from(std::ffi::OsStr::from_bytes(clean.trim_start_matches('/').as_bytes()))
}
