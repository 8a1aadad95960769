//! `extends`: a service on top of another one, of this file or of another.

use super::{DEPTH_LIMIT, LoadError, Loader, is_reset, paths, services};
use crate::merge::merge;
use crate::node::{Map, Node, Value};
use crate::schema::SERVICE;
use std::path::{Path, PathBuf};

/// Who extends whom: file and service.
type Chain = Vec<(PathBuf, String)>;

impl Loader<'_> {
    /// The document with every `extends` of its services carried out.
    pub(super) fn extended(&self, file: &Path, mut document: Node) -> Result<Node, LoadError> {
        let all = services(&document);
        let Some(map) = document.as_map_mut() else { return Ok(document) };
        let Some(Value::Map(own)) = map.get_mut("services").map(|node| &mut node.value) else {
            return Ok(document);
        };
        for (name, node) in own.iter_mut() {
            if node.get("extends").is_some_and(|extends| !is_reset(extends)) {
                *node = self.service(file, &all, name, &mut Vec::new())?;
            }
        }
        Ok(document)
    }

    fn service(
        &self,
        file: &Path,
        all: &Map,
        name: &str,
        chain: &mut Chain,
    ) -> Result<Node, LoadError> {
        let Some(node) = all.get(name) else { return Ok(Node::empty_map(&Default::default())) };
        let mut node = node.clone();
        let extends = node.as_map_mut().and_then(|map| map.shift_remove("extends"));
        let Some(extends) = extends.filter(|extends| !is_reset(extends)) else { return Ok(node) };
        let here = (file.to_owned(), name.to_owned());
        if chain.contains(&here) || chain.len() >= DEPTH_LIMIT {
            chain.push(here);
            let chain = chain.iter().map(|(_, service)| service.clone()).collect();
            return Err(LoadError::Circle { place: extends.at, chain });
        }
        chain.push(here);
        let wanted = extends.get_text("service").unwrap_or_default();
        let missing = |file: &Path| LoadError::NoBase {
            place: extends.at.clone(),
            service: name.to_owned(),
            wanted: wanted.to_owned(),
            file: file.to_owned(),
        };
        let base = match extends.get_text("file") {
            None if all.contains_key(wanted) => self.service(file, all, wanted, chain)?,
            None => return Err(missing(file)),
            Some(other) => {
                let other = paths::absolute(other, self.directory, self.shared.home);
                self.of_file(&other, wanted, chain)?.ok_or_else(|| missing(&other))?
            }
        };
        chain.pop();
        Ok(merge(base, node, &SERVICE))
    }

    /// A service of another file, its paths absolute.
    fn of_file(
        &self,
        file: &Path,
        wanted: &str,
        chain: &mut Chain,
    ) -> Result<Option<Node>, LoadError> {
        let directory = file.parent().unwrap_or_else(|| Path::new("/"));
        let loader = Loader { shared: self.shared, directory, environment: self.environment };
        let mut all = Map::new();
        for document in loader.documents(file)? {
            all.extend(services(&document));
        }
        if !all.contains_key(wanted) {
            return Ok(None);
        }
        let mut service = loader.service(file, &all, wanted, chain)?;
        paths::resolve_service(&mut service, directory, self.shared.home);
        Ok(Some(service))
    }
}
