//! The specification's mounts as steps. Sources that the child will have no right to open (it is in
//! a user namespace) are opened here, as detached copies of the mount.

use super::options::{self, Options};
use super::{c_path, c_string, invalid};
use crate::error::Error;
use crate::user_namespace;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::OpenTreeFlags;
use std::ffi::CString;
use std::path::{Path, PathBuf};
use teu_oci::runtime::{IdMapping, Mount, Spec};
use teu_sys::mount::{Change, MountAttributes, set_attributes};

/// One mount.
#[derive(Debug)]
pub struct MountStep {
    /// Cleaned path in the container.
    pub destination: PathBuf,
    /// What is mounted.
    pub source: Source,
    /// How.
    pub options: Options,
    /// The mount becomes read-only once everything is in it.
    pub readonly_late: bool,
}

/// What is mounted.
#[derive(Debug)]
pub enum Source {
    /// A path on the host.
    Bind {
        /// Absolute.
        path: CString,
        /// With what is mounted beneath.
        recursive: bool,
    },
    /// The same, opened already.
    Tree(OwnedFd),
    /// A new file system.
    FileSystem {
        /// Its type.
        kind: CString,
        /// Its device.
        device: Option<CString>,
        /// Its parameters.
        data: Vec<(CString, Option<CString>)>,
    },
    /// The container's own control groups.
    Cgroups,
    /// What is there already, with other options.
    Existing,
}

/// Whether a mount shows something that exists.
#[must_use]
pub fn is_bind(mount: &Mount) -> bool {
    mount.kind.as_deref() == Some("bind")
        || mount.options.iter().any(|option| option == "bind" || option == "rbind")
}

/// A detached copy of the mount at a path of the host, whatever is beneath it included. What is mounted
/// nowhere yet, and named by a descriptor, is given itself where it cannot be copied (before Linux
/// 6.15): the container's mount of it is then the only one.
///
/// # Errors
/// The path does not exist.
pub fn open_tree(path: &Path, recursive: bool) -> Result<OwnedFd, Error> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    let tree = match rustix::mount::open_tree(CWD, path, flags) {
        Err(Errno::INVAL) => rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()),
        tree => tree,
    };
    tree.map_err(|error| Error::Host {
        what: "cannot open for a bind mount",
        path: path.to_owned(),
        source: error.into(),
    })
}

/// All mounts of a specification.
///
/// # Errors
/// Words that make no sense, sources that do not exist.
pub fn plan(
    spec: &Spec,
    bundle: &Path,
    opens: bool,
    joined: Option<&BorrowedFd<'_>>,
) -> Result<Vec<MountStep>, Error> {
    let label = spec.linux.as_ref().and_then(|linux| linux.mount_label.as_deref());
    let mut steps = Vec::with_capacity(spec.mounts.len());
    for (index, mount) in spec.mounts.iter().enumerate() {
        let field = format!("mounts[{index}] ({})", mount.destination);
        if mount.destination.is_empty() || mount.destination.contains('\0') {
            return Err(invalid(field, "has no destination"));
        }
        let options = Options::parse(&mount.options);
        let destination = options::clean(&mount.destination);
        let mut source = source(mount, &options, bundle, &field, label)?;
        let mapped = options.idmap.is_some() || !mount.uid_mappings.is_empty();
        if let Source::Bind { path, recursive } = &source {
            // A descriptor the caller holds is of the caller's mount namespace: the copy is made there.
            let held = path.to_bytes().starts_with(b"/proc/self/fd/");
            if opens || mapped || held {
                use std::os::unix::ffi::OsStrExt;
                let path = Path::new(std::ffi::OsStr::from_bytes(path.as_bytes()));
                let tree = open_tree(path, *recursive)?;
                if mapped {
                    map_ids(&tree, mount, spec, joined, &options, &field)?;
                }
                source = Source::Tree(tree);
            }
        } else if mapped {
            return Err(invalid(field, "only bind mounts can be id-mapped"));
        }
        check_destination(&destination, &source, mount, &field)?;
        let is_dev = destination == Path::new("/dev");
        let readonly_late = options.set.contains(MountAttributes::RDONLY)
            && (options.copy_up || is_dev)
            && matches!(source, Source::FileSystem { .. });
        steps.push(MountStep { destination, source, options, readonly_late });
    }
    Ok(steps)
}

