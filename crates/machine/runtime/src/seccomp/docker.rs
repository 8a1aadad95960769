//! Docker's form of a profile (`--security-opt seccomp=FILE`): rules that hold only with some
//! capabilities, architectures or kernels. It contains the runtime-spec's form.

use super::Error;
use serde::Deserialize;
use teu_oci::runtime::linux::{Seccomp, SyscallArg, SyscallRule};

/// Largest profile read, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// What the conditions of rules are compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context<'a> {
    /// The container's bound of capabilities, `CAP_…`.
    pub capabilities: &'a [String],
    /// As Go writes it: `amd64`, `arm64`.
    pub architecture: &'a str,
    /// Version of the kernel.
    pub kernel: (u32, u32),
}

impl<'a> Context<'a> {
    /// This machine.
    #[must_use]
    pub fn here(capabilities: &'a [String]) -> Self {
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let release = rustix::system::uname();
        let kernel = version(&release.release().to_string_lossy()).unwrap_or((0, 0));
        Self { capabilities, architecture, kernel }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Profile {
    default_action: String,
    default_errno_ret: Option<u32>,
    architectures: Option<Vec<String>>,
    arch_map: Option<Vec<Family>>,
    flags: Option<Vec<String>>,
    listener_path: Option<String>,
    listener_metadata: Option<String>,
    syscalls: Option<Vec<Rule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Family {
    architecture: String,
    #[serde(default)]
    sub_architectures: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Rule {
    name: Option<String>,
    names: Option<Vec<String>>,
    action: String,
    errno_ret: Option<u32>,
    args: Option<Vec<SyscallArg>>,
    includes: Option<Conditions>,
    excludes: Option<Conditions>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Conditions {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

/// Reads a profile and keeps the rules that hold in the context.
pub fn parse(json: &[u8], context: &Context<'_>) -> Result<Seccomp, Error> {
    if json.len() > MAX_BYTES {
        return Err(Error::Json("it is larger than 1 MiB".to_owned()));
    }
    let profile: Profile =
        serde_json::from_slice(json).map_err(|error| Error::Json(error.to_string()))?;
    if profile.default_action.is_empty() {
        return Err(Error::Empty);
    }
    let mut architectures = profile.architectures.unwrap_or_default();
    let families = profile.arch_map.unwrap_or_default();
    if !architectures.is_empty() && !families.is_empty() {
        return Err(Error::Ambiguous);
    }
    if let Some(family) = families.into_iter().find(|f| f.architecture == context.scmp_name()) {
        architectures = vec![family.architecture];
        architectures.extend(family.sub_architectures.unwrap_or_default());
    }
    let mut syscalls = Vec::new();
    for rule in profile.syscalls.unwrap_or_default() {
        let included = context.includes(&rule.includes.unwrap_or_default())?;
        if !included || context.excludes(&rule.excludes.unwrap_or_default())? {
            continue;
        }
        let names = match (rule.name.filter(|name| !name.is_empty()), rule.names) {
            (Some(_), Some(names)) if !names.is_empty() => return Err(Error::Ambiguous),
            (Some(name), _) => vec![name],
            (None, names) => names.unwrap_or_default(),
        };
        syscalls.push(SyscallRule {
            names,
            action: rule.action,
            errno_ret: rule.errno_ret,
            args: rule.args.unwrap_or_default(),
        });
    }
    Ok(Seccomp {
        default_action: profile.default_action,
        default_errno_ret: profile.default_errno_ret,
        architectures,
        flags: profile.flags.unwrap_or_default(),
        listener_path: profile.listener_path.filter(|path| !path.is_empty()),
        listener_metadata: profile.listener_metadata.filter(|text| !text.is_empty()),
        syscalls,
    })
}

impl Context<'_> {
    fn scmp_name(&self) -> &'static str {
        match self.architecture {
            "arm64" => "SCMP_ARCH_AARCH64",
            _ => "SCMP_ARCH_X86_64",
        }
    }

    fn has(&self, capability: &String) -> bool {
        self.capabilities.contains(capability)
    }

    /// All that is named must hold.
    fn includes(&self, wanted: &Conditions) -> Result<bool, Error> {
        let arches = wanted.arches.as_deref().unwrap_or_default();
        let caps = wanted.caps.as_deref().unwrap_or_default();
        let kernel = self.reaches(wanted)?.unwrap_or(true);
        let arch = arches.is_empty() || arches.iter().any(|arch| arch == self.architecture);
        Ok(kernel && arch && caps.iter().all(|capability| self.has(capability)))
    }

    /// Anything that is named suffices.
    fn excludes(&self, unwanted: &Conditions) -> Result<bool, Error> {
        let arches = unwanted.arches.as_deref().unwrap_or_default();
        let caps = unwanted.caps.as_deref().unwrap_or_default();
        let kernel = self.reaches(unwanted)?.unwrap_or(false);
        let arch = arches.iter().any(|arch| arch == self.architecture);
        Ok(kernel || arch || caps.iter().any(|capability| self.has(capability)))
    }

    fn reaches(&self, conditions: &Conditions) -> Result<Option<bool>, Error> {
        let Some(text) = conditions.min_kernel.as_deref().filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let wanted = version(text).ok_or_else(|| Error::KernelVersion(text.to_owned()))?;
        Ok(Some(self.kernel >= wanted))
    }
}

/// `6.18.44-fc` is (6, 18).
fn version(text: &str) -> Option<(u32, u32)> {
    let (major, rest) = text.split_once('.')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    Some((major.parse().ok()?, rest[..digits].parse().ok()?))
}
