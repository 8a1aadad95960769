//! A record becomes a running process: everything that has to be looked up, then [`crate::plan`],
//! then the runtime.

use super::failure::Failure;
use super::pod::{self, Pod};
use super::streams::Ends;
use crate::Home;
use crate::plan::{self, Facts, VolumeSource};
use crate::record::{ContainerRecord, MountKind};
use rustix::fs::{Mode, OFlags};
use rustix::pipe::PipeFlags;
use rustix::process::Pid;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use teu_runtime::cgroup::{Cgroup, OomWatch};
use teu_runtime::{Choices, Gate, Launch, Rootfs, Stdio};
use teu_volumes::{Backing, Volumes};

mod layers;

/// What a launch needs besides the record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) home: &'a Home,
    pub(super) pod: &'a Pod,
    pub(super) record: &'a ContainerRecord,
    /// This binary on the host, for `--init`.
    pub(super) program: &'a Path,
}

/// A process that runs, and all we hold of it.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) pid: Pid,
    pub(super) pidfd: OwnedFd,
    pub(super) cgroup: Cgroup,
    /// Where a limit of memory makes one likely.
    pub(super) oom: Option<OomWatch>,
    pub(super) ends: Ends,
    pub(super) warnings: Vec<String>,
}

/// Launches a container. On an error nothing of it is left.
pub(super) fn launch(request: Request<'_>) -> Result<Launched, Failure> {
    let record = request.record;
    let layers = layers::Layers::find(request.home, record)?;
    let mut held = Vec::new();
    let facts = facts(request, &layers, &mut held)?;
    let spec = plan::spec(&request.pod.record, record, &facts)?;
    let path = request.home.container_cgroup(&request.pod.record, &record.id);
    let cgroup = Cgroup::create(&path, &plan::resources(record))?;
    let mut warnings: Vec<String> = cgroup.warnings().iter().map(ToString::to_string).collect();
    let result = run(request, &spec, layers.rootfs, &cgroup);
    match result {
        Ok((running, ends)) => {
            warnings.extend(running.warnings.iter().map(ToString::to_string));
            let limited = record.resources.memory.as_ref().is_some_and(|m| m.limit > Some(0));
            let oom = limited.then(|| cgroup.oom_watch().ok()).flatten();
            let (pid, pidfd) = (running.pid, running.pidfd);
            Ok(Launched { pid, pidfd, cgroup, oom, ends, warnings })
        }
        Err(failure) => {
            let _ = cgroup.delete();
            Err(failure)
        }
    }
}

fn run(
    request: Request<'_>,
    spec: &teu_oci::runtime::Spec,
    rootfs: Rootfs,
    cgroup: &Cgroup,
) -> Result<(teu_runtime::Running, Ends), Failure> {
    let (stdio, mut ends) = streams(request.record)?;
    let mut created = teu_runtime::create(Launch {
        id: &request.record.id,
        spec,
        bundle: Path::new("/"),
        rootfs,
        stdio,
        cgroup: Some(cgroup),
        descriptors: Vec::new(),
        gate: Gate::Caller,
        choices: Choices::default(),
    })?;
    if let Some(terminal) = created.terminal.take() {
        if request.record.stdin_open {
            let copy = rustix::io::fcntl_dupfd_cloexec(&terminal, 0);
            ends.stdin = Some(copy.map_err(Failure::system("copy the terminal's descriptor"))?);
        }
        ends.stdout = Some(terminal);
    }
    Ok((created.start()?, ends))
}

/// The process's ends and ours.
fn streams(record: &ContainerRecord) -> Result<(Stdio, Ends), Failure> {
    if record.tty {
        return Ok((Stdio::Terminal, Ends::default()));
    }
    let pipe =
        || rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(Failure::system("make a pipe"));
    let (stdin, ours) = if record.stdin_open {
        let (read, write) = pipe()?;
        (read, Some(write))
    } else {
        (pod::open(Path::new("/dev/null"), OFlags::RDONLY)?, None)
    };
    let (out, stdout) = pipe()?;
    let (err, stderr) = pipe()?;
    let ends = Ends { stdin: ours, stdout: Some(out), stderr: Some(err) };
    Ok((Stdio::Descriptors([stdin, stdout, stderr]), ends))
}

