//! The program and the rights it runs with, from `process` of the specification.

use super::{c_string, invalid};
use crate::error::Error;
use crate::launch::Launch;
use crate::seccomp::{self, Filter};
use rustix::fs::Gid;
use rustix::process::{Resource, Rlimit};
use rustix::thread::CapabilitySet;
use std::ffi::CString;
use teu_oci::runtime::{Capabilities, Process, Seccomp};
use teu_sys::exec::CStrings;
use teu_sys::scheduling::Scheduling;

/// What is run, and as whom.
#[derive(Debug)]
pub struct ProcessPlan {
    /// As asked for, for messages.
    pub command: String,
    /// Where it may be, in order.
    pub candidates: Vec<CString>,
    /// With the command itself.
    pub arguments: CStrings,
    /// Complete, but perhaps for `HOME`.
    pub environment: Vec<CString>,
    /// `HOME` is to be looked up.
    pub needs_home: bool,
    /// Absolute.
    pub directory: CString,
    /// User in the container.
    pub uid: u32,
    /// Group in the container.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<Gid>,
    /// File mode creation mask.
    pub umask: u32,
    /// None: those the caller has.
    pub capabilities: Option<CapabilityPlan>,
    /// No gain of privileges through exec.
    pub no_new_privileges: bool,
    /// Limits.
    pub limits: Vec<(Resource, Rlimit)>,
    /// They are set from outside: in a user namespace there is no right to raise them.
    pub limits_by_parent: bool,
    /// As written to the kernel.
    pub oom_score: Option<i32>,
    /// Execution domain.
    pub personality: Option<u32>,
    /// Scheduling policy.
    pub scheduler: Option<Scheduling>,
    /// Class and level.
    pub io_priority: Option<(u8, u16)>,
    /// Rows and columns of a terminal.
    pub console_size: Option<(u16, u16)>,
    /// Profile of AppArmor.
    pub apparmor: Option<String>,
    /// Label of SELinux.
    pub selinux: Option<String>,
    /// Session keyring.
    pub keyring: Keyring,
    /// The filter.
    pub filter: Option<Filter>,
}

/// Which session keyring a program has.
#[derive(Debug)]
pub enum Keyring {
    /// The caller's.
    Callers,
    /// A new one without a name.
    Anonymous,
    /// The container's.
    Named(CString),
}

/// The five sets.
#[derive(Debug, Clone, Copy)]
pub struct CapabilityPlan {
    /// What no exec can exceed.
    pub bounding: CapabilitySet,
    /// What is checked.
    pub effective: CapabilitySet,
    /// What may be made effective.
    pub permitted: CapabilitySet,
    /// What passes an exec of a file with the same set.
    pub inheritable: CapabilitySet,
    /// What passes any exec.
    pub ambient: CapabilitySet,
}

impl ProcessPlan {
    /// For a container's first process.
    ///
    /// # Errors
    /// Words and numbers that make no sense; a filter that cannot be made.
    pub fn new(
        process: &Process,
        launch: &Launch<'_>,
        profile: Option<&Seccomp>,
    ) -> Result<Self, Error> {
        let linux = launch.spec.linux.as_ref();
        let mut plan = Self::bare(process, profile)?;
        if !launch.choices.keep_keyring {
            plan.keyring = Keyring::Named(c_string(format!("_ses.{}", launch.id), "id")?);
        }
        plan.personality = match linux.and_then(|linux| linux.personality.as_ref()) {
            None => None,
            Some(personality) if !personality.flags.is_empty() => {
                return Err(invalid("linux.personality.flags", "no flags are known"));
            }
            Some(personality) => Some(match personality.domain.as_str() {
                "LINUX" => 0,
                "LINUX32" => 8,
                other => {
                    let problem = format!("{other:?} is neither LINUX nor LINUX32");
                    return Err(invalid("linux.personality.domain", problem));
                }
            }),
        };
        Ok(plan)
    }

