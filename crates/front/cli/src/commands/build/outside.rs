//! Registries and web servers, for builds: base images that are not here, and `ADD` of URLs.

use crate::failure::Result;
use crate::registry::{Choices, client, client_with, logins};
use std::error::Error;
use std::sync::Arc;
use teu_builder::worker::Worker;
use teu_builder::{Outside, WebFile};
use teu_images::Store;
use teu_images::remote::{Client, CredentialSource, Credentials, RemoteError};
use teu_images::transfer::{
    PullRequest, PushRequest, Quiet, Recode, RegistrySink, RegistrySource, Selection, Sink, Source,
    pull, push,
};
use teu_oci::{Platform, Reference};

/// What a build reaches out with; settings are read when it does.
#[derive(Debug)]
pub(super) struct BuildOutside {
    images: Store,
    /// Whoever asked the engine for the build, and has logins of its own.
    asker: Option<Arc<Worker>>,
}

impl BuildOutside {
    pub(super) fn new(images: &Store) -> Self {
        Self { images: images.clone(), asker: None }
    }

    /// With the logins of the engine's client before those of this machine.
    pub(super) fn of_client(images: &Store, asker: &Arc<Worker>) -> Self {
        Self { images: images.clone(), asker: Some(Arc::clone(asker)) }
    }

    fn client(&self) -> Result<Client> {
        match &self.asker {
            None => client(&Choices::default()),
            Some(asker) => client_with(Box::new(Asked(Arc::clone(asker))), &Choices::default()),
        }
    }
}

/// The logins of the engine's client, and where it has none, this machine's.
#[derive(Debug)]
struct Asked(Arc<Worker>);

impl CredentialSource for Asked {
    fn find(
        &self,
        registry: &str,
        repository: &str,
    ) -> std::result::Result<Credentials, RemoteError> {
        match self.0.credentials(registry) {
            Ok(Some((username, secret))) if username.is_empty() => {
                Ok(Credentials::Identity(secret))
            }
            Ok(Some((username, secret))) => Ok(Credentials::of(&username, &secret)),
            // A client that is gone has given the build up: what this machine knows does no harm.
            Ok(None) | Err(_) => logins().find(registry, repository),
        }
    }
}

impl Outside for BuildOutside {
    fn pull(
        &self,
        name: &Reference,
        platform: &Platform,
    ) -> std::result::Result<(), Box<dyn Error + Send + Sync>> {
        let client = self.client().map_err(|failure| failure.message)?;
        let request = PullRequest {
            name,
            selection: Selection::One(platform.clone()),
            allows_foreign: false,
            progress: &Quiet,
        };
        pull(&self.images, &client, &request)?;
        Ok(())
    }

    fn push(&self, name: &Reference) -> std::result::Result<(), Box<dyn Error + Send + Sync>> {
        let client = self.client().map_err(|failure| failure.message)?;
        let recode = Recode::default();
        let request =
            PushRequest { name, platform: None, referrers: true, recode, progress: &Quiet };
        push(&self.images, &client, &request)?;
        Ok(())
    }

    fn source(
        &self,
        name: &Reference,
    ) -> std::result::Result<Box<dyn Source + Send>, Box<dyn Error + Send + Sync>> {
        let client = self.client().map_err(|failure| failure.message)?;
        Ok(Box::new(RegistrySource::new(&client, name, false)))
    }

    fn sink(
        &self,
        name: &Reference,
    ) -> std::result::Result<Box<dyn Sink>, Box<dyn Error + Send + Sync>> {
        let client = self.client().map_err(|failure| failure.message)?;
        Ok(Box::new(RegistrySink::new(&client, name)?))
    }

    fn get(&self, url: &str) -> std::result::Result<WebFile, Box<dyn Error + Send + Sync>> {
        let client = self.client().map_err(|failure| failure.message)?;
        Ok(client.web_file(url)?)
    }
}
