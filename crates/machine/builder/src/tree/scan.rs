//! The walk: a selected source becomes a list of entries with everything a key needs.

use super::stat::Stamp;
use super::{DEPTH_LIMIT, ENTRY_LIMIT, Owner, Tree};
use crate::beneath;
use crate::error::Cause;
use crate::ignore::{Ignore, Verdict};
use crate::key::Key;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, OFlags, Stat};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Bytes for which a second thread is worth its while.
const PARALLEL_BYTES: u64 = 4 << 20;
/// Bytes of one extended attribute, and of the names of all.
const XATTR_LIMIT_BYTES: usize = 64 << 10;

/// One source, opened and walked.
#[derive(Debug)]
pub struct Selected {
    /// The directory or file.
    pub base: OwnedFd,
    /// Its path in the tree.
    pub path: PathBuf,
    /// A directory: its content is copied, not itself.
    pub directory: bool,
    /// What is copied: of a directory all that is in it, of a file itself with an empty path.
    pub entries: Vec<Entry>,
}

/// One file.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Relative to the source; empty for the source itself.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// Permissions.
    pub mode: u32,
    /// Owner the copy has unless the instruction says otherwise.
    pub owner: (u32, u32),
    /// Modification time.
    pub mtime: (i64, i64),
    /// Extended attributes that are copied.
    pub xattrs: Attributes,
    /// Identity of the inode, and how many names it has.
    pub inode: (u64, u64, u64),
}

/// Names and values of extended attributes.
pub type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Hash of its content.
        digest: [u8; 32],
        /// As it was when it was hashed.
        stamp: Stamp,
    },
    /// A symbolic link.
    Link(Vec<u8>),
    /// A FIFO or device of a stage.
    Node {
        /// Which.
        kind: FileType,
        /// Device number.
        device: u64,
    },
}

impl Tree {
    /// Opens and walks one selected path, following links to the source itself as Docker does.
    pub fn scan(&self, path: &Path, exclude: &Ignore) -> Result<Selected, Cause> {
        let base = beneath::open(&self.root, path, OFlags::PATH).map_err(|errno| match errno {
            Errno::NOENT | Errno::NOTDIR => self.not_found(path),
            errno => self.fault("open", path, errno),
        })?;
        if self.is_ignored(path) {
            return Err(self.not_found(path));
        }
        let stat = rustix::fs::fstat(&base).map_err(|errno| self.fault("stat", path, errno))?;
        let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let mut selected = Selected { base, path: path.to_owned(), directory, entries: Vec::new() };
        if directory {
            let verdict = self.verdict(path);
            let walk = Walk { tree: self, exclude };
            let opened = beneath::reopen(&selected.base, OFlags::RDONLY | OFlags::DIRECTORY)
                .map_err(|errno| self.fault("open", path, errno))?;
            walk.directory(
                &opened,
                &mut Path::new("").to_path_buf(),
                (&verdict, &exclude.root()),
                &mut selected,
            )?;
        } else {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !exclude.excludes(&name) {
                let entry = self.entry(PathBuf::new(), &stat, selected.base.as_fd(), path)?;
                selected.entries.push(entry);
            }
        }
        self.hash(&mut selected)?;
        Ok(selected)
    }

    fn entry(
        &self,
        relative: PathBuf,
        stat: &Stat,
        handle: rustix::fd::BorrowedFd<'_>,
        shown: &Path,
    ) -> Result<Entry, Cause> {
        let special = |kind| Cause::Special {
            path: shown.to_string_lossy().into_owned(),
            place: self.name.clone(),
            kind,
        };
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Kind::Directory,
            FileType::RegularFile => Kind::File { digest: [0; 32], stamp: Stamp::of(stat) },
            FileType::Symlink => Kind::Link(
                rustix::fs::readlinkat(handle, "", Vec::new())
                    .map_err(|errno| self.fault("read link", shown, errno))?
                    .into_bytes(),
            ),
            FileType::Socket => return Err(special("socket")),
            kind if self.owner == Owner::Kept => Kind::Node { kind, device: stat.st_rdev },
            FileType::Fifo => return Err(special("named pipe")),
            _ => return Err(special("device")),
        };
        let xattrs = match kind {
            Kind::File { .. } | Kind::Directory => self.xattrs(handle, shown)?,
            _ => Vec::new(),
        };
        Ok(Entry {
            path: relative,
            kind,
            mode: stat.st_mode & 0o7777,
            owner: if self.owner == Owner::Root { (0, 0) } else { (stat.st_uid, stat.st_gid) },
            mtime: (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
            xattrs,
            inode: (stat.st_dev, stat.st_ino, u64::from(stat.st_nlink as u32)),
        })
    }

