//! Where the kernel's control groups are mounted: v1 hierarchies, the v2 tree, or both ("hybrid").
//!
//! Detected once per process. A host with v2 alone is recognised by one `statfs`; only otherwise is
//! `/proc/self/mountinfo` read. Of a hierarchy mounted twice the first mount is taken, as systemd's.

use super::{Error, delegated};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const ROOT: &str = "/sys/fs/cgroup";
const CGROUP2_SUPER_MAGIC: rustix::fs::FsWord = 0x6367_7270;

/// One v1 hierarchy: a tree of its own with one or more controllers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// `cpu`, `cpuacct`, …; `name=systemd` for a named one.
    pub controllers: Vec<String>,
    /// Where it is mounted.
    pub mount: PathBuf,
}

/// The v2 tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unified {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// What it may control here: in a hybrid only what no v1 hierarchy took.
    pub controllers: Vec<String>,
}

/// What this machine has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// v1 hierarchies, in the order of mounting.
    pub v1: Vec<Hierarchy>,
    /// The v2 tree, where mounted.
    pub unified: Option<Unified>,
    /// systemd manages processes here, so its own hierarchy has to be told of ours.
    pub systemd: bool,
}

impl Layout {
    /// The layout of this machine, read at first use.
    pub fn detect() -> Result<&'static Self, Error> {
        static LAYOUT: OnceLock<Layout> = OnceLock::new();
        if let Some(layout) = LAYOUT.get() {
            return Ok(layout);
        }
        let layout = Self::read()?;
        Ok(LAYOUT.get_or_init(|| layout))
    }

    fn read() -> Result<Self, Error> {
        let v2_alone =
            rustix::fs::statfs(ROOT).is_ok_and(|statfs| statfs.f_type == CGROUP2_SUPER_MAGIC);
        let mut layout = if v2_alone {
            let unified = Unified { mount: ROOT.into(), controllers: Vec::new() };
            Self { v1: Vec::new(), unified: Some(unified), systemd: false }
        } else {
            let path = Path::new("/proc/self/mountinfo");
            let text = std::fs::read_to_string(path)
                .map_err(|source| Error::Read { path: path.into(), source })?;
            Self::parse(&text)
        };
        if let Some(unified) = &mut layout.unified {
            let path = unified.mount.join("cgroup.controllers");
            let text = std::fs::read_to_string(&path)
                .map_err(|source| Error::Read { path: path.clone(), source })?;
            unified.controllers = text.split_whitespace().map(str::to_owned).collect();
        }
        layout.systemd = Path::new("/run/systemd/system").exists();
        if teu_sys::namespace::is_own_user_namespace() {
            delegated::keep(&mut layout);
            Ok(layout)
        } else if layout.is_empty() {
            Err(Error::NoCgroups)
        } else {
            Ok(layout)
        }
    }

    /// Whether there is nowhere to make a group: an ordinary user to whom none was delegated.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v1.is_empty() && self.unified.is_none()
    }

    /// From the text of `/proc/self/mountinfo`; the v2 tree's controllers are not in it.
    #[must_use]
    pub fn parse(mountinfo: &str) -> Self {
        let mut layout = Self::default();
        for line in mountinfo.lines() {
            let Some((before, after)) = line.split_once(" - ") else { continue };
            let Some(mount) = before.split(' ').nth(4) else { continue };
            let mut after = after.split(' ');
            let kind = after.next().unwrap_or_default();
            let options = after.nth(1).unwrap_or_default();
            let mount = PathBuf::from(unescape(mount));
            match kind {
                "cgroup2" if layout.unified.is_none() => {
                    layout.unified = Some(Unified { mount, controllers: Vec::new() });
                }
                "cgroup" => layout.add_v1(mount, options),
                _ => {}
            }
        }
        layout
    }

    fn add_v1(&mut self, mount: PathBuf, options: &str) {
        let controllers: Vec<String> = options
            .split(',')
            .filter(|option| {
                !NOT_CONTROLLERS.contains(option) && !option.starts_with("release_agent=")
            })
            .map(str::to_owned)
            .collect();
        let known = self.v1.iter().any(|h| h.controllers == controllers);
        if !known && !controllers.is_empty() {
            self.v1.push(Hierarchy { controllers, mount });
        }
    }

    /// The v1 hierarchy of a controller.
    #[must_use]
    pub fn hierarchy(&self, controller: &str) -> Option<usize> {
        self.v1.iter().position(|h| h.controllers.iter().any(|c| c == controller))
    }

    /// Whether the v2 tree has a controller.
    #[must_use]
    pub fn unified_has(&self, controller: &str) -> bool {
        self.unified.as_ref().is_some_and(|u| u.controllers.iter().any(|c| c == controller))
    }
}

/// Options of the superblock that are not names of controllers.
const NOT_CONTROLLERS: [&str; 8] =
    ["rw", "ro", "clone_children", "noprefix", "xattr", "none", "cpuset_v2_mode", "favordynmods"];

/// mountinfo writes space, tab, newline and backslash as three octal digits.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 4).and_then(|octal| u8::from_str_radix(octal, 8).ok());
        if let Some(code) = code {
            out.push(char::from(code));
            rest = &rest[at + 4..];
        } else {
            out.push('\\');
            rest = &rest[at + 1..];
        }
    }
    out + rest
}
