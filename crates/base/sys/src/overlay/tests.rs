//! Both ways make the same mount; only the kernel decides which is taken.

use super::{Namespace, Overlay};
use crate::mount::MountAttributes;
use crate::namespace::{aside, unshare};
use crate::process::CloneFlags;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, mount_change};
use std::path::{Path, PathBuf};

/// Layers `0`, `1`, … of which each has a file of its own and one that all have.
fn layers(folder: &Path, count: usize) -> Vec<PathBuf> {
    let layer = |number: usize| {
        let path = folder.join(format!("layer:{number},with\\odd letters"));
        std::fs::create_dir(&path).expect("a layer");
        std::fs::write(path.join(number.to_string()), "").expect("a file");
        std::fs::write(path.join("all"), number.to_string()).expect("a file");
        path
    };
    (0..count).map(layer).collect()
}

fn read(mount: &OwnedFd, name: &str) -> String {
    let file = rustix::fs::openat(mount, name, OFlags::RDONLY, Mode::empty()).expect(name);
    std::io::read_to_string(std::fs::File::from(file)).expect("read")
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The old way, wherever one is.
fn in_place(overlay: &Overlay<'_>) -> Result<OwnedFd, super::Failure> {
    aside(|| {
        unshare(CloneFlags::NEW_MOUNT).expect("a namespace");
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .expect("private");
        overlay.mount_in_place()
    })
}

#[test]
fn both_ways_join_many_layers_with_odd_names() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let layers = layers(folder.path(), 120);
    let lower: Vec<&Path> = layers.iter().map(PathBuf::as_path).collect();
    let (upper, work) = (folder.path().join("upper"), folder.path().join("work"));
    for written in ["new", "old"] {
        std::fs::create_dir(&upper).expect("upper");
        std::fs::create_dir(&work).expect("work");
        let overlay = Overlay {
            lower: &lower,
            upper: Some((&upper, &work)),
            options: &[("redirect_dir", "off"), ("index", "off")],
            attributes: MountAttributes::NOEXEC,
        };
        let mount = match written {
            "new" if super::takes_layers() => overlay.mount(Namespace::Shared),
            _ => in_place(&overlay),
        };
        let mount = mount.expect(written);
        assert_eq!(read(&mount, "all"), "0", "the first is on top");
        assert_eq!(read(&mount, "119"), "");
        let flags = OFlags::CREATE | OFlags::WRONLY;
        rustix::fs::openat(&mount, "changed", flags, Mode::RUSR).expect("a change");
        assert!(upper.join("changed").exists());
        let attributes = rustix::fs::fstatvfs(&mount).expect("attributes").f_flag;
        assert!(attributes.contains(rustix::fs::StatVfsMountFlags::NOEXEC));
        // Nothing is mounted where others look.
        assert!(!lower[0].join("changed").exists());
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts");
        assert!(!mounts.contains(&*folder.path().to_string_lossy()));
        drop(mount);
        std::fs::remove_dir_all(&upper).expect("removed");
        std::fs::remove_dir_all(&work).expect("removed");
    }
}

#[test]
fn what_is_missing_is_named() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut layers = layers(folder.path(), 2);
    layers.push(folder.path().join("missing"));
    let lower: Vec<&Path> = layers.iter().map(PathBuf::as_path).collect();
    let overlay =
        Overlay { lower: &lower, upper: None, options: &[], attributes: MountAttributes::RDONLY };
    for failure in [overlay.mount(Namespace::Shared), in_place(&overlay)] {
        let failure = failure.expect_err("a layer is missing");
        assert_eq!((failure.errno, failure.path.as_path()), (Errno::NOENT, lower[2]));
    }
    let none = Overlay { lower: &[], ..overlay };
    assert_eq!(none.mount(Namespace::Shared).expect_err("no layers").errno, Errno::INVAL);
    // Two are enough for what is only read.
    let overlay = Overlay { lower: &lower[..2], ..overlay };
    for mount in [overlay.mount(Namespace::Shared), in_place(&overlay)] {
        let mount = mount.expect("mounted");
        let flags = OFlags::CREATE | OFlags::WRONLY;
        let refused = rustix::fs::openat(&mount, "x", flags, Mode::RUSR);
        assert_eq!(refused.expect_err("read-only"), Errno::ROFS);
        rustix::fs::openat(CWD, lower[1], OFlags::PATH, Mode::empty()).expect("still there");
    }
}
