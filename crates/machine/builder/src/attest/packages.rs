//! The packages of an image, from the databases that its own tools keep: dpkg's `status`, apk's
//! `installed`, Python's `*.dist-info` and `*.egg-info`.
//!
//! Files are opened beneath the image's root only, links followed as a container would follow them;
//! all of it is foreign text, bounded and read for a few fields. A program that somebody has copied
//! into the image belongs to no package, and is not told of: the document says so.

use super::purl::purl;
use crate::beneath;
use crate::error::Cause;
use crate::tree::{DEPTH_LIMIT, ENTRY_LIMIT, Tree};
use rustix::fd::OwnedFd;
use rustix::fs::{Dir, FileType, Mode, OFlags};
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

mod fields;

use fields::{apk, dpkg, os_release, python};

/// Bytes of one database.
const DATABASE_LIMIT_BYTES: u64 = 64 << 20;
/// Packages of one image.
const PACKAGE_LIMIT: usize = 100_000;

/// Whose database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// dpkg
    Deb,
    /// apk
    Apk,
    /// Python's installers
    Pypi,
}

impl Kind {
    /// As package URLs have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Apk => "apk",
            Self::Pypi => "pypi",
        }
    }
}

/// One package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Whose.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The machine it is for, as its tool says.
    pub architecture: String,
    /// Its licence, as its maker wrote it.
    pub license: String,
    /// The file that tells of it.
    pub place: String,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Sorted.
    pub packages: Vec<Package>,
    /// `ID` of `os-release`.
    pub distribution: String,
    /// `VERSION_ID`.
    pub version: String,
}

impl Found {
    /// A package's URL.
    pub fn purl(&self, one: &Package) -> String {
        let name = (one.name.as_str(), one.version.as_str());
        if one.kind == Kind::Pypi {
            let lower = one.name.to_ascii_lowercase().replace(['_', '.'], "-");
            return purl("pypi", "", (&lower, &one.version), &[]);
        }
        let distro = match self.version.is_empty() {
            true => String::new(),
            false => format!("{}-{}", self.distribution, self.version),
        };
        let default = if one.kind == Kind::Deb { "debian" } else { "alpine" };
        let namespace = match self.distribution.as_str() {
            "" => default,
            known => known,
        };
        let qualifiers = [("arch", one.architecture.as_str()), ("distro", distro.as_str())];
        purl(one.kind.word(), namespace, name, &qualifiers)
    }
}

/// Looks through an image.
pub fn find(tree: &Tree) -> Result<Found, Cause> {
    let mut found = Found::default();
    for path in ["etc/os-release", "usr/lib/os-release"] {
        if let Some(text) = read(tree, Path::new(path))? {
            (found.distribution, found.version) = os_release(&text);
            break;
        }
    }
    let mut databases = vec![(PathBuf::from("var/lib/dpkg/status"), Kind::Deb)];
    for name in names(tree, Path::new("var/lib/dpkg/status.d"))? {
        if !name.ends_with(".md5sums") {
            databases.push((Path::new("var/lib/dpkg/status.d").join(name), Kind::Deb));
        }
    }
    databases.push(("lib/apk/db/installed".into(), Kind::Apk));
    databases.push(("usr/lib/apk/db/installed".into(), Kind::Apk));
    databases.extend(python_records(tree)?.into_iter().map(|path| (path, Kind::Pypi)));
    for (path, kind) in databases {
        let Some(text) = read(tree, &path)? else { continue };
        let place = format!("/{}", path.display());
        let packages = match kind {
            Kind::Deb => dpkg(&text, &place),
            Kind::Apk => apk(&text, &place),
            Kind::Pypi => python(&text, &place),
        };
        found.packages.extend(packages);
        if found.packages.len() > PACKAGE_LIMIT {
            return Err(Cause::Limit { what: "packages", limit: PACKAGE_LIMIT as u64 });
        }
    }
    // `/lib` may be a link to `/usr/lib`: the same database twice.
    found.packages.sort();
    found.packages.dedup_by(|b, a| {
        a.kind != Kind::Pypi
            && (a.kind, &a.name, &a.version, &a.architecture)
                == (b.kind, &b.name, &b.version, &b.architecture)
    });
    Ok(found)
}

