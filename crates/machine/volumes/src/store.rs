//! The directory of volumes: create, get, list, remove.
//!
//! No lock is needed for these: `create` prepares a directory under a temporary name and renames it
//! without replacing, so of two creators one wins and the other uses the winner's; `remove` renames
//! away first. A maker holds a flock on its temporary directory, so a free one belongs to a dead
//! command and is swept by the next that lists. A volume that somebody named survives a power failure
//! once `create` has returned; an anonymous one is worth no more than its container.

use crate::{Error, Result, options};
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Largest `volume.json` read.
const RECORD_LIMIT_BYTES: u64 = 1 << 20;
/// How often a sweep may win against a maker between its `mkdir` and its lock.
const MAKE_ATTEMPTS: usize = 100;
const TEMPORARY: &str = ".tmp-";
const REMOVED: &str = ".gone-";

/// The volumes of one home.
#[derive(Debug, Clone)]
pub struct Volumes {
    dir: PathBuf,
}

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolumeSpec {
    /// `None` for an anonymous one with a name of 64 hex digits.
    pub name: Option<String>,
    /// Nobody named it, although it has a name (chosen by us).
    pub anonymous: bool,
    /// Empty or `local`.
    pub driver: String,
    /// Free text.
    pub labels: BTreeMap<String, String>,
    /// `type`, `device`, `o`, `size`.
    pub options: BTreeMap<String, String>,
}

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeRecord {
    /// Its name.
    pub name: String,
    /// Nobody named it.
    pub anonymous: bool,
    /// Nanoseconds since the epoch.
    pub created_ns: i64,
    /// Free text.
    pub labels: BTreeMap<String, String>,
    /// As asked for.
    pub options: BTreeMap<String, String>,
    /// It has been filled from an image, or used, or needs no filling.
    pub initialised: bool,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// What was asked for.
    pub record: VolumeRecord,
    dir: PathBuf,
}

impl Volume {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.record.name
    }

    /// What is mounted into containers: `…/_data`.
    pub fn path(&self) -> PathBuf {
        self.dir.join("_data")
    }

    /// Marks a volume as no longer new without filling it (`nocopy`, an image without content).
    pub fn mark_used(&self) -> Result<()> {
        mark_initialised(self)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Held while a volume is filled at its first use; others wait.
    pub(crate) fn lock(&self) -> Result<File> {
        let file = File::open(&self.dir).map_err(Error::io("open", &self.dir))?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive)
            .map_err(|errno| Error::io("lock", &self.dir)(errno.into()))?;
        Ok(file)
    }
}

impl Volumes {
    /// Opens the directory, creating it (0700: containers reach what is mounted from it by the
    /// mount, not by its path).
    pub fn open(dir: &Path) -> Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(Error::io("create", dir))?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// Creates a volume, or returns the one that has the name and the same options.
    pub fn create(&self, spec: &VolumeSpec) -> Result<Volume> {
        let anonymous = spec.anonymous || spec.name.is_none();
        let name = match &spec.name {
            Some(name) => name.clone(),
            None => random_name(),
        };
        check_name(&name)?;
        if !matches!(spec.driver.as_str(), "" | "local") {
            return Err(Error::Driver { name, driver: spec.driver.clone() });
        }
        options::check(&name, &spec.options)?;
        if let Some(present) = self.existing(&name, spec)? {
            return Ok(present);
        }
        let record = VolumeRecord {
            name: name.clone(),
            anonymous,
            created_ns: now_ns(),
            labels: spec.labels.clone(),
            options: spec.options.clone(),
            initialised: false,
        };
        self.publish(&name, &record)?;
        match self.existing(&name, spec)? {
            Some(volume) => Ok(volume),
            None => Err(Error::NoSuchVolume(name)),
        }
    }

