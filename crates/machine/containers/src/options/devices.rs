//! Devices: their numbers, and what a container is given that may use them.

use rustix::fs::{FileType, major, minor, stat};
use std::io;
use std::path::Path;
use teu_oci::runtime::{Device, DeviceRule, Resources};

/// What lies in `/dev` and is no device.
const SKIPPED: [&str; 6] = ["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts"];

/// Major and minor number of a device.
pub fn numbers(path: &str) -> io::Result<(i64, i64)> {
    let stat = stat(Path::new(path))?;
    Ok((i64::from(major(stat.st_rdev)), i64::from(minor(stat.st_rdev))))
}

/// Nodes like the host's, and the right to use them. A directory stands for the nodes in it.
pub fn grant(
    source: &Path,
    target: &str,
    access: &str,
    resources: &mut Resources,
) -> io::Result<Vec<Device>> {
    let mut found = Vec::new();
    nodes(source, target, &mut found)?;
    resources.devices.extend(found.iter().map(|device| DeviceRule {
        allow: true,
        kind: Some(device.kind.clone()),
        major: Some(device.major),
        minor: Some(device.minor),
        access: Some(access.to_owned()),
    }));
    Ok(found)
}

fn nodes(source: &Path, target: &str, found: &mut Vec<Device>) -> io::Result<()> {
    let stat = stat(source)?;
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::CharacterDevice => "c",
        FileType::BlockDevice => "b",
        FileType::Directory => {
            for entry in std::fs::read_dir(source)? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let kind = entry.file_type()?;
                let special = !kind.is_file() && !kind.is_symlink();
                if special && !SKIPPED.contains(&name.as_str()) {
                    let target = format!("{}/{name}", target.trim_end_matches('/'));
                    // Sockets and pipes between the nodes are left out.
                    let _ = nodes(&entry.path(), &target, found);
                }
            }
            return Ok(());
        }
        _ => return Err(io::Error::other("not a device node")),
    };
    found.push(Device {
        kind: kind.to_owned(),
        path: target.to_owned(),
        major: i64::from(major(stat.st_rdev)),
        minor: i64::from(minor(stat.st_rdev)),
        file_mode: Some(stat.st_mode & 0o7777),
        uid: Some(stat.st_uid),
        gid: Some(stat.st_gid),
    });
    Ok(())
}
