//! `import`: a file system's tar becomes an image of one layer.

use super::Store;
use super::image::Image;
use crate::error::Result;
use crate::{change, time};
use std::io::Read;
use teu_oci::image::{Config, History, ImageConfig, RootFs};
use teu_oci::{Platform, Reference};

/// What `import` was asked.
#[derive(Debug, Clone, Default)]
pub struct ImportRequest {
    /// The image's name.
    pub name: Option<Reference>,
    /// Comment in its history.
    pub message: Option<String>,
    /// `--change` instructions.
    pub changes: Vec<String>,
    /// Its platform; the host's by default.
    pub platform: Option<Platform>,
    /// The time it says it was made, RFC 3339; now by default.
    pub created: Option<String>,
}

impl Store {
    /// Makes an image of a file system's tar (compressed or not).
    pub fn import(&self, tar: &mut (dyn Read + Send), request: &ImportRequest) -> Result<Image> {
        // What is wrong with the request is said before the work is done.
        let mut config = Config::default();
        change::apply(&mut config, &request.changes)?;
        let layer = self.layer_from_tar(tar, None)?;
        let platform = request.platform.clone().unwrap_or_else(Platform::host);
        let created = request.created.clone().unwrap_or_else(time::now_rfc3339);
        let comment = request.message.clone().unwrap_or_else(|| "Imported from -".to_owned());
        let history = History {
            created: Some(created.clone()),
            comment: Some(comment),
            ..History::default()
        };
        let config = ImageConfig {
            created: Some(created),
            author: None,
            architecture: platform.architecture,
            variant: platform.variant,
            os: platform.os,
            os_version: None,
            config,
            rootfs: RootFs { kind: "layers".to_owned(), diff_ids: vec![layer.diff_id] },
            history: vec![history],
            inline_cache: None,
        };
        self.write_image(&config, &[layer.descriptor], Some(request.name.as_slice()))
    }
}
