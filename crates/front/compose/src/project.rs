//! A project: files located, loaded, finished, with the services that are wanted.

use crate::finish::{FinishError, Surroundings, finish, prune};
use crate::load::locate::{LocateError, Located, Wishes, locate};
use crate::load::{Files, LoadError, LoadRequest, load};
use crate::model::{Model, Service};
use crate::node::{Node, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Why a project could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// Its files were not found.
    #[error(transparent)]
    Locate(#[from] LocateError),
    /// Its files were not understood.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It contradicts itself.
    #[error(transparent)]
    Finish(#[from] FinishError),
    /// No service of that name.
    #[error("no such service: {name}")]
    NoService {
        /// The name.
        name: String,
        /// One that looks like it.
        near: Option<String>,
    },
    /// A service that is off is needed.
    #[error(
        "service {name:?} required by {by:?} is disabled. Can be enabled by profiles {profiles:?}"
    )]
    Disabled {
        /// Which.
        name: String,
        /// By whom.
        by: String,
        /// How it is enabled.
        profiles: Vec<String>,
    },
    /// The tree does not fit the types: a mistake of ours or a number that is too large.
    #[error("the project's model: {0}")]
    Types(#[from] serde_json::Error),
}

/// What is asked of a project's files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Variables stay as written.
    pub raw: bool,
    /// Files of variables stay named.
    pub keep_env_files: bool,
}

/// A project.
#[derive(Debug, Clone)]
pub struct Project {
    /// Where it was found.
    pub located: Located,
    /// The canonical tree.
    pub tree: Node,
    /// The same as types.
    pub model: Model,
    /// Services that profiles leave out.
    pub disabled: BTreeMap<String, Service>,
    /// Things to tell a person.
    pub warnings: Vec<String>,
}

impl Project {
    /// Reads a project; services of profiles that are off are left out.
    pub fn read(
        wishes: &Wishes,
        options: ReadOptions,
        files: &dyn Files,
    ) -> Result<Self, ProjectError> {
        let located = locate(wishes, files)?;
        let request = LoadRequest {
            files: located.files.clone(),
            directory: located.directory.clone(),
            home: wishes.home.clone(),
            environment: located.environment.clone(),
            raw: options.raw,
        };
        let loaded = load(&request, files)?;
        let around = Surroundings {
            name: &located.name,
            directory: &located.directory,
            environment: &located.environment,
            keep_env_files: options.keep_env_files,
        };
        let tree = finish(loaded.tree, around, files)?;
        let model: Model = serde_json::from_value(tree.to_json())?;
        let mut warnings: Vec<String> = loaded
            .unset
            .iter()
            .map(|name| format!("The {name:?} variable is not set. Defaulting to a blank string."))
            .collect();
        warnings.extend(loaded.warnings);
        Ok(Self { located, tree, model, disabled: BTreeMap::new(), warnings })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.model.name
    }

    /// All profiles that services name.
    pub fn profiles(&self) -> BTreeSet<String> {
        let all = self.model.services.values().chain(self.disabled.values());
        all.flat_map(|service| service.profiles.iter().cloned()).collect()
    }

    /// Leaves out services whose profiles are all off, except those that are named.
    pub fn apply_profiles(&mut self, named: &[String]) -> Result<(), ProjectError> {
        let active = &self.located.profiles;
        let every = active.iter().any(|profile| profile == "*");
        let mut wanted: BTreeSet<String> = BTreeSet::new();
        let mut extra: BTreeSet<String> = active.iter().cloned().collect();
        for name in named {
            // Naming a service turns its profiles on.
            if let Some(service) = self.model.services.get(name) {
                wanted.insert(name.clone());
                extra.extend(service.profiles.iter().cloned());
            }
        }
        for (name, service) in &self.model.services {
            let on = service.profiles.is_empty()
                || every
                || service.profiles.iter().any(|profile| extra.contains(profile));
            if on {
                wanted.insert(name.clone());
            }
        }
        for name in &wanted {
            let service = &self.model.services[name];
            for (other, dependency) in &service.depends_on {
                if let (true, false, Some(off)) =
                    (dependency.required, wanted.contains(other), self.model.services.get(other))
                {
                    return Err(ProjectError::Disabled {
                        name: other.clone(),
                        by: name.clone(),
                        profiles: off.profiles.clone(),
                    });
                }
            }
        }
        self.keep(&wanted);
        Ok(())
    }

    /// Only these services, and what they use.
    fn keep(&mut self, wanted: &BTreeSet<String>) {
        let services = std::mem::take(&mut self.model.services);
        for (name, mut service) in services {
            if wanted.contains(&name) {
                service.depends_on.retain(|other, _| wanted.contains(other));
                self.model.services.insert(name, service);
            } else {
                self.disabled.insert(name, service);
            }
        }
        prune(&mut self.tree, wanted);
        self.drop_dependencies(wanted);
        let has = |section: &str, key: &str| {
            self.tree.get(section).and_then(|all| all.get(key)).is_some()
        };
        self.model.networks.retain(|key, _| has("networks", key));
        self.model.volumes.retain(|key, _| has("volumes", key));
        self.model.secrets.retain(|key, _| has("secrets", key));
        self.model.configs.retain(|key, _| has("configs", key));
    }

    /// Dependencies that are not required and not there.
    fn drop_dependencies(&mut self, wanted: &BTreeSet<String>) {
        let services = self.tree.as_map_mut().and_then(|map| map.get_mut("services"));
        let Some(Value::Map(services)) = services.map(|node| &mut node.value) else { return };
        for service in services.values_mut() {
            let Some(fields) = service.as_map_mut() else { continue };
            let Some(Value::Map(all)) = fields.get_mut("depends_on").map(|n| &mut n.value) else {
                continue;
            };
            all.retain(|name, _| wanted.contains(name));
            if all.is_empty() {
                fields.shift_remove("depends_on");
            }
        }
    }

    /// The named services with all they depend on, or all services.
    pub fn select(
        &mut self,
        named: &[String],
        with_dependencies: bool,
    ) -> Result<(), ProjectError> {
        if named.is_empty() {
            return Ok(());
        }
        let mut wanted = BTreeSet::new();
        let mut open: Vec<String> = Vec::new();
        for name in named {
            self.service(name)?;
            open.push(name.clone());
        }
        while let Some(name) = open.pop() {
            if !wanted.insert(name.clone()) {
                continue;
            }
            if let (true, Some(service)) = (with_dependencies, self.model.services.get(&name)) {
                open.extend(service.depends_on.keys().cloned());
            }
        }
        self.keep(&wanted);
        Ok(())
    }

    /// A service by name.
    pub fn service(&self, name: &str) -> Result<&Service, ProjectError> {
        self.model.services.get(name).ok_or_else(|| {
            let names = self.model.services.keys().map(String::as_str);
            let near = crate::normal::words::nearest(name, names).map(str::to_owned);
            ProjectError::NoService { name: name.to_owned(), near }
        })
    }

    /// A service's part of the tree.
    pub fn service_tree(&self, name: &str) -> Option<&Node> {
        self.tree.get("services").and_then(|services| services.get(name))
    }

    /// Sets how many containers a service has.
    pub fn scale(&mut self, name: &str, replicas: u32) -> Result<(), ProjectError> {
        self.service(name)?;
        if let Some(service) = self.model.services.get_mut(name) {
            service.scale = Some(replicas);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