/// Looks up everything the plan wants to know. Descriptors that it names are kept in `held`.
fn facts(
    request: Request<'_>,
    layers: &layers::Layers,
    held: &mut Vec<OwnedFd>,
) -> Result<Facts, Failure> {
    let record = request.record;
    let view = layers.view()?;
    let user = teu_runtime::users::resolve(&view, &record.user, &record.group_add)?;
    let shm = request.pod.shm()?;
    let facts = Facts {
        user_home: user.home.clone(),
        user: user.into(),
        hostname: request.pod.hostname(),
        volumes: volumes(request, &view, held)?,
        namespaces: request.pod.namespaces(record)?,
        files: request.pod.files(),
        shm: shm.as_ref().map(pod::descriptor),
        host_devices: if record.security.privileged { host_devices() } else { Vec::new() },
        init: request.program.to_owned(),
    };
    held.extend(shm);
    check_binds(record)?;
    Ok(facts)
}

/// A bind whose source is missing is an error that names it, not a failed mount.
fn check_binds(record: &ContainerRecord) -> Result<(), Failure> {
    for mount in &record.mounts {
        if let MountKind::Bind { source, .. } = &mount.kind
            && !Path::new(source).exists()
        {
            return Err(Failure::NoSource { path: PathBuf::from(source) });
        }
    }
    Ok(())
}

/// Finds the volumes, and fills those that are new from the image.
fn volumes(
    request: Request<'_>,
    view: &OwnedFd,
    held: &mut Vec<OwnedFd>,
) -> Result<BTreeMap<String, VolumeSource>, Failure> {
    let mut found = BTreeMap::new();
    let wanted = request.record.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Volume { name, nocopy, subpath, .. } => {
            Some((mount, name, *nocopy, subpath.as_deref()))
        }
        _ => None,
    });
    for (mount, name, nocopy, subpath) in wanted {
        let volume = Volumes::open(&request.home.data.join("volumes"))?.get(name)?;
        let source = match volume.backing() {
            Backing::Tmpfs { options } => VolumeSource::Tmpfs { options },
            Backing::Bind { source, options } => VolumeSource::Path { source, options },
            Backing::Directory => {
                if !nocopy && subpath.is_none() {
                    volume.fill(view.as_fd(), &mount.destination)?;
                }
                let source = match subpath {
                    Some(subpath) => {
                        let fd = volume.subpath(subpath)?;
                        let path = pod::descriptor(&fd);
                        held.push(fd);
                        path
                    }
                    None => volume.path().to_string_lossy().into_owned(),
                };
                VolumeSource::Path { source, options: Vec::new() }
            }
        };
        found.insert(mount.destination.clone(), source);
    }
    Ok(found)
}

/// Character and block devices of the host, for `--privileged`.
fn host_devices() -> Vec<teu_oci::runtime::Device> {
    let mut found = Vec::new();
    walk_devices(Path::new("/dev"), 0, &mut found);
    found
}

fn walk_devices(folder: &Path, depth: u32, found: &mut Vec<teu_oci::runtime::Device>) {
    const DEEPEST: u32 = 4;
    const SKIPPED: [&str; 6] = ["pts", "shm", "mqueue", "fd", "console", ".lxc"];
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if depth == 0 && SKIPPED.iter().any(|skipped| name == *skipped) {
            continue;
        }
        let Ok(facts) = rustix::fs::lstat(&path) else { continue };
        let kind = match rustix::fs::FileType::from_raw_mode(facts.st_mode) {
            rustix::fs::FileType::CharacterDevice => "c",
            rustix::fs::FileType::BlockDevice => "b",
            rustix::fs::FileType::Directory if depth < DEEPEST => {
                walk_devices(&path, depth + 1, found);
                continue;
            }
            _ => continue,
        };
        found.push(teu_oci::runtime::Device {
            kind: kind.to_owned(),
            path: path.to_string_lossy().into_owned(),
            major: i64::from(rustix::fs::major(facts.st_rdev)),
            minor: i64::from(rustix::fs::minor(facts.st_rdev)),
            file_mode: Some(facts.st_mode & 0o777),
            uid: Some(facts.st_uid),
            gid: Some(facts.st_gid),
        });
    }
}

/// The root of a container that runs, for look-ups.
pub(super) fn root_of(pid: Pid) -> Result<OwnedFd, Failure> {
    let path = PathBuf::from(format!("/proc/{}/root", pid.as_raw_nonzero()));
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(&path, flags, Mode::empty()).map_err(Failure::errno("open", &path))
}

/// The rights and environment of a further process in a container that runs.
pub(super) fn further(
    pod: &Pod,
    record: &ContainerRecord,
    pid: Pid,
    asked: &super::protocol::Further,
) -> Result<teu_oci::runtime::Process, Failure> {
    let user = asked.user.as_deref().unwrap_or(&record.user);
    let user = teu_runtime::users::resolve(root_of(pid)?, user, &record.group_add)?;
    let facts = Facts {
        user_home: user.home.clone(),
        user: user.into(),
        hostname: pod.hostname(),
        ..Facts::default()
    };
    Ok(plan::further(record, &facts, &asked.process, asked.privileged)?)
}
