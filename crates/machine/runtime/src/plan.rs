//! A specification, checked and turned into what the first process walks through: plain data, C
//! strings and open descriptors. Everything that can be refused is refused here, before the fork.

use crate::error::Error;
use rustix::fd::{AsFd as _, OwnedFd};
use std::ffi::CString;
use std::path::{Path, PathBuf};
use teu_oci::runtime::Spec;
use teu_sys::mount::Propagation;

pub mod devices;
mod idmapped;
pub mod mounts;
pub mod namespaces;
pub mod options;
pub mod process;

pub use devices::DeviceStep;
pub use mounts::{MountStep, Source};
pub use namespaces::{Namespaces, UserNamespace};
pub use process::ProcessPlan;

use crate::launch::{Launch, Rootfs};
use crate::user_namespace;

/// Everything the first process does.
#[derive(Debug)]
pub struct Plan {
    /// New and joined.
    pub namespaces: Namespaces,
    /// The root file system.
    pub root: RootPlan,
    /// In order.
    pub mounts: Vec<MountStep>,
    /// Nodes in `/dev`; `None` when `/dev` is a bind from outside and left alone.
    pub devices: Option<Vec<DeviceStep>>,
    /// Paths in the container.
    pub masked: Vec<PathBuf>,
    /// Paths in the container.
    pub readonly: Vec<PathBuf>,
    /// Files beneath `/proc/sys`, and what is written.
    pub sysctls: Vec<(PathBuf, String)>,
    /// UTS namespace.
    pub hostname: Option<String>,
    /// UTS namespace.
    pub domainname: Option<String>,
    /// What is run, and as whom.
    pub process: ProcessPlan,
}

/// The root file system.
#[derive(Debug)]
pub struct RootPlan {
    /// Where its files come from.
    pub source: RootSource,
    /// Where it is mounted until it becomes the root: a directory on the host, shadowed only in the
    /// container's own mount namespace.
    pub target: CString,
    /// Of `/`, before anything is mounted, and whether recursively.
    pub propagation: (Propagation, bool),
    /// In the end.
    pub readonly: bool,
    /// Moved, not pivoted.
    pub no_pivot: bool,
}

/// Where the root's files come from.
#[derive(Debug)]
pub enum RootSource {
    /// A directory that is bound.
    Directory(CString),
    /// Opened by the parent, for a child that has not the right to.
    Tree(OwnedFd),
    /// Overlayfs.
    Overlay {
        /// Topmost first.
        lower: Vec<CString>,
        /// Changes.
        upper: CString,
        /// Overlayfs's own.
        work: CString,
    },
}

pub(crate) fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Error {
    Error::Invalid { field: field.into(), problem: problem.into() }
}

pub(crate) fn c_string(text: impl AsRef<[u8]>, field: &str) -> Result<CString, Error> {
    CString::new(text.as_ref()).map_err(|_| invalid(field, "contains a zero byte"))
}

pub(crate) fn c_path(path: &Path, field: &str) -> Result<CString, Error> {
    use std::os::unix::ffi::OsStrExt;
    c_string(path.as_os_str().as_bytes(), field)
}

impl Plan {
    /// From what was asked.
    ///
    /// # Errors
    /// A specification that makes no sense, or things on the host that cannot be opened.
    pub fn new(launch: &Launch<'_>) -> Result<Self, Error> {
        let spec = launch.spec;
        let linux = spec.linux.clone().unwrap_or_default();
        let process = spec.process.as_ref().ok_or_else(|| invalid("process", "is missing"))?;
        let namespaces = Namespaces::new(&linux)?;
        let in_user_namespace = !matches!(namespaces.user, UserNamespace::Caller);
        // Root opens for a child that could not; others have the rights only inside.
        let opens = in_user_namespace && rustix::process::geteuid().is_root();
        let user_namespace = namespaces.user_namespace_of_mounts();
        let mounts = mounts::plan(spec, launch.bundle, opens, user_namespace.as_ref())?;
        let has_own_dev = !spec.mounts.iter().any(|mount| {
            options::clean(&mount.destination) == Path::new("/dev") && mounts::is_bind(mount)
        });
        let devices = has_own_dev.then(|| devices::plan(&linux.devices, opens)).transpose()?;
        let mut process = ProcessPlan::new(process, launch, linux.seccomp.as_ref())?;
        process.limits_by_parent = in_user_namespace;
        Ok(Self {
            root: root(launch, linux.rootfs_propagation.as_deref(), &namespaces, opens)?,
            mounts,
            devices,
            masked: paths(&linux.masked_paths, "linux.maskedPaths")?,
            readonly: paths(&linux.readonly_paths, "linux.readonlyPaths")?,
            sysctls: sysctls(&linux.sysctl, &namespaces)?,
            hostname: names(spec.hostname.as_ref(), "hostname", &namespaces)?,
            domainname: names(spec.domainname.as_ref(), "domainname", &namespaces)?,
            namespaces,
            process,
        })
    }
}

fn paths(list: &[String], field: &str) -> Result<Vec<PathBuf>, Error> {
    list.iter()
        .map(|path| {
            if path.contains('\0') || !path.starts_with('/') {
                return Err(invalid(field, format!("{path:?} is not an absolute path")));
            }
            Ok(options::clean(path))
        })
        .collect()
}