    fn existing(&self, name: &str, spec: &VolumeSpec) -> Result<Option<Volume>> {
        match self.get(name) {
            Ok(volume) if spec.options.is_empty() || volume.record.options == spec.options => {
                Ok(Some(volume))
            }
            Ok(_) => Err(Error::Conflict(name.to_owned())),
            Err(Error::NoSuchVolume(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn publish(&self, name: &str, record: &VolumeRecord) -> Result<()> {
        let (temporary, _held) = self.draft()?;
        let result = prepare(&temporary, record).and_then(|()| {
            let target = self.dir.join(name);
            match rustix::fs::renameat_with(CWD, &temporary, CWD, &target, RenameFlags::NOREPLACE) {
                Ok(()) if record.anonymous => Ok(true),
                Ok(()) => sync(&self.dir).map(|()| true),
                Err(rustix::io::Errno::EXIST) => Ok(false),
                Err(errno) => Err(Error::io("create", &target)(errno.into())),
            }
        });
        match result {
            Ok(true) => Ok(()),
            Ok(false) => discard(&temporary),
            Err(error) => {
                let _ = fs::remove_dir_all(&temporary);
                Err(error)
            }
        }
    }

    /// An empty directory that no sweep takes while the returned file is open.
    fn draft(&self) -> Result<(PathBuf, File)> {
        for _ in 0..MAKE_ATTEMPTS {
            let path = self.dir.join(format!("{TEMPORARY}{}", random_name()));
            fs::DirBuilder::new().mode(0o700).create(&path).map_err(Error::io("create", &path))?;
            match hold(&path) {
                Ok(Some(file)) => return Ok((path, file)),
                // Swept before it was held.
                Ok(None) => {}
                Err(errno) => return Err(Error::io("lock", &path)(errno.into())),
            }
        }
        let error = std::io::Error::from(std::io::ErrorKind::ResourceBusy);
        Err(Error::io("create a volume in", &self.dir)(error))
    }

    /// The volume of that name.
    pub fn get(&self, name: &str) -> Result<Volume> {
        check_name(name).map_err(|_| Error::NoSuchVolume(name.to_owned()))?;
        let dir = self.dir.join(name);
        match read_record(&dir)? {
            Some(record) => Ok(Volume { record, dir }),
            None => Err(Error::NoSuchVolume(name.to_owned())),
        }
    }

    /// All volumes by name. Leftovers of interrupted commands are swept on the way.
    pub fn list(&self) -> Result<Vec<Volume>> {
        let mut volumes = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(Error::io("list", &self.dir))? {
            let entry = entry.map_err(Error::io("list", &self.dir))?;
            let name = entry.file_name();
            if is_leftover(&name) {
                sweep(&entry.path(), &name);
                continue;
            }
            let Some(name) = name.to_str() else { continue };
            match self.get(name) {
                Ok(volume) => volumes.push(volume),
                Err(Error::NoSuchVolume(_)) => {}
                // Its files are there, whatever its record says; it is shown, and can be removed.
                Err(Error::Damaged { .. }) => volumes.push(Volume {
                    record: VolumeRecord {
                        name: name.to_owned(),
                        initialised: true,
                        ..VolumeRecord::default()
                    },
                    dir: entry.path(),
                }),
                Err(error) => return Err(error),
            }
        }
        volumes.sort_by(|a, b| a.name().cmp(b.name()));
        Ok(volumes)
    }

    /// Removes a volume and what is in it. The caller has made sure that nobody uses it.
    pub fn remove(&self, name: &str) -> Result<()> {
        check_name(name).map_err(|_| Error::NoSuchVolume(name.to_owned()))?;
        let gone = self.dir.join(format!("{REMOVED}{}", random_name()));
        match fs::rename(self.dir.join(name), &gone) {
            Ok(()) => discard(&gone),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(Error::NoSuchVolume(name.to_owned()))
            }
            Err(error) => Err(Error::io("remove", &self.dir.join(name))(error)),
        }
    }

    /// Bytes on disk of a volume's content; hard links are counted once.
    pub fn size_bytes(&self, volume: &Volume) -> Result<u64> {
        disk_bytes(&volume.path())
    }
}

/// Marks a volume as no longer new, so that no later image fills it.
pub(crate) fn mark_initialised(volume: &Volume) -> Result<()> {
    if volume.record.initialised {
        return Ok(());
    }
    write_record(&volume.dir, &VolumeRecord { initialised: true, ..volume.record.clone() })
}

fn write_record(dir: &Path, record: &VolumeRecord) -> Result<()> {
    let path = dir.join("volume.json");
    let temporary = dir.join(format!("{TEMPORARY}{}", random_name()));
    let text = serde_json::to_vec(record)
        .map_err(|source| Error::Damaged { path: path.clone(), source })?;
    let result = File::create_new(&temporary)
        .and_then(|mut file| {
            file.write_all(&text)?;
            if record.anonymous { Ok(()) } else { file.sync_data() }
        })
        .and_then(|()| fs::rename(&temporary, &path));
    result.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        Error::io("write", &path)(error)
    })
}

pub(crate) fn read_record(dir: &Path) -> Result<Option<VolumeRecord>> {
    let path = dir.join("volume.json");
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd: OwnedFd = match rustix::fs::open(&path, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(None),
        Err(errno) => return Err(Error::io("open", &path)(errno.into())),
    };
    let mut text = Vec::new();
    File::from(fd)
        .take(RECORD_LIMIT_BYTES)
        .read_to_end(&mut text)
        .map_err(Error::io("read", &path))?;
    serde_json::from_slice(&text).map(Some).map_err(|source| Error::Damaged { path, source })
}

fn is_leftover(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    bytes.starts_with(TEMPORARY.as_bytes()) || bytes.starts_with(REMOVED.as_bytes())
}

fn prepare(draft: &Path, record: &VolumeRecord) -> Result<()> {
    let data = draft.join("_data");
    fs::DirBuilder::new().mode(0o755).create(&data).map_err(Error::io("create", &data))?;
    write_record(draft, record)?;
    if record.anonymous { Ok(()) } else { sync(draft) }
}

/// What a directory lists is on disk.
fn sync(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::io("sync", dir))
}

