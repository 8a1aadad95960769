//! Mappings of user namespaces: written by the parent, with the helpers `newuidmap` and `newgidmap`
//! where the parent is not root.

use crate::error::Error;
use crate::plan::namespaces::map_text;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use teu_oci::runtime::IdMapping;
use teu_sys::process::{CloneFlags, Forked, clone3, exit_now};

/// Writes the mappings of a process that is alone in a new user namespace.
///
/// # Errors
/// Ranges the caller may not map, or missing helpers.
pub fn write_mappings(pid: Pid, users: &[IdMapping], groups: &[IdMapping]) -> Result<(), Error> {
    let directory = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
    if rustix::process::geteuid().is_root() {
        write(&directory.join("gid_map"), &map_text(groups))?;
        return write(&directory.join("uid_map"), &map_text(users));
    }
    let own = |mappings: &[IdMapping], id: u32| matches!(mappings, [map] if map.size == 1 && map.host_id == id);
    if own(groups, rustix::process::getegid().as_raw()) {
        write(&directory.join("setgroups"), "deny")?;
        write(&directory.join("gid_map"), &map_text(groups))?;
    } else {
        helper("newgidmap", pid, groups)?;
    }
    if own(users, rustix::process::geteuid().as_raw()) {
        write(&directory.join("uid_map"), &map_text(users))
    } else {
        helper("newuidmap", pid, users)
    }
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|source| Error::Host {
        what: "cannot map ids in",
        path: path.to_owned(),
        source,
    })
}

fn helper(program: &'static str, pid: Pid, mappings: &[IdMapping]) -> Result<(), Error> {
    let failed = |source| Error::Host {
        what: "cannot map ids (is the package uidmap installed, and are they in /etc/subuid and \
               /etc/subgid?) by",
        path: program.into(),
        source,
    };
    let mut command = Command::new(program);
    command.arg(pid.as_raw_nonzero().to_string());
    for map in mappings {
        command.args([map.container_id, map.host_id, map.size].map(|number| number.to_string()));
    }
    let output = command.output().map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(failed(std::io::Error::other(text)))
}

/// A user namespace without processes, for id-mapped mounts.
///
/// # Errors
/// As above, or no more namespaces.
pub fn create(users: &[IdMapping], groups: &[IdMapping]) -> Result<OwnedFd, Error> {
    let system =
        |what| move |error: rustix::io::Errno| Error::System { what, source: error.into() };
    let parent = rustix::process::getpid();
    match clone3(CloneFlags::NEW_USER, None).map_err(system("make a user namespace"))? {
        Forked::Child => loop {
            // Ends by the signal below, or with its parent.
            let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
            if rustix::process::getppid() != Some(parent) {
                exit_now(0);
            }
            rustix::event::pause();
        },
        Forked::Parent { pid, pidfd } => {
            let mapped = write_mappings(pid, users, groups).and_then(|()| {
                let path = format!("/proc/{}/ns/user", pid.as_raw_nonzero());
                rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                    .map_err(system("open a user namespace"))
            });
            let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
            let wait = WaitId::PidFd(rustix::fd::AsFd::as_fd(&pidfd));
            let _ = rustix::process::waitid(wait, WaitIdOptions::EXITED);
            mapped
        }
    }
}
