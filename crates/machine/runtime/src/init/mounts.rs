//! Mounts, in the order of the specification: each made detached, given its attributes, and attached
//! to a descriptor of its place. Nothing is visible before it is as it should be.

use super::Init;
use super::root::Root;
use crate::beneath::{self, Make};
use crate::cgroup_view;
use crate::channel::{At, Failure, Step};
use crate::error::Stage;
use crate::plan::options::Options;
use crate::plan::{MountStep, Plan, Source, UserNamespace};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags};
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use teu_sys::mount::{
    Change, MountAttributes, Propagation, VALUE_LIMIT_BYTES, set_attributes, words,
};
use teu_sys::process::CloneFlags;

/// Makes all mounts. Returns those that become read-only when all is in them.
pub fn run_all(init: &Init<'_>, root: &mut Root) -> Step<Vec<OwnedFd>> {
    let mut late = Vec::new();
    let plan = init.plan;
    for (index, step) in plan.mounts.iter().enumerate() {
        if matches!(step.source, Source::Cgroups) {
            cgroup_view::mount(init.cgroups, step, root)?;
            continue;
        }
        let early = init.early.iter().find(|(of, _)| *of == index).map(|(_, mount)| mount);
        if let Some(mount) = run(step, early, root)?
            && step.readonly_late
        {
            late.push(mount);
        }
    }
    Ok(late)
}

