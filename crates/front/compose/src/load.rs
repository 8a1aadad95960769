//! From files to one tree: read, fill in variables, hold against the tables, `extends`, `include`,
//! merge. Compose spec, "Merge", "Include", "Extend".
//!
//! Pure but for [`Files`], through which everything is read. Every path in the result is absolute.

use crate::interpolate::{InterpolateError, Variables, interpolate};
use crate::merge::{merge, settle};
use crate::node::{Map, Mark, Node, Place, Value};
use crate::normal::{Fault, Path as FieldPath, normal};
use crate::schema::{FILE, Kind};
use crate::yaml::{YamlError, parse};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

mod environment;
mod extends;
mod include;
pub mod locate;
pub mod paths;

pub use environment::{EnvFileError, read_env_file as environment_file, read_env_files};

/// Deepest chain of `include` or `extends`.
const DEPTH_LIMIT: usize = 32;
/// Most files of a project.
const FILES_LIMIT: usize = 1000;

/// Where files come from.
pub trait Files {
    /// The content of a file.
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>>;
    /// Whether there is one.
    fn exists(&self, path: &Path) -> bool;
}

/// Why a project could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No YAML.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// Not what the specification wants.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A variable.
    #[error("{place}: {path}: {source}")]
    Interpolate {
        /// Where.
        place: Place,
        /// The field.
        path: String,
        /// Why.
        #[source]
        source: InterpolateError,
    },
    /// A file that cannot be read.
    #[error("open {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file of variables.
    #[error(transparent)]
    EnvFile(#[from] EnvFileError),
    /// A file without services or anything else.
    #[error("{}: empty compose file", .0.display())]
    Empty(PathBuf),
    /// `extends` of nothing.
    #[error("{place}: cannot extend service {service:?}: service {wanted:?} not found in {}", file.display())]
    NoBase {
        /// Where.
        place: Place,
        /// Who extends.
        service: String,
        /// What.
        wanted: String,
        /// In which file.
        file: PathBuf,
    },
    /// A circle.
    #[error("{place}: circular reference: {}", chain.join(" -> "))]
    Circle {
        /// Where it closes.
        place: Place,
        /// The circle.
        chain: Vec<String>,
    },
    /// An included file defines what is defined already, and otherwise.
    #[error("{place}: {path} conflicts with imported resource")]
    Conflict {
        /// Where it is defined here.
        place: Place,
        /// What.
        path: String,
    },
    /// Too much.
    #[error("more than {limit} {what}")]
    Limit {
        /// How many.
        limit: usize,
        /// Of what.
        what: &'static str,
    },
}

/// What is read, and with what.
#[derive(Debug, Clone, Default)]
pub struct LoadRequest {
    /// The files, later ones on top.
    pub files: Vec<PathBuf>,
    /// Relative paths begin here.
    pub directory: PathBuf,
    /// Where `~` is.
    pub home: Option<PathBuf>,
    /// Variables, complete.
    pub environment: BTreeMap<String, String>,
    /// Variables stay as they are written (`config --no-interpolate`).
    pub raw: bool,
}

/// What was read.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// One tree.
    pub tree: Node,
    /// Variables that were wanted and are not set.
    pub unset: Vec<String>,
    /// Things a person should know.
    pub warnings: Vec<String>,
}

/// Reads a project's files into one tree.
pub fn load(request: &LoadRequest, files: &dyn Files) -> Result<Loaded, LoadError> {
    let shared = Shared {
        files,
        home: request.home.as_deref(),
        raw: request.raw,
        unset: RefCell::default(),
        warnings: RefCell::default(),
        opened: RefCell::new(0),
    };
    let loader = Loader {
        shared: &shared,
        directory: &request.directory,
        environment: &request.environment,
    };
    let tree = loader.all(&request.files, &mut Vec::new())?;
    let path = FieldPath::default();
    let tree = normal(tree, &Kind::Object(&FILE), &path)?;
    let unset = shared.unset.borrow().iter().cloned().collect();
    let warnings = shared.warnings.borrow().clone();
    Ok(Loaded { tree, unset, warnings })
}

