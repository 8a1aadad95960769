//! What the container sees and may not touch: masked and read-only paths, kernel parameters, labels.
//! Works after the root has changed: every path is opened beneath the new root all the same.

use super::mounts::attach;
use super::root::Root;
use crate::beneath;
use crate::channel::{At, Step};
use crate::error::Stage;
use crate::plan::Plan;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use teu_sys::mount::{Change, MountAttributes, set_attributes};

const CLONE: OpenTreeFlags = OpenTreeFlags::OPEN_TREE_CLONE
    .union(OpenTreeFlags::OPEN_TREE_CLOEXEC)
    .union(OpenTreeFlags::AT_EMPTY_PATH);

/// Mounts that were to be read-only from the start become so.
pub fn make_readonly(_root: &Root, mounts: &[OwnedFd]) -> Step {
    for mount in mounts {
        let change = Change { set: MountAttributes::RDONLY, ..Change::default() };
        set_attributes(mount.as_fd(), change).at(Stage::MountOptions, "ro")?;
    }
    Ok(())
}

fn slash() -> Step<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(c"/", flags, Mode::empty()).at(Stage::Mask, "/")
}

/// Covers paths: directories by one empty read-only tmpfs, everything else by `/dev/null`.
/// What does not exist needs no mask.
pub fn mask_all(paths: &[PathBuf]) -> Step {
    if paths.is_empty() {
        return Ok(());
    }
    let root = slash()?;
    let (mut null, mut empty) = (None, None);
    for path in paths {
        let name = path.as_os_str().as_bytes();
        let target = match beneath::handle(&root, path) {
            Ok(target) => target,
            Err(Errno::NOENT | Errno::NOTDIR) => continue,
            Err(error) => return Err(error).at(Stage::Mask, name),
        };
        if beneath::kind(&target).at(Stage::Mask, name)? == FileType::Directory {
            cover(&target, &mut empty).at(Stage::Mask, name)?;
        } else {
            let null = kept(&mut null, || null_device(&root)).at(Stage::Mask, name)?;
            show(null, &target).at(Stage::Mask, name)?;
        }
    }
    Ok(())
}

/// Covers a directory by the empty one: itself at the first place, and elsewhere what is seen there (what is
/// mounted nowhere cannot be copied before Linux 6.15).
fn cover(target: &OwnedFd, empty: &mut Option<OwnedFd>) -> rustix::io::Result<()> {
    if let Some(empty) = empty {
        return show(empty, target);
    }
    let made = empty_directory()?;
    attach(&made, target.as_fd())?;
    *empty = Some(made);
    Ok(())
}

/// Shows at one place what is at another.
fn show(source: &OwnedFd, target: &OwnedFd) -> rustix::io::Result<()> {
    let copy = rustix::mount::open_tree(source, c"", CLONE)?;
    attach(&copy, target.as_fd())
}

fn kept(
    slot: &mut Option<OwnedFd>,
    make: impl FnOnce() -> rustix::io::Result<OwnedFd>,
) -> rustix::io::Result<&OwnedFd> {
    let made = match slot.take() {
        Some(made) => made,
        None => make()?,
    };
    Ok(slot.insert(made))
}

/// The container's `/dev/null`, which must be the real one, or everything that is masked would be
/// what an image put there (CVE-2025-31133).
fn null_device(root: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    let null = beneath::handle_without_links(root, "/dev/null")?;
    let found = rustix::fs::fstat(&null)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::CharacterDevice
        || found.st_rdev != rustix::fs::makedev(1, 3)
    {
        return Err(Errno::NODEV);
    }
    Ok(null)
}

fn empty_directory() -> rustix::io::Result<OwnedFd> {
    let fs = rustix::mount::fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_string(&fs, c"nr_inodes", c"1")?;
    rustix::mount::fsconfig_create(&fs)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    rustix::mount::fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// Makes paths read-only, with all that is mounted beneath.
pub fn readonly_all(paths: &[PathBuf]) -> Step {
    if paths.is_empty() {
        return Ok(());
    }
    let root = slash()?;
    for path in paths {
        let name = path.as_os_str().as_bytes();
        let target = match beneath::handle(&root, path) {
            Ok(target) => target,
            Err(Errno::NOENT | Errno::NOTDIR) => continue,
            Err(error) => return Err(error).at(Stage::ReadOnlyPath, name),
        };
        let tree = rustix::mount::open_tree(&target, c"", CLONE | OpenTreeFlags::AT_RECURSIVE)
            .at(Stage::ReadOnlyPath, name)?;
        let change = Change { set: MountAttributes::RDONLY, recursive: true, ..Change::default() };
        set_attributes(tree.as_fd(), change).at(Stage::ReadOnlyPath, name)?;
        attach(&tree, target.as_fd()).at(Stage::ReadOnlyPath, name)?;
    }
    Ok(())
}

/// The kernel's own `proc`, whatever an image or a mount has put at `/proc`: the descriptor of the
/// one mounted by us, or a private one.
fn proc(root: &Root) -> rustix::io::Result<OwnedFd> {
    match &root.proc {
        Some(proc) => rustix::io::fcntl_dupfd_cloexec(proc, 3),
        None => private_proc(),
    }
}

/// A `proc` of this pid namespace that is mounted nowhere.
pub fn private_proc() -> rustix::io::Result<OwnedFd> {
    let fs = rustix::mount::fsopen(c"proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_create(&fs)?;
    rustix::mount::fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
}

fn write(proc: &OwnedFd, path: &Path, text: &str) -> rustix::io::Result<()> {
    let file = beneath::open_on_mount(proc, path, OFlags::WRONLY)?;
    rustix::io::write(file, text.as_bytes()).map(drop)
}

/// Sets kernel parameters of the container's namespaces.
pub fn sysctls(wanted: &[(PathBuf, String)], root: &Root) -> Step {
    let proc = proc(root).at(Stage::Sysctl, "/proc")?;
    for (path, value) in wanted {
        write(&proc, path, value).at(Stage::Sysctl, path.as_os_str().as_bytes())?;
    }
    Ok(())
}

/// Security labels of the program that is executed next. A label that cannot be set refuses the
/// start.
pub fn label(plan: &Plan, root: &Root) -> Step {
    let process = &plan.process;
    if process.apparmor.is_none() && process.selinux.is_none() {
        return Ok(());
    }
    let proc = proc(root).at(Stage::Label, "/proc")?;
    set_labels(&proc, process.apparmor.as_deref(), process.selinux.as_deref())
}

/// As above, by a descriptor of `/proc`.
pub fn set_labels(proc: &OwnedFd, apparmor: Option<&str>, selinux: Option<&str>) -> Step {
    // `self` is a link of the kernel's own; our number saves following it.
    let own = format!("{}/attr", rustix::process::getpid().as_raw_nonzero());
    if let Some(profile) = apparmor {
        let text = format!("exec {profile}");
        write(proc, &Path::new(&own).join("apparmor/exec"), &text)
            .or_else(|_| write(proc, &Path::new(&own).join("exec"), &text))
            .at(Stage::Label, format!("AppArmor profile {profile}"))?;
    }
    if let Some(label) = selinux {
        write(proc, &Path::new(&own).join("exec"), label)
            .at(Stage::Label, format!("SELinux label {label}"))?;
    }
    Ok(())
}
