//! Which files, which directory, which name, which variables: the rules before a file is parsed.
//! Compose spec, "Compose file", "Name"; Docker's `COMPOSE_*` variables.

use super::environment::{EnvFileError, read_env_files};
use super::{Files, paths};
use crate::node::Node;
use crate::yaml::parse;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Names of files that are looked for, the preferred one first.
pub const NAMES: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// Names of files that go on top of one that was found.
pub const OVERRIDES: [&str; 4] = [
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// What a person said, and what surrounds them.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// `-f`, in order; `-` for standard input.
    pub files: Vec<String>,
    /// `--project-name`.
    pub name: Option<String>,
    /// `--project-directory`.
    pub directory: Option<String>,
    /// `--env-file`, in order.
    pub env_files: Vec<String>,
    /// `--profile`.
    pub profiles: Vec<String>,
    /// Where the person is.
    pub here: PathBuf,
    /// The person's home.
    pub home: Option<PathBuf>,
    /// The process's variables.
    pub variables: BTreeMap<String, String>,
}

/// What follows from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Located {
    /// Files, later ones on top; `-` for standard input.
    pub files: Vec<PathBuf>,
    /// The project's directory.
    pub directory: PathBuf,
    /// Its name.
    pub name: String,
    /// Files of variables that were read.
    pub env_files: Vec<PathBuf>,
    /// All variables: the process's, then those of the files.
    pub environment: BTreeMap<String, String>,
    /// Profiles that are on.
    pub profiles: Vec<String>,
}

/// Why nothing was found.
#[derive(Debug, thiserror::Error)]
pub enum LocateError {
    /// No file, here or above.
    #[error("no configuration file provided: not found")]
    NoFile,
    /// A name that does not do.
    #[error(
        "invalid project name {0:?}: must consist only of lowercase alphanumeric characters, hyphens, and underscores as well as start with a letter or number"
    )]
    Name(String),
    /// Nothing gives a name.
    #[error("project name must not be empty: use --project-name")]
    NoName,
    /// A file of variables.
    #[error(transparent)]
    EnvFile(#[from] EnvFileError),
}

/// A name that Compose takes: lower case, digits, `-` and `_`, beginning with a letter or digit.
pub fn is_name(name: &str) -> bool {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
    name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.bytes().all(good)
}

/// What is left of a text when it is made a name.
pub fn name_of(text: &str) -> String {
    let lower = text.to_lowercase();
    let kept: String = lower
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(*c))
        .collect();
    kept.trim_start_matches(['-', '_']).to_owned()
}

/// Applies the rules.
pub fn locate(wishes: &Wishes, files: &dyn Files) -> Result<Located, LocateError> {
    let early = wishes.directory.as_ref().map(|dir| wishes.here.join(dir));
    // The first look for `.env` is where the person is: it may name the files.
    let first = variables(wishes, early.as_deref().unwrap_or(&wishes.here), files)?;
    let paths = match config_files(wishes, &first.1, files) {
        Some(paths) => paths,
        None => return Err(LocateError::NoFile),
    };
    let directory = match &early {
        Some(directory) => paths::clean(directory),
        None => match paths.first() {
            Some(path) if path.as_os_str() != "-" => {
                path.parent().unwrap_or_else(|| Path::new("/")).to_owned()
            }
            _ => wishes.here.clone(),
        },
    };
    let (env_files, mut environment) = match directory == wishes.here {
        true => first,
        false => variables(wishes, &directory, files)?,
    };
    let name = name(wishes, &environment, &paths, &directory, files)?;
    environment.insert("COMPOSE_PROJECT_NAME".to_owned(), name.clone());
    let listed = |text: &String| -> Vec<String> {
        text.split(',').map(str::trim).filter(|p| !p.is_empty()).map(str::to_owned).collect()
    };
    let mut profiles = environment.get("COMPOSE_PROFILES").map(listed).unwrap_or_default();
    profiles.extend(wishes.profiles.iter().cloned());
    Ok(Located { files: paths, directory, name, env_files, environment, profiles })
}

