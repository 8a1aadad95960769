//! What an ordinary user needs besides. `docs/rootless.md`.

use super::Check;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use teu_containers::rootless::{Error, Ids};

pub(super) fn all() -> Vec<Check> {
    vec![subordinate_ids(), helpers(), way_out(), run_folder(), low_ports()]
}

fn subordinate_ids() -> Check {
    const NAME: &str = "subordinate ids";
    match Ids::of_caller() {
        Ok(ids) => {
            let count: u64 = ids.users.iter().map(|range| u64::from(range.count)).sum();
            match count >= 65_536 {
                true => Check::ok(NAME, format!("{count} users and groups to give")),
                false => Check::lacking(
                    NAME,
                    format!("only {count}"),
                    "images with higher ids cannot be unpacked: give a range of 65536",
                ),
            }
        }
        Err(error @ Error::NoIds { .. }) => {
            let text = error.to_string();
            let (found, advice) = text.split_once(": ").unwrap_or((&text, ""));
            Check::broken(NAME, found, advice)
        }
        Err(error) => Check::broken(NAME, error.to_string(), ""),
    }
}

/// They are set-user-id or have the capability; without either they map nothing.
fn helpers() -> Check {
    const NAME: &str = "id helpers";
    for program in ["newuidmap", "newgidmap"] {
        let Some(path) = on_path(program) else {
            let found = format!("{program} is not there");
            return Check::broken(NAME, found, "as root: apt install uidmap");
        };
        let mode = path.metadata().map(|facts| facts.permissions().mode()).unwrap_or(0);
        let mut value = [0; 64];
        let capable = rustix::fs::getxattr(&path, "security.capability", &mut value[..]).is_ok();
        if mode & 0o4000 == 0 && !capable {
            let found = format!("{} has neither set-user-id nor capabilities", path.display());
            return Check::broken(NAME, found, format!("as root: chmod u+s {}", path.display()));
        }
    }
    Check::ok(NAME, "newuidmap, newgidmap")
}

fn way_out() -> Check {
    const NAME: &str = "way out";
    if on_path("pasta").is_none() {
        return Check::lacking(
            NAME,
            "pasta is not there: containers reach each other and are reached, but nothing beyond",
            "as root: apt install passt",
        );
    }
    let flags = rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK;
    match rustix::fs::access("/dev/net/tun", flags) {
        Ok(()) => Check::ok(NAME, "pasta, /dev/net/tun"),
        Err(_) => Check::lacking(
            NAME,
            "/dev/net/tun may not be opened by this user, so pasta does not start",
            "as root: chmod 666 /dev/net/tun (udev does so by itself)",
        ),
    }
}

fn run_folder() -> Check {
    const NAME: &str = "run folder";
    match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
        Some(path) if path.is_dir() => Check::ok(NAME, path.display().to_string()),
        _ => Check::lacking(
            NAME,
            "XDG_RUNTIME_DIR names no folder: sockets lie beneath the data",
            "log in through systemd-logind; loginctl enable-linger keeps it, and containers, after logout",
        ),
    }
}

fn low_ports() -> Check {
    let path = Path::new("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    let start = std::fs::read_to_string(path).unwrap_or_default();
    match start.trim().parse::<u16>() {
        Ok(start) if start > 80 => Check::lacking(
            "low ports",
            format!("ports below {start} are root's"),
            "publish at higher ones, or as root: sysctl net.ipv4.ip_unprivileged_port_start=80",
        ),
        _ => Check::ok("low ports", "80 and above may be published"),
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