    /// Without what belongs to the container as a whole.
    ///
    /// # Errors
    /// As above.
    pub fn bare(process: &Process, profile: Option<&Seccomp>) -> Result<Self, Error> {
        let field = "process.args";
        let command = process.args.first().filter(|command| !command.is_empty());
        let command = command.ok_or_else(|| invalid(field, "names no program"))?.clone();
        if !process.cwd.starts_with('/') {
            return Err(invalid("process.cwd", "is not an absolute path"));
        }
        let environment: Result<Vec<_>, _> =
            process.env.iter().map(|entry| c_string(entry, "process.env")).collect();
        let text = |value: &Option<String>| value.clone().filter(|text| !text.is_empty());
        let umask = process.user.umask.unwrap_or(0o022);
        Ok(Self {
            candidates: candidates(&command, &process.env)?,
            command,
            arguments: CStrings::from_text(&process.args)
                .map_err(|_| invalid(field, "contains a zero byte"))?,
            environment: environment?,
            needs_home: !process.env.iter().any(|entry| entry.starts_with("HOME=")),
            directory: c_string(&process.cwd, "process.cwd")?,
            uid: process.user.uid,
            gid: process.user.gid,
            groups: process.user.additional_gids.iter().map(|gid| Gid::from_raw(*gid)).collect(),
            umask: umask & 0o777,
            capabilities: process.capabilities.as_ref().map(capabilities).transpose()?,
            no_new_privileges: process.no_new_privileges,
            limits: limits(process)?,
            limits_by_parent: false,
            oom_score: oom_score(process)?,
            personality: None,
            scheduler: process.scheduler.as_ref().map(scheduler).transpose()?,
            io_priority: process.io_priority.as_ref().map(io_priority).transpose()?,
            console_size: process.console_size.map(|size| (size.height, size.width)),
            apparmor: text(&process.apparmor_profile),
            selinux: text(&process.selinux_label),
            keyring: Keyring::Callers,
            filter: profile.map(seccomp::compile).transpose()?,
        })
    }
}

/// Where a command may be: itself when it has a slash, else in each directory of the container's
/// own `PATH`.
fn candidates(command: &str, environment: &[String]) -> Result<Vec<CString>, Error> {
    const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let field = "process.args";
    if command.contains('/') {
        return Ok(vec![c_string(command, field)?]);
    }
    let path = environment.iter().rev().find_map(|entry| entry.strip_prefix("PATH="));
    path.unwrap_or(DEFAULT_PATH)
        .split(':')
        .map(|directory| {
            let directory = if directory.is_empty() { "." } else { directory };
            c_string(format!("{directory}/{command}"), field)
        })
        .collect()
}

fn capabilities(sets: &Capabilities) -> Result<CapabilityPlan, Error> {
    let set = |names: &[String], which: &str| {
        names.iter().try_fold(CapabilitySet::empty(), |set, name| {
            crate::defaults::capabilities::number(name)
                .map(|number| set | CapabilitySet::from_bits_retain(1 << number))
                .ok_or_else(|| {
                    let field = format!("process.capabilities.{which}");
                    invalid(field, format!("{name:?} is not a capability"))
                })
        })
    };
    Ok(CapabilityPlan {
        bounding: set(&sets.bounding, "bounding")?,
        effective: set(&sets.effective, "effective")?,
        permitted: set(&sets.permitted, "permitted")?,
        inheritable: set(&sets.inheritable, "inheritable")?,
        ambient: set(&sets.ambient, "ambient")?,
    })
}