    /// Attributes that mean something in an image: capabilities of files, and the user's own.
    fn xattrs(
        &self,
        handle: rustix::fd::BorrowedFd<'_>,
        shown: &Path,
    ) -> Result<Attributes, Cause> {
        use std::os::fd::AsRawFd;
        let fail = |errno| self.fault("read attributes of", shown, errno);
        let path = format!("/proc/self/fd/{}", handle.as_raw_fd());
        let mut names: Vec<u8> = Vec::new();
        let length = match rustix::fs::listxattr(&path, &mut names[..]) {
            Ok(0) | Err(Errno::NOTSUP | Errno::NOSYS) => return Ok(Vec::new()),
            Ok(length) => length.min(XATTR_LIMIT_BYTES),
            Err(errno) => return Err(fail(errno)),
        };
        names.resize(length, 0);
        let length = rustix::fs::listxattr(&path, &mut names[..]).map_err(fail)?;
        let mut found = Vec::new();
        for name in names[..length].split(|byte| *byte == 0) {
            let wanted = name == b"security.capability" || name.starts_with(b"user.");
            if !wanted || name.starts_with(b"user.overlay.") {
                continue;
            }
            let mut value = vec![0; XATTR_LIMIT_BYTES];
            let length = rustix::fs::getxattr(&path, name, &mut value[..]).map_err(fail)?;
            value.truncate(length);
            found.push((name.to_vec(), value));
        }
        found.sort();
        Ok(found)
    }

    /// Fills in the digests of files, those the cache does not know in parallel.
    fn hash(&self, selected: &mut Selected) -> Result<(), Cause> {
        let mut work = Vec::new();
        for (index, entry) in selected.entries.iter_mut().enumerate() {
            if let Kind::File { digest, stamp } = &mut entry.kind {
                match self.cache.as_ref().and_then(|cache| cache.get(stamp)) {
                    Some(known) => *digest = known,
                    None => work.push((index, entry.path.clone(), *stamp)),
                }
            }
        }
        let total: u64 = work.iter().map(|(_, _, stamp)| stamp.size_bytes).sum();
        let threads = if total > PARALLEL_BYTES {
            std::thread::available_parallelism().map_or(1, usize::from).min(8)
        } else {
            1
        };
        let base = &selected.base;
        let one = |(index, path, stamp): &(usize, PathBuf, Stamp)| {
            self.hash_file(base, path, &selected.path, stamp).map(|digest| (*index, digest))
        };
        let done: Vec<Result<Hashed, Cause>> = if threads == 1 {
            vec![work.iter().map(one).collect()]
        } else {
            let next = std::sync::atomic::AtomicUsize::new(0);
            std::thread::scope(|scope| {
                let worker = || {
                    let mut mine = Vec::new();
                    while let Some(item) =
                        work.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                    {
                        mine.push(one(item)?);
                    }
                    Ok(mine)
                };
                let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
                workers
                    .into_iter()
                    .map(|worker| worker.join().unwrap_or(Err(Cause::Canceled)))
                    .collect()
            })
        };
        for chunk in done {
            for (index, sum) in chunk? {
                if let Kind::File { digest, stamp } = &mut selected.entries[index].kind {
                    *digest = sum;
                    if let Some(cache) = &self.cache {
                        cache.put(*stamp, sum);
                    }
                }
            }
        }
        Ok(())
    }

    fn hash_file(
        &self,
        base: &OwnedFd,
        path: &Path,
        shown: &Path,
        stamp: &Stamp,
    ) -> Result<[u8; 32], Cause> {
        let shown = shown.join(path);
        let fail = |errno: Errno| self.fault("read", &shown, errno);
        let file = open_entry(base, path).map_err(fail)?;
        let mut file = std::fs::File::from(file);
        let mut hash = Sha256::new();
        let mut buffer =
            vec![0; usize::try_from(stamp.size_bytes.clamp(1, 256 << 10)).unwrap_or(1 << 16)];
        loop {
            let count = file.read(&mut buffer).map_err(|source| Cause::Source {
                verb: "read",
                path: shown.to_string_lossy().into_owned(),
                place: self.name.clone(),
                source,
            })?;
            if count == 0 {
                return Ok(hash.finalize().into());
            }
            hash.update(&buffer[..count]);
        }
    }
}

/// Opens a regular file of a selected source for reading; never a link, never a FIFO.
pub fn open_entry(base: &OwnedFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    if path.as_os_str().is_empty() {
        return beneath::reopen(base, OFlags::RDONLY | OFlags::NONBLOCK);
    }
    beneath::open_plain(base, path, OFlags::RDONLY | OFlags::NONBLOCK)
}

