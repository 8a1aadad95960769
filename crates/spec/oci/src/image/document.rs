//! Manifest and index told apart before they are believed.
//!
//! The same bytes may be read as a manifest by one tool and as an index by another
//! (CVE-2021-41190). Here the descriptor's media type decides, a document that looks like the other
//! kind is refused, and one that states its media type must state the same.

use super::{Index, Manifest};
use crate::media;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

/// Why bytes are not the document they were announced as.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// No JSON of this shape.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// It is, or says it is, something else.
    #[error("its content says it is {0}")]
    Confused(String),
    /// `schemaVersion` is not 2.
    #[error("its schema version is {0}, only 2 is known")]
    Version(u32),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    #[serde(default)]
    schema_version: u32,
    media_type: Option<String>,
    manifests: Option<IgnoredAny>,
    config: Option<IgnoredAny>,
    layers: Option<IgnoredAny>,
    fs_layers: Option<IgnoredAny>,
}

impl Manifest {
    /// Reads a manifest that was announced with this media type.
    pub fn parse(bytes: &[u8], media_type: &str) -> Result<Self, DocumentError> {
        let shape: Shape = serde_json::from_slice(bytes)?;
        if shape.manifests.is_some() {
            return Err(DocumentError::Confused("an index (it has `manifests`)".to_owned()));
        }
        parse(bytes, &shape, media_type)
    }
}

impl Index {
    /// Reads an index that was announced with this media type.
    pub fn parse(bytes: &[u8], media_type: &str) -> Result<Self, DocumentError> {
        let shape: Shape = serde_json::from_slice(bytes)?;
        if shape.config.is_some() || shape.layers.is_some() {
            let found = "a manifest (it has `config` or `layers`)".to_owned();
            return Err(DocumentError::Confused(found));
        }
        parse(bytes, &shape, media_type)
    }
}

fn parse<T: DeserializeOwned>(
    bytes: &[u8],
    shape: &Shape,
    media_type: &str,
) -> Result<T, DocumentError> {
    if shape.fs_layers.is_some() {
        let found = "a Docker schema 1 manifest, which no tool writes any more".to_owned();
        return Err(DocumentError::Confused(found));
    }
    if shape.schema_version != 2 {
        return Err(DocumentError::Version(shape.schema_version));
    }
    match &shape.media_type {
        Some(stated) if stated != media_type => {
            Err(DocumentError::Confused(stated.chars().take(120).collect()))
        }
        _ => Ok(serde_json::from_slice(bytes)?),
    }
}

/// Says what kind of document an index's entry leads to, for readers that take both.
pub fn is_known(media_type: &str) -> bool {
    media::is_index(media_type) || media::is_manifest(media_type)
}

#[cfg(test)]
mod tests;
