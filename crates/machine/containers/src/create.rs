//! `create`: a request and an image's configuration become records on disk.
//!
//! Merging ([`merge`]) and checking ([`validate`]) are pure. What follows is done in an order in which
//! every step can be undone, and published by one rename at the end: a command killed in between
//! leaves a directory that the next command sweeps.

use crate::record::{ContainerRecord, MountRecord, PodRecord};
use std::path::PathBuf;
use teu_volumes::VolumeSpec;

mod again;
mod make;
pub mod merge;
pub mod validate;

pub use again::again;
pub use validate::Invalid;

/// What `create` and `run` ask for.
#[derive(Debug, Clone, Default)]
pub struct CreateRequest {
    /// A name, or one is made up.
    pub name: Option<String>,
    /// What the person typed for the image; it must be in the store.
    pub image: String,
    /// A pod of its own, or an existing one.
    pub pod: PodChoice,
    /// Entrypoint instead of the image's; `Some(vec![])` for none. The command is in
    /// `container.command`.
    pub entrypoint: Option<Vec<String>>,
    /// What was asked for, before merging. Ids, pod, image, creation time and log defaults are
    /// filled in by `create`; empty fields are inherited from the image as Docker does.
    pub container: ContainerRecord,
    /// `--volumes-from`: containers by name or id, with `:ro` or `:rw`.
    pub volumes_from: Vec<String>,
    /// Volumes of `--mount` that carry labels or options of their own, made when they do not exist.
    pub volumes: Vec<VolumeSpec>,
    /// Directories of the host that `-v` names and that are made when they do not exist
    /// (`--mount` refuses these instead).
    pub create_sources: Vec<PathBuf>,
}

/// Which pod a container is made in.
#[derive(Debug, Clone)]
pub enum PodChoice {
    /// One of its own. Ids, times and `implicit` are filled in.
    Own(Box<PodRecord>),
    /// An existing one, by name or id.
    Existing(String),
    /// A new one with this name, as `run --pod new:NAME`.
    New(Box<PodRecord>),
}

impl Default for PodChoice {
    fn default() -> Self {
        Self::Own(Box::default())
    }
}

/// What `create` has made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Created {
    /// The container's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The pod's id.
    pub pod: String,
    /// What was asked for and cannot be had on this machine.
    pub warnings: Vec<String>,
}

/// `volume create` and the image's `VOLUME`s need no more than this.
pub(crate) fn anonymous_volume(destination: &str, name: String) -> MountRecord {
    MountRecord {
        destination: destination.to_owned(),
        kind: crate::record::MountKind::Volume {
            name,
            anonymous: true,
            nocopy: false,
            subpath: None,
        },
        readonly: false,
        propagation: crate::record::Propagation::default(),
    }
}
