//! A `RUN` step's own process: what is sent to it, and what it does.
//!
//! Namespaces are made from a process with one thread, so each step is run by a fresh copy of this
//! binary ([`crate::build_step`]). It reads an [`Order`] from the socket on its standard input,
//! starts the container with the rest of its streams, waits, and answers with an [`Answer`]. When
//! the other end of the socket goes (the build was killed, or given up), the container goes too.
//!
//! Views and secrets are mounted in this process's own mount namespace: they end with it, nothing
//! has to be unmounted and no link is ever followed to do so (CVE-2024-23652).

use crate::beneath;
use crate::overlay;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, MoveMountFlags};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use teu_oci::runtime::{Mount, Namespace, NamespaceKind, Rlimit, Spec};
use teu_runtime::defaults::{self, Privilege};
use teu_runtime::{Cgroup, Choices, Gate, Launch, Rootfs, Stdio};

/// Bytes of an order or answer.
pub const MESSAGE_LIMIT_BYTES: u64 = 64 << 20;

/// What is to be run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    /// Names the container.
    pub id: String,
    /// Layers, topmost first.
    pub lower: Vec<PathBuf>,
    /// Where changes go.
    pub upper: PathBuf,
    /// Overlayfs's own.
    pub work: PathBuf,
    /// Program and arguments.
    pub args: Vec<String>,
    /// `NAME=value`
    pub env: Vec<String>,
    /// Working directory.
    pub cwd: String,
    /// User, group, further groups.
    pub user: (u32, u32, Vec<u32>),
    /// Network namespace: a path to join, one of its own, or the host's.
    pub network: NetworkOrder,
    /// Every privilege (`--security=insecure`).
    pub insecure: bool,
    /// Size of `/dev/shm`.
    pub shm_bytes: u64,
    /// Limits.
    pub rlimits: Vec<Rlimit>,
    /// Control group, made by the build.
    pub cgroup: Option<String>,
    /// What is mounted, in order.
    pub binds: Vec<Bind>,
}

/// Which network a step has.
#[derive(Debug, Serialize, Deserialize)]
pub enum NetworkOrder {
    /// Loopback only.
    Own,
    /// The host's.
    Host,
    /// That of a path in `/proc` of the build.
    Join(PathBuf),
}

/// Something mounted for one step.
#[derive(Debug, Serialize, Deserialize)]
pub struct Bind {
    /// Where.
    pub target: String,
    /// Not writable.
    pub readonly: bool,
    /// It is a directory, and so must be the place it is mounted on.
    pub directory: bool,
    /// What.
    pub source: Source,
}

/// Where a mount's files are.
#[derive(Debug, Serialize, Deserialize)]
pub enum Source {
    /// A path within a directory of ours.
    Within(PathBuf, String),
    /// A path within joined layers; changes go to the directory's `fs` and are thrown away.
    View {
        /// Layers, topmost first.
        lower: Vec<PathBuf>,
        /// Path within.
        path: String,
        /// An empty directory to mount on.
        at: PathBuf,
        /// Upper and work directories of a writable view.
        changes: Option<(PathBuf, PathBuf)>,
    },
    /// Memory.
    Tmpfs(Option<u64>),
    /// A file in memory that this step only sees.
    Secret {
        /// Its content.
        content: Vec<u8>,
        /// An empty directory to mount on.
        at: PathBuf,
        /// Permissions and owner.
        access: (u32, u32, u32),
    },
}

/// How it went.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// It ended: 128+n after signal n.
    Exited {
        /// Its code.
        code: i32,
        /// The kernel killed some of it for lack of memory.
        oom: bool,
    },
    /// It never ran.
    Failed(String),
}

/// Sends a message over a socket.
pub fn send(socket: &mut impl Write, message: &impl Serialize) -> std::io::Result<()> {
    let bytes = serde_json::to_vec(message).map_err(std::io::Error::other)?;
    socket.write_all(&(bytes.len() as u64).to_le_bytes())?;
    socket.write_all(&bytes)
}

