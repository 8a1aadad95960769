//! `/dev`: nodes, links, and the content a tmpfs starts with.

use super::mounts::attach;
use super::root::Root;
use crate::beneath::{self, Make};
use crate::channel::{At, Step};
use crate::error::Stage;
use crate::plan::DeviceStep;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::mount::OpenTreeFlags;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const LINKS: [(&str, &str); 6] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
    ("/proc/kcore", "core"),
];

/// Nodes and links of `/dev`.
pub fn make_all(root: &Root, devices: &[DeviceStep]) -> Step {
    let dev = beneath::make(&root.fd, "/dev", Make::Directory).at(Stage::Device, "/dev")?;
    for device in devices {
        let name = device.path.as_os_str().as_bytes();
        let Some((directory, file)) = beneath::split(&device.path) else {
            return Err(Errno::INVAL).at(Stage::Device, name);
        };
        let other;
        let directory = if directory == Path::new("/dev") {
            &dev
        } else {
            other = beneath::make(&root.fd, directory, Make::Directory).at(Stage::Device, name)?;
            &other
        };
        make(device, directory, &file).at(Stage::Device, name)?;
    }
    for (target, name) in LINKS {
        link(&dev, target, name).at(Stage::Link, format!("/dev/{name}"))?;
    }
    Ok(())
}

fn make(device: &DeviceStep, directory: &OwnedFd, name: &std::ffi::CStr) -> rustix::io::Result<()> {
    if let Some(tree) = &device.tree {
        return lend(tree, directory, name);
    }
    let mode = Mode::from_raw_mode(device.mode);
    match rustix::fs::mknodat(directory, name, device.kind, mode, device.number) {
        Ok(()) => {}
        Err(Errno::EXIST) => return existing(device, directory, name),
        Err(Errno::PERM) => {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
            let tree = rustix::mount::open_tree(CWD, device.host.as_c_str(), flags)?;
            let found = rustix::fs::fstat(&tree)?;
            if FileType::from_raw_mode(found.st_mode) != device.kind
                || found.st_rdev != device.number
            {
                return Err(Errno::NODEV);
            }
            return lend(&tree, directory, name);
        }
        Err(error) => return Err(error),
    }
    if device.owner != (0, 0) {
        let (uid, gid) = (Uid::from_raw(device.owner.0), Gid::from_raw(device.owner.1));
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::chownat(directory, name, Some(uid), Some(gid), flags)?;
    }
    Ok(())
}

/// What the image has at a device's place may stay when it is that very device.
fn existing(
    device: &DeviceStep,
    directory: &OwnedFd,
    name: &std::ffi::CStr,
) -> rustix::io::Result<()> {
    let found = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let same = FileType::from_raw_mode(found.st_mode) == device.kind
        && (device.kind == FileType::Fifo || found.st_rdev == device.number);
    if same { Ok(()) } else { Err(Errno::EXIST) }
}

/// Shows the host's node at this place, for those who cannot make one.
fn lend(tree: &OwnedFd, directory: &OwnedFd, name: &std::ffi::CStr) -> rustix::io::Result<()> {
    let mode = Mode::from_raw_mode(0o644);
    match rustix::fs::mknodat(directory, name, FileType::RegularFile, mode, 0) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error),
    }
    let place = rustix::fs::openat(
        directory,
        name,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    match beneath::kind(&place)? {
        FileType::Symlink | FileType::Directory => Err(Errno::EXIST),
        _ => attach(tree, place.as_fd()),
    }
}

fn link(dev: &OwnedFd, target: &str, name: &str) -> rustix::io::Result<()> {
    match rustix::fs::symlinkat(target, dev, name) {
        Err(Errno::EXIST) => match rustix::fs::readlinkat(dev, name, Vec::new()) {
            Ok(found) if found.to_bytes() == target.as_bytes() => Ok(()),
            // An image's own link or file: replaced, as it would lead the container astray.
            Ok(_) => {
                rustix::fs::unlinkat(dev, name, AtFlags::empty())?;
                rustix::fs::symlinkat(target, dev, name)
            }
            Err(Errno::INVAL) => Ok(()),
            Err(error) => Err(error),
        },
        result => result,
    }
}

/// Deepest directory that is copied.
const DEPTH_LIMIT: u32 = 64;

/// Copies a directory's content into a mount that will cover it: files, directories and links with
/// their owners and modes.
pub fn copy_up(from: &OwnedFd, to: &OwnedFd) -> rustix::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let from = rustix::fs::openat(from, c".", flags, Mode::empty())?;
    let to = rustix::fs::openat(to, c".", flags, Mode::empty())?;
    copy_directory(&from, &to, DEPTH_LIMIT)
}

fn copy_directory(from: &OwnedFd, to: &OwnedFd, depth: u32) -> rustix::io::Result<()> {
    let depth = depth.checked_sub(1).ok_or(Errno::LOOP)?;
    let no_follow = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for entry in Dir::read_from(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let found = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let mode = Mode::from_raw_mode(found.st_mode & 0o7777);
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory => {
                rustix::fs::mkdirat(to, name, Mode::RWXU)?;
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | no_follow;
                let inner_from = rustix::fs::openat(from, name, flags, Mode::empty())?;
                let inner_to = rustix::fs::openat(to, name, flags, Mode::empty())?;
                copy_directory(&inner_from, &inner_to, depth)?;
            }
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NONBLOCK | no_follow;
                let source = rustix::fs::openat(from, name, flags, Mode::empty())?;
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | no_follow;
                let target = rustix::fs::openat(to, name, flags, Mode::RUSR | Mode::WUSR)?;
                while rustix::fs::sendfile(&target, &source, None, 1 << 20)? > 0 {}
            }
            FileType::Symlink => {
                let link = rustix::fs::readlinkat(from, name, Vec::new())?;
                rustix::fs::symlinkat(link, to, name)?;
            }
            kind => rustix::fs::mknodat(to, name, kind, mode, found.st_rdev)?,
        }
        let (uid, gid) = (Uid::from_raw(found.st_uid), Gid::from_raw(found.st_gid));
        let owner = (Some(uid), Some(gid));
        rustix::fs::chownat(to, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::Symlink {
            rustix::fs::chmodat(to, name, mode, AtFlags::empty())?;
        }
    }
    Ok(())
}