/// File systems that show a namespace which the container's root does not own: the network's by
/// `sysfs`, the IPC one's by `mqueue`. They are made with the caller's rights, by a process that is in
/// that namespace and not yet in the container's user namespace.
pub fn make_early(plan: &Plan) -> Step<Vec<(usize, OwnedFd)>> {
    let mut made = Vec::new();
    let namespaces = &plan.namespaces;
    if matches!(namespaces.user, UserNamespace::Caller) {
        return Ok(made);
    }
    for (index, step) in plan.mounts.iter().enumerate() {
        let Source::FileSystem { kind, device, data } = &step.source else { continue };
        let owned = match kind.to_bytes() {
            b"sysfs" => namespaces.new.contains(CloneFlags::NEW_NET),
            b"mqueue" => namespaces.new.contains(CloneFlags::NEW_IPC),
            _ => true,
        };
        if owned {
            continue;
        }
        match new_file_system(step, kind, device.as_deref(), data, None) {
            Ok(Some(mount)) => made.push((index, mount)),
            // It is tried again inside, where a caller without rights may have them.
            Ok(None) => {}
            Err(failure) if failure.errno == Errno::PERM => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(made)
}

/// The host's `/sys`, for a root that may not have one of its own.
fn borrowed_sysfs(step: &MountStep) -> Step<OwnedFd> {
    let name = step.destination.as_os_str().as_bytes();
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    let tree = rustix::mount::open_tree(CWD, c"/sys", flags).at(Stage::MountSource, name)?;
    let (set, clear) = (step.options.set, step.options.clear);
    let change = Change { set, clear, recursive: true, ..Change::default() };
    set_attributes(tree.as_fd(), change).at(Stage::MountOptions, name)?;
    Ok(tree)
}

fn run(step: &MountStep, early: Option<&OwnedFd>, root: &mut Root) -> Step<Option<OwnedFd>> {
    let name = step.destination.as_os_str().as_bytes();
    match &step.source {
        Source::Existing => {
            let target =
                beneath::handle(&root.fd, &step.destination).at(Stage::MountTarget, name)?;
            apply(target.as_fd(), &step.options, name)?;
            Ok(None)
        }
        Source::Tree(tree) => {
            // It came from the host's mount namespace: it must not go on being the host's peer.
            let (propagation, _) = root.propagation;
            if propagation != Propagation::Shared {
                let propagation = Some(propagation);
                let change = Change { propagation, recursive: true, ..Change::default() };
                set_attributes(tree.as_fd(), change).at(Stage::Propagation, name)?;
            }
            bind(tree, step, root)?;
            Ok(None)
        }
        Source::Bind { path, recursive } => {
            let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
            if *recursive {
                flags |= OpenTreeFlags::AT_RECURSIVE;
            }
            let tree =
                rustix::mount::open_tree(CWD, path.as_c_str(), flags).map_err(|errno| Failure {
                    stage: Stage::MountSource,
                    subject: format!("{} ({})", step.destination.display(), path.to_string_lossy()),
                    errno,
                })?;
            bind(&tree, step, root)?;
            Ok(None)
        }
        Source::FileSystem { kind, device, data } => {
            let target = target_of_file_system(step, kind, root)?;
            let mount = match early {
                Some(early) => Ok(Some(dup(early).at(Stage::Mount, name)?)),
                None => new_file_system(step, kind, device.as_deref(), data, Some(&target)),
            };
            let mount = match mount {
                Err(failure) if failure.errno == Errno::PERM && kind.to_bytes() == b"sysfs" => {
                    Some(borrowed_sysfs(step)?)
                }
                mount => mount?,
            };
            let mount = match mount {
                Some(mount) => {
                    if step.options.copy_up {
                        super::devices::copy_up(&target, &mount).at(Stage::CopyUp, name)?;
                    }
                    attach(&mount, target.as_fd()).at(Stage::Mount, name)?;
                    mount
                }
                // The long way has attached it already.
                None => beneath::handle(&root.fd, &step.destination).at(Stage::Mount, name)?,
            };
            propagate(mount.as_fd(), &step.options, name)?;
            match kind.as_bytes() {
                b"proc" if step.destination == Path::new("/proc") => {
                    root.proc = Some(dup(&mount).at(Stage::Mount, name)?);
                }
                b"devpts" if step.destination == Path::new("/dev/pts") => {
                    root.devpts = Some(dup(&mount).at(Stage::Mount, name)?);
                }
                _ => {}
            }
            Ok(Some(mount))
        }
        Source::Cgroups => Ok(None),
    }
}

fn dup(fd: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    rustix::io::fcntl_dupfd_cloexec(fd, 3)
}

/// Attaches a detached mount at a descriptor.
pub fn attach(mount: &OwnedFd, target: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(mount, c"", target, c"", flags)
}

fn bind(tree: &OwnedFd, step: &MountStep, root: &Root) -> Step {
    let name = step.destination.as_os_str().as_bytes();
    let source = beneath::kind(tree).at(Stage::MountSource, name)?;
    let make = if source == FileType::Directory { Make::Directory } else { Make::File };
    let target = beneath::make(&root.fd, &step.destination, make).at(Stage::MountTarget, name)?;
    let found = beneath::kind(&target).at(Stage::MountTarget, name)?;
    if (found == FileType::Directory) != (source == FileType::Directory) {
        let errno = if make == Make::Directory { Errno::NOTDIR } else { Errno::ISDIR };
        return Err(errno).at(Stage::MountTarget, name);
    }
    apply(tree.as_fd(), &step.options, name)?;
    attach(tree, target.as_fd()).at(Stage::Mount, name)
}

/// Gives a mount its attributes and propagation.
fn apply(mount: BorrowedFd<'_>, options: &Options, name: &[u8]) -> Step {
    let sets = [
        (options.set, options.clear, false),
        (options.set_recursive, options.clear_recursive, true),
    ];
    for (set, clear, recursive) in sets {
        if !set.is_empty() || !clear.is_empty() {
            let change = Change { set, clear, recursive, ..Change::default() };
            set_attributes(mount, change).at(Stage::MountOptions, name)?;
        }
    }
    propagate(mount, options, name)
}

fn propagate(mount: BorrowedFd<'_>, options: &Options, name: &[u8]) -> Step {
    for (propagation, recursive) in &options.propagation {
        let change =
            Change { propagation: Some(*propagation), recursive: *recursive, ..Change::default() };
        set_attributes(mount, change).at(Stage::Propagation, name)?;
    }
    Ok(())
}

/// The place of a new file system. That of `proc` and `sysfs` may not be reached through a link:
/// what is written to them later must be the kernel's (CVE-2019-19921, CVE-2023-27561).
fn target_of_file_system(step: &MountStep, kind: &CStr, root: &Root) -> Step<OwnedFd> {
    let name = step.destination.as_os_str().as_bytes();
    let target = if matches!(kind.to_bytes(), b"proc" | b"sysfs") {
        match beneath::handle_without_links(&root.fd, &step.destination) {
            Err(Errno::NOENT) => beneath::make(&root.fd, &step.destination, Make::Directory)
                .and_then(|_| beneath::handle_without_links(&root.fd, &step.destination)),
            result => result,
        }
    } else {
        beneath::make(&root.fd, &step.destination, Make::Directory)
    };
    let target = target.at(Stage::MountTarget, name)?;
    match beneath::kind(&target).at(Stage::MountTarget, name)? {
        FileType::Directory => Ok(target),
        _ => Err(Errno::NOTDIR).at(Stage::MountTarget, name),
    }
}

/// A new file system, detached; `None` when it had to be mounted in place by the old system call.
fn new_file_system(
    step: &MountStep,
    kind: &CStr,
    device: Option<&CStr>,
    data: &[(CString, Option<CString>)],
    target: Option<&OwnedFd>,
) -> Step<Option<OwnedFd>> {
    let name = step.destination.as_os_str().as_bytes();
    let mut attributes = step.options.set | step.options.set_recursive;
    if step.readonly_late {
        attributes = attributes.without(MountAttributes::RDONLY);
    }
    let too_long = |(_, value): &(CString, Option<CString>)| {
        value.as_ref().is_some_and(|value| value.as_bytes().len() > VALUE_LIMIT_BYTES)
    };
    if data.iter().any(too_long) {
        return match target {
            Some(target) => mount_in_place(step, kind, device, data, target).map(|()| None),
            None => Ok(None),
        };
    }
    let fs = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC).at(Stage::Mount, name)?;
    let configure = || -> rustix::io::Result<()> {
        if let Some(device) = device {
            rustix::mount::fsconfig_set_string(&fs, c"source", device)?;
        }
        for (key, value) in data {
            match value {
                Some(value) => {
                    rustix::mount::fsconfig_set_string(&fs, key.as_c_str(), value.as_c_str())?;
                }
                None => rustix::mount::fsconfig_set_flag(&fs, key.as_c_str())?,
            }
        }
        rustix::mount::fsconfig_create(&fs)
    };
    configure().map_err(|errno| Failure {
        stage: Stage::Mount,
        subject: match words(&fs) {
            Some(message) => format!("{} ({message})", step.destination.display()),
            None => step.destination.display().to_string(),
        },
        errno,
    })?;
    let bits = MountAttrFlags::from_bits_retain(attributes.0 as u32);
    rustix::mount::fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, bits)
        .at(Stage::Mount, name)
        .map(Some)
}

