//! Registries and web servers, for builds: base images that are not here, and `ADD` of URLs.

use crate::failure::Result;
use crate::registry::{Choices, client};
use std::error::Error;
use teu_builder::{Outside, WebFile};
use teu_images::Store;
use teu_images::remote::Client;
use teu_images::transfer::{PullRequest, Quiet, Selection, pull};
use teu_oci::{Platform, Reference};

/// What a build reaches out with; settings are read when it does.
#[derive(Debug)]
pub(super) struct BuildOutside {
    images: Store,
}

impl BuildOutside {
    pub(super) fn new(images: &Store) -> Self {
        Self { images: images.clone() }
    }

    fn client(&self) -> Result<Client> {
        client(&Choices::default())
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
            gate: None,
            progress: &Quiet,
        };
        pull(&self.images, &client, &request)?;
        Ok(())
    }

    fn get(&self, url: &str) -> std::result::Result<WebFile, Box<dyn Error + Send + Sync>> {
        let client = self.client().map_err(|failure| failure.message)?;
        Ok(client.web_file(url)?)
    }
}
