//! `pull` and `push`: the two copies that people make most, between a registry and the store.

use super::copy::{CopyRequest, Selection, copy};
use super::image::Source;
use super::progress::Progress;
use super::recode::Recode;
use super::registry::{RegistrySink, RegistrySource};
use crate::error::Result;
use crate::remote::Client;
use crate::store::Store;
use crate::store::give::StoreSource;
use crate::store::receive::StoreSink;
use teu_oci::image::Descriptor;
use teu_oci::{Platform, Reference};

/// What is pulled.
#[derive(Debug)]
pub struct PullRequest<'a> {
    /// The name.
    pub name: &'a Reference,
    /// What of an index.
    pub selection: Selection,
    /// Foreign layers may be fetched from where they are.
    pub allows_foreign: bool,
    /// Told how it goes.
    pub progress: &'a dyn Progress,
}

/// What was pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// What the name leads to.
    pub descriptor: Descriptor,
    /// The store had it under this name before, whole.
    pub was_there: bool,
}

/// Pulls an image under its own name.
pub fn pull(store: &Store, client: &Client, request: &PullRequest<'_>) -> Result<Pulled> {
    let source = RegistrySource::new(client, request.name, request.allows_foreign);
    let root = source.root()?;
    let platform = match &request.selection {
        Selection::One(platform) => Some(platform),
        Selection::All => None,
    };
    let own = request.name.to_string();
    let was_there = store.resolve_platform(&own, platform).is_ok_and(|image| {
        let blobs = image.manifest.layers.iter().map(|layer| &layer.digest);
        image.descriptor.digest == root.descriptor.digest
            && platform.is_some()
            && blobs.chain([&image.id]).all(|digest| store.has_blob(digest))
            && image.names.contains(request.name)
    });
    let sink = StoreSink::new(store, vec![request.name.clone()], request.progress);
    let copied = copy(
        &source,
        &sink,
        &CopyRequest {
            selection: request.selection.clone(),
            recode: Recode::default(),
            keep_digests: false,
            referrers: false,
            store,
            progress: request.progress,
        },
    )?;
    let descriptor = copied.root.descriptor;
    store.remember_published(request.name, &descriptor.digest, &descriptor.digest)?;
    Ok(Pulled { descriptor, was_there })
}

/// What is pushed.
#[derive(Debug)]
pub struct PushRequest<'a> {
    /// Where to.
    pub name: &'a Reference,
    /// One image of an index that is here.
    pub platform: Option<&'a Platform>,
    /// What says something about the image goes along.
    pub referrers: bool,
    /// How layers are packed that are not yet.
    pub recode: Recode,
    /// Told how it goes.
    pub progress: &'a dyn Progress,
}

/// Pushes an image of the store; gives what the registry has now, and remembers it by the name.
pub fn push(store: &Store, client: &Client, request: &PushRequest<'_>) -> Result<Descriptor> {
    let source = StoreSource::new(store, &request.name.to_string(), request.platform)?;
    let local = source.named().clone();
    let sink = RegistrySink::new(client, request.name)?;
    let copied = copy(
        &source.beside(request.name, &sink),
        &sink,
        &CopyRequest {
            selection: Selection::All,
            recode: request.recode,
            keep_digests: false,
            referrers: request.referrers,
            store,
            progress: request.progress,
        },
    )?;
    let pushed = copied.root.descriptor;
    store.remember_published(request.name, &local, &pushed.digest)?;
    Ok(pushed)
}
