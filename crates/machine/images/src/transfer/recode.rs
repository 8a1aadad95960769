//! Changes on the way: compression of layers, and the dialect of the documents.
//!
//! Decisions are pure functions; the work is one stream through a decompressor and a compressor into
//! a file of the store's `tmp`. The same bytes in give the same bytes out: no time, no name and no
//! number of threads goes into them.

use super::image::Blob;
use super::progress::{State, WhileWanted};
use crate::compression::Decoder;
use crate::error::{Error, Result};
use crate::store::Store;
use crate::store::blob::Ingest;
use std::io::{self, Read, Write};
use teu_oci::Digest;
use teu_oci::image::{Descriptor, Manifest};
use teu_oci::media::{self, Compression, layer_compression};

/// Whose media types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// The Open Container Initiative's.
    Oci,
    /// Docker's schema 2, which knows no zstd.
    Docker,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recode {
    /// Documents and media types.
    pub dialect: Option<Dialect>,
    /// Layers.
    pub compression: Option<Compression>,
    /// Of gzip (0 to 9) or zstd (1 to 22).
    pub level: Option<u32>,
    /// Layers get tables of contents, so that they can be read lazily. Changes the image's id.
    pub estargz: bool,
}

/// gzip's own default, and zstd's.
const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;

impl Dialect {
    /// Of a manifest.
    pub fn of(media_type: &str) -> Self {
        match media_type {
            media::DOCKER_MANIFEST | media::DOCKER_LIST => Self::Docker,
            _ => Self::Oci,
        }
    }

    /// The type of a manifest.
    pub fn manifest(self) -> &'static str {
        match self {
            Self::Oci => media::MANIFEST,
            Self::Docker => media::DOCKER_MANIFEST,
        }
    }

    /// The type of an index.
    pub fn index(self) -> &'static str {
        match self {
            Self::Oci => media::INDEX,
            Self::Docker => media::DOCKER_LIST,
        }
    }

    fn config(self) -> &'static str {
        match self {
            Self::Oci => media::CONFIG,
            Self::Docker => media::DOCKER_CONFIG,
        }
    }

    /// The type of a layer; Docker has none for zstd.
    fn layer(self, compression: Compression) -> Option<&'static str> {
        match (self, compression) {
            (Self::Oci, Compression::None) => Some(media::LAYER),
            (Self::Oci, Compression::Gzip) => Some(media::LAYER_GZIP),
            (Self::Oci, Compression::Zstd) => Some(media::LAYER_ZSTD),
            (Self::Docker, Compression::None) => Some(media::DOCKER_LAYER),
            (Self::Docker, Compression::Gzip) => Some(media::DOCKER_LAYER_GZIP),
            (Self::Docker, Compression::Zstd) => None,
        }
    }
}

/// What happens to one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) dialect: Dialect,
    /// For each layer the new compression, or none if it stays.
    pub(super) layers: Vec<Option<Compression>>,
}

impl Recode {
    /// Decides for an image. What is no image (an artifact) stays as it is.
    pub(super) fn plan(&self, manifest: &Manifest, media_type: &str, compress: bool) -> Plan {
        let own = Dialect::of(media_type);
        let is_image =
            [media::CONFIG, media::DOCKER_CONFIG].contains(&manifest.config.media_type.as_str());
        if !is_image {
            return Plan { dialect: own, layers: vec![None; manifest.layers.len()] };
        }
        let dialect = match (self.dialect, self.compression) {
            (Some(dialect), _) => dialect,
            (None, Some(Compression::Zstd)) => Dialect::Oci,
            (None, _) => own,
        };
        let layers = manifest.layers.iter().map(|layer| {
            let now = layer_compression(&layer.media_type).filter(|_| layer.urls.is_empty())?;
            let then = match self.compression {
                Some(wanted) => wanted,
                None if now == Compression::None && compress => Compression::Gzip,
                None => now,
            };
            let then = match (dialect, then) {
                (Dialect::Docker, Compression::Zstd) => Compression::Gzip,
                (_, then) => then,
            };
            (then != now).then_some(then)
        });
        Plan { dialect, layers: layers.collect() }
    }
}

impl Plan {
    /// Says whether the manifest stays byte for byte.
    pub(super) fn changes_nothing(&self, media_type: &str) -> bool {
        self.dialect == Dialect::of(media_type) && self.layers.iter().all(Option::is_none)
    }

    /// The manifest with other layers, in the plan's dialect.
    pub(super) fn manifest(&self, before: &Manifest, layers: Vec<Descriptor>) -> Manifest {
        let mut manifest = before.clone();
        manifest.media_type = Some(self.dialect.manifest().to_owned());
        self.dialect.config().clone_into(&mut manifest.config.media_type);
        manifest.layers = layers;
        for layer in &mut manifest.layers {
            let kind = layer_compression(&layer.media_type).and_then(|c| self.dialect.layer(c));
            if let Some(kind) = kind.filter(|_| layer.urls.is_empty()) {
                kind.clone_into(&mut layer.media_type);
            }
        }
        if self.dialect == Dialect::Docker {
            // Docker's schema has no place for them.
            manifest.annotations.clear();
            manifest.subject = None;
            manifest.artifact_type = None;
        }
        manifest
    }
}