fn names(
    name: Option<&String>,
    field: &str,
    namespaces: &Namespaces,
) -> Result<Option<String>, Error> {
    /// `__NEW_UTS_LEN`
    const LIMIT_BYTES: usize = 64;
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(None) };
    if name.len() > LIMIT_BYTES {
        return Err(invalid(field, format!("is longer than {LIMIT_BYTES} bytes")));
    }
    if !namespaces.own_uts {
        return Err(invalid(field, "needs a uts namespace, or it would be the host's"));
    }
    Ok(Some(name.clone()))
}

fn sysctls(
    wanted: &std::collections::BTreeMap<String, String>,
    namespaces: &Namespaces,
) -> Result<Vec<(PathBuf, String)>, Error> {
    const IPC: [&str; 9] = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
        "kernel.msg_next_id",
    ];
    wanted
        .iter()
        .map(|(name, value)| {
            let field = format!("linux.sysctl {name}");
            // Both spellings are allowed: `net.ipv4.x` and `net/ipv4/x`.
            let first = name.find(['.', '/']).map(|at| name.as_bytes()[at]);
            let path: String = match first {
                Some(b'/') => name.clone(),
                _ => name
                    .chars()
                    .map(|c| match c {
                        '.' => '/',
                        '/' => '.',
                        c => c,
                    })
                    .collect(),
            };
            let dotted = path.replace('/', ".");
            let known = if dotted.starts_with("net.") {
                namespaces.own_network.then_some(()).ok_or("network")
            } else if dotted.starts_with("fs.mqueue.") || IPC.contains(&dotted.as_str()) {
                namespaces.own_ipc.then_some(()).ok_or("ipc")
            } else if dotted == "kernel.domainname" || dotted == "kernel.hostname" {
                namespaces.own_uts.then_some(()).ok_or("uts")
            } else if dotted.starts_with("user.") {
                (!matches!(namespaces.user, UserNamespace::Caller)).then_some(()).ok_or("user")
            } else {
                return Err(invalid(field, "is the whole machine's, not a namespace's"));
            };
            known.map_err(|kind| {
                invalid(&field, format!("needs a {kind} namespace, or it would be the host's"))
            })?;
            if path.split('/').any(|part| part.is_empty() || part == "." || part == "..")
                || path.contains('\0')
            {
                return Err(invalid(field, "is not the name of a kernel parameter"));
            }
            Ok((PathBuf::from("sys").join(path), value.clone()))
        })
        .collect()
}

fn root(
    launch: &Launch<'_>,
    propagation: Option<&str>,
    namespaces: &Namespaces,
    opens: bool,
) -> Result<RootPlan, Error> {
    let field = "root.path";
    let absolute = |path: &Path| launch.bundle.join(path);
    let named = launch.spec.root.as_ref().map(|root| absolute(Path::new(&root.path)));
    let (source, target) = match &launch.rootfs {
        Rootfs::Directory(path) => {
            let path = absolute(path);
            let found = std::fs::metadata(&path).map_err(|source| Error::Host {
                what: "cannot find the root file system",
                path: path.clone(),
                source,
            })?;
            if !found.is_dir() {
                return Err(invalid(field, format!("{} is not a directory", path.display())));
            }
            let source = if opens {
                RootSource::Tree(mounts::open_tree(&path, true)?)
            } else {
                RootSource::Directory(c_path(&path, field)?)
            };
            (source, path)
        }
        Rootfs::Overlay { lower, upper, work } => {
            let lower: Vec<_> = lower.iter().map(|layer| absolute(layer)).collect();
            let (upper, work) = (absolute(upper), absolute(work));
            let source = match &namespaces.user {
                UserNamespace::Caller => RootSource::Overlay {
                    lower: lower
                        .iter()
                        .map(|path| c_path(path, field))
                        .collect::<Result<_, _>>()?,
                    upper: c_path(&upper, field)?,
                    work: c_path(&work, field)?,
                },
                UserNamespace::New { users, groups } => {
                    let users = user_namespace::create(users, groups)?;
                    RootSource::Tree(idmapped::overlay(&lower, &upper, &work, users.as_fd())?)
                }
                UserNamespace::Joined(joined) => {
                    let users = joined.file.as_fd();
                    RootSource::Tree(idmapped::overlay(&lower, &upper, &work, users)?)
                }
            };
            let target = named.filter(|path| path.is_dir()).unwrap_or(work);
            (source, target)
        }
    };
    let propagation = match propagation {
        None | Some("") => (Propagation::Slave, true),
        Some(word) => options::propagation(word).ok_or_else(|| {
            invalid("linux.rootfsPropagation", format!("{word:?} is not a propagation"))
        })?,
    };
    Ok(RootPlan {
        source,
        target: c_path(&target, field)?,
        propagation,
        readonly: launch.spec.root.as_ref().is_some_and(|root| root.readonly),
        no_pivot: launch.choices.no_pivot,
    })
}

/// Whether a specification has a process and sensible fields, for `Spec`s that are only stored yet.
///
/// # Errors
/// As [`Plan::new`], without touching the host.
pub fn check(spec: &Spec) -> Result<(), Error> {
    let major = spec.oci_version.split('.').next().unwrap_or_default();
    if major != "1" {
        return Err(invalid("ociVersion", format!("{:?} is not version 1", spec.oci_version)));
    }
    spec.process.as_ref().ok_or_else(|| invalid("process", "is missing")).map(drop)
}
