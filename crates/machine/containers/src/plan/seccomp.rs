//! Which filter of system calls: the default one, none, or a person's profile in Docker's format.
//!
//! A profile that says nothing is refused, not run without a filter (B2 row 20). Docker's format is
//! the specification's with conditions (`includes`, `excludes`), which are decided here.

use super::Error;
use crate::record::{ContainerRecord, SeccompChoice};
use serde::Deserialize;
use teu_oci::runtime::Seccomp;
use teu_oci::runtime::linux::{SyscallArg, SyscallRule};
use teu_runtime::defaults;

/// The filter of a container with these capabilities; `None` for none.
pub fn filter(
    container: &ContainerRecord,
    capabilities: &[String],
) -> Result<Option<Seccomp>, Error> {
    match &container.security.seccomp {
        SeccompChoice::Unconfined => Ok(None),
        SeccompChoice::Default if container.security.privileged => Ok(None),
        SeccompChoice::Default => Ok(Some(defaults::seccomp_profile(capabilities))),
        SeccompChoice::Profile(text) => from_docker(text, capabilities, kernel()).map(Some),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: String,
    #[serde(default)]
    default_errno_ret: Option<u32>,
    #[serde(default)]
    architectures: Option<Vec<String>>,
    #[serde(default)]
    arch_map: Option<Vec<ArchMap>>,
    #[serde(default)]
    flags: Option<Vec<String>>,
    #[serde(default)]
    syscalls: Option<Vec<Rule>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArchMap {
    architecture: String,
    #[serde(default)]
    sub_architectures: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    names: Option<Vec<String>>,
    action: String,
    #[serde(default)]
    errno_ret: Option<u32>,
    #[serde(default)]
    args: Option<Vec<SyscallArg>>,
    #[serde(default)]
    includes: Option<Condition>,
    #[serde(default)]
    excludes: Option<Condition>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(default)]
    caps: Option<Vec<String>>,
    #[serde(default)]
    arches: Option<Vec<String>>,
    #[serde(default)]
    min_kernel: Option<String>,
}

/// Decides a profile's conditions.
pub(super) fn from_docker(
    text: &str,
    capabilities: &[String],
    kernel: (u32, u32),
) -> Result<Seccomp, Error> {
    let profile: Profile = serde_json::from_str(text).map_err(Error::Profile)?;
    if profile.default_action.is_empty() {
        return Err(Error::EmptyProfile { problem: "there is no defaultAction" });
    }
    let rules = profile.syscalls.unwrap_or_default();
    let harmless = ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG"].contains(&profile.default_action.as_str());
    if rules.is_empty() && harmless {
        return Err(Error::EmptyProfile {
            problem: "it allows everything; say seccomp=unconfined if that is meant",
        });
    }
    let architectures = match (profile.architectures, profile.arch_map) {
        (Some(named), _) => named,
        (None, Some(map)) => {
            let native = map.into_iter().find(|entry| entry.architecture == NATIVE.1);
            native.map_or_else(Vec::new, |entry| {
                let mut all = vec![entry.architecture];
                all.extend(entry.sub_architectures.unwrap_or_default());
                all
            })
        }
        (None, None) => Vec::new(),
    };
    let holds = |rule: &Rule| {
        rule.includes.as_ref().is_none_or(|c| c.includes(capabilities, kernel))
            && rule.excludes.as_ref().is_none_or(|c| !c.excludes(capabilities, kernel))
    };
    let syscalls = rules
        .into_iter()
        .filter(holds)
        .map(|rule| SyscallRule {
            names: rule.names.into_iter().flatten().chain(rule.name).collect(),
            action: rule.action,
            errno_ret: rule.errno_ret,
            args: rule.args.unwrap_or_default(),
        })
        .collect();
    Ok(Seccomp {
        default_action: profile.default_action,
        default_errno_ret: profile.default_errno_ret,
        architectures,
        flags: profile.flags.unwrap_or_default(),
        syscalls,
        ..Seccomp::default()
    })
}

/// Go's name and libseccomp's of the machine.
const NATIVE: (&str, &str) = if cfg!(target_arch = "aarch64") {
    ("arm64", "SCMP_ARCH_AARCH64")
} else {
    ("amd64", "SCMP_ARCH_X86_64")
};

impl Condition {
    /// All that is named must hold: every capability, one architecture, the kernel.
    fn includes(&self, capabilities: &[String], kernel: (u32, u32)) -> bool {
        let caps = self.caps.iter().flatten().all(|cap| capabilities.contains(cap));
        let arches = self.arches.as_ref().filter(|arches| !arches.is_empty());
        caps && arches.is_none_or(|arches| arches.iter().any(|arch| arch == NATIVE.0))
            && self.min_kernel.as_deref().is_none_or(|min| kernel >= version(min))
    }

    /// Any that holds is enough.
    fn excludes(&self, capabilities: &[String], kernel: (u32, u32)) -> bool {
        self.caps.iter().flatten().any(|cap| capabilities.contains(cap))
            || self.arches.iter().flatten().any(|arch| arch == NATIVE.0)
            || self.min_kernel.as_deref().is_some_and(|min| kernel >= version(min))
    }
}

/// `4.8`, `6.18.5-x`.
fn version(text: &str) -> (u32, u32) {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn kernel() -> (u32, u32) {
    version(&rustix::system::uname().release().to_string_lossy())
}