type Variables = (Vec<PathBuf>, BTreeMap<String, String>);

fn variables(
    wishes: &Wishes,
    directory: &Path,
    files: &dyn Files,
) -> Result<Variables, LocateError> {
    let off = wishes.variables.get("COMPOSE_DISABLE_ENV_FILE");
    let mut env_files: Vec<PathBuf> = Vec::new();
    if !wishes.env_files.is_empty() {
        env_files.extend(wishes.env_files.iter().map(|file| wishes.here.join(file)));
    } else if let Some(list) = wishes.variables.get("COMPOSE_ENV_FILES").filter(|l| !l.is_empty()) {
        env_files.extend(list.split(',').map(|file| wishes.here.join(file)));
    } else if !off.is_some_and(|off| matches!(off.as_str(), "1" | "true")) {
        let implied = directory.join(".env");
        env_files.extend(files.exists(&implied).then_some(implied));
    }
    let mut environment = read_env_files(&env_files, &wishes.variables, files)?;
    environment.extend(wishes.variables.clone());
    Ok((env_files, environment))
}

fn config_files(
    wishes: &Wishes,
    environment: &BTreeMap<String, String>,
    files: &dyn Files,
) -> Option<Vec<PathBuf>> {
    let named = |file: &str| match file {
        "-" => PathBuf::from("-"),
        file => paths::absolute(file, &wishes.here, wishes.home.as_deref()),
    };
    if !wishes.files.is_empty() {
        return Some(wishes.files.iter().map(|file| named(file)).collect());
    }
    if let Some(list) = environment.get("COMPOSE_FILE").filter(|list| !list.is_empty()) {
        let separator = environment.get("COMPOSE_PATH_SEPARATOR").map_or(":", String::as_str);
        let from = wishes.directory.as_ref().map(|dir| wishes.here.join(dir));
        let from = from.unwrap_or_else(|| wishes.here.clone());
        let path = |file: &str| match file {
            "-" => PathBuf::from("-"),
            file => paths::absolute(file, &from, wishes.home.as_deref()),
        };
        return Some(list.split(separator).filter(|f| !f.is_empty()).map(path).collect());
    }
    let start = wishes.directory.as_ref().map(|dir| wishes.here.join(dir));
    let start = start.unwrap_or_else(|| wishes.here.clone());
    start.ancestors().find_map(|directory| {
        let found = |names: &[&str]| {
            names.iter().map(|name| directory.join(name)).find(|path| files.exists(path))
        };
        let mut all = vec![found(&NAMES)?];
        all.extend(found(&OVERRIDES));
        Some(all)
    })
}

/// `-p`, `COMPOSE_PROJECT_NAME`, `name:` of the last file that has one, the directory's name.
fn name(
    wishes: &Wishes,
    environment: &BTreeMap<String, String>,
    paths: &[PathBuf],
    directory: &Path,
    files: &dyn Files,
) -> Result<String, LocateError> {
    let given = wishes.name.as_ref().or_else(|| environment.get("COMPOSE_PROJECT_NAME"));
    let given = given.filter(|name| !name.is_empty()).cloned();
    let written = || {
        let lookup = |name: &str| environment.get(name).cloned();
        paths.iter().rev().find_map(|path| {
            // What is wrong with a file is told when it is read whole.
            let bytes = files.read(path).ok()?;
            let documents = parse("", &bytes).ok()?;
            let text = documents.iter().rev().find_map(|d: &Node| d.get_text("name"))?;
            crate::interpolate::interpolate(text, &lookup).ok().filter(|name| !name.is_empty())
        })
    };
    if let Some(name) = given.or_else(written) {
        return if is_name(&name) { Ok(name) } else { Err(LocateError::Name(name)) };
    }
    let base = directory.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name_of(&base.unwrap_or_default());
    if name.is_empty() { Err(LocateError::NoName) } else { Ok(name) }
}
