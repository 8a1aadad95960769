//! `include`: other projects' files, each read with its own place and variables, and imported whole.

use super::environment::read_env_files;
use super::{DEPTH_LIMIT, LoadError, Loader, paths};
use crate::node::{Map, Node, Value};
use std::path::{Path, PathBuf};

/// What an included file brings along.
const SECTIONS: [&str; 6] = ["services", "networks", "volumes", "secrets", "configs", "models"];

impl Loader<'_> {
    pub(super) fn included(
        &self,
        file: &Path,
        mut document: Node,
        includes: &Node,
        chain: &mut Vec<PathBuf>,
    ) -> Result<Node, LoadError> {
        let own = document.clone();
        for include in includes.as_list().unwrap_or_default() {
            let imported = self.include(file, include, chain)?;
            import(&mut document, imported, &own)?;
        }
        Ok(document)
    }

    fn include(
        &self,
        file: &Path,
        include: &Node,
        chain: &mut Vec<PathBuf>,
    ) -> Result<Node, LoadError> {
        let texts = |key: &str| -> Vec<PathBuf> {
            let list = include.get(key).and_then(Node::as_list).unwrap_or_default();
            let path = |node: &Node| {
                node.as_text().map(|text| paths::absolute(text, self.directory, self.shared.home))
            };
            list.iter().filter_map(path).collect()
        };
        let files = texts("path");
        let first = files.first().cloned().unwrap_or_default();
        let directory = match include.get_text("project_directory") {
            Some(directory) => paths::absolute(directory, self.directory, self.shared.home),
            None => first.parent().unwrap_or_else(|| Path::new("/")).to_owned(),
        };
        chain.push(file.to_owned());
        if chain.len() > DEPTH_LIMIT || files.iter().any(|path| chain.contains(path)) {
            chain.push(first);
            let chain = chain.iter().map(|path| path.display().to_string()).collect();
            return Err(LoadError::Circle { place: include.at.clone(), chain });
        }
        let mut env_files = texts("env_file");
        let implied = directory.join(".env");
        if env_files.is_empty() && directory != self.directory && self.shared.files.exists(&implied)
        {
            env_files.push(implied);
        }
        // What is set outside wins over the included project's own files.
        let mut environment = read_env_files(&env_files, self.environment, self.shared.files)?;
        environment.extend(self.environment.clone());
        let loader =
            Loader { shared: self.shared, directory: &directory, environment: &environment };
        let tree = loader.all(&files, chain);
        chain.pop();
        tree
    }
}

/// Adds what is imported; what is defined here too must be the same.
fn import(document: &mut Node, imported: Node, own: &Node) -> Result<(), LoadError> {
    let Value::Map(mut imported) = imported.value else { return Ok(()) };
    let Some(map) = document.as_map_mut() else { return Ok(()) };
    for section in SECTIONS {
        let Some(theirs) = imported.shift_remove(section) else { continue };
        let at = theirs.at.clone();
        let Value::Map(theirs) = theirs.value else { continue };
        let ours = map.entry(section.to_owned()).or_insert_with(|| Node::empty_map(&at));
        let Value::Map(ours) = &mut ours.value else { continue };
        add(section, ours, theirs, own)?;
    }
    Ok(())
}

fn add(section: &str, ours: &mut Map, theirs: Map, own: &Node) -> Result<(), LoadError> {
    for (key, node) in theirs {
        match ours.get(&key) {
            Some(there) if *there != node => {
                let at = own.get(section).and_then(|own| own.get(&key)).unwrap_or(there).at.clone();
                return Err(LoadError::Conflict { place: at, path: format!("{section}.{key}") });
            }
            Some(_) => {}
            None => {
                ours.insert(key, node);
            }
        }
    }
    ours.sort_keys();
    Ok(())
}
