//! Which namespaces are new, which are joined, and in how many steps.
//!
//! One `clone3` makes all new namespaces. An intermediate process is needed only where a user
//! namespace meets others that exist: those are joined first, with the caller's rights, and what is
//! new is made from there. A pid namespace is joined by the caller for the moment of the clone.

use super::invalid;
use crate::error::Error;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::thread::LinkNameSpaceType as Kind;
use std::fmt::Write as _;
use teu_oci::runtime::{IdMapping, Linux, NamespaceKind};
use teu_sys::process::CloneFlags;

/// A namespace that exists.
#[derive(Debug)]
pub struct Joined {
    /// Which kind.
    pub kind: Kind,
    /// Its file.
    pub file: OwnedFd,
    /// For messages.
    pub path: String,
}

/// The user namespace.
#[derive(Debug)]
pub enum UserNamespace {
    /// The caller's.
    Caller,
    /// A new one: what goes into `uid_map` and `gid_map`.
    New {
        /// Users.
        users: Vec<IdMapping>,
        /// Groups.
        groups: Vec<IdMapping>,
    },
    /// One that exists.
    Joined(Joined),
}

/// All of them.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "one for each kind of namespace")]
pub struct Namespaces {
    /// Made by `clone3` (without the cgroup namespace, which comes after joining the cgroup).
    pub new: CloneFlags,
    /// A cgroup namespace is made.
    pub new_cgroup: bool,
    /// A time namespace is made, with the text of its `timens_offsets`.
    pub new_time: Option<String>,
    /// Joined by the child, in order; the pid namespace is not here.
    pub joined: Vec<Joined>,
    /// Joined by the caller for its child.
    pub pid: Option<Joined>,
    /// Owner of the new ones.
    pub user: UserNamespace,
    /// The mount namespace is the container's.
    pub own_mount: bool,
    /// The network namespace is not the caller's.
    pub own_network: bool,
    /// The IPC namespace is not the caller's.
    pub own_ipc: bool,
    /// The UTS namespace is not the caller's.
    pub own_uts: bool,
}

fn kind_of(kind: NamespaceKind) -> (Kind, CloneFlags) {
    match kind {
        NamespaceKind::Pid => (Kind::ProcessID, CloneFlags::NEW_PID),
        NamespaceKind::Network => (Kind::Network, CloneFlags::NEW_NET),
        NamespaceKind::Mount => (Kind::Mount, CloneFlags::NEW_MOUNT),
        NamespaceKind::Ipc => (Kind::InterProcessCommunication, CloneFlags::NEW_IPC),
        NamespaceKind::Uts => (Kind::HostNameAndNISDomainName, CloneFlags::NEW_UTS),
        NamespaceKind::User => (Kind::User, CloneFlags::NEW_USER),
        NamespaceKind::Cgroup => (Kind::ControlGroup, CloneFlags::NONE),
        NamespaceKind::Time => (Kind::Time, CloneFlags::NONE),
    }
}

impl Namespaces {
    /// From the specification; opens those that are joined.
    ///
    /// # Errors
    /// One named twice, a mapping without its namespace, a file that cannot be opened.
    pub fn new(linux: &Linux) -> Result<Self, Error> {
        let field = "linux.namespaces";
        let mut result = Self {
            new: CloneFlags::NONE,
            new_cgroup: false,
            new_time: None,
            joined: Vec::new(),
            pid: None,
            user: UserNamespace::Caller,
            own_mount: false,
            own_network: false,
            own_ipc: false,
            own_uts: false,
        };
        let mut seen = std::collections::HashSet::new();
        for namespace in &linux.namespaces {
            if !seen.insert(namespace.kind) {
                return Err(invalid(field, format!("{:?} is there twice", namespace.kind)));
            }
            match namespace.kind {
                NamespaceKind::Network => result.own_network = true,
                NamespaceKind::Ipc => result.own_ipc = true,
                NamespaceKind::Uts => result.own_uts = true,
                NamespaceKind::Mount if namespace.path.as_deref().is_none_or(str::is_empty) => {
                    result.own_mount = true;
                }
                _ => {}
            }
            match namespace.path.as_deref().filter(|path| !path.is_empty()) {
                Some(path) => result.join(namespace.kind, path)?,
                None => result.make(namespace.kind, linux)?,
            }
        }
        let has_mappings = !linux.uid_mappings.is_empty() || !linux.gid_mappings.is_empty();
        if has_mappings && matches!(result.user, UserNamespace::Caller) {
            return Err(invalid("linux.uidMappings", "needs a user namespace"));
        }
        if !linux.time_offsets.is_empty() && result.new_time.is_none() {
            return Err(invalid("linux.timeOffsets", "needs a new time namespace"));
        }
        if !result.own_mount {
            return Err(invalid(field, "a new mount namespace is needed"));
        }
        Ok(result)
    }