/// What all loaders of a project share.
struct Shared<'a> {
    files: &'a dyn Files,
    home: Option<&'a Path>,
    raw: bool,
    unset: RefCell<BTreeSet<String>>,
    warnings: RefCell<Vec<String>>,
    opened: RefCell<usize>,
}

/// Reads files with one set of variables and one place for relative paths.
struct Loader<'a> {
    shared: &'a Shared<'a>,
    directory: &'a Path,
    environment: &'a BTreeMap<String, String>,
}

impl Variables for Loader<'_> {
    fn get(&self, name: &str) -> Option<String> {
        self.environment.get(name).cloned()
    }
    fn missing(&self, name: &str) {
        self.shared.unset.borrow_mut().insert(name.to_owned());
    }
}

impl Loader<'_> {
    /// Files on top of each other. `chain` names the files that include these.
    fn all(&self, paths: &[PathBuf], chain: &mut Vec<PathBuf>) -> Result<Node, LoadError> {
        let mut tree: Option<Node> = None;
        for path in paths {
            for document in self.documents(path)? {
                let document = self.document(path, document, chain)?;
                tree = Some(match tree {
                    None => settle(document, &FILE),
                    Some(tree) => merge(tree, document, &FILE),
                });
            }
        }
        let empty = || paths.first().cloned().unwrap_or_default();
        tree.ok_or_else(|| LoadError::Empty(empty()))
    }

    fn document(
        &self,
        path: &Path,
        document: Node,
        chain: &mut Vec<PathBuf>,
    ) -> Result<Node, LoadError> {
        let mut document = self.extended(path, document)?;
        let includes = document.as_map_mut().and_then(|map| map.shift_remove("include"));
        paths::resolve(&mut document, self.directory, self.shared.home);
        if document.get("version").is_some() {
            let warning = format!(
                "{}: the attribute `version` is obsolete, it will be ignored, please remove it to avoid potential confusion",
                path.display()
            );
            self.shared.warnings.borrow_mut().push(warning);
        }
        match includes {
            Some(includes) => self.included(path, document, &includes, chain),
            None => Ok(document),
        }
    }

    /// A file's documents, filled in and canonical.
    fn documents(&self, path: &Path) -> Result<Vec<Node>, LoadError> {
        let mut opened = self.shared.opened.borrow_mut();
        *opened += 1;
        if *opened > FILES_LIMIT {
            return Err(LoadError::Limit { limit: FILES_LIMIT, what: "files in a project" });
        }
        drop(opened);
        let bytes = self.shared.files.read(path);
        let bytes = bytes.map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
        let shown = path.display().to_string();
        let mut out = Vec::new();
        for mut document in parse(&shown, &bytes)? {
            if document.is_null() {
                continue;
            }
            if document.as_map().is_none() {
                let path = FieldPath::default();
                return Err(path.kind(&document, "a mapping").into());
            }
            if !self.shared.raw {
                self.fill(&mut document, &FieldPath::default())?;
            }
            out.push(normal(document, &Kind::Object(&FILE), &FieldPath::default())?);
        }
        match out.is_empty() {
            true => Err(LoadError::Empty(path.to_owned())),
            false => Ok(out),
        }
    }

    /// Variables in every text.
    fn fill(&self, node: &mut Node, path: &FieldPath) -> Result<(), LoadError> {
        match &mut node.value {
            Value::Text(text) => {
                *text = interpolate(text, self).map_err(|source| LoadError::Interpolate {
                    place: node.at.clone(),
                    path: path.to_string(),
                    source,
                })?;
                Ok(())
            }
            Value::List(list) => {
                let mut numbered = list.iter_mut().enumerate();
                numbered
                    .try_for_each(|(index, item)| self.fill(item, &path.then(&index.to_string())))
            }
            Value::Map(map) => {
                map.iter_mut().try_for_each(|(key, value)| self.fill(value, &path.then(key)))
            }
            _ => Ok(()),
        }
    }
}

/// The services of a document.
fn services(document: &Node) -> Map {
    document.get("services").and_then(Node::as_map).cloned().unwrap_or_default()
}

/// Whether a node is there to take something away.
fn is_reset(node: &Node) -> bool {
    node.mark == Mark::Reset
}

#[cfg(test)]
pub(crate) mod tests;
