//! A project as objects of other systems: Kubernetes ([`kubernetes`]) and ECS ([`ecs`]).
//!
//! Pure. What cannot be said there, or behaves otherwise, is told as a warning, never left out in
//! silence.

use crate::model::Service;
use crate::normal::words::duration_ns;
use crate::project::Project;
use std::collections::BTreeSet;

pub mod ecs;
pub mod kubernetes;

/// Objects, and what a person should know about them.
#[derive(Debug, Clone, Default)]
pub struct Converted {
    /// One JSON document each.
    pub objects: Vec<serde_json::Value>,
    /// What is otherwise.
    pub warnings: Vec<String>,
}

/// Services that others wait for to be completed.
fn jobs(project: &Project) -> BTreeSet<&str> {
    let services = project.model.services.values();
    services
        .flat_map(|service| &service.depends_on)
        .filter(|(_, d)| d.condition == crate::model::Condition::ServiceCompletedSuccessfully)
        .map(|(name, _)| name.as_str())
        .collect()
}

/// Whole seconds, rounded up; a default where nothing is said.
fn seconds(text: Option<&String>, default: i64) -> i64 {
    let ns = text.and_then(|text| duration_ns(text).ok()).filter(|&ns| ns > 0);
    ns.map_or(default, |ns| (ns + 999_999_999) / 1_000_000_000)
}

/// The probe's command, if there is a probe.
fn probe(service: &Service) -> Option<Vec<String>> {
    let check = service.healthcheck.as_ref().filter(|check| !check.is_off())?;
    let (kind, words) = check.test.split_first()?;
    Some(match kind.as_str() {
        "CMD-SHELL" => {
            let script = words.first().cloned().unwrap_or_default();
            vec!["/bin/sh".to_owned(), "-c".to_owned(), script]
        }
        _ => words.to_vec(),
    })
}

/// The value of a secret or config: inline, from a variable, or `None` for a file.
fn content(project: &Project, object: &crate::model::FileObject) -> Option<String> {
    let variable = object.environment.as_ref();
    let value = variable.and_then(|name| project.located.environment.get(name));
    object.content.clone().or_else(|| value.cloned())
}

/// Reads files that secrets and configs name.
pub type ReadFile<'a> = &'a dyn Fn(&std::path::Path) -> std::io::Result<Vec<u8>>;

#[cfg(test)]
mod tests;
