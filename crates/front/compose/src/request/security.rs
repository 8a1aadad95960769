//! What a container may do.

use super::{RequestError, Whose};
use crate::model::Service;
use teu_containers::options::boolean;
use teu_containers::record::{SeccompChoice, SecurityRecord};

/// Largest seccomp profile, in bytes.
const PROFILE_LIMIT_BYTES: u64 = 16 << 20;

pub(super) fn security(
    service: &Service,
    whose: Whose<'_>,
) -> Result<SecurityRecord, RequestError> {
    let capability = |name: &String| {
        let upper = name.to_ascii_uppercase();
        match upper.as_str() {
            "ALL" => upper,
            name if name.starts_with("CAP_") => upper,
            name => format!("CAP_{name}"),
        }
    };
    let mut security = SecurityRecord {
        privileged: service.privileged,
        cap_add: service.cap_add.iter().map(capability).collect(),
        cap_drop: service.cap_drop.iter().map(capability).collect(),
        ..SecurityRecord::default()
    };
    for text in &service.security_opt {
        option(text, whose, &mut security)?;
    }
    Ok(security)
}

fn option(text: &str, whose: Whose<'_>, security: &mut SecurityRecord) -> Result<(), RequestError> {
    let (key, value) = match text.split_once('=').or_else(|| text.split_once(':')) {
        Some((key, value)) => (key, Some(value)),
        None => (text, None),
    };
    let invalid = || whose.value("security_opt", format!("invalid option {text:?}"));
    match (key, value) {
        ("no-new-privileges", None) => security.no_new_privileges = true,
        ("no-new-privileges", Some(value)) => {
            security.no_new_privileges = boolean(value).ok_or_else(invalid)?;
        }
        ("systempaths", Some("unconfined")) => security.unmask_system_paths = true,
        ("seccomp", Some("unconfined")) => security.seccomp = SeccompChoice::Unconfined,
        ("seccomp", Some("builtin" | "default")) => security.seccomp = SeccompChoice::Default,
        ("seccomp", Some(path)) => security.seccomp = SeccompChoice::Profile(profile(path, whose)?),
        ("apparmor", Some("unconfined")) | ("label", _) => {}
        ("apparmor", _) => {
            return Err(whose.unsupported("security_opt", "AppArmor profiles are not applied"));
        }
        _ => return Err(invalid()),
    }
    Ok(())
}

fn profile(path: &str, whose: Whose<'_>) -> Result<String, RequestError> {
    use std::io::Read as _;
    let wrong = |error: &dyn std::fmt::Display| {
        whose.value("security_opt", format!("opening seccomp profile {path:?} failed: {error}"))
    };
    let file = std::fs::File::open(path).map_err(|error| wrong(&error))?;
    let mut text = String::new();
    file.take(PROFILE_LIMIT_BYTES).read_to_string(&mut text).map_err(|error| wrong(&error))?;
    serde_json::from_str::<serde_json::Value>(&text).map_err(|error| wrong(&error))?;
    Ok(text)
}
