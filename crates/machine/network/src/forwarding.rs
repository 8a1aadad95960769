//! Turning forwarding on where it is off, interface by interface, and off again.
//!
//! The host's own knob (`net.ipv4.ip_forward`, `net.ipv6.conf.all.forwarding`) is never written where
//! the kernel forwards by interface: so it still says whether somebody else wants forwarding, and
//! what Teu switched can be switched back without taking it from them. What was switched stands in
//! `<run>/networks/.forwarding.json`.
//!
//! Kernels before 6.17 forward IPv6 for all interfaces or none. There the common knob is turned on
//! and stays on; interfaces that listened to router advertisements keep doing so (`accept_ra=2`).

use crate::error::Result;
use crate::files;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const IPV4: &str = "/proc/sys/net/ipv4";
const IPV6: &str = "/proc/sys/net/ipv6";

/// What was switched on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switched {
    /// Interfaces that forward IPv4 because of us.
    pub ipv4: Vec<String>,
    /// Likewise IPv6.
    pub ipv6: Vec<String>,
}

impl Switched {
    /// Takes over what another list has.
    pub fn add(&mut self, other: Self) {
        for (mine, theirs) in [(&mut self.ipv4, other.ipv4), (&mut self.ipv6, other.ipv6)] {
            mine.extend(theirs);
            mine.sort();
            mine.dedup();
        }
    }

    /// Whether links that are not ours can now be routed between.
    pub fn is_any(&self) -> bool {
        !self.ipv4.is_empty() || !self.ipv6.is_empty()
    }
}

fn record(run: &Path) -> PathBuf {
    run.join(".forwarding.json")
}

/// Whether the kernel speaks IPv6, and may here.
pub fn has_ipv6() -> bool {
    read(&format!("{IPV6}/conf/all/disable_ipv6")).is_ok_and(|value| value == "0")
}

/// Sets up a bridge: it forwards, lets replies to the host's loopback in, and listens to no router.
pub fn prepare_bridge(bridge: &str, ipv6: bool) -> io::Result<()> {
    write(&format!("{IPV4}/conf/{bridge}/forwarding"), "1")?;
    write(&format!("{IPV4}/conf/{bridge}/route_localnet"), "1")?;
    // Redirects would tell neighbours to talk past the rules.
    write(&format!("{IPV4}/conf/{bridge}/send_redirects"), "0")?;
    if Path::new(IPV6).exists() {
        let conf = format!("{IPV6}/conf/{bridge}");
        write(&format!("{conf}/accept_ra"), "0")?;
        // Its addresses are its own; until a check had ended it could not look for neighbours.
        write(&format!("{conf}/accept_dad"), "0")?;
        if ipv6 {
            write(&format!("{conf}/forwarding"), "1")?;
            let by_interface = format!("{conf}/force_forwarding");
            if Path::new(&by_interface).exists() {
                write(&by_interface, "1")?;
            }
        } else {
            write(&format!("{conf}/disable_ipv6"), "1")?;
        }
    }
    Ok(())
}

/// What is on record.
pub fn switched(run: &Path) -> Result<Switched> {
    Ok(files::read(&record(run))?.unwrap_or_default())
}

/// Forgets the record.
pub fn forget(run: &Path) -> Result<()> {
    files::remove(&record(run))
}

/// Lets what comes by these links be forwarded, where it is not yet.
pub fn turn_on(run: &Path, links: &[String], ipv6: bool) -> Result<Switched> {
    let mut switched = switched(run)?;
    let before = switched.clone();
    if !is_on(&format!("{IPV4}/ip_forward")) {
        let knob = |link: &str| format!("{IPV4}/conf/{link}/forwarding");
        switch(links, &knob, &mut switched.ipv4)?;
    }
    if ipv6 && !is_on(&format!("{IPV6}/conf/all/forwarding")) {
        let knob = |link: &str| format!("{IPV6}/conf/{link}/force_forwarding");
        if Path::new(&knob("all")).exists() {
            switch(links, &knob, &mut switched.ipv6)?;
        } else {
            for link in links {
                let listens = format!("{IPV6}/conf/{link}/accept_ra");
                if read(&listens).is_ok_and(|value| value == "1") {
                    put(&listens, "2")?;
                }
            }
            put(&format!("{IPV6}/conf/all/forwarding"), "1")?;
        }
    }
    if switched != before {
        files::write(&record(run), &switched)?;
    }
    Ok(switched)
}

fn switch(
    links: &[String],
    knob: &dyn Fn(&str) -> String,
    switched: &mut Vec<String>,
) -> Result<()> {
    for link in links {
        let path = knob(link);
        // One that cannot be read has just gone.
        if read(&path).is_ok_and(|value| value == "0") {
            put(&path, "1")?;
            if !switched.contains(link) {
                switched.push(link.clone());
            }
        }
    }
    Ok(())
}

/// Switches back what was switched on, unless somebody has since asked for forwarding everywhere.
pub fn turn_off(switched: &Switched) {
    if !is_on(&format!("{IPV4}/ip_forward")) {
        for link in &switched.ipv4 {
            // It may be gone by now.
            let _ = write(&format!("{IPV4}/conf/{link}/forwarding"), "0");
        }
    }
    if !is_on(&format!("{IPV6}/conf/all/forwarding")) {
        for link in &switched.ipv6 {
            let _ = write(&format!("{IPV6}/conf/{link}/force_forwarding"), "0");
        }
    }
}

/// Whether the host forwards everywhere by its own wish, so that strangers need not be kept apart.
pub fn is_wanted_by_host() -> bool {
    is_on(&format!("{IPV4}/ip_forward"))
}

/// Sets up the pod's interface, from within its namespace: no router advertisements (CVE-2020-10749),
/// IPv6 only where the network has it.
pub fn prepare_pod(interface: &str, ipv6: bool) -> io::Result<()> {
    let conf = format!("{IPV6}/conf/{interface}");
    if !Path::new(&conf).exists() {
        return Ok(());
    }
    write(&format!("{conf}/accept_ra"), "0")?;
    write(&format!("{conf}/accept_dad"), "0")?;
    let disabled = format!("{conf}/disable_ipv6");
    let wanted = if ipv6 { "0" } else { "1" };
    if read(&disabled)? == wanted { Ok(()) } else { write(&disabled, wanted) }
}

/// Keeps the host's end of a link out of IPv6: every link that takes part slows all others down. One
/// that is about to be a bridge's port needs it only where its packets are taken before the bridge.
pub fn leave_ipv6(link: &str) -> io::Result<()> {
    match write(&format!("{IPV6}/conf/{link}/disable_ipv6"), "1") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

fn is_on(path: &str) -> bool {
    read(path).is_ok_and(|value| value != "0")
}

fn read(path: &str) -> io::Result<String> {
    fs::read_to_string(path).map(|value| value.trim().to_owned())
}

fn write(path: &str, value: &str) -> io::Result<()> {
    fs::write(path, value)
}

fn put(path: &str, value: &str) -> Result<()> {
    write(path, value).map_err(files::failed("write", Path::new(path)))
}
