//! What a pushed manifest says, as far as a registry must know: its kind, what it needs, what it is
//! about. Its bytes are kept as they came.
//!
//! Image manifests and indexes of OCI and Docker (schema 2) are taken, with any type of
//! configuration, layer and artifact within; what is none of these has content a registry cannot see,
//! and would lose it to collection, so it is refused.

use crate::problem::Problem;
use teu_images::Limits;
use teu_oci::image::{Descriptor, Index, Manifest};
use teu_oci::{Digest, media};

/// Bytes of a manifest: 4 MiB, which the specification wants taken at least.
pub const MANIFEST_BYTES: u64 = 4 << 20;

/// A manifest, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// Its media type.
    pub media_type: String,
    /// What kind of artifact it is, for the list of referrers.
    pub artifact_type: Option<String>,
    /// What it is about.
    pub subject: Option<Digest>,
    /// The blobs it needs: configuration and layers, without those that are elsewhere.
    pub blobs: Vec<Descriptor>,
    /// The manifests it needs.
    pub manifests: Vec<Descriptor>,
}

/// Reads a manifest that came with this `Content-Type`.
pub fn examine(content_type: Option<&str>, bytes: &[u8]) -> Result<Examined, Problem> {
    let media_type = match content_type.map(|text| text.split(';').next().unwrap_or(text).trim()) {
        Some(text) if !text.is_empty() => text.to_owned(),
        _ => stated_type(bytes)?,
    };
    if media::is_index(&media_type) {
        let index = Index::parse(bytes, &media_type)
            .map_err(|e| Problem::manifest_invalid(format!("{media_type}: {e}")))?;
        check_number("entries", index.manifests.len(), Limits::DEFAULT.index_entries)?;
        return Ok(Examined {
            media_type,
            artifact_type: index.artifact_type,
            subject: index.subject.map(|subject| subject.digest),
            blobs: Vec::new(),
            manifests: index.manifests,
        });
    }
    if !media::is_manifest(&media_type) {
        let message = format!(
            "{} is no type of manifest that is kept here: OCI and Docker (schema 2) manifests and \
             indexes are",
            media_type.chars().take(120).collect::<String>()
        );
        return Err(Problem::manifest_invalid(message));
    }
    let manifest = Manifest::parse(bytes, &media_type)
        .map_err(|e| Problem::manifest_invalid(format!("{media_type}: {e}")))?;
    check_number("layers", manifest.layers.len(), Limits::DEFAULT.layers)?;
    let artifact_type =
        manifest.artifact_type.unwrap_or_else(|| manifest.config.media_type.clone());
    let mut blobs = vec![manifest.config];
    blobs.extend(manifest.layers.into_iter().filter(|layer| !is_elsewhere(layer)));
    Ok(Examined {
        media_type,
        artifact_type: Some(artifact_type),
        subject: manifest.subject.map(|subject| subject.digest),
        blobs,
        manifests: Vec::new(),
    })
}

/// Layers that their makers do not let others distribute.
fn is_elsewhere(layer: &Descriptor) -> bool {
    !layer.urls.is_empty()
        || layer.media_type.contains(".nondistributable.")
        || layer.media_type.contains(".foreign.")
}

fn check_number(what: &str, number: usize, limit: usize) -> Result<(), Problem> {
    match number > limit {
        true => {
            Err(Problem::manifest_invalid(format!("{number} {what}, but {limit} are the most")))
        }
        false => Ok(()),
    }
}

fn stated_type(bytes: &[u8]) -> Result<String, Problem> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Stated {
        media_type: Option<String>,
    }
    let stated: Stated = serde_json::from_slice(bytes)
        .map_err(|e| Problem::manifest_invalid(format!("the manifest is not JSON: {e}")))?;
    stated.media_type.ok_or_else(|| {
        Problem::manifest_invalid("neither a Content-Type nor a mediaType says what this is")
    })
}

#[cfg(test)]
mod tests;
