//! An artifact put together from layers of the store and a document about them: what a build's cache
//! is. The document may name the layers as they are at the sink, so it is made after they were sent.

use super::copy::{Copy, CopyRequest, Selection, document};
use super::image::{Blob, Found, Sink};
use super::progress::{Progress, Quiet};
use super::recode::Recode;
use crate::error::Result;
use crate::store::Store;
use crate::store::give::Blobs;
use std::collections::BTreeMap;
use std::io::Read;
use teu_oci::Digest;
use teu_oci::image::{Descriptor, Manifest};
use teu_oci::media::{self, Compression, layer_compression};

/// What is put together.
#[derive(Debug)]
pub struct Assembly<'a> {
    /// The layers; their annotations stay.
    pub layers: &'a [Descriptor],
    /// How they are packed at the sink.
    pub compression: Compression,
    /// Level of it.
    pub level: Option<u32>,
    /// The document's media type.
    pub config_type: &'a str,
    /// Told how it goes.
    pub progress: &'a dyn Progress,
}

/// Sends the layers, then the document that `config` makes of them, then a manifest over all; gives
/// what the sink's name leads to now.
pub fn assemble(
    store: &Store,
    sink: &dyn Sink,
    assembly: &Assembly<'_>,
    config: impl FnOnce(&[Descriptor]) -> Result<Vec<u8>>,
) -> Result<Descriptor> {
    let source = Blobs(store);
    let request = CopyRequest {
        selection: Selection::All,
        recode: Recode { level: assembly.level, ..Recode::default() },
        keep_digests: false,
        referrers: false,
        store,
        progress: assembly.progress,
    };
    sink.prepare()?;
    // Annotations are this artifact's own: nothing that is remembered of a layer has them.
    let bare = |layer: &Descriptor| Descriptor { annotations: BTreeMap::new(), ..layer.clone() };
    let layers: Vec<Descriptor> = assembly.layers.iter().map(bare).collect();
    let plan = layers.iter().map(|layer| {
        let now = layer_compression(&layer.media_type)?;
        (now != assembly.compression).then_some(assembly.compression)
    });
    let plan: Vec<Option<Compression>> = plan.collect();
    let mut sent = Copy::new(&source, sink, &request).layers(&layers, &plan)?;
    for (sent, layer) in sent.iter_mut().zip(assembly.layers) {
        sent.annotations.clone_from(&layer.annotations);
    }
    let bytes = config(&sent)?;
    let digest = Digest::sha256(&bytes);
    let config = Descriptor::new(assembly.config_type, digest, bytes.len() as u64);
    let open = |offset: u64| -> Result<Box<dyn Read + Send + '_>> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        Ok(Box::new(&bytes[start..]))
    };
    if sink.has_blob(&config, None)? == Found::Absent {
        sink.put_blob(&Blob { descriptor: &config, open: &open, progress: &Quiet })?;
    }
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(media::MANIFEST.to_owned()),
        artifact_type: None,
        config,
        layers: sent,
        subject: None,
        annotations: BTreeMap::new(),
    };
    let manifest = document(media::MANIFEST, &manifest, "a manifest")?;
    sink.put_document(&manifest, true)?;
    sink.finish()?;
    Ok(manifest.descriptor)
}
