//! Who the program is: limits, scheduling, working directory, user, groups and capabilities.
//! Shared by a container's first process and by those added later.

use crate::beneath::{self, Make};
use crate::channel::{At, Step};
use crate::error::Stage;
use crate::plan::ProcessPlan;
use crate::plan::process::CapabilityPlan;
use rustix::fd::OwnedFd;
use rustix::fs::{Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;
use rustix::process::Pid;
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Makes the working directory where an image lacks it, as other runtimes do. A path through a magic
/// link (`/proc/self/fd/7`) is refused (CVE-2024-21626).
pub fn make_directory(root: &OwnedFd, plan: &ProcessPlan) -> Step {
    let path = Path::new(OsStr::from_bytes(plan.directory.as_bytes()));
    match beneath::make(root, path, Make::Directory) {
        Ok(_) => Ok(()),
        // A read-only root lacks it: changing to it says so in the container's own words.
        Err(Errno::ROFS | Errno::ACCESS) => Ok(()),
        Err(errno) => Err(errno).at(Stage::WorkingDirectory, plan.directory.as_bytes()),
    }
}

/// Goes to the working directory, and makes sure that it is inside the container's root.
/// Without the right to enter (`EACCES`) it is tried again as the user.
fn change_directory(plan: &ProcessPlan) -> Step<bool> {
    let name = plan.directory.as_bytes();
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_MAGICLINKS;
    let directory = plan.directory.as_c_str();
    let entered = teu_sys::beneath::openat2(rustix::fs::CWD, directory, flags, resolve)
        .and_then(rustix::process::fchdir);
    match entered {
        Ok(()) => {}
        Err(Errno::ACCESS) => return Ok(false),
        Err(errno) => return Err(errno).at(Stage::WorkingDirectory, name),
    }
    // The kernel marks a directory outside the root as unreachable.
    match rustix::process::getcwd(Vec::new()) {
        Ok(path) if path.to_bytes().starts_with(b"/") => Ok(true),
        Ok(_) | Err(Errno::NOENT) => Err(Errno::PERM).at(Stage::WorkingDirectoryOutside, name),
        Err(errno) => Err(errno).at(Stage::WorkingDirectory, name),
    }
}

/// Limits and scheduling. What the caller has no right to give is left out with a warning, where
/// that makes the program weaker and not stronger.
pub fn limit(plan: &ProcessPlan, warn: &dyn Fn(String) -> Step) -> Step {
    if let Some(domain) = plan.personality {
        teu_sys::scheduling::set_personality(domain).at(Stage::Personality, "")?;
    }
    if let Some(scheduling) = plan.scheduler {
        teu_sys::scheduling::set_scheduling(scheduling).at(Stage::Scheduler, "")?;
    }
    if let Some((class, level)) = plan.io_priority {
        teu_sys::scheduling::set_io_priority(class, level).at(Stage::IoPriority, "")?;
    }
    if plan.limits_by_parent { Ok(()) } else { set_limits(plan, None, warn) }
}

/// Sets resource limits: of this process, or, by a parent with more rights, of a child.
pub fn set_limits(plan: &ProcessPlan, child: Option<Pid>, warn: &dyn Fn(String) -> Step) -> Step {
    for (resource, wanted) in &plan.limits {
        let name = || format!("{resource:?}").to_uppercase();
        match rustix::process::prlimit(child, *resource, *wanted) {
            Err(Errno::PERM) => {
                let now = rustix::process::getrlimit(*resource);
                let hard = now.maximum;
                let soft = match (wanted.current, hard) {
                    (Some(wanted), Some(hard)) => Some(wanted.min(hard)),
                    (None, hard) => hard,
                    (wanted, None) => wanted,
                };
                let lower = rustix::process::Rlimit { current: soft, maximum: hard };
                rustix::process::prlimit(child, *resource, lower).at(Stage::Rlimit, name())?;
                let hard = hard.map_or_else(|| "unlimited".to_owned(), |hard| hard.to_string());
                warn(format!("no right to raise RLIMIT_{}: it stays at {hard}", name()))?;
            }
            result => result.map(drop).at(Stage::Rlimit, name())?,
        }
    }
    Ok(())
}

/// Sets the OOM score while the host's `/proc` is still in reach.
pub fn set_oom_score(plan: &ProcessPlan, warn: &dyn Fn(String) -> Step) -> Step {
    let Some(score) = plan.oom_score else { return Ok(()) };
    let path = c"/proc/self/oom_score_adj";
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let written = rustix::fs::open(path, flags, Mode::empty())
        .and_then(|file| rustix::io::write(file, score.to_string().as_bytes()));
    match written {
        Err(Errno::ACCESS | Errno::PERM) => {
            warn(format!("no right to lower the OOM score to {score}: it stays as it is"))
        }
        result => result.map(drop).at(Stage::OomScore, score.to_string()),
    }
}

/// Becomes the user with its directory, groups and capabilities. Returns the sets that are still to
/// be given up, when the filter of system calls needs a right that the program will not have.
pub fn become_user(plan: &ProcessPlan) -> Step<Option<CapabilityPlan>> {
    let entered = change_directory(plan)?;
    let capabilities = plan.capabilities.unwrap_or(NO_CAPABILITIES);
    for number in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if capabilities.bounding.contains(capability) {
            continue;
        }
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // One past the last that this kernel knows.
            Err(Errno::INVAL) => break,
            result => result.at(Stage::Capabilities, "bounding set")?,
        }
    }
    if plan.no_new_privileges {
        rustix::thread::set_no_new_privs(true).at(Stage::NoNewPrivileges, "")?;
    }
    let (uid, gid) = (Uid::from_raw(plan.uid), Gid::from_raw(plan.gid));
    if !uid.is_root() {
        rustix::thread::set_keep_capabilities(true).at(Stage::Capabilities, "keep")?;
    }
    match rustix::thread::set_thread_groups(&plan.groups) {
        Err(Errno::PERM) if plan.groups.is_empty() => {}
        result => result.at(Stage::Groups, "")?,
    }
    rustix::thread::set_thread_res_gid(gid, gid, gid).at(Stage::User, plan.gid.to_string())?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).at(Stage::User, plan.uid.to_string())?;
    rustix::process::umask(Mode::from_raw_mode(plan.umask));
    if !entered && !change_directory(plan)? {
        return Err(Errno::ACCESS).at(Stage::WorkingDirectory, plan.directory.as_bytes());
    }
    if plan.filter.is_some() && !plan.no_new_privileges {
        let mut sets = sets(&capabilities);
        let needed = CapabilitySet::SYS_ADMIN;
        // What the caller itself lacks cannot be given: see `give_up`.
        let own = rustix::thread::capabilities(None).at(Stage::Capabilities, "")?.permitted;
        sets.permitted = (sets.permitted | needed) & own;
        sets.effective = (sets.effective | needed) & own;
        sets.inheritable &= own;
        set_capabilities(None, sets).at(Stage::Capabilities, "for seccomp")?;
        return Ok(Some(capabilities));
    }
    give_up(&capabilities)?;
    Ok(None)
}

