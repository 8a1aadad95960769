//! A mount that a person asked for, or that an image's `VOLUME` implies.

use serde::{Deserialize, Serialize};

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountRecord {
    /// Absolute path in the container.
    pub destination: String,
    /// What is mounted.
    pub kind: MountKind,
    /// No writing.
    pub readonly: bool,
    /// Which mounts made later are seen on the other side.
    #[serde(default)]
    pub propagation: Propagation,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountKind {
    /// A path of the host.
    Bind {
        /// Absolute.
        source: String,
        /// Submounts too.
        recursive: bool,
    },
    /// A volume of ours.
    Volume {
        /// Its name; 64 hex digits for an anonymous one.
        name: String,
        /// Removed with the container.
        anonymous: bool,
        /// Not filled from the image at first use.
        nocopy: bool,
        /// A directory within it.
        subpath: Option<String>,
    },
    /// Memory.
    Tmpfs {
        /// 0 for the kernel's default.
        size_bytes: u64,
        /// Permission bits; `None` for 1777.
        mode: Option<u32>,
        /// Further options (`noexec`, …).
        options: Vec<String>,
    },
}

/// Which mounts made later are seen on the other side. mount_namespaces(7).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are mount(8)'s")]
pub enum Propagation {
    #[default]
    Rprivate,
    Private,
    Rshared,
    Shared,
    Rslave,
    Slave,
}
