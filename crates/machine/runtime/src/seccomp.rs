//! Profiles of allowed system calls, compiled to the BPF program the kernel takes.
//!
//! [`compile`] is pure: a profile of the runtime-spec becomes a program. Meaning is libseccomp's and
//! runc's: names an architecture does not have are skipped; an unconditional rule beats conditional
//! ones; conditions on one argument twice are alternatives; a call newer than everything the profile
//! names fails with ENOSYS instead of EPERM, so that libc falls back; an architecture that is not
//! listed is killed.
//!
//! Numbers with the same answer are neighbours mostly, so a program is a binary search over ranges:
//! the default profile takes 384 instructions for three architectures (libseccomp: over a
//! thousand), which the kernel's verifier, its compiler and every call pay for.
//!
//! A profile that is empty, unknown in a part, or without effect is an error: a container that was
//! to be confined never runs unconfined in silence (GO-2023-1864).

use teu_oci::runtime::linux::Seccomp;
use teu_sys::seccomp::{self as sys, Instruction};

pub mod docker;
mod program;
mod rules;
#[cfg(test)]
mod simulator;
pub mod table;
#[cfg(test)]
mod tests;

pub use table::Arch;

/// A program and how to install it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    instructions: Vec<Instruction>,
    flags: u64,
}

/// Why a profile cannot be put in force.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Error {
    #[error("the seccomp profile is empty: it has no default action")]
    Empty,
    #[error(
        "none of the {rules} rules of the seccomp profile has an effect here; the container would \
         run unconfined. Correct the names, or ask for `unconfined`"
    )]
    WithoutEffect { rules: usize },
    #[error("the seccomp profile has an unknown action {0:?}")]
    Action(String),
    #[error("the seccomp profile has an unknown architecture {0:?}")]
    Architecture(String),
    #[error("the seccomp profile has an unknown flag {0:?}")]
    Flag(String),
    #[error("the seccomp rule for {name} has an unknown operator {operator:?}")]
    Operator { name: String, operator: String },
    #[error("the seccomp rule for {name} compares argument {index}; arguments are 0 to 5")]
    Argument { name: String, index: u32 },
    #[error("the seccomp profile has errno {0}; it is at most 4095")]
    Errno(u32),
    #[error("the seccomp profile notifies a listener but names no listenerPath")]
    NoListener,
    #[error("SCMP_ACT_NOTIFY cannot be the answer to `write`: the runtime could not report it")]
    NotifyWrite,
    #[error("the seccomp profile needs {0} instructions; the kernel takes 4096")]
    TooLong(usize),
    #[error("the seccomp profile is no valid JSON: {0}")]
    Json(String),
    #[error(
        "the seccomp profile has both architectures and archMap, or name and names; use one of each"
    )]
    Ambiguous,
    #[error("the seccomp profile wants kernel {0:?}, which is no version such as 4.8")]
    KernelVersion(String),
}

impl Filter {
    /// The program.
    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// Flags for [`teu_sys::seccomp::install`].
    #[must_use]
    pub fn flags(&self) -> u64 {
        self.flags
    }

    /// Installing returns a descriptor that has to be sent to `listenerPath`.
    #[must_use]
    pub fn notifies(&self) -> bool {
        self.flags & sys::FLAG_NEW_LISTENER != 0
    }
}

/// Compiles for the machine this program runs on.
pub fn compile(profile: &Seccomp) -> Result<Filter, Error> {
    compile_for(profile, Arch::native())
}

/// Compiles for a kernel of the given architecture.
pub fn compile_for(profile: &Seccomp, native: Arch) -> Result<Filter, Error> {
    let tables = rules::tables(profile, native)?;
    let instructions = program::build(&tables);
    if instructions.len() > sys::INSTRUCTION_LIMIT {
        return Err(Error::TooLong(instructions.len()));
    }
    let mut flags = flags(&profile.flags)?;
    if tables.notifies {
        if profile.listener_path.as_ref().is_none_or(String::is_empty) {
            return Err(Error::NoListener);
        }
        flags |= sys::FLAG_NEW_LISTENER;
    }
    Ok(Filter { instructions, flags })
}

/// Without any flag the field's runtimes ask for no mitigation of speculative store bypass, which
/// costs a container more than all of its isolation.
fn flags(names: &[String]) -> Result<u64, Error> {
    if names.is_empty() {
        return Ok(sys::FLAG_SPEC_ALLOW);
    }
    names.iter().try_fold(0, |flags, name| {
        Ok(flags
            | match name.as_str() {
                // The process that installs it has one thread: nothing to synchronise.
                "" | "SECCOMP_FILTER_FLAG_TSYNC" => 0,
                "SECCOMP_FILTER_FLAG_LOG" => sys::FLAG_LOG,
                "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => sys::FLAG_SPEC_ALLOW,
                "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" => sys::FLAG_WAIT_KILLABLE_RECV,
                _ => return Err(Error::Flag(name.clone())),
            })
    })
}
