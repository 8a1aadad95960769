//! Secrets and configs: files of the host are mounted, read-only; variables and inline content are
//! written into the container before it starts.

use super::RequestError;
use crate::model::{FileObject, Grant, Service};
use crate::project::Project;

/// A file to be written into a container.
#[derive(Clone, PartialEq, Eq)]
pub struct ContentFile {
    /// Absolute path in the container.
    pub path: String,
    /// What is in it.
    pub content: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl std::fmt::Debug for ContentFile {
    /// Without the content: it may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContentFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Where a grant's file is in the container.
pub(super) fn target(grant: &Grant, directory: &str) -> String {
    match grant.target.as_deref() {
        None | Some("") => format!("{directory}/{}", grant.source),
        Some(path) if path.starts_with('/') => path.to_owned(),
        Some(name) => format!("{directory}/{name}"),
    }
}

/// Grants with what they grant: kind, grant, object, directory.
pub(super) fn grants<'a>(
    service: &'a Service,
    project: &'a Project,
) -> impl Iterator<Item = (&'static str, &'a Grant, &'a FileObject, &'static str)> {
    let model = &project.model;
    let secrets = service.secrets.iter().filter_map(|grant| {
        Some(("secret", grant, model.secrets.get(&grant.source)?, "/run/secrets"))
    });
    let configs = service
        .configs
        .iter()
        .filter_map(|grant| Some(("config", grant, model.configs.get(&grant.source)?, "")));
    secrets.chain(configs)
}

/// Files that are written before a container of the service starts.
pub fn content_files(
    service: &Service,
    project: &Project,
) -> Result<Vec<ContentFile>, RequestError> {
    let mut out = Vec::new();
    for (kind, grant, object, directory) in grants(service, project) {
        let name = || grant.source.clone();
        if object.external {
            return Err(RequestError::External { kind, name: name() });
        }
        let content = match (&object.content, &object.environment) {
            (Some(content), _) => content.clone(),
            (None, Some(variable)) => {
                let value = project.located.environment.get(variable).cloned();
                value.ok_or_else(|| RequestError::Variable {
                    variable: variable.clone(),
                    kind,
                    name: name(),
                })?
            }
            (None, None) => continue,
        };
        let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse().ok());
        let mode = grant.mode.as_deref().and_then(|mode| u32::from_str_radix(mode, 8).ok());
        out.push(ContentFile {
            path: target(grant, directory),
            content: content.into_bytes(),
            mode: mode.unwrap_or(0o444),
            uid: number(&grant.uid).unwrap_or(0),
            gid: number(&grant.gid).unwrap_or(0),
        });
    }
    Ok(out)
}
