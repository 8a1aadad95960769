//! The host's side of a copy: paths that the person who copies has typed and may use.

use super::CopyError;
use super::path::{Form, Source, SourceKind, Target, base_name, form};
use super::{CopyOptions, PathStat};
use crate::{Error, Result};
use rustix::fs::{Mode, OFlags};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What is copied in.
pub(super) fn source(path: &Path, options: CopyOptions) -> Result<Source> {
    let text = path.as_os_str().to_string_lossy().into_owned();
    let (_, shape) = form(&text);
    let missing = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::from(CopyError::NotFoundHere(text.clone())),
        _ => Error::io("open", path)(error),
    };
    let real: PathBuf = match options.follow_link || shape != Form::Thing {
        true => fs::canonicalize(path).map_err(missing)?,
        false => path.to_owned(),
    };
    let meta = fs::symlink_metadata(&real).map_err(missing)?;
    if shape != Form::Thing && !meta.is_dir() {
        return Err(CopyError::NotDirectory(text).into());
    }
    let absolute = fs::canonicalize(path);
    let name = match base_name(&text) {
        // `.` and `..` have a name only once they are resolved.
        "/" | "." => absolute
            .ok()
            .and_then(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()))
            .unwrap_or_else(|| "/".to_owned()),
        name => name.to_owned(),
    };
    let kind = if meta.is_dir() {
        SourceKind::Directory(open_dir(&real)?)
    } else {
        let parent = match real.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let name = real.file_name().unwrap_or_default().to_owned();
        SourceKind::Entry { dir: open_dir(parent)?, name }
    };
    let stat = PathStat {
        name,
        size_bytes: meta.len(),
        mode: meta.mode(),
        mtime_ns: meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec()),
        link_target: String::new(),
    };
    Ok(Source { kind, stat })
}

/// Where a copy goes. Follows links: the path is the person's own.
pub(super) fn target(path: &Path, source_is_dir: bool) -> Result<Target> {
    let text = path.as_os_str().to_string_lossy().into_owned();
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => return Ok(Target { dir: open_dir(path)?, name: None }),
        Ok(_) if source_is_dir => return Err(CopyError::DirectoryOntoFile.into()),
        Ok(_) => {
            // Through a link at the end to the file it leads to.
            let real = fs::canonicalize(path).map_err(Error::io("resolve", path))?;
            return within_parent(&real, &text);
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            return Err(CopyError::NotDirectory(text).into());
        }
        Err(error) => return Err(Error::io("look at", path)(error)),
    }
    if form(&text).1 != Form::Thing && !source_is_dir {
        return Err(CopyError::NoSuchDirectory(text).into());
    }
    within_parent(path, &text)
}

fn within_parent(path: &Path, text: &str) -> Result<Target> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !parent.is_dir() {
        return Err(CopyError::NoSuchDirectory(parent.display().to_string()).into());
    }
    let name = path.file_name().map(|name| String::from_utf8_lossy(name.as_bytes()).into_owned());
    match name {
        Some(name) => Ok(Target { dir: open_dir(parent)?, name: Some(name) }),
        None => Err(CopyError::NoSuchDirectory(text.to_owned()).into()),
    }
}

fn open_dir(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map_err(Error::sys("open", path))
}