/// Digests by the place of the entry.
type Hashed = Vec<(usize, [u8; 32])>;

struct Walk<'a> {
    tree: &'a Tree,
    exclude: &'a Ignore,
}

impl Walk<'_> {
    fn directory(
        &self,
        directory: &OwnedFd,
        relative: &mut PathBuf,
        (ignored, excluded): (&Option<Verdict>, &Verdict),
        selected: &mut Selected,
    ) -> Result<(), Cause> {
        let shown = selected.path.join(&*relative);
        if shown.components().count() > DEPTH_LIMIT {
            return Err(Cause::Limit { what: "nested directories", limit: DEPTH_LIMIT as u64 });
        }
        for (name, _) in self.tree.list(directory, &shown)? {
            relative.push(&name);
            let shown = selected.path.join(&*relative);
            let verdicts = self.decide(&shown, relative, (ignored, excluded));
            if let Some((ignored, excluded, present)) = verdicts {
                let fail = |errno| self.tree.fault("open", &shown, errno);
                let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let handle = rustix::fs::openat(directory, &name, flags, rustix::fs::Mode::empty())
                    .map_err(fail)?;
                let stat = rustix::fs::statat(&handle, "", AtFlags::EMPTY_PATH).map_err(fail)?;
                let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
                let place = selected.entries.len();
                if present || is_directory {
                    let entry = self.tree.entry(relative.clone(), &stat, handle.as_fd(), &shown)?;
                    selected.entries.push(entry);
                }
                if selected.entries.len() > ENTRY_LIMIT {
                    return Err(Cause::Limit { what: "files", limit: ENTRY_LIMIT as u64 });
                }
                if is_directory {
                    let opened = beneath::reopen(&handle, OFlags::RDONLY | OFlags::DIRECTORY)
                        .map_err(fail)?;
                    self.directory(&opened, relative, (&ignored, &excluded), selected)?;
                    // An excluded directory exists only for what was taken back.
                    if !present && selected.entries.len() == place + 1 {
                        selected.entries.pop();
                    }
                }
            }
            relative.pop();
        }
        Ok(())
    }

    /// Verdicts on a path; `None` if neither it nor anything beneath is wanted.
    fn decide(
        &self,
        shown: &Path,
        relative: &Path,
        (ignored, excluded): (&Option<Verdict>, &Verdict),
    ) -> Option<(Option<Verdict>, Verdict, bool)> {
        let text = shown.to_string_lossy();
        let ignored = match (&self.tree.ignore, ignored) {
            (Some(ignore), Some(parent)) => Some(ignore.decide(&text, parent)),
            _ => None,
        };
        let relative = relative.to_string_lossy();
        let excluded = self.exclude.decide(&relative, excluded);
        let gone = ignored.as_ref().is_some_and(|verdict| verdict.excluded);
        let may_return = self.tree.ignore.as_ref().is_some_and(|i| i.may_contain_exceptions(&text));
        let returns = self.exclude.may_contain_exceptions(&relative);
        if (gone && !may_return) || (excluded.excluded && !returns) {
            return None;
        }
        let present = !gone && !excluded.excluded;
        Some((ignored, excluded, present))
    }
}

impl Selected {
    /// Adds everything about the source to a key, `chown` and `chmod` aside.
    pub fn key(&self, mut key: Key) -> Key {
        key.put("source", self.path.file_name().unwrap_or_default().as_bytes());
        key.put("directory", &[u8::from(self.directory)]);
        for entry in &self.entries {
            key.put("path", entry.path.as_os_str().as_bytes());
            key.put("mode", &entry.mode.to_le_bytes());
            key.put("uid", &entry.owner.0.to_le_bytes());
            key.put("gid", &entry.owner.1.to_le_bytes());
            match &entry.kind {
                Kind::Directory => key.put("directory", b""),
                Kind::File { digest, .. } => key.put("file", digest),
                Kind::Link(target) => key.put("link", target),
                Kind::Node { kind, device } => {
                    key.put("node", &kind.as_raw_mode().to_le_bytes());
                    key.put("device", &device.to_le_bytes());
                }
            }
            for (name, value) in &entry.xattrs {
                key.put("xattr", name);
                key.put("value", value);
            }
        }
        key.number("entries", self.entries.len() as i128)
    }

    /// Bytes of its files.
    pub fn size_bytes(&self) -> u64 {
        let size = |entry: &Entry| match &entry.kind {
            Kind::File { stamp, .. } => stamp.size_bytes,
            _ => 0,
        };
        self.entries.iter().map(size).sum()
    }
}
