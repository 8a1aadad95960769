//! Docker's labels of a project's things: `docker compose` and `teu compose` see each other's
//! projects through them.

use crate::model::Service;
use crate::project::Project;
use std::collections::BTreeMap;

/// The project.
pub const PROJECT: &str = "com.docker.compose.project";
/// The service.
pub const SERVICE: &str = "com.docker.compose.service";
/// From 1, within the service.
pub const NUMBER: &str = "com.docker.compose.container-number";
/// `True` for what `run` made.
pub const ONEOFF: &str = "com.docker.compose.oneoff";
/// Hash of the configuration it was made from.
pub const HASH: &str = "com.docker.compose.config-hash";
/// The image's id when it was made.
pub const IMAGE: &str = "com.docker.compose.image";
/// `db:service_healthy:false,…`
pub const DEPENDS_ON: &str = "com.docker.compose.depends_on";
/// Where the project is.
pub const WORKING_DIR: &str = "com.docker.compose.project.working_dir";
/// Its files.
pub const CONFIG_FILES: &str = "com.docker.compose.project.config_files";
/// Its files of variables.
pub const ENV_FILES: &str = "com.docker.compose.project.environment_file";
/// Who made it.
pub const VERSION: &str = "com.docker.compose.version";
/// The container it stands in for.
pub const REPLACE: &str = "com.docker.compose.replace";
/// Twelve digits of what `run` made.
pub const SLUG: &str = "com.docker.compose.slug";
/// A network's key.
pub const NETWORK: &str = "com.docker.compose.network";
/// A volume's key.
pub const VOLUME: &str = "com.docker.compose.volume";

/// Our version, as the label says it.
pub fn version() -> String {
    format!("teu-{}", env!("CARGO_PKG_VERSION"))
}

/// Of a container, but for those that tell containers of a service apart.
pub fn of_service(project: &Project, name: &str, service: &Service) -> BTreeMap<String, String> {
    let files: Vec<String> =
        project.located.files.iter().map(|path| path.display().to_string()).collect();
    let dependencies: Vec<String> = service
        .depends_on
        .iter()
        .map(|(other, dependency)| {
            format!("{other}:{}:{}", dependency.condition.name(), dependency.restart)
        })
        .collect();
    let mut labels = service.labels.clone();
    let mut set = |key: &str, value: String| labels.insert(key.to_owned(), value);
    set(PROJECT, project.name().to_owned());
    set(SERVICE, name.to_owned());
    set(VERSION, version());
    set(WORKING_DIR, project.located.directory.display().to_string());
    set(CONFIG_FILES, files.join(","));
    set(DEPENDS_ON, dependencies.join(","));
    if !project.located.env_files.is_empty() {
        let files: Vec<String> =
            project.located.env_files.iter().map(|path| path.display().to_string()).collect();
        set(ENV_FILES, files.join(","));
    }
    if let Some(tree) = project.service_tree(name) {
        set(HASH, crate::print::service_hash(tree));
    }
    labels
}

/// Of a network or volume: `kind` is [`NETWORK`] or [`VOLUME`].
pub fn of_resource(
    project: &Project,
    kind: &str,
    key: &str,
    own: &BTreeMap<String, String>,
    hash: String,
) -> BTreeMap<String, String> {
    let mut labels = own.clone();
    labels.insert(PROJECT.to_owned(), project.name().to_owned());
    labels.insert(kind.to_owned(), key.to_owned());
    labels.insert(VERSION.to_owned(), version());
    labels.insert(HASH.to_owned(), hash);
    labels
}
