//! Files of variables: `.env`, `--env-file`, `env_file` of services and includes.

use super::Files;
use crate::dotenv::{self, DotenvError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file of variables that could not be used.
#[derive(Debug, thiserror::Error)]
pub enum EnvFileError {
    /// It is not there.
    #[error("env file {} not found: {source}", path.display())]
    Missing {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Its content.
    #[error("failed to read {}: {source}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: DotenvError,
    },
    /// A format that nobody knows.
    #[error("unsupported env_file format {0:?}: leave it out, or use raw")]
    Format(String),
    /// A line of a raw file.
    #[error(transparent)]
    Raw(#[from] teu_containers::options::OptionError),
}

/// The variables of some files, later ones on top; values may name variables of `outside`.
pub fn read_env_files(
    paths: &[PathBuf],
    outside: &BTreeMap<String, String>,
    files: &dyn Files,
) -> Result<BTreeMap<String, String>, EnvFileError> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for path in paths {
        let more = {
            let lookup = |name: &str| outside.get(name).or_else(|| all.get(name)).cloned();
            read_env_file(path, None, &lookup, files)?
        };
        all.extend(more);
    }
    Ok(all)
}

/// The variables of one file, in the syntax its entry names.
pub fn read_env_file(
    path: &Path,
    format: Option<&str>,
    lookup: &dyn Fn(&str) -> Option<String>,
    files: &dyn Files,
) -> Result<Vec<(String, String)>, EnvFileError> {
    let missing = |source| EnvFileError::Missing { path: path.to_owned(), source };
    let bytes = files.read(path).map_err(missing)?;
    match format {
        None | Some("") => dotenv::parse(&bytes, lookup)
            .map_err(|source| EnvFileError::Content { path: path.to_owned(), source }),
        Some("raw") => {
            let shown = path.display().to_string();
            let lines = teu_containers::options::environment::file(&shown, &bytes, lookup)?;
            let pair = |line: String| {
                let (name, value) = line.split_once('=').unwrap_or((&line, ""));
                (name.to_owned(), value.to_owned())
            };
            Ok(lines.into_iter().map(pair).collect())
        }
        Some(other) => Err(EnvFileError::Format(other.to_owned())),
    }
}
