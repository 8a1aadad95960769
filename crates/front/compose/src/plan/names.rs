//! Names of containers.

use crate::model::Service;

/// `project-service-1`, or the name a file gives.
pub fn container_name(
    project: &str,
    name: &str,
    service: &Service,
    number: u32,
    separator: char,
) -> String {
    match &service.container_name {
        Some(own) => own.clone(),
        None => format!("{project}{separator}{name}{separator}{number}"),
    }
}

/// What a container is called while the one it stands in for has its name.
pub fn passing_name(old_id: &str, name: &str) -> String {
    let short: String = old_id.chars().take(12).collect();
    format!("{short}_{name}")
}