/// Packs a layer anew, into a file that goes with the answer.
pub(super) fn repack(
    store: &Store,
    blob: &Blob<'_>,
    compression: Compression,
    level: Option<u32>,
) -> Result<(Descriptor, Ingest)> {
    blob.progress.layer(&blob.descriptor.digest, State::Packing);
    let read = |e: io::Error| Error::stream("read the layer", e);
    let source = WhileWanted { inner: (blob.open)(0)?, progress: blob.progress };
    let mut plain = Decoder::new(source, store.limits()).map_err(read)?;
    let mut ingest = store.ingest()?;
    let pump = |out: &mut dyn Write, from: &mut dyn Read| {
        io::copy(from, out).map_err(|e| Error::stream("pack the layer", e))
    };
    match compression {
        Compression::None => {
            pump(&mut ingest, &mut plain)?;
        }
        Compression::Gzip => {
            let level = flate2::Compression::new(level.unwrap_or(GZIP_LEVEL).min(9));
            let mut encoder = flate2::write::GzEncoder::new(&mut ingest, level);
            pump(&mut encoder, &mut plain)?;
            encoder.finish().map_err(|e| Error::stream("pack the layer", e))?;
        }
        Compression::Zstd => {
            let level = level.and_then(|level| i32::try_from(level).ok()).unwrap_or(ZSTD_LEVEL);
            let failed = |e| Error::stream("pack the layer", e);
            let mut encoder =
                zstd::stream::Encoder::new(&mut ingest, level.clamp(1, 22)).map_err(failed)?;
            encoder.include_checksum(true).map_err(failed)?;
            pump(&mut encoder, &mut plain)?;
            encoder.finish().map_err(failed)?;
        }
    }
    let (digest, size) = ingest.so_far();
    let media_type = Dialect::Oci.layer(compression).unwrap_or(media::LAYER);
    Ok((Descriptor::new(media_type, digest, size), ingest))
}

/// A layer that was packed before, by what it was packed from.
pub(super) fn remembered(
    store: &Store,
    from: &Digest,
    compression: Compression,
    level: Option<u32>,
) -> Option<Descriptor> {
    store.packed(from, &kind(compression, level)?)
}

/// Remembers it.
pub(super) fn remember(
    store: &Store,
    from: &Digest,
    compression: Compression,
    level: Option<u32>,
    packed: &Descriptor,
) -> Result<()> {
    match kind(compression, level) {
        Some(kind) => store.remember_packed(from, &kind, packed),
        None => Ok(()),
    }
}

fn kind(compression: Compression, level: Option<u32>) -> Option<String> {
    let level = level.map_or_else(String::new, |level| level.to_string());
    match compression {
        Compression::None => None,
        Compression::Gzip => Some(format!("gzip{level}")),
        Compression::Zstd => Some(format!("zstd{level}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Dialect, Recode};
    use teu_oci::Digest;
    use teu_oci::image::{Descriptor, Manifest};
    use teu_oci::media::{self, Compression};

    fn manifest(layers: &[&str]) -> Manifest {
        let of = |media_type: &&str| Descriptor::new(media_type, Digest::sha256(b"x"), 1);
        Manifest {
            schema_version: 2,
            media_type: None,
            artifact_type: None,
            config: of(&media::CONFIG),
            layers: layers.iter().map(of).collect(),
            subject: None,
            annotations: std::collections::BTreeMap::default(),
        }
    }

    #[test]
    fn plans() {
        use Compression::{Gzip, None as Plain, Zstd};
        let asked = |dialect, compression| Recode { dialect, compression, ..Recode::default() };
        for (recode, layer, compress, expected) in [
            (asked(None, None), media::LAYER, false, (Dialect::Oci, None)),
            (asked(None, None), media::LAYER, true, (Dialect::Oci, Some(Gzip))),
            (asked(None, None), media::LAYER_ZSTD, true, (Dialect::Oci, None)),
            (asked(None, Some(Zstd)), media::LAYER_GZIP, true, (Dialect::Oci, Some(Zstd))),
            (asked(None, Some(Plain)), media::LAYER_GZIP, true, (Dialect::Oci, Some(Plain))),
            (
                asked(Some(Dialect::Docker), None),
                media::LAYER_ZSTD,
                false,
                (Dialect::Docker, Some(Gzip)),
            ),
            (asked(Some(Dialect::Docker), None), media::LAYER_GZIP, false, (Dialect::Docker, None)),
            (asked(None, Some(Gzip)), "application/x-other", true, (Dialect::Oci, None)),
        ] {
            let plan = recode.plan(&manifest(&[layer]), media::MANIFEST, compress);
            assert_eq!((plan.dialect, plan.layers[0]), expected, "{recode:?} {layer}");
        }
    }
}