/// Locks a directory that nobody else has locked. `None`: somebody has, or it is gone.
fn hold(path: &Path) -> rustix::io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
        Err(errno) => return Err(errno),
    }
    let held = rustix::fs::fstat(&file)?;
    let there = match rustix::fs::lstat(path) {
        Ok(stat) => stat,
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    Ok(((held.st_dev, held.st_ino) == (there.st_dev, there.st_ino)).then_some(file))
}

/// Finishes a removal, or ends what a dead maker began.
fn sweep(path: &Path, name: &OsStr) {
    let removed = name.as_encoded_bytes().starts_with(REMOVED.as_bytes());
    // What cannot be looked at now is looked at by the next command.
    let held = hold(path).ok().flatten();
    if removed || held.is_some() {
        let _ = fs::remove_dir_all(path);
    }
}

/// Another command may sweep at the same time: what is already gone is what we want.
fn discard(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

fn check_name(name: &str) -> Result<()> {
    let word = |b: u8| b.is_ascii_alphanumeric();
    let fits = name.len() <= 255
        && name.bytes().next().is_some_and(word)
        && name.bytes().all(|b| word(b) || matches!(b, b'_' | b'.' | b'-'));
    match name.len() {
        1 if fits => Err(Error::ShortName(name.to_owned())),
        _ if fits => Ok(()),
        _ => Err(Error::InvalidName(name.to_owned())),
    }
}

fn random_name() -> String {
    use std::fmt::Write as _;
    let mut bytes = [0_u8; 32];
    let mut filled = 0;
    while filled < bytes.len() {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => panic!("getrandom failed, which Linux promises not to: {errno}"),
        }
    }
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// What `du` would say of a tree: links are not followed, hard links counted once.
pub fn disk_bytes(root: &Path) -> Result<u64> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let top = rustix::fs::open(root, flags, Mode::empty())
        .map_err(|errno| Error::io("open", root)(errno.into()))?;
    let mut seen = std::collections::HashSet::new();
    let mut total = 0;
    let mut pending = vec![top];
    while let Some(dir) = pending.pop() {
        let entries = rustix::fs::Dir::read_from(&dir)
            .map_err(|errno| Error::io("list", root)(errno.into()))?;
        for entry in entries.flatten() {
            if matches!(entry.file_name().to_bytes(), b"." | b"..") {
                continue;
            }
            let name = entry.file_name();
            let Ok(stat) = rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            if stat.st_nlink < 2 || seen.insert((stat.st_dev, stat.st_ino)) {
                total += u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
            }
            if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir()
                && let Ok(child) = rustix::fs::openat(&dir, name, flags, Mode::empty())
            {
                pending.push(child);
            }
        }
    }
    Ok(total)
}