const NO_CAPABILITIES: CapabilityPlan = CapabilityPlan {
    bounding: CapabilitySet::empty(),
    effective: CapabilitySet::empty(),
    permitted: CapabilitySet::empty(),
    inheritable: CapabilitySet::empty(),
    ambient: CapabilitySet::empty(),
};

fn sets(plan: &CapabilityPlan) -> CapabilitySets {
    CapabilitySets {
        effective: plan.effective,
        permitted: plan.permitted,
        inheritable: plan.inheritable,
    }
}

/// Reduces this process to the program's capabilities. What the caller itself lacks cannot be given.
pub fn give_up(plan: &CapabilityPlan) -> Step {
    match set_capabilities(None, sets(plan)) {
        Err(Errno::PERM) => {
            let own = rustix::thread::capabilities(None).at(Stage::Capabilities, "")?.permitted;
            let reduced = CapabilitySets {
                effective: plan.effective & own,
                permitted: plan.permitted & own,
                inheritable: plan.inheritable & own,
            };
            set_capabilities(None, reduced).at(Stage::Capabilities, "")?;
        }
        result => result.at(Stage::Capabilities, "")?,
    }
    if plan.ambient.is_empty() {
        return Ok(());
    }
    for number in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if plan.ambient.contains(capability) {
            match rustix::thread::configure_capability_in_ambient_set(capability, true) {
                // Only what is both permitted and inheritable can be ambient; runc warns too.
                Ok(()) | Err(Errno::PERM | Errno::INVAL) => {}
                Err(errno) => return Err(errno).at(Stage::Capabilities, "ambient set"),
            }
        }
    }
    Ok(())
}

/// Largest `/etc/passwd` that is read for a home directory.
const PASSWD_LIMIT_BYTES: usize = 1 << 20;

/// The home directory of a user in this root; `/` for one without.
pub fn home(uid: u32) -> Vec<u8> {
    passwd().and_then(|text| home_in(&text, uid)).unwrap_or_else(|| b"/".to_vec())
}

fn passwd() -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(c"/etc/passwd", flags, Mode::empty()).ok()?;
    let status = rustix::fs::fstat(&file).ok()?;
    if rustix::fs::FileType::from_raw_mode(status.st_mode) != rustix::fs::FileType::RegularFile {
        return None;
    }
    let mut text = vec![0; (status.st_size as usize).min(PASSWD_LIMIT_BYTES)];
    let mut filled = 0;
    while filled < text.len() {
        match rustix::io::read(&file, &mut text[filled..]) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    text.truncate(filled);
    Some(text)
}

fn home_in(passwd: &[u8], uid: u32) -> Option<Vec<u8>> {
    let uid = uid.to_string();
    passwd.split(|byte| *byte == b'\n').find_map(|line| {
        let fields: Vec<_> = line.split(|byte| *byte == b':').collect();
        let matches = fields.len() >= 6 && fields[2] == uid.as_bytes() && !fields[5].is_empty();
        matches.then(|| fields[5].to_vec())
    })
}
