//! The way out of a user's network: `pasta` (of passt) carries what leaves it through sockets of the
//! machine. One serves all containers of a home. Without it they still reach each other and are
//! reached through published ports, which the shims relay; commands that publish or build say so.
//!
//! It is told nothing of ports, and of the machine's loopback it shows nothing.

use super::Error;
use crate::root::start_ticks;
use rustix::mount::{UnmountFlags, mount_bind, unmount};
use rustix::process::{Pid, Signal};
use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;
use std::process::{Command, Stdio};

/// Address of the user's network as pasta sees it, and of the way out.
const ADDRESS: &str = "10.0.2.100";
const GATEWAY: &str = "10.0.2.2";
const PREFIX: &str = "24";

/// Starts it. That it is missing, or finds no way itself, is no error: it is told by `no-way-out`.
pub(super) fn start(folder: &Path, namespace: BorrowedFd<'_>) -> Result<(), Error> {
    end(folder);
    let door = folder.join("door");
    let failed =
        |source: std::io::Error| Error::Folder { what: "prepare", path: door.clone(), source };
    fs::write(&door, "").map_err(failed)?;
    // It gives up the right to look into `/proc` of others: a name that only we see will do.
    let source = format!("/proc/self/fd/{}", namespace.as_raw_fd());
    mount_bind(source.as_str(), &door).map_err(|errno| failed(errno.into()))?;
    let outcome = Command::new("pasta")
        .args(["--netns-only", "--config-net", "--no-map-gw", "--no-netns-quit", "--quiet"])
        .args(["-t", "none", "-u", "none", "-T", "none", "-U", "none"])
        .args(["--address", ADDRESS, "--netmask", PREFIX, "--gateway", GATEWAY])
        .arg("--pid")
        .arg(folder.join("pasta.pid"))
        .arg("--log-file")
        .arg(folder.join("pasta.log"))
        .arg("--netns")
        .arg(&door)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output();
    let _ = unmount(&door, UnmountFlags::DETACH);
    let _ = fs::remove_file(&door);
    let problem = match outcome {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Some("pasta is not installed (Debian's package is called passt)".to_owned())
        }
        Err(error) => Some(format!("pasta: {error}")),
    };
    match problem {
        None => note(folder),
        Some(problem) => {
            let _ = fs::write(folder.join("no-way-out"), problem);
        }
    }
    Ok(())
}

/// Notes when it began, so that it is ended and nobody else.
fn note(folder: &Path) {
    let _ = fs::remove_file(folder.join("no-way-out"));
    let pid = fs::read_to_string(folder.join("pasta.pid")).unwrap_or_default();
    let proc = Path::new("/proc").join(pid.trim());
    if let Some(ticks) = start_ticks(&proc) {
        let _ = fs::write(folder.join("pasta"), format!("{} {ticks}\n", pid.trim()));
    }
}

/// Ends it, if it is there. The caller holds the members' lock.
pub(super) fn end(folder: &Path) {
    let Ok(text) = fs::read_to_string(folder.join("pasta")) else { return };
    let mut words = text.split_whitespace().map(str::parse::<u64>);
    if let (Some(Ok(pid)), Some(Ok(ticks))) = (words.next(), words.next())
        && let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw)
        && let Ok(process) =
            rustix::process::pidfd_open(number, rustix::process::PidfdFlags::empty())
        && start_ticks(&Path::new("/proc").join(pid.to_string())) == Some(ticks)
    {
        // It is the first of a pid namespace of its own, which nothing gentler reaches.
        let _ = rustix::process::pidfd_send_signal(&process, Signal::KILL);
    }
    for name in ["pasta", "pasta.pid", "pasta.log", "no-way-out"] {
        let _ = fs::remove_file(folder.join(name));
    }
}

/// Why there is no way out, if there is none.
pub(crate) fn problem(run: &Path) -> Option<String> {
    fs::read_to_string(run.join("rootless/no-way-out")).ok()
}