/// A file's text; none, if there is no such file.
fn read(tree: &Tree, path: &Path) -> Result<Option<String>, Cause> {
    let Ok(handle) = beneath::open(&tree.root, path, OFlags::PATH) else { return Ok(None) };
    let fail = |errno: rustix::io::Errno| source_fault(tree, path, errno);
    let stat = rustix::fs::fstat(&handle).map_err(fail)?;
    // Never a pipe or a device of a hostile image.
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    let file = beneath::reopen(&handle, OFlags::RDONLY | OFlags::NONBLOCK).map_err(fail)?;
    let mut bytes = Vec::new();
    std::fs::File::from(file)
        .take(DATABASE_LIMIT_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| Cause::io("read", path, source))?;
    if bytes.len() as u64 > DATABASE_LIMIT_BYTES {
        return Err(Cause::Limit {
            what: "bytes of a package database",
            limit: DATABASE_LIMIT_BYTES,
        });
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn source_fault(tree: &Tree, path: &Path, errno: rustix::io::Errno) -> Cause {
    Cause::Source {
        verb: "read",
        path: path.to_string_lossy().into_owned(),
        place: tree.name.clone(),
        source: errno.into(),
    }
}

/// Names in a directory, sorted; none, if it is not there.
fn names(tree: &Tree, path: &Path) -> Result<Vec<String>, Cause> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let Ok(directory) = beneath::open(&tree.root, path, flags) else { return Ok(Vec::new()) };
    let fail = |errno| source_fault(tree, path, errno);
    let mut names = Vec::new();
    for entry in Dir::read_from(&directory).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name().to_string_lossy().into_owned();
        if !matches!(name.as_str(), "." | "..") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// All `METADATA` and `PKG-INFO` of Python's packages, wherever they are; links are not followed.
fn python_records(tree: &Tree) -> Result<Vec<PathBuf>, Cause> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = beneath::open(&tree.root, Path::new(""), OFlags::RDONLY | OFlags::DIRECTORY)
        .map_err(|errno| source_fault(tree, Path::new("/"), errno))?;
    // Each open directory with the names that are still to be entered: memory is bounded by depth.
    let mut stack: Vec<(OwnedFd, PathBuf, Vec<PathBuf>)> = Vec::new();
    let mut records = Vec::new();
    let mut seen = 0;
    let inside = look(tree, &root, Path::new(""), (&mut records, &mut seen))?;
    stack.push((root, PathBuf::new(), inside));
    while let Some((directory, path, inside)) = stack.last_mut() {
        let Some(name) = inside.pop() else {
            stack.pop();
            continue;
        };
        let path = path.join(&name);
        let fail = |errno| source_fault(tree, &path, errno);
        let next = rustix::fs::openat(&*directory, &name, flags, Mode::empty()).map_err(fail)?;
        if stack.len() >= DEPTH_LIMIT {
            return Err(Cause::Limit { what: "directories", limit: DEPTH_LIMIT as u64 });
        }
        let inside = look(tree, &next, &path, (&mut records, &mut seen))?;
        stack.push((next, path, inside));
    }
    records.sort();
    Ok(records)
}

/// Notes the records in one directory; gives the directories to enter.
fn look(
    tree: &Tree,
    directory: &OwnedFd,
    path: &Path,
    (records, seen): (&mut Vec<PathBuf>, &mut usize),
) -> Result<Vec<PathBuf>, Cause> {
    let fail = |errno| source_fault(tree, path, errno);
    let mut inside = Vec::new();
    for entry in Dir::read_from(directory).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name().to_bytes();
        *seen += 1;
        if *seen > ENTRY_LIMIT {
            return Err(Cause::Limit { what: "files", limit: ENTRY_LIMIT as u64 });
        }
        let own = Path::new(OsStr::from_bytes(name));
        let is_directory = entry.file_type() == FileType::Directory;
        if name == b"." || name == b".." {
            continue;
        }
        match (is_directory, name) {
            (true, name) if name.ends_with(b".dist-info") => {
                records.push(path.join(own).join("METADATA"));
            }
            (true, name) if name.ends_with(b".egg-info") => {
                records.push(path.join(own).join("PKG-INFO"));
            }
            (false, name) if name.ends_with(b".egg-info") => records.push(path.join(own)),
            (true, _) => inside.push(own.to_path_buf()),
            _ => {}
        }
    }
    Ok(inside)
}
