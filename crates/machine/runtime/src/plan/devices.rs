//! Device nodes: the six every container has, and those asked for.

use super::{c_path, invalid, mounts, options};
use crate::error::Error;
use rustix::fd::OwnedFd;
use rustix::fs::{Dev, FileType};
use std::ffi::CString;
use std::path::{Path, PathBuf};
use teu_oci::runtime::Device;

/// One node.
#[derive(Debug)]
pub struct DeviceStep {
    /// Path in the container.
    pub path: PathBuf,
    /// `CharacterDevice`, `BlockDevice` or `Fifo`.
    pub kind: FileType,
    /// Number.
    pub number: Dev,
    /// Permission bits.
    pub mode: u32,
    /// Owner, when not root.
    pub owner: (u32, u32),
    /// The host's node, opened by the parent, for those that cannot make their own.
    pub tree: Option<OwnedFd>,
    /// The host's path of the same node.
    pub host: CString,
}

const DEFAULT: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

/// The nodes of a container, those of the specification in place of a default one.
///
/// # Errors
/// Kinds and numbers that do not exist.
pub fn plan(wanted: &[Device], opens: bool) -> Result<Vec<DeviceStep>, Error> {
    let mut steps = Vec::with_capacity(DEFAULT.len() + wanted.len());
    let is_wanted = |path: &str| wanted.iter().any(|device| device.path == path);
    for (path, major, minor) in DEFAULT {
        if !is_wanted(path) {
            let number = rustix::fs::makedev(major, minor);
            let kind = FileType::CharacterDevice;
            steps.push(step(Path::new(path), kind, number, 0o666, (0, 0))?);
        }
    }
    for device in wanted {
        let field = format!("linux.devices ({})", device.path);
        let path = options::clean(&device.path);
        // These are made as links and as the container's terminal; runc skips them too.
        if path == Path::new("/dev/ptmx") || path == Path::new("/dev/console") {
            continue;
        }
        let kind = match device.kind.as_str() {
            "c" | "u" => FileType::CharacterDevice,
            "b" => FileType::BlockDevice,
            "p" => FileType::Fifo,
            other => return Err(invalid(field, format!("{other:?} is not a type of device"))),
        };
        let part = |number: i64| {
            u32::try_from(number)
                .map_err(|_| invalid(&field, format!("{number} is not a device number")))
        };
        let number = match kind {
            FileType::Fifo => 0,
            _ => rustix::fs::makedev(part(device.major)?, part(device.minor)?),
        };
        let mode = device.file_mode.unwrap_or(0o666) & 0o7777;
        let owner = (device.uid.unwrap_or(0), device.gid.unwrap_or(0));
        steps.push(step(&path, kind, number, mode, owner)?);
    }
    if opens {
        for step in &mut steps {
            if step.kind != FileType::Fifo {
                step.tree = Some(open(step)?);
            }
        }
    }
    Ok(steps)
}

fn step(
    path: &Path,
    kind: FileType,
    number: Dev,
    mode: u32,
    owner: (u32, u32),
) -> Result<DeviceStep, Error> {
    let host = c_path(path, "linux.devices")?;
    Ok(DeviceStep { path: path.to_owned(), kind, number, mode, owner, tree: None, host })
}

fn open(step: &DeviceStep) -> Result<OwnedFd, Error> {
    let tree = mounts::open_tree(&step.path, false)?;
    match rustix::fs::fstat(&tree) {
        Ok(found)
            if FileType::from_raw_mode(found.st_mode) == step.kind
                && found.st_rdev == step.number =>
        {
            Ok(tree)
        }
        _ => Err(invalid(
            "linux.devices",
            format!(
                "{} on the host is another device: a user namespace can only lend the host's",
                step.path.display()
            ),
        )),
    }
}