/// Receives one.
pub fn receive<T: for<'de> Deserialize<'de>>(socket: &mut impl Read) -> std::io::Result<T> {
    let mut length = [0; 8];
    socket.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > MESSAGE_LIMIT_BYTES {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    socket.take(length).read_to_end(&mut bytes)?;
    serde_json::from_slice(&bytes).map_err(std::io::Error::other)
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("cannot {0} {1}: {2}")]
    Os(&'static str, String, Errno),
    #[error("{0}")]
    Cause(#[from] crate::error::Cause),
    #[error("{}", .0.report())]
    Runtime(#[from] teu_runtime::Error),
    #[error("{0}")]
    Cgroup(#[from] teu_runtime::cgroup::Error),
}

/// Serves one order; the exit code of the process.
pub fn main() -> u8 {
    let Ok(socket) = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3) else { return 1 };
    let mut socket = std::fs::File::from(socket);
    let Ok(order) = receive::<Order>(&mut socket) else { return 1 };
    let answer =
        run(order, socket.as_fd()).unwrap_or_else(|fault| Answer::Failed(fault.to_string()));
    u8::from(send(&mut socket, &answer).is_err())
}

fn run(order: Order, socket: BorrowedFd<'_>) -> Result<Answer, Fault> {
    // What we were started with is for the container alone: our standard streams become nothing.
    let streams = streams()?;
    own_mounts(&order)?;
    let mut held = Vec::new();
    let spec = spec(&order, &mut held)?;
    let cgroup = order.cgroup.as_deref().map(Cgroup::open).transpose()?;
    let kills = || cgroup.as_ref().and_then(|cgroup| cgroup.oom_kills().ok()).unwrap_or(0);
    let before = kills();
    let rootfs = if order.lower.is_empty() {
        Rootfs::Directory(order.upper.clone())
    } else {
        Rootfs::Overlay { lower: order.lower, upper: order.upper, work: order.work }
    };
    let created = teu_runtime::create(Launch {
        id: &order.id,
        spec: &spec,
        bundle: Path::new("/"),
        rootfs,
        stdio: Stdio::Descriptors(streams),
        cgroup: cgroup.as_ref(),
        descriptors: Vec::new(),
        gate: Gate::Caller,
        choices: Choices::default(),
    })?;
    let running = match created.start() {
        Ok(running) => running,
        Err(error) if matches!(error.exit_code(), 126 | 127) => {
            return Err(Fault::Runtime(error));
        }
        Err(error) => return Err(error.into()),
    };
    drop(held);
    let code = wait(&running, socket)?;
    Ok(Answer::Exited { code, oom: code == 137 && kills() > before })
}

/// The container's streams: nothing to read, and our output.
fn streams() -> Result<[OwnedFd; 3], Fault> {
    let os = |errno| Fault::Os("open", "/dev/null".to_owned(), errno);
    let null = rustix::fs::openat(CWD, "/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(os)?;
    let out = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3).map_err(os)?;
    let error = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3).map_err(os)?;
    rustix::stdio::dup2_stdin(&null).map_err(os)?;
    rustix::stdio::dup2_stdout(&null).map_err(os)?;
    rustix::stdio::dup2_stderr(&null).map_err(os)?;
    Ok([null, out, error])
}

/// A mount namespace of our own, where something is mounted that others must not see.
fn own_mounts(order: &Order) -> Result<(), Fault> {
    let needed = order.binds.iter().any(|bind| match &bind.source {
        Source::View { lower, changes, .. } => lower.len() > 1 || changes.is_some(),
        Source::Secret { .. } => true,
        _ => false,
    });
    if !needed {
        return Ok(());
    }
    let os = |errno| Fault::Os("make", "a mount namespace".to_owned(), errno);
    teu_sys::namespace::unshare(teu_sys::process::CloneFlags::NEW_MOUNT).map_err(os)?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).map_err(os)
}

fn spec(order: &Order, held: &mut Vec<OwnedFd>) -> Result<Spec, Fault> {
    let privilege = if order.insecure { Privilege::Full } else { Privilege::Confined };
    let mut spec = defaults::spec(privilege);
    spec.mounts = defaults::mounts(privilege, order.shm_bytes);
    spec.hostname = Some("buildkitsandbox".to_owned());
    for bind in &order.binds {
        spec.mounts.push(mount(bind, held)?);
    }
    if let Some(process) = &mut spec.process {
        process.args.clone_from(&order.args);
        process.env.clone_from(&order.env);
        process.cwd.clone_from(&order.cwd);
        (process.user.uid, process.user.gid) = (order.user.0, order.user.1);
        process.user.additional_gids.clone_from(&order.user.2);
        process.rlimits.clone_from(&order.rlimits);
        if let Some(sets) = &process.capabilities {
            process.capabilities = Some(defaults::capability_sets(&sets.bounding, order.user.0));
        }
    }
    if let Some(linux) = &mut spec.linux {
        linux.namespaces.retain(|namespace| namespace.kind != NamespaceKind::Network);
        let path = match &order.network {
            NetworkOrder::Host => return Ok(spec),
            NetworkOrder::Own => None,
            NetworkOrder::Join(path) => {
                let flags = OFlags::RDONLY | OFlags::CLOEXEC;
                let opened = rustix::fs::openat(CWD, path, flags, Mode::empty());
                let opened = opened.map_err(|errno| {
                    Fault::Os("join the network of", "the build".to_owned(), errno)
                })?;
                Some(hold(held, opened))
            }
        };
        linux.namespaces.push(Namespace { kind: NamespaceKind::Network, path });
    }
    Ok(spec)
}

/// Keeps a descriptor open and names it.
fn hold(held: &mut Vec<OwnedFd>, descriptor: OwnedFd) -> String {
    let path = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
    held.push(descriptor);
    path
}

fn mount(bind: &Bind, held: &mut Vec<OwnedFd>) -> Result<Mount, Fault> {
    let access = if bind.readonly { "ro" } else { "rw" };
    if let Source::Tmpfs(size) = &bind.source {
        let mut options = vec!["nosuid".to_owned(), "nodev".to_owned(), "mode=1777".to_owned()];
        options.extend(size.map(|bytes| format!("size={bytes}")));
        return Ok(Mount {
            destination: bind.target.clone(),
            kind: Some("tmpfs".to_owned()),
            source: Some("tmpfs".to_owned()),
            options,
            ..Mount::default()
        });
    }
    let source = source(bind)?;
    let options = ["rbind", "nosuid", "nodev", access].map(str::to_owned).to_vec();
    Ok(Mount {
        destination: bind.target.clone(),
        kind: Some("bind".to_owned()),
        source: Some(hold(held, source)),
        options,
        ..Mount::default()
    })
}

fn source(bind: &Bind) -> Result<OwnedFd, Fault> {
    let os = |verb, path: &Path| {
        let path = path.to_string_lossy().into_owned();
        move |errno| Fault::Os(verb, path.clone(), errno)
    };
    match &bind.source {
        Source::Within(root, path) => {
            let root_fd =
                rustix::fs::openat(CWD, root, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
                    .map_err(os("open", root))?;
            if path.is_empty() {
                return Ok(root_fd);
            }
            beneath::open(&root_fd, Path::new(path), OFlags::PATH)
                .map_err(os("find", Path::new(path)))
        }
        Source::View { lower, path, at, changes } => {
            let root = match changes {
                Some((upper, work)) => overlay::writable(lower, upper, work)?,
                None => overlay::readable(lower, at)?,
            };
            if lower.len() > 1 || changes.is_some() && !lower.is_empty() {
                attach(&root, at)?;
            }
            beneath::open(&root, Path::new(path), OFlags::PATH).map_err(os("find", Path::new(path)))
        }
        Source::Secret { content, at, access } => secret(content, at, *access),
        Source::Tmpfs(_) => Err(Fault::Os("open", "a tmpfs".to_owned(), Errno::INVAL)),
    }
}

fn attach(mount: &OwnedFd, at: &Path) -> Result<(), Fault> {
    rustix::mount::move_mount(mount, "", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .map_err(|errno| Fault::Os("mount on", at.to_string_lossy().into_owned(), errno))
}

/// A file on a file system in memory, which nobody else has mounted.
fn secret(content: &[u8], at: &Path, (mode, uid, gid): (u32, u32, u32)) -> Result<OwnedFd, Fault> {
    use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
    let os = |errno| Fault::Os("keep", "a secret".to_owned(), errno);
    let context = rustix::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).map_err(os)?;
    rustix::mount::fsconfig_set_string(context.as_fd(), "mode", "0700").map_err(os)?;
    rustix::mount::fsconfig_create(context.as_fd()).map_err(os)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let root = rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        .map_err(os)?;
    attach(&root, at)?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file =
        rustix::fs::openat(&root, "secret", flags, Mode::from_raw_mode(0o600)).map_err(os)?;
    let mut left = content;
    while !left.is_empty() {
        let count = rustix::io::write(&file, left).map_err(os)?;
        left = &left[count..];
    }
    beneath::chown(&file, (uid, gid)).map_err(os)?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)).map_err(os)?;
    rustix::fs::openat(&root, "secret", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(os)
}

/// Waits for the first process, whose end is the end of all others in its namespace.
fn wait(running: &teu_runtime::Running, socket: BorrowedFd<'_>) -> Result<i32, Fault> {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::process::{Signal, WaitId, WaitIdOptions};
    let os = |errno| Fault::Os("wait for", "the step".to_owned(), errno);
    loop {
        let mut descriptors = [
            PollFd::new(&running.pidfd, PollFlags::IN),
            PollFd::from_borrowed_fd(socket, PollFlags::IN),
        ];
        match poll(&mut descriptors, None) {
            Err(Errno::INTR) => continue,
            other => other.map_err(os)?,
        };
        if !descriptors[1].revents().is_empty() {
            // The build is gone, or wants us gone.
            let _ = rustix::process::pidfd_send_signal(&running.pidfd, Signal::KILL);
        } else if descriptors[0].revents().is_empty() {
            continue;
        }
        let id = WaitId::PidFd(running.pidfd.as_fd());
        let status = loop {
            match rustix::process::waitid(id.clone(), WaitIdOptions::EXITED) {
                Err(Errno::INTR) => {}
                other => break other.map_err(os)?,
            }
        };
        let Some(status) = status else { continue };
        let signal = status.terminating_signal().map(|signal| 128 + signal);
        return Ok(status.exit_status().or(signal).unwrap_or(255));
    }
}