fn source(
    mount: &Mount,
    options: &Options,
    bundle: &Path,
    field: &str,
    label: Option<&str>,
) -> Result<Source, Error> {
    if options.remount {
        return Ok(Source::Existing);
    }
    if is_bind(mount) {
        let path = mount.source.as_deref().filter(|source| !source.is_empty());
        let path = path.ok_or_else(|| invalid(field, "a bind mount needs a source"))?;
        // With type `bind` and neither word, runc binds recursively.
        let recursive = options.bind.unwrap_or(true);
        return Ok(Source::Bind { path: c_path(&bundle.join(path), field)?, recursive });
    }
    let kind = mount.kind.as_deref().filter(|kind| !kind.is_empty() && *kind != "none");
    let kind = kind.ok_or_else(|| invalid(field, "has neither a type nor the option bind"))?;
    if kind == "cgroup" || kind == "cgroup2" {
        return Ok(Source::Cgroups);
    }
    let mut data = Vec::with_capacity(options.data.len());
    for (key, value) in &options.data {
        let value = value.as_deref().map(|value| c_string(value, field)).transpose()?;
        data.push((c_string(key, field)?, value));
    }
    if let Some(label) = label.filter(|label| !label.is_empty())
        && matches!(kind, "tmpfs" | "mqueue" | "devpts")
    {
        data.push((c"context".to_owned(), Some(c_string(label, field)?)));
    }
    let device = mount.source.as_deref().filter(|device| !device.is_empty());
    let device = device.map(|device| c_string(device, field)).transpose()?;
    Ok(Source::FileSystem { kind: c_string(kind, field)?, device, data })
}

/// Nothing but `proc` itself, and the few files that lxcfs and its like provide, may cover `/proc`:
/// what the runtime writes there must be the kernel's (CVE-2019-19921).
fn check_destination(
    destination: &Path,
    source: &Source,
    mount: &Mount,
    field: &str,
) -> Result<(), Error> {
    const PROVIDED: [&str; 10] = [
        "cpuinfo",
        "diskstats",
        "meminfo",
        "stat",
        "swaps",
        "uptime",
        "loadavg",
        "slabinfo",
        "sys/kernel/ns_last_pid",
        "sys/crypto/fips_enabled",
    ];
    if destination == Path::new("/") && !matches!(source, Source::Existing) {
        return Err(invalid(field, "the root itself cannot be mounted over"));
    }
    let Ok(inside) = destination.strip_prefix("/proc") else { return Ok(()) };
    let is_root = inside.as_os_str().is_empty();
    let allowed = match source {
        Source::Existing => true,
        Source::FileSystem { kind, .. } if is_root => kind.as_bytes() == b"proc",
        Source::Bind { .. } | Source::Tree(_) if is_root => {
            let path = Path::new(mount.source.as_deref().unwrap_or_default());
            rustix::fs::statfs(path).is_ok_and(|found| found.f_type == rustix::fs::PROC_SUPER_MAGIC)
        }
        _ => {
            PROVIDED.iter().any(|name| inside == Path::new(name))
                || inside.starts_with("sys/fs/binfmt_misc")
        }
    };
    if allowed {
        Ok(())
    } else {
        Err(invalid(field, "cannot be mounted because it is inside /proc"))
    }
}

fn map_ids(
    tree: &OwnedFd,
    mount: &Mount,
    spec: &Spec,
    joined: Option<&BorrowedFd<'_>>,
    options: &Options,
    field: &str,
) -> Result<(), Error> {
    let own;
    let namespace = if !mount.uid_mappings.is_empty() || joined.is_none() {
        let linux = spec.linux.as_ref();
        let pick = |of_mount: &[IdMapping], of_container: Option<&Vec<IdMapping>>| {
            if of_mount.is_empty() {
                of_container.cloned().unwrap_or_default()
            } else {
                of_mount.to_vec()
            }
        };
        let users = pick(&mount.uid_mappings, linux.map(|linux| &linux.uid_mappings));
        let groups = pick(&mount.gid_mappings, linux.map(|linux| &linux.gid_mappings));
        if users.is_empty() || groups.is_empty() {
            return Err(invalid(field, "needs uidMappings and gidMappings, or a user namespace"));
        }
        own = user_namespace::create(&users, &groups)?;
        rustix::fd::AsFd::as_fd(&own)
    } else {
        *joined.ok_or_else(|| invalid(field, "needs a user namespace"))?
    };
    let change = Change {
        user_namespace: Some(namespace),
        recursive: options.idmap == Some(true),
        ..Change::default()
    };
    set_attributes(rustix::fd::AsFd::as_fd(tree), change).map_err(|error| Error::Host {
        what: "cannot map the ids of",
        path: mount.source.clone().unwrap_or_default().into(),
        source: error.into(),
    })
}
