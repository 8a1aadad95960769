//! `mount_setattr(2)`: attributes, propagation and id mapping of a mount, by descriptor.
//!
//! The rest of the new mount API (`open_tree`, `fsopen`, `fsmount`, `move_mount`) is in `rustix`.

use crate::checked;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Result;

/// What `fsconfig(2)` takes as one value, without the zero at its end.
pub const VALUE_LIMIT_BYTES: usize = 255;

/// What the kernel wrote about a file system that it does not mount.
pub fn words(context: impl rustix::fd::AsFd) -> Option<String> {
    let mut buffer = [0; 512];
    let length = rustix::io::read(context, &mut buffer[..]).ok()?;
    let text = String::from_utf8_lossy(&buffer[..length]);
    let text = text.trim();
    Some(text.strip_prefix("e ").unwrap_or(text).to_owned()).filter(|text| !text.is_empty())
}

/// Attributes of a mount, `MOUNT_ATTR_…`. Constants may be joined by `|`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MountAttributes(pub u64);

impl MountAttributes {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Nothing can be written through it.
    pub const RDONLY: Self = Self(0x1);
    /// Set-user-id bits and file capabilities have no effect.
    pub const NOSUID: Self = Self(0x2);
    /// Device nodes cannot be opened.
    pub const NODEV: Self = Self(0x4);
    /// Nothing can be executed.
    pub const NOEXEC: Self = Self(0x8);
    /// The field of the three below: cleared before one of them is set.
    pub const ATIME: Self = Self(0x70);
    /// Access times are kept cheaply (the kernel's default).
    pub const RELATIME: Self = Self(0x0);
    /// Access times are not kept.
    pub const NOATIME: Self = Self(0x10);
    /// Access times are kept at each access.
    pub const STRICTATIME: Self = Self(0x20);
    /// Access times of directories are not kept.
    pub const NODIRATIME: Self = Self(0x80);
    /// Owners are mapped through a user namespace.
    pub const IDMAP: Self = Self(0x10_0000);
    /// Symbolic links are not followed.
    pub const NOSYMFOLLOW: Self = Self(0x20_0000);

    /// Whether all of `other` is in `self`.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// `self` without `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether nothing is asked for.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl std::ops::BitOr for MountAttributes {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl std::ops::BitOrAssign for MountAttributes {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// How mounts made in one place appear in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "mount_namespaces(7)")]
pub enum Propagation {
    Shared,
    Slave,
    Private,
    Unbindable,
}

/// A change of a mount.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change<'a> {
    /// Set, after `clear`.
    pub set: MountAttributes,
    /// Cleared.
    pub clear: MountAttributes,
    /// Changed, when given.
    pub propagation: Option<Propagation>,
    /// The user namespace of an id-mapped mount.
    pub user_namespace: Option<BorrowedFd<'a>>,
    /// All mounts beneath as well.
    pub recursive: bool,
}

#[repr(C)]
struct Attr {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Changes the mount that `mount` refers to (its root, or any `O_PATH` descriptor of its root).
///
/// # Errors
/// `EPERM` where a flag is locked, `EINVAL` where the descriptor is not a mount's root or the file
/// system has no id-mapped mounts.
pub fn set_attributes(mount: BorrowedFd<'_>, change: Change<'_>) -> Result<()> {
    let mut attr = Attr {
        set: change.set.0,
        clear: change.clear.0,
        propagation: match change.propagation {
            None => 0,
            Some(Propagation::Shared) => libc::MS_SHARED,
            Some(Propagation::Slave) => libc::MS_SLAVE,
            Some(Propagation::Private) => libc::MS_PRIVATE,
            Some(Propagation::Unbindable) => libc::MS_UNBINDABLE,
        },
        user_namespace: 0,
    };
    if let Some(namespace) = change.user_namespace {
        attr.set |= MountAttributes::IDMAP.0;
        attr.user_namespace = namespace.as_raw_fd() as u64;
    }
    let mut flags = libc::AT_EMPTY_PATH;
    if change.recursive {
        const AT_RECURSIVE: libc::c_int = 0x8000;
        flags |= AT_RECURSIVE;
    }
    // SAFETY: the path is a constant; the structure is the kernel's, lives through the call, and
    // its size is given.
    checked(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<Attr>(),
        )
    })?;
    Ok(())
}