fn limits(process: &Process) -> Result<Vec<(Resource, Rlimit)>, Error> {
    let mut seen = std::collections::HashSet::new();
    process
        .rlimits
        .iter()
        .map(|limit| {
            let field = format!("process.rlimits {}", limit.kind);
            let resource = match limit.kind.strip_prefix("RLIMIT_").unwrap_or_default() {
                "AS" => Resource::As,
                "CORE" => Resource::Core,
                "CPU" => Resource::Cpu,
                "DATA" => Resource::Data,
                "FSIZE" => Resource::Fsize,
                "LOCKS" => Resource::Locks,
                "MEMLOCK" => Resource::Memlock,
                "MSGQUEUE" => Resource::Msgqueue,
                "NICE" => Resource::Nice,
                "NOFILE" => Resource::Nofile,
                "NPROC" => Resource::Nproc,
                "RSS" => Resource::Rss,
                "RTPRIO" => Resource::Rtprio,
                "RTTIME" => Resource::Rttime,
                "SIGPENDING" => Resource::Sigpending,
                "STACK" => Resource::Stack,
                _ => return Err(invalid(field, "is not a limit")),
            };
            if !seen.insert(&limit.kind) {
                return Err(invalid(field, "is there twice"));
            }
            if limit.soft > limit.hard {
                return Err(invalid(field, "the soft limit is above the hard one"));
            }
            let value = |number: u64| (number != u64::MAX).then_some(number);
            let rlimit = Rlimit { current: value(limit.soft), maximum: value(limit.hard) };
            Ok((resource, rlimit))
        })
        .collect()
}

fn oom_score(process: &Process) -> Result<Option<i32>, Error> {
    match process.oom_score_adj {
        Some(score) if !(-1000..=1000).contains(&score) => {
            Err(invalid("process.oomScoreAdj", format!("{score} is not between -1000 and 1000")))
        }
        score => Ok(score),
    }
}

fn scheduler(wanted: &teu_oci::runtime::process::Scheduler) -> Result<Scheduling, Error> {
    let field = "process.scheduler";
    let policy = match wanted.policy.as_str() {
        "SCHED_OTHER" => 0,
        "SCHED_FIFO" => 1,
        "SCHED_RR" => 2,
        "SCHED_BATCH" => 3,
        "SCHED_ISO" => 4,
        "SCHED_IDLE" => 5,
        "SCHED_DEADLINE" => 6,
        other => return Err(invalid(field, format!("{other:?} is not a policy"))),
    };
    let flags = wanted.flags.iter().try_fold(0, |flags, name| {
        let flag = match name.as_str() {
            "SCHED_FLAG_RESET_ON_FORK" => 0x01,
            "SCHED_FLAG_RECLAIM" => 0x02,
            "SCHED_FLAG_DL_OVERRUN" => 0x04,
            "SCHED_FLAG_KEEP_POLICY" => 0x08,
            "SCHED_FLAG_KEEP_PARAMS" => 0x10,
            "SCHED_FLAG_UTIL_CLAMP_MIN" => 0x20,
            "SCHED_FLAG_UTIL_CLAMP_MAX" => 0x40,
            other => return Err(invalid(field, format!("{other:?} is not a flag"))),
        };
        Ok(flags | flag)
    })?;
    let priority = u32::try_from(wanted.priority)
        .map_err(|_| invalid(field, format!("priority {} is negative", wanted.priority)))?;
    Ok(Scheduling {
        policy,
        flags,
        nice: wanted.nice,
        priority,
        runtime: wanted.runtime,
        deadline: wanted.deadline,
        period: wanted.period,
        ..Scheduling::default()
    })
}

fn io_priority(wanted: &teu_oci::runtime::process::IoPriority) -> Result<(u8, u16), Error> {
    let field = "process.ioPriority";
    let class = match wanted.class.as_str() {
        "IOPRIO_CLASS_RT" => 1,
        "IOPRIO_CLASS_BE" => 2,
        "IOPRIO_CLASS_IDLE" => 3,
        other => return Err(invalid(field, format!("{other:?} is not a class"))),
    };
    match u16::try_from(wanted.priority) {
        Ok(level @ 0..=7) => Ok((class, level)),
        _ => Err(invalid(field, format!("level {} is not between 0 and 7", wanted.priority))),
    }
}

#[cfg(test)]
mod tests;
