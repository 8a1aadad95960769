//! Containers on disk: `<root>/<id>/`.

use super::{Doing, Failed, Outcome};
use crate::cgroup::Cgroup;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use teu_oci::runtime::{Spec, State};

/// Longest id.
const ID_LIMIT_BYTES: usize = 1024;
/// Where a created container waits.
pub const FIFO: &str = "exec.fifo";

/// All containers beneath one root.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
}

/// What is kept of a container.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    /// Absolute.
    pub bundle: PathBuf,
    /// First process.
    pub pid: i32,
    /// When it was started, in the kernel's ticks: tells it from a later one of the same number.
    pub start_ticks: u64,
    /// RFC 3339.
    pub created: String,
    /// Absolute.
    pub rootfs: PathBuf,
    /// The container's cgroup.
    pub cgroup: Option<String>,
    /// User id of who made it.
    pub owner: u32,
    /// Free text.
    pub annotations: BTreeMap<String, String>,
}

/// What a container is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Created,
    Running,
    Paused,
    Stopped,
}

impl Status {
    /// In the specification's words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

/// One container.
#[derive(Debug)]
pub struct Container {
    /// Its id.
    pub id: String,
    /// Its directory.
    pub directory: PathBuf,
    /// What is kept.
    pub saved: Saved,
}

impl Store {
    /// At a directory, or the default one.
    pub fn new(root: Option<&str>) -> Outcome<Self> {
        let root = match root {
            Some(root) => std::path::absolute(root).doing(root)?,
            None if rustix::process::geteuid().is_root() => PathBuf::from("/run/teu-runtime"),
            None => {
                let run = std::env::var_os("XDG_RUNTIME_DIR")
                    .ok_or_else(|| Failed::new("neither --root nor XDG_RUNTIME_DIR is set"))?;
                Path::new(&run).join("teu-runtime")
            }
        };
        Ok(Self { root })
    }

    /// Takes an id. It must be free.
    pub fn claim(&self, id: &str) -> Outcome<PathBuf> {
        check_id(id)?;
        let directory = self.root.join(id);
        let mut builder = std::fs::DirBuilder::new();
        builder.mode(0o700);
        let made = match builder.create(&directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                builder.recursive(true).create(&self.root).doing(self.root.display())?;
                builder.recursive(false).create(&directory)
            }
            result => result,
        };
        match made {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Err(Failed::new(format!("container with given ID already exists: {id}")))
            }
            result => result.doing(directory.display()).map(|()| directory),
        }
    }

    /// A container that is there.
    pub fn load(&self, id: &str) -> Outcome<Container> {
        check_id(id)?;
        let directory = self.root.join(id);
        let missing = || Failed::new(format!("container {id:?} does not exist"));
        let text = match std::fs::read(directory.join("state.json")) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(missing()),
            result => result.doing(format!("state of container {id}"))?,
        };
        let saved = serde_json::from_slice(&text).doing(format!("state of container {id}"))?;
        Ok(Container { id: id.to_owned(), directory, saved })
    }

    /// The directory of a container, even of one whose making was cut short.
    pub fn remains(&self, id: &str) -> Outcome<Option<PathBuf>> {
        check_id(id)?;
        let directory = self.root.join(id);
        Ok(directory.is_dir().then_some(directory))
    }

    /// All that can be read.
    pub fn all(&self) -> Vec<Container> {
        let Ok(entries) = std::fs::read_dir(&self.root) else { return Vec::new() };
        let mut all: Vec<_> =
            entries.filter_map(|entry| self.load(entry.ok()?.file_name().to_str()?).ok()).collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }
}

fn check_id(id: &str) -> Outcome<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
    if id.is_empty()
        || id.len() > ID_LIMIT_BYTES
        || id == "."
        || id == ".."
        || !id.bytes().all(allowed)
    {
        return Err(Failed::new(format!("invalid container id format: {id:?}")));
    }
    Ok(())
}

/// Writes a file whole or not at all.
pub fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&new);
    let written = file
        .and_then(|mut file| std::io::Write::write_all(&mut file, bytes))
        .and_then(|()| std::fs::rename(&new, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    written
}

impl Container {
    /// Writes what is kept.
    pub fn save(&self) -> Outcome<()> {
        let bytes = serde_json::to_vec(&self.saved).doing("state.json")?;
        write_whole(&self.directory.join("state.json"), &bytes).doing("state.json")
    }

    /// Its specification, as it was when it was made.
    pub fn spec(&self) -> Outcome<Spec> {
        let path = self.directory.join("config.json");
        let bytes = std::fs::read(&path).doing(path.display())?;
        serde_json::from_slice(&bytes).doing(path.display())
    }

    /// Its cgroup, when it has one that is still there.
    pub fn cgroup(&self) -> Option<Cgroup> {
        self.saved.cgroup.as_deref().and_then(|path| Cgroup::open(path).ok())
    }

    /// The first process, when it still runs.
    pub fn pid(&self) -> Option<Pid> {
        let (ticks, state) = process(self.saved.pid)?;
        let alive = ticks == self.saved.start_ticks && state != b'Z' && state != b'X';
        if alive { Pid::from_raw(self.saved.pid) } else { None }
    }

    /// What it is doing.
    pub fn status(&self) -> Status {
        if self.pid().is_none() {
            return Status::Stopped;
        }
        if self.directory.join(FIFO).exists() {
            return Status::Created;
        }
        match self.cgroup().map(|cgroup| cgroup.is_frozen()) {
            Some(Ok(true)) => Status::Paused,
            _ => Status::Running,
        }
    }

    /// As `state` prints it.
    pub fn state(&self) -> State {
        let status = self.status();
        State {
            oci_version: crate::OCI_VERSION.to_owned(),
            id: self.id.clone(),
            status: status.text().to_owned(),
            pid: Some(if status == Status::Stopped { 0 } else { self.saved.pid }),
            bundle: self.saved.bundle.to_string_lossy().into_owned(),
            annotations: self.saved.annotations.clone(),
        }
    }
}

/// When a process was started, and its state's letter.
pub fn process(pid: i32) -> Option<(u64, u8)> {
    if pid <= 0 {
        return None;
    }
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may contain anything.
    let after = text.iter().rposition(|byte| *byte == b')')?;
    let fields = std::str::from_utf8(text.get(after + 2..)?).ok()?;
    let mut fields = fields.split(' ');
    let state = *fields.next()?.as_bytes().first()?;
    // Field 22 of the line; the state is field 3.
    let ticks = fields.nth(18)?.parse().ok()?;
    Some((ticks, state))
}