/// `mount(2)`, for parameters that are longer than the new system calls take. The target is still a
/// descriptor: its name in `/proc` cannot be turned elsewhere.
fn mount_in_place(
    step: &MountStep,
    kind: &CStr,
    device: Option<&CStr>,
    data: &[(CString, Option<CString>)],
    target: &OwnedFd,
) -> Step {
    let name = step.destination.as_os_str().as_bytes();
    let mut text = Vec::new();
    for (key, value) in data {
        if !text.is_empty() {
            text.push(b',');
        }
        text.extend_from_slice(key.as_bytes());
        if let Some(value) = value {
            text.push(b'=');
            text.extend_from_slice(value.as_bytes());
        }
    }
    let text = CString::new(text).map_err(|_| Errno::INVAL).at(Stage::Mount, name)?;
    let place = format!("/proc/self/fd/{}", target.as_raw_fd());
    rustix::mount::mount(
        device.unwrap_or(c"none"),
        place.as_str(),
        kind,
        old_flags(step.options.set),
        text.as_c_str(),
    )
    .at(Stage::Mount, name)
}

fn old_flags(attributes: MountAttributes) -> rustix::mount::MountFlags {
    use rustix::mount::MountFlags as F;
    let pairs = [
        (MountAttributes::RDONLY, F::RDONLY),
        (MountAttributes::NOSUID, F::NOSUID),
        (MountAttributes::NODEV, F::NODEV),
        (MountAttributes::NOEXEC, F::NOEXEC),
        (MountAttributes::NOATIME, F::NOATIME),
        (MountAttributes::STRICTATIME, F::STRICTATIME),
        (MountAttributes::NODIRATIME, F::NODIRATIME),
        (MountAttributes::NOSYMFOLLOW, F::NOSYMFOLLOW),
    ];
    pairs
        .into_iter()
        .filter(|(new, _)| attributes.contains(*new))
        .fold(F::empty(), |flags, (_, old)| flags | old)
}
