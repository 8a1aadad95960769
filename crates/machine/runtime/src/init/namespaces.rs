//! Entering namespaces, and the little that has to be set in a new one.

use crate::channel::{At, Step};
use crate::error::Stage;
use crate::plan::Plan;
use crate::plan::namespaces::Joined;
use rustix::fd::AsFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use teu_sys::process::CloneFlags;

/// User and group 0 of the user namespace, whose mappings are in place.
pub fn become_root() -> Step {
    let (uid, gid) = (rustix::fs::Uid::ROOT, rustix::fs::Gid::ROOT);
    // Groups of the caller's must go; where `setgroups` is denied there is nothing to gain by them.
    match rustix::thread::set_thread_groups(&[]) {
        Ok(()) | Err(Errno::PERM) => {}
        Err(error) => return Err(error).at(Stage::UserMapping, "groups"),
    }
    rustix::thread::set_thread_res_gid(gid, gid, gid).at(Stage::UserMapping, "group 0")?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).at(Stage::UserMapping, "user 0")
}

/// Joins one.
pub fn join(namespace: &Joined) -> Step {
    move_into_link_name_space(namespace.file.as_fd(), Some(namespace.kind))
        .at(Stage::Namespace, &namespace.path)
}

/// Joins all, in order.
pub fn join_all(namespaces: &[Joined]) -> Step {
    namespaces.iter().try_for_each(join)
}

/// Joins what can be joined with the caller's rights; when a user namespace is still to come, what
/// cannot be is returned, to be joined with the rights that gives.
pub fn join_first(may_wait: bool, namespaces: &[Joined]) -> Step<Vec<&Joined>> {
    let mut later = Vec::new();
    for namespace in namespaces {
        match join(namespace) {
            Err(_) if may_wait => later.push(namespace),
            result => result?,
        }
    }
    Ok(later)
}

/// The cgroups of this process become the roots it sees.
pub fn unshare_cgroup() -> Step {
    teu_sys::namespace::unshare(CloneFlags::NEW_CGROUP).at(Stage::Namespace, "cgroup")
}

/// A time namespace of its own, with its clocks set before anyone is in it.
pub fn enter_new_time(offsets: &str) -> Step {
    teu_sys::namespace::unshare_time().at(Stage::Namespace, "time")?;
    if !offsets.is_empty() {
        std::fs::write("/proc/self/timens_offsets", offsets).at(Stage::TimeOffsets, "")?;
    }
    let path = c"/proc/self/ns/time_for_children";
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).at(Stage::Namespace, "time")?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Time))
        .at(Stage::Namespace, "time")
}

/// Sets `lo` of the own network namespace up. Failing is no reason not to start.
pub fn raise_loopback() {
    /// `struct nlmsghdr` and `struct ifinfomsg`: RTM_NEWLINK, interface 1, IFF_UP set and changed.
    const LENGTH: u32 = 32;
    const RTM_NEWLINK: u16 = 16;
    const NLM_F_REQUEST: u16 = 1;
    const IFF_UP: u32 = 1;
    let mut message = [0u8; LENGTH as usize];
    message[0..4].copy_from_slice(&LENGTH.to_ne_bytes());
    message[4..6].copy_from_slice(&RTM_NEWLINK.to_ne_bytes());
    message[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    message[20..24].copy_from_slice(&1u32.to_ne_bytes());
    message[24..28].copy_from_slice(&IFF_UP.to_ne_bytes());
    message[28..32].copy_from_slice(&IFF_UP.to_ne_bytes());
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    );
    if let Ok(socket) = socket {
        let _ = rustix::net::send(&socket, &message, SendFlags::empty());
    }
}

/// Names of the UTS namespace.
pub fn name(plan: &Plan) -> Step {
    if let Some(name) = &plan.hostname {
        rustix::system::sethostname(name.as_bytes()).at(Stage::Hostname, name)?;
    }
    if let Some(name) = &plan.domainname {
        rustix::system::setdomainname(name.as_bytes()).at(Stage::Domainname, name)?;
    }
    Ok(())
}