    fn join(&mut self, kind: NamespaceKind, path: &str) -> Result<(), Error> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| Error::Host {
            what: "cannot open namespace",
            path: path.into(),
            source: error.into(),
        })?;
        let joined = Joined { kind: kind_of(kind).0, file, path: path.to_owned() };
        match kind {
            NamespaceKind::Pid => self.pid = Some(joined),
            NamespaceKind::User => self.user = UserNamespace::Joined(joined),
            _ => self.joined.push(joined),
        }
        Ok(())
    }

    fn make(&mut self, kind: NamespaceKind, linux: &Linux) -> Result<(), Error> {
        match kind {
            NamespaceKind::Cgroup => self.new_cgroup = true,
            NamespaceKind::Time => {
                let mut text = String::new();
                for (clock, offset) in &linux.time_offsets {
                    if clock != "monotonic" && clock != "boottime" {
                        let problem = format!("{clock:?} is neither monotonic nor boottime");
                        return Err(invalid("linux.timeOffsets", problem));
                    }
                    let _ = writeln!(text, "{clock} {} {}", offset.secs, offset.nanosecs);
                }
                self.new_time = Some(text);
            }
            NamespaceKind::User => {
                let field = "linux.uidMappings";
                if linux.uid_mappings.is_empty() || linux.gid_mappings.is_empty() {
                    return Err(invalid(field, "a user namespace needs uid and gid mappings"));
                }
                self.new |= CloneFlags::NEW_USER;
                self.user = UserNamespace::New {
                    users: linux.uid_mappings.clone(),
                    groups: linux.gid_mappings.clone(),
                };
            }
            _ => self.new |= kind_of(kind).1,
        }
        Ok(())
    }

    /// Whether an intermediate process must join before the new ones are made.
    #[must_use]
    pub fn needs_intermediate(&self) -> bool {
        match self.user {
            // An ordinary user's process could join, but not come back to the machine's.
            UserNamespace::Caller => {
                self.pid.is_some() && teu_sys::namespace::is_own_user_namespace()
            }
            UserNamespace::New { .. } => !self.joined.is_empty() || self.pid.is_some(),
            UserNamespace::Joined(_) => true,
        }
    }

    /// The joined user namespace, when there is one: that of id-mapped mounts.
    #[must_use]
    pub fn user_namespace_of_mounts(&self) -> Option<BorrowedFd<'_>> {
        match &self.user {
            UserNamespace::Joined(joined) => Some(joined.file.as_fd()),
            _ => None,
        }
    }
}

/// The text of `uid_map` and `gid_map`.
#[must_use]
pub fn map_text(mappings: &[IdMapping]) -> String {
    let mut text = String::new();
    for map in mappings {
        let _ = writeln!(text, "{} {} {}", map.container_id, map.host_id, map.size);
    }
    text
}

/// What an id in the container is on the host.
#[must_use]
pub fn host_id(mappings: &[IdMapping], id: u32) -> Option<u32> {
    mappings.iter().find_map(|map| {
        let offset = id.checked_sub(map.container_id)?;
        if offset < map.size { map.host_id.checked_add(offset) } else { None }
    })
}
