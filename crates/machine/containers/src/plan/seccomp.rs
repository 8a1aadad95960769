//! Which filter of system calls: the default one, none, or a person's profile in Docker's format.
//!
//! A profile that would filter nothing is refused, not run without a filter (B2 row 20).

use super::Error;
use crate::record::{ContainerRecord, SeccompChoice};
use teu_oci::runtime::Seccomp;
use teu_runtime::defaults;
use teu_runtime::seccomp::docker::{Context, parse};

/// The filter of a container with these capabilities; `None` for none.
pub fn filter(
    container: &ContainerRecord,
    capabilities: &[String],
) -> Result<Option<Seccomp>, Error> {
    match &container.security.seccomp {
        SeccompChoice::Unconfined => Ok(None),
        SeccompChoice::Default if container.security.privileged => Ok(None),
        SeccompChoice::Default => Ok(Some(defaults::seccomp_profile(capabilities))),
        SeccompChoice::Profile(text) => {
            let filter = parse(text.as_bytes(), &Context::here(capabilities))?;
            let harmless = ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG"];
            if filter.syscalls.is_empty() && harmless.contains(&filter.default_action.as_str()) {
                return Err(Error::EmptyProfile);
            }
            Ok(Some(filter))
        }
    }
}
