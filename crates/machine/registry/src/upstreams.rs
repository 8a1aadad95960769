//! Other registries whose content is kept here: which there are, and whose a repository is.
//!
//! An upstream owns the repositories beneath its name (`hub/library/busybox` is `library/busybox` of
//! `docker.io`). Clients come to them by that name, by containerd's `?ns=docker.io`, or through an
//! address that is nothing but a mirror of one upstream; all three are the same repositories, so that
//! rights, quota and what is stored are the same. Only the upstream ever changes them.
//!
//! [`Upstream`] is one of them, [`collect`] decides what of it goes when it is too much.

use crate::config::{Config, UpstreamConfig};
use crate::name::Name;
use std::path::PathBuf;
use std::sync::Arc;
use teu_images::remote::{DockerConfig, Proxies, Trust};
use teu_oci::reference::DEFAULT_REGISTRY;

pub mod collect;
mod failure;
mod memory;
mod turns;
mod upstream;

pub use failure::Failure;
pub use memory::Remembered;
pub use turns::{Turn, Turns};
pub use upstream::{Rules, Upstream};

/// What the machine says of the way out; the settings of an upstream come before it.
#[derive(Debug, Default)]
pub struct Outside {
    /// Whom to believe.
    pub trust: Trust,
    /// How to get out.
    pub proxies: Proxies,
    /// Who this machine is, for upstreams that say nothing of it.
    pub logins: Option<DockerConfig>,
    /// Variables of the environment that object storages read: `AWS_…`, `AZURE_…`, `GOOGLE_…`.
    pub variables: std::collections::BTreeMap<String, String>,
}

/// All upstreams.
#[derive(Debug, Default)]
pub struct Upstreams(Vec<Arc<Upstream>>);

/// A repository that is another registry's.
#[derive(Debug, Clone)]
pub struct Foreign {
    /// Whose it is.
    pub upstream: Arc<Upstream>,
    /// Its name there.
    pub there: String,
}

/// Why an upstream cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// Its name.
    #[error(
        "upstream {0:?}: its name must be that of a repository (lower-case letters, digits), such as hub"
    )]
    Name(String),
    /// Two of the same.
    #[error("two upstreams lie beneath {0:?}")]
    Twice(String),
    /// Its registry.
    #[error("upstream {name}: {registry:?} is no registry, such as docker.io or 127.0.0.1:5000")]
    Registry {
        /// The upstream.
        name: String,
        /// What stands there.
        registry: String,
    },
    /// A name without its password, or the reverse.
    #[error("upstream {0}: username and password-file belong together")]
    Password(String),
    /// A file.
    #[error("upstream {name}: cannot read {}: {source}", path.display())]
    File {
        /// The upstream.
        name: String,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

impl Upstreams {
    /// As a configuration has them.
    pub fn of(config: &Config, outside: &Outside) -> Result<Self, UpstreamError> {
        let mut all: Vec<Arc<Upstream>> = Vec::new();
        for settings in &config.upstreams {
            let upstream = Upstream::of(settings, outside)?;
            let overlaps =
                |other: &Arc<Upstream>| other.owns(upstream.name()) || upstream.owns(other.name());
            if all.iter().any(overlaps) {
                return Err(UpstreamError::Twice(upstream.name().to_string()));
            }
            all.push(Arc::new(upstream));
        }
        Ok(Self(all))
    }

    /// All of them.
    pub fn all(&self) -> &[Arc<Upstream>] {
        &self.0
    }

    /// Whose a repository is, if it is not our own.
    pub fn owner(&self, name: &Name) -> Option<Foreign> {
        let upstream = self.0.iter().find(|upstream| upstream.owns(name))?;
        let there = name.as_str().get(upstream.name().as_str().len() + 1..)?.to_owned();
        Some(Foreign { upstream: upstream.clone(), there })
    }

    /// The repository here that a client means by a name: as a mirror of one upstream, with `ns` as
    /// containerd says whose name it is, or by its name. `None` where the name would be too long.
    pub fn resolve(
        &self,
        asked: &Name,
        ns: Option<&str>,
        mirror: Option<&Upstream>,
    ) -> Option<Name> {
        let named = ns.and_then(|ns| self.0.iter().find(|upstream| upstream.registry() == ns));
        if let Some(upstream) = named.map(|upstream| &**upstream).or(mirror) {
            return upstream.local(asked.as_str());
        }
        match self.owner(asked) {
            Some(Foreign { upstream, there }) => upstream.local(&there),
            None => Some(asked.clone()),
        }
    }
}

impl Upstream {
    /// Says whether a repository lies beneath its name.
    pub fn owns(&self, name: &Name) -> bool {
        let rest = name.as_str().strip_prefix(self.name().as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The name here of a repository there; Docker's own images may be named without `library/`.
    pub fn local(&self, there: &str) -> Option<Name> {
        let is_bare = self.registry() == DEFAULT_REGISTRY && !there.contains('/');
        let library = if is_bare { "library/" } else { "" };
        Name::parse(&format!("{}/{library}{there}", self.name()))
    }
}

/// The settings of one that a command line names as `NAME=REGISTRY`.
pub fn parse_flag(text: &str) -> Option<UpstreamConfig> {
    let (name, registry) = text.split_once('=')?;
    Some(UpstreamConfig {
        name: name.to_owned(),
        registry: registry.to_owned(),
        ..UpstreamConfig::default()
    })
}

#[cfg(test)]
mod tests;
